"""What was decided: out of the ledger, out of the logs, and by `fenghuo replay` of either logs or readings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import select

from alerting.ledger import Ledger, tables
from schemas.bundle import Bundle
from schemas.log import Broken, Record
from schemas.notice import NoticeState
from schemas.packet import Packet
from schemas.times import Micros
from tests.chaos.judging import Decided, Key, Told


def in_the_ledger(ledger: Ledger) -> Decided:
    """All that the workers wrote."""
    with ledger.database.read() as connection:
        findings = connection.execute(select(tables.findings.c.body)).scalars().all()
        alerts = connection.execute(select(tables.alerts.c.body)).scalars().all()
        columns = tables.notice_decisions.c
        notices: dict[str, dict[str, Any]] = {}
        for id, state, body in connection.execute(select(columns.notice, columns.state, columns.body)):
            # A notice that was held and then fell due has a row of each.
            if id not in notices or state == NoticeState.DUE.value:
                notices[id] = json.loads(body) | {"state": state}
    return Decided.of(map(json.loads, findings), map(json.loads, alerts), notices.values())


def in_files(folder: Path) -> Decided:
    """What `fenghuo replay` wrote."""
    return Decided.of(*(_lines(folder / f"{name}.jsonl") for name in ("findings", "alerts", "notices")))


def arrivals(records: Iterable[Record | Broken], bundle: Bundle) -> dict[Key, Micros]:
    """The numbered readings of a log, each with the time at which a gateway first took it."""
    stations = [station.id for station in bundle.stations]
    found: dict[Key, Micros] = {}
    for record in records:
        if isinstance(record, Packet):
            columns = (record.row, record.columns["sequence"], record.received_us)
            for row, number, received_us in zip(*(column.tolist() for column in columns), strict=True):
                if number >= 0:
                    found.setdefault((stations[row], number), received_us)
    return found


def delivered(ledger: Ledger) -> list[Told]:
    """What the ledger says reached a webhook."""
    return [
        Told(notice.channel, notice.recipient, notice.id)
        for notice in ledger.notices_in(NoticeState.DELIVERED, limit=10**6)
        if notice.channel == "webhook"
    ]


def unsettled(ledger: Ledger) -> int:
    """How many notices wait or are being sent."""
    with ledger.database.read() as connection:
        waiting = len(connection.execute(select(tables.leases.c.notice)).all())
    counts = ledger.notice_counts()
    open_states = (NoticeState.DUE, NoticeState.SENDING)
    return max(waiting, sum(n for (_, state), n in counts.items() if state in open_states))


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
