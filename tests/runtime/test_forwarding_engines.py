"""What an area forwards is in the other's log before any checkpoint that includes its cause, on every engine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from alerting.ledger import Ledger
from ingest.arrival import Arrival
from runtime.clock import HandClock
from runtime.decisions import Decisions
from runtime.embedded import EmbeddedEngine
from runtime.logs.store import LogFull
from runtime.logs.topics import LOG
from runtime.worker.publishing import Publishing
from schemas.log import FindingRecord, Record, decode_record
from schemas.times import HOUR
from tests.runtime.running import until
from tests.runtime.test_borders import EAST, START, WEST, WEST_TOWN, bundle, gauge, played, rain

INLAND = gauge("RG-inland", WEST_TOWN, 106.72, 31.86)
"""Heard in the west alone, and the nearest to the towns of the east."""


def test_no_checkpoint_includes_what_is_not_in_the_others_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = EmbeddedEngine(bundle(INLAND), tmp_path, HandClock(START + 3 * HOUR))
    append, full = engine.log.append, [True]

    def sometimes(records: Sequence[tuple[str, int, Record]]) -> None:
        if full[0] and any(isinstance(record, FindingRecord) for _, _, record in records):
            raise LogFull("log.db cannot be written: database or disk is full")
        append(records)

    monkeypatch.setattr(engine.log, "append", sometimes)
    engine.start()
    for reading in rain("RG-inland", 180, 4.0):
        engine.intake.submit(Arrival(json.dumps(reading).encode(), "test", lambda _: None))
    west = engine.associations[WEST]
    until(
        "the west to have read all",
        lambda: engine.ledger.newest_findings(9, f"{EAST}002") and idle(engine, WEST),
    )
    saved = west.saved_position
    assert not west.checkpoint()
    assert west.saved_position == saved < west.position
    assert warned(engine) == {WEST}
    full[0] = False
    until("the west to be saved", lambda: west.checkpoint() or west.saved_position == west.position)
    until("the east to warn", lambda: warned(engine) == {WEST, EAST})
    forwarded = [record for _, record in engine.log.read(EAST, 0) if isinstance(record, FindingRecord)]
    assert {record.model().area[:6] for record in forwarded} == {EAST}
    engine.stop()


def idle(engine: EmbeddedEngine, code: str) -> bool:
    return engine.associations[code].position == engine.log.end(code)


def warned(engine: EmbeddedEngine) -> set[str]:
    return {alert.area[:6] for alert in engine.ledger.alerts_in_force()}


def test_a_worker_says_what_it_forwards_to_the_log_until_it_is_there(tmp_path: Path) -> None:
    floods = played(tmp_path, bundle(INLAND), rain("RG-inland", 180, 4.0))[WEST].forwards
    sent: list[tuple[str, str, bytes]] = []
    away = [True]

    async def send(topic: str, key: str, value: bytes) -> None:
        if away[0]:
            raise ConnectionError("the brokers are away")
        sent.append((topic, key, value))

    with Ledger.open("sqlite://") as ledger:
        publishing = Publishing(ledger, send)
        publishing.say(Decisions(forwards=floods))
        assert not asyncio.run(publishing.try_to_send())
        assert not publishing.all_sent()
        away[0] = False
        assert asyncio.run(publishing.try_to_send())
        assert publishing.all_sent()
    assert {(topic, key) for topic, key, _ in sent} == {(LOG, EAST)}
    assert [decode_record(value) for _, _, value in sent] == [FindingRecord.of(flood) for flood in floods]
    assert [flood.at_us for flood in floods] == sorted(flood.at_us for flood in floods)
