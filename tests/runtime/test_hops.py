"""How long each hop takes, measured beside the work."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from alerting.ledger import Ledger
from runtime.clock import HandClock, SetClock
from runtime.hops import TimedLedger, TimedLog, observe
from runtime.logs.store import LogStore
from schemas.log import Broken, Positioned, Tick
from schemas.times import MINUTE, SECOND
from tests.alerting.ledger.making import AREA, NOW, a_notice, an_alert
from tests.runtime.test_translation import OLD, T, rain


def counted(hop: str) -> tuple[float, float]:
    labels = {"hop": hop}
    return (
        REGISTRY.get_sample_value("fenghuo_hop_seconds_count", labels) or 0.0,
        REGISTRY.get_sample_value("fenghuo_hop_seconds_sum", labels) or 0.0,
    )


def test_each_record_is_counted_by_hop_and_a_packet_by_its_newest_reading() -> None:
    packet = rain(OLD, "R-1", at=T)
    received_us = int(packet.received_us[-1])
    records = [Positioned(1, packet), Positioned(2, Tick(received_us)), Positioned(3, Broken("none"))]
    before = {hop: counted(hop) for hop in ("received", "logged", "decided")}
    observe(records, {1: received_us + SECOND}.get, received_us + 3 * SECOND)
    grown = {hop: (counted(hop)[0] - n, counted(hop)[1] - total) for hop, (n, total) in before.items()}
    late_s = (received_us - int(packet.observed_us[-1])) / SECOND
    assert grown["received"] == (1, pytest.approx(late_s))
    assert grown["logged"] == (1, pytest.approx(1.0))
    assert grown["decided"] == (1, pytest.approx(2.0))


def test_the_embedded_log_remembers_when_an_append_was_durable(tmp_path: Path) -> None:
    store, clock = LogStore(tmp_path / "log.db"), HandClock(T)
    store.append([("a", T, Tick(T))])
    log = TimedLog(store, clock)
    log.append([("a", T, Tick(T)), ("a", T, Tick(T)), ("b", T, Tick(T))])
    clock.move_to(T + SECOND)
    log.append([("a", T, Tick(T))])
    times = {at: log.logged_at("a", at) for at in range(1, 6)}
    assert times == {1: None, 2: T, 3: T, 4: T + SECOND, 5: None}
    assert log.logged_at("b", 1) == T
    store.close()
    with pytest.raises(sqlite3.ProgrammingError):
        log.append([("a", T, Tick(T))])
    assert log.logged_at("a", 5) is None


def test_times_stand_beside_decisions_and_a_checkpoint_is_measured(tmp_path: Path) -> None:
    with Ledger.open(str(tmp_path / "state.db")) as ledger:
        timed = TimedLedger(ledger, HandClock(NOW + MINUTE), lambda area, at: NOW if at == 7 else None)
        timed.write_decisions(AREA, 7, alerts=[an_alert()], notices=[a_notice()])
        hops = ledger.hops_of([a_notice().id])[a_notice().id]
        assert (hops.logged_us, hops.decided_us) == (NOW, NOW + MINUTE)
        timed.checkpoint(AREA, {"bundle": b"abc", "gone": None}, 7)
        assert timed.load_checkpoint(AREA) == ({"bundle": b"abc"}, 7)
        assert REGISTRY.get_sample_value("fenghuo_checkpoint_bytes", {"area": AREA}) == 3


def test_a_set_clock_knows_what_it_showed() -> None:
    clock = SetClock(T, rate=60.0, set_us=1_000_000_000)
    assert abs(clock.shown_at(1_000_000_000 + SECOND) - (T + MINUTE)) < MINUTE
