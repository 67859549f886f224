"""What gateways that were cut off told people by themselves, so that nobody is told the same twice.

In      what a gateway's own dispatcher sent while it was cut off, written before its readings enter the log
Out     which due notices say nothing that their recipient has not heard

A gateway's pipeline is another than the log's: its chains and notices have other ids. What they mean is compared: the
recipient, the channel, the hazard, the area, and whether the level was as high, for readings of that time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, select

from alerting.ledger import tables
from alerting.ledger.rows import chunks, insert_new
from schemas.times import Micros, to_micros

_T, _A = tables.told_locally, tables.notice_alerts


class Told(NamedTuple):
    """One thing that one recipient was told by a gateway.

    Attributes
    ----------
    began_us, until_us
        When the gateway was cut off, and for how long it spoke by itself: readings observed later are not meant.
    level
        0 where it was a cancel.
    at_us
        When it was sent.
    """

    gateway: str
    began_us: Micros
    recipient: str
    channel: str
    hazard: str
    area: str
    level: int
    until_us: Micros
    at_us: Micros


def add(connection: Connection, told: Sequence[Told]) -> None:
    """Remember what was told; given again it changes nothing."""
    for part in chunks([one._asdict() for one in told]):
        connection.execute(insert_new(connection, _T), list(part))


def heard(connection: Connection, notices: Sequence[str], recipients: Sequence[str]) -> dict[str, Told]:
    """Those of some notices whose recipients have heard all that they say, with the newest thing that each heard.

    Parameters
    ----------
    recipients
        Of all of these notices.
    """
    known: dict[tuple[str, str], list[Told]] = {}
    for part in chunks(sorted(set(recipients))):
        for row in connection.execute(select(_T).where(_T.c.recipient.in_(part))):
            known.setdefault((row.recipient, row.channel), []).append(Told(*row))
    if not known:
        return {}
    said: dict[str, list[Told | None]] = {}
    for row in _what_they_say(connection, notices):
        observed_us = to_micros(msgspec.json.decode(row.body, type=_Observed).observed_at)
        before = known.get((row.recipient, row.channel), [])
        match = [told for told in before if _covers(told, row, observed_us)]
        said.setdefault(row.notice, []).append(max(match, key=lambda told: told.at_us, default=None))
    return {
        notice: max((one for one in every if one is not None), key=lambda told: told.at_us)
        for notice, every in said.items()
        if None not in every
    }


class _Observed(msgspec.Struct):
    observed_at: datetime


def _what_they_say(connection: Connection, notices: Sequence[str]) -> Iterator[Any]:
    alerts = tables.alerts
    columns = (_A.c.notice, _A.c.recipient, _A.c.channel, tables.notices.c.cancel)
    statement = (
        select(*columns, alerts.c.hazard, alerts.c.area, alerts.c.level, alerts.c.body)
        .join(alerts, (alerts.c.id == _A.c.alert) & (alerts.c.version == _A.c.version))
        .join(tables.notices, tables.notices.c.id == _A.c.notice)
    )
    for part in chunks(notices):
        yield from connection.execute(statement.where(_A.c.notice.in_(part)))


def _covers(told: Told, row: Any, observed_us: Micros) -> bool:
    same = (told.hazard, told.area) == (row.hazard, row.area) and observed_us <= told.until_us
    return same and (told.level == 0 if row.cancel else told.level >= row.level > 0)
