"""The queue of notices: what becomes due is queued, and what it makes pointless leaves.

Order   for one recipient, channel and chain an earlier version goes first; it blocks the later ones until it is settled
Supersede   an unsent notice leaves once newer due ones tell every chain that it tells
Priority    a notice that blocks a higher one goes as if it had the other's level
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, and_, exists, select

from alerting.ledger import tables
from alerting.ledger.rows import chunks
from alerting.ledger.states import ALLOWED, Step, move, move_all, state_of, states_of
from schemas.notice import Notice, NoticeState
from schemas.times import Micros, to_micros

_L, _A, _D = tables.leases, tables.notice_alerts, tables.notice_decisions
_BEGINS = frozenset({NoticeState.HELD, NoticeState.DUE})


def decide(connection: Connection, notices: Sequence[Notice]) -> None:
    """Take the steps of notices that the log has decided for the first time, in its order.

    A step that its notice's state no longer allows (a release of what was superseded while it was held) changes nothing.
    """
    ids = list({notice.id for notice in notices})
    entangled = _entangled(connection, ids) | _twice(notices)
    states = states_of(connection, ids)
    alone = [
        notice
        for notice in notices
        if notice.id not in entangled and notice.id not in states and notice.state in _BEGINS
    ]
    move_all(connection, [Step(one.id, one.state, _due_us(one)) for one in alone], states)
    enqueue(connection, [notice for notice in alone if notice.state is NoticeState.DUE])
    begun = {notice.id for notice in alone}
    for notice in notices:
        if notice.id not in begun:
            _decide_one(connection, notice)


def _decide_one(connection: Connection, notice: Notice) -> None:
    before = state_of(connection, notice.id)
    if notice.state not in ALLOWED[before] or notice.state is NoticeState.DELIVERED:
        return
    at_us = _due_us(notice)
    move(connection, notice.id, notice.state, at_us)
    if notice.state in _BEGINS and covered(connection, [notice.id]):
        move(connection, notice.id, NoticeState.SUPERSEDED, at_us)
    elif notice.state is NoticeState.DUE:
        enqueue(connection, [notice])
        _make_way(connection, notice)
    elif notice.state is not NoticeState.HELD:
        leave(connection, notice.id)


def covered(connection: Connection, notices: Sequence[str]) -> set[str]:
    """Those of some notices of which newer due ones to the same recipient and channel tell every chain."""
    newer = _A.alias("newer")
    told = exists(
        select(1)
        .select_from(newer.join(_D, and_(_D.c.notice == newer.c.notice, _D.c.state == NoticeState.DUE.value)))
        .where(_newer(newer.c, _A.c))
    )
    covered_ids = set(notices)
    for part in chunks(notices):
        untold = select(_A.c.notice).where(_A.c.notice.in_(part), ~told).distinct()
        covered_ids -= set(connection.execute(untold).scalars())
    return covered_ids


def leave(connection: Connection, notice: str) -> None:
    """Take a notice out of the queue, unless it is being sent just now."""
    connection.execute(_L.delete().where(_L.c.notice == notice, _L.c.worker.is_(None)))


def being_sent(connection: Connection, notices: Sequence[str]) -> set[str]:
    """Those of some notices that a dispatcher holds; locks their places in the queue until the transaction ends.

    Read states only after this: until then a dispatcher may settle them.
    """
    held: set[str] = set()
    for part in chunks(sorted(notices)):
        places = select(_L.c.notice, _L.c.worker).where(_L.c.notice.in_(part)).order_by(_L.c.notice)
        held.update(
            row.notice for row in connection.execute(places.with_for_update()) if row.worker is not None
        )
    return held


def blocked() -> ColumnElement[bool]:
    """SQL: an earlier notice in the queue tells the same person, by the same channel, an earlier version of a chain.

    Earlier in both senses: by version and by its place in the queue, so that no two notices block each other.
    """
    earlier, theirs, ours = _L.alias("earlier"), _A.alias("theirs"), _A.alias("ours")
    return exists(
        select(1)
        .select_from(
            earlier.join(theirs, theirs.c.notice == earlier.c.notice).join(
                ours, ours.c.alert == theirs.c.alert
            )
        )
        .where(
            earlier.c.recipient == _L.c.recipient,
            earlier.c.channel == _L.c.channel,
            earlier.c.sequence < _L.c.sequence,
            ours.c.notice == _L.c.notice,
            theirs.c.version < ours.c.version,
        )
    )


def _newer(newer: object, older: object) -> ColumnElement[bool]:
    return and_(
        newer.recipient == older.recipient,  # type: ignore[attr-defined]
        newer.channel == older.channel,  # type: ignore[attr-defined]
        newer.alert == older.alert,  # type: ignore[attr-defined]
        newer.version > older.version,  # type: ignore[attr-defined]
    )


def _due_us(notice: Notice) -> Micros | None:
    return None if notice.first_due_at is None else to_micros(notice.first_due_at)


def _entangled(connection: Connection, notices: Sequence[str]) -> set[str]:
    """Those of some notices beside which the same person has another version of a chain by the same channel."""
    other = _A.alias("other")
    same = and_(
        other.c.recipient == _A.c.recipient,
        other.c.channel == _A.c.channel,
        other.c.alert == _A.c.alert,
        other.c.notice != _A.c.notice,
    )
    found: set[str] = set()
    for part in chunks(notices):
        found.update(
            connection.execute(
                select(_A.c.notice).select_from(_A.join(other, same)).where(_A.c.notice.in_(part))
            ).scalars()
        )
    return found


def _twice(notices: Sequence[Notice]) -> set[str]:
    counts = Counter(notice.id for notice in notices)
    return {notice for notice, count in counts.items() if count > 1}


def enqueue(connection: Connection, notices: Sequence[Notice]) -> None:
    """Queue notices to be claimed, as never tried."""
    rows = [
        {
            "notice": notice.id,
            "recipient": notice.recipient,
            "channel": notice.channel,
            "priority": notice.level,
            "first_due_us": to_micros(notice.first_due_at or notice.expires_at),
            "expires_us": to_micros(notice.expires_at),
            "ready_us": 0,
            "attempt": 0,
            "resend": False,
        }
        for notice in notices
    ]
    for part in chunks(rows):
        connection.execute(_L.insert(), list(part))


def _make_way(connection: Connection, notice: Notice) -> None:
    """Supersede what the new notice makes pointless; what still goes first goes at the new one's level."""
    waiting, seen = [notice.id], {notice.id}
    while waiting:
        older = [one for one in _older(connection, waiting.pop()) if one not in seen]
        seen.update(older)
        busy = being_sent(connection, older)
        states = states_of(connection, older)
        unsent = [
            one for one in older if one not in busy and NoticeState.SUPERSEDED in ALLOWED[states.get(one)]
        ]
        pointless = covered(connection, unsent)
        for one in unsent:
            if one in pointless:
                move(connection, one, NoticeState.SUPERSEDED, _due_us(notice))
                leave(connection, one)
            elif states[one] is NoticeState.DUE:
                _hurry(connection, one, notice.level)
                waiting.append(one)


def _older(connection: Connection, notice: str) -> list[str]:
    older = _A.alias("older")
    statement = (
        select(older.c.notice)
        .select_from(_A.join(older, _newer(_A.c, older.c)))
        .where(_A.c.notice == notice)
        .distinct()
    )
    return list(connection.execute(statement.order_by(older.c.notice)).scalars())


def _hurry(connection: Connection, notice: str, level: int) -> None:
    # It also need not wait out its back-off: what it blocks is more urgent than a polite pause.
    connection.execute(
        _L.update()
        .where(_L.c.notice == notice, _L.c.worker.is_(None), _L.c.priority < level)
        .values(priority=level, ready_us=0)
    )
