"""The embedded engine's threads: what fails is said, tried again, and never ends one of them in silence."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime import embedded
from runtime.clock import HandClock
from runtime.embedded import EmbeddedEngine
from runtime.logs.store import LogFull
from runtime.page.probe import Prober
from schemas.act import Act
from schemas.log import ConfigurationRecord, Tick
from schemas.times import HOUR, SECOND, from_micros
from tests.runtime.test_translation import CITY, NEW, OLD, T, rain


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedEngine]:
    monkeypatch.setattr(embedded, "_RETRY_S", 0.05)
    made = EmbeddedEngine(OLD, tmp_path, HandClock(T))
    made.start()
    yield made
    made.stop()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def act(number: int) -> Act:
    return Act(id=f"x-{number}", act="cancel", by="duty", at=from_micros(T), alert="a-none", version=1)


def append(engine: EmbeddedEngine, *records: object) -> None:
    engine.log.append([(CITY, T, record) for record in records])  # type: ignore[misc]
    engine._logged.set()


def test_a_log_that_cannot_be_read_is_said_and_read_again(
    engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    association = engine.associations[CITY]
    until(lambda: association.position == engine.log.end(CITY))

    def broken(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patched:
        patched.setattr(engine.log, "read", broken)
        append(engine, Tick(T + 1))
        until(lambda: engine.failure is not None)
        health = Prober(engine, dict).health()
        assert any("disk I/O error" in fault for fault in health.faults)
    until(lambda: association.position == engine.log.end(CITY))
    assert engine.failure is None


def test_two_that_send_one_act_both_hear_the_judgement(engine: EmbeddedEngine) -> None:
    heard: list[Act | None] = []
    senders = [threading.Thread(target=lambda: heard.append(engine.act(act(1)))) for _ in range(4)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(10)
    assert [one.outcome if one else None for one in heard] == ["refused"] * 4
    assert len(engine.ledger.acts()) == 1


def test_an_act_that_the_log_does_not_take_is_not_called_taken(
    engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = [True]
    write = engine.log.append

    def sometimes(records: object) -> None:
        if full[0]:
            raise LogFull("log.db cannot be written: database or disk is full")
        write(records)  # type: ignore[arg-type]

    monkeypatch.setattr(engine.log, "append", sometimes)
    with pytest.raises(LogFull, match="send the same act again"):
        engine.append_acts([act(1)])
    until(lambda: engine.intake.fault is not None)
    with pytest.raises(LogFull, match="send the same act again"):
        engine.act(act(2))
    full[0] = False
    until(lambda: engine.intake.fault is None)
    judged = engine.act(act(2))
    assert judged is not None
    assert judged.outcome == "refused"


def test_a_clock_that_was_set_back_over_a_restart_is_told(engine: EmbeddedEngine) -> None:
    append(engine, Tick(T + HOUR))
    until(lambda: engine.associations[CITY].now == T + HOUR)
    assert any("3600 s behind the log" in fault for fault in Prober(engine, dict).health().faults)


def test_a_changed_configuration_is_written_once_and_what_stood_is_kept(tmp_path: Path) -> None:
    engine = EmbeddedEngine(OLD, tmp_path, HandClock(T))
    engine.start()
    append(engine, rain(OLD, "R-1", "R-3"))
    engine.stop()
    for _ in range(2):
        engine = EmbeddedEngine(NEW, tmp_path, HandClock(T + 10 * SECOND))
        engine.start()
        engine.stop()
    engine = EmbeddedEngine(NEW, tmp_path, HandClock(T + 20 * SECOND))
    named = [r.bundle for _, r in engine.log.read(CITY, 0) if isinstance(r, ConfigurationRecord)]
    assert named == [OLD.hash, NEW.hash]
    heard = [key for key in engine.associations[CITY].pipeline.state() if key.startswith("silence/")]
    assert heard == ["silence/R-3", "silence/R-1"]
    engine.log.close()
    engine.ledger.close()
