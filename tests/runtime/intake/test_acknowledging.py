"""The engine tells on `acks/<station>` what is in its log, over a real broker."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.intake.acknowledging import Acknowledger
from tests.runtime.acks import Engine, Listener
from tests.runtime.intake.test_taking import Bench, rain
from tests.runtime.running import until
from tests.servers.mosquitto import Mosquitto


@pytest.fixture
def listener(mosquitto: Mosquitto) -> Iterator[Listener]:
    with Listener(mosquitto.port) as heard:
        yield heard


def numbered(*numbers: int, **more: Any) -> bytes:
    return b"[" + b",".join(rain(sequence=number, **more) for number in numbers) + b"]"


def test_readings_and_rejects_are_acknowledged_over_a_restart(
    tmp_path: Path, mosquitto: Mosquitto, listener: Listener
) -> None:
    engine = Engine(tmp_path, mosquitto)
    listener.publish("readings/rain/R-1", numbered(0, 1, 2, 4))
    until("4", lambda: listener.newest("R-1").get("sequence") == 4, 10)
    assert listener.newest("R-1")["missing"] == [3]
    listener.publish("readings/rain/R-1", rain(sequence=3, rain_mm=-5))  # a reject
    until("no gap", lambda: listener.newest("R-1")["missing"] == [], 10)
    listener.publish("readings/rain/R-1", rain())  # no number, no acknowledgement
    listener.publish("readings/rain/R-9", rain("R-9", sequence=0))  # a station that nobody knows
    until("the unknown one", lambda: listener.newest("R-9").get("sequence") == 0, 10)
    engine.stop()

    engine = Engine(tmp_path, mosquitto)
    listener.publish("readings/rain/R-1", rain(sequence=6))
    until("6", lambda: listener.newest("R-1").get("sequence") == 6, 10)
    assert listener.newest("R-1")["missing"] == [5]
    engine.stop()
    times = [at_s for at_s, station, _, _ in listener.heard if station == "R-1"]
    assert all(later - earlier > 0.7 for earlier, later in itertools.pairwise(times)), times

    with Listener(mosquitto.port) as late:
        until("what is retained", lambda: late.newest("R-1").get("sequence") == 6, 10)
        assert {retained for _, _, retained, _ in late.heard} == {True}


def test_no_reading_without_a_number_is_acknowledged_and_noting_it_costs_little(tmp_path: Path) -> None:
    class Broker:
        sent: list[tuple[str, Any]] = []

        def publish_retained(self, topic: str, body: bytes) -> bool:
            self.sent.append((topic, json.loads(body)))
            return True

    bench, broker = Bench(tmp_path), Broker()
    acknowledger = Acknowledger(broker, bench.log)
    bench.intake.on_durable = acknowledger.note
    acknowledger.start()
    bench.intake.start()
    bench.send(rain(), rain("L-9"))
    bench.send(rain(sequence=5))
    deadline = time.monotonic() + 10
    while not broker.sent and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [(topic, body["sequence"], body["missing"]) for topic, body in broker.sent] == [
        ("acks/R-1", 5, [0, 1, 2, 3, 4])
    ]
    acknowledger.stop()
    bench.intake.stop()
    assert [row.station for row in bench.log.numbers()] == ["R-1"]
    bench.log.close()
