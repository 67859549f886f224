"""The gateway's ticks: one a quiet second of the machine's, however fast the log's clock runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest

from runtime import gateway
from runtime.clock import SetClock
from runtime.gateway import _LastWritten
from runtime.intake.taking import Intake
from schemas.log import Record, Tick
from schemas.times import Micros
from tests.runtime.test_translation import OLD, T


class Log:
    """What was appended."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def append(self, records: Sequence[tuple[str, Micros, Record]]) -> None:
        self.records += [record for _, _, record in records]

    def add_rejects(self, _: object) -> None:
        pytest.fail("nothing was refused")


@pytest.mark.parametrize("rate", [1.0, 10_000.0])
def test_a_quiet_area_gets_a_tick_each_quiet_second(rate: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "TICK_AFTER_S", 0.3)
    monkeypatch.setattr("runtime.intake.taking.TICK_EVERY_S", 0.02)
    log: Any = Log()
    clock = SetClock(T, rate)
    written = _LastWritten(log, clock)
    intake = Intake(written, log, OLD, clock, due=written.due, on_logged=lambda: None)
    intake.start()
    threading.Event().wait(1.0)
    began = time.monotonic()
    intake.stop()
    assert time.monotonic() - began < 1
    assert 2 <= len(log.records) <= 4
    assert all(isinstance(record, Tick) for record in log.records)
