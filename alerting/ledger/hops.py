"""When each step of a warning happened: beside what was decided, never in it, and compared with no replay.

    observed ─▶ received ─▶ logged ─▶ decided ─▶ due ─▶ dispatched ─▶ sent ─▶ delivered

Observed, received and due follow from the log: the reading's own time, the log time of the record that led to the
alert, the end of a bundle or a release. The others are told by clocks, all by the house's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, and_, select

from alerting.ledger import tables
from alerting.ledger.rows import chunks, insert_new
from schemas.notice import NoticeState
from schemas.times import Micros, to_micros

_TAKEN = frozenset({NoticeState.SENT.value, NoticeState.DELIVERED.value})


class DecisionTimes(NamedTuple):
    """When the record that led to a decision was in the log (None: nobody knows any more), and when it was decided."""

    logged_us: Micros | None
    decided_us: Micros


class Hops(NamedTuple):
    """The way of one notice in time; None where it did not come so far, or nobody knows.

    Of a notice that tells several alerts, the way of the one that was decided first, and so waited longest.
    """

    observed_us: Micros
    received_us: Micros
    logged_us: Micros | None = None
    decided_us: Micros | None = None
    due_us: Micros | None = None
    dispatched_us: Micros | None = None
    sent_us: Micros | None = None
    delivered_us: Micros | None = None

    def named(self) -> dict[str, Micros | None]:
        """The steps by their names, in order."""
        return {field.removesuffix("_us"): at_us for field, at_us in self._asdict().items()}


class _Alert(msgspec.Struct):
    """What is needed of an alert's JSON: some thousand notices may ask for it."""

    observed_at: str
    issued_at: str


def write(connection: Connection, area: str, position: int, times: DecisionTimes) -> None:
    """Keep when an area's pipeline decided something at a position of its log; the first time counts."""
    row = {"association": area, "position": position, **times._asdict()}
    connection.execute(insert_new(connection, tables.decision_times), row)


def of_notices(connection: Connection, ids: Sequence[str]) -> dict[str, Hops]:
    """The ways of notices by id; those that tell no alert of this ledger are left out."""
    found: dict[str, Hops] = {}
    for part in chunks(ids):
        steps = _steps(connection, part)
        for row in connection.execute(_decided(part)):
            if row.notice not in found:
                alert = msgspec.json.decode(row.body, type=_Alert)
                found[row.notice] = Hops(
                    _micros(alert.observed_at),
                    _micros(alert.issued_at),
                    row.logged_us,
                    row.decided_us,
                    **steps.get(row.notice, {}),
                )
    return found


def _decided(notices: Collection[str]) -> Any:
    named, alerts, times = tables.notice_alerts, tables.alerts, tables.decision_times
    versions = and_(alerts.c.id == named.c.alert, alerts.c.version == named.c.version)
    at = and_(times.c.association == alerts.c.association, times.c.position == alerts.c.position)
    return (
        select(named.c.notice, alerts.c.body, times.c.logged_us, times.c.decided_us)
        .select_from(named.join(alerts, versions).outerjoin(times, at))
        .where(named.c.notice.in_(notices))
        .order_by(named.c.notice, alerts.c.issued_us, alerts.c.id)
    )


def _steps(connection: Connection, notices: Collection[str]) -> dict[str, dict[str, Micros | None]]:
    """When each notice became due, first left, was first taken by its channel, and arrived."""
    states = tables.notice_states
    rows = select(states.c.notice, states.c.state, states.c.at_us).where(states.c.notice.in_(notices))
    steps: dict[str, dict[str, Micros | None]] = {}
    for row in connection.execute(rows.order_by(states.c.sequence)):
        of_notice = steps.setdefault(row.notice, {})
        if row.state == NoticeState.DUE.value:
            of_notice.setdefault("due_us", row.at_us)
        elif row.state == NoticeState.SENDING.value:
            of_notice.setdefault("dispatched_us", row.at_us)
        elif row.state in _TAKEN:
            of_notice.setdefault("sent_us", row.at_us)
        if row.state == NoticeState.DELIVERED.value:
            of_notice["delivered_us"] = row.at_us
    return steps


def _micros(text: str) -> Micros:
    return to_micros(datetime.fromisoformat(text))
