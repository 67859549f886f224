"""Late, repeated and conflicting readings."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest

from runtime.simulate.chance import chance
from runtime.simulate.delivery import Lateness
from runtime.simulate.rain import Gauges
from runtime.simulate.seismic import Windows
from runtime.simulate.writing import Block
from schemas.reading import explain
from schemas.times import DAY, HOUR, SECOND, to_micros
from schemas.wire import ONE, Rain


@pytest.fixture(scope="module")
def arrived() -> Block:
    gauges = Gauges([f"R-{k}" for k in range(120)], np.tile(np.arange(288), (120, 1)), 0)
    return Lateness(chance("test", 1, "delivery"), 0, DAY).arrivals(gauges.block(0, 2 * DAY))


def test_nothing_arrives_before_it_is_observed_and_lines_are_in_order_of_arrival(arrived: Block) -> None:
    received = [to_micros(ONE.decode(body + b"}").received_at or 0) for body in arrived.bodies]  # type: ignore[arg-type]
    observed = [to_micros(ONE.decode(body + b"}").observed_at) for body in arrived.bodies]
    assert received == arrived.observed_us.tolist() == sorted(received)
    assert all(a >= b for a, b in zip(received, observed, strict=True))


def test_some_are_late_some_come_twice_and_a_few_disagree(arrived: Block) -> None:
    readings = [ONE.decode(body + b"}") for body in arrived.bodies]
    assert all(isinstance(r, Rain) for r in readings)
    values: dict[tuple[str, object], list[float]] = {}
    for r in readings:
        assert isinstance(r, Rain)
        values.setdefault((r.station, r.observed_at), []).append(r.rain_mm)
    assert len(values) == 120 * 288
    assert Counter(map(len, values.values()))[2] == pytest.approx(0.01 * 120 * 288, rel=0.3)
    # The first to arrive is the true one.
    for (_, observed_at), said in values.items():
        step = to_micros(observed_at) // (300 * SECOND) - 1  # type: ignore[arg-type]
        assert said[0] == step / 10
    assert 5 < sum(len(set(said)) == 2 for said in values.values()) < 60
    late = [r for r in readings if r.received_at and (r.received_at - r.observed_at).total_seconds() > 1800]
    assert len(late) > 10


def test_lines_stay_readings(arrived: Block) -> None:
    for body in arrived.bodies[::500]:
        assert explain(json.loads(body + b"}")) is None


def test_an_earthquakes_packets_arrive_within_a_second_and_once() -> None:
    windows = Windows()
    windows.add("S-1", 1000.0, HOUR, np.zeros((3, 6000)))
    block = windows.block(0, DAY)
    arrived = Lateness(chance("test", 1, "delivery"), 0, DAY).arrivals(block)
    assert len(arrived.bodies) == len(block.bodies)
    assert (arrived.observed_us - block.observed_us).max() < SECOND
