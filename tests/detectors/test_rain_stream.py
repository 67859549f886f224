"""Rain as it really comes: late, twice, backwards. Quality and the rain stages together, cut anywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detectors.flash_flood import FlashFlood, FlashFloodParameters
from detectors.rain import RainParameters, RainSignal
from ingest.quality import Quality, QualityParameters
from schemas.packet import Packet
from schemas.stage import Emitted
from schemas.times import HOUR, MINUTE, Micros
from tests.detectors.contract import Drive
from tests.detectors.rainy import T0, bundle, rain

BUNDLE = bundle(2)
FIVE = 5 * MINUTE


class Judged:
    """Quality before the rain stage, as one station stage for the driver."""

    kinds = frozenset({"rain"})
    name = "rain"

    def __init__(self) -> None:
        self.quality = Quality(QualityParameters(), BUNDLE)
        self.rain = RainSignal(RainParameters(), BUNDLE)

    def process(self, packet: Packet, now: Micros) -> list[Emitted]:
        assessed, found = self.quality.process(packet, now)
        return sorted([*found, *self.rain.process(assessed, now)], key=lambda e: e.row)

    def next_due(self) -> Micros | None:
        return None

    def state(self) -> dict[str, bytes]:
        return {**self.quality.state(), **self.rain.state()}


def storm(seed: int) -> list[tuple[int, Micros, float]]:
    chance = np.random.Generator(np.random.PCG64(seed))
    return [
        (row, T0 + (k + 1) * FIVE, round(float(chance.gamma(0.6, 6)), 1) if 4 <= k < 30 else 0.0)
        for k in range(70)
        for row in range(2)
    ]


def play(packet: Packet, cut: int) -> tuple[list[str], dict[str, Any], dict[str, int]]:
    judged = Judged()
    drive = Drive([judged, FlashFlood(FlashFloodParameters(), BUNDLE)])
    for start in range(0, len(packet), cut):
        drive.take(packet.span(start, min(start + cut, len(packet))))
    highest: dict[str, int] = {}
    for finding in drive.found:
        key = f"{finding.detector} {finding.subject}"
        highest[key] = max(highest.get(key, 0), finding.level)
    return drive.said, judged.state(), highest


DELIVERY = st.lists(st.tuples(st.integers(0, 139), st.integers(1, 40)), max_size=30)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 5), late=DELIVERY, twice=DELIVERY, cut=st.integers(1, 40))
def test_late_and_repeated_rain_says_the_same_in_any_cut(seed, late, twice, cut):
    readings = storm(seed)
    arrives = [(observed, k) for k, (_, observed, _) in enumerate(readings)]
    for k, steps in late:
        arrives[k] = (readings[k][1] + steps * FIVE, k)
    arrives += [(readings[k][1] + steps * FIVE, k) for k, steps in twice]
    arrives.sort()
    packet = rain(BUNDLE.hash, [readings[k] for _, k in arrives], received_us=[t for t, _ in arrives])
    whole, state, _ = play(packet, len(packet))
    said, state_cut, _ = play(packet, cut)
    assert said == whole
    assert state_cut == state


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 5), order=st.randoms(use_true_random=False))
def test_however_late_every_level_that_was_reached_is_reached(seed, order):
    """All of a storm in any order, hours late: each gauge and township rises as high as it would have in time."""
    readings = storm(seed)
    _, _, in_time = play(rain(BUNDLE.hash, readings), 50)
    shuffled = list(readings)
    order.shuffle(shuffled)
    now = readings[-1][1] + 2 * HOUR
    _, _, at_last = play(rain(BUNDLE.hash, shuffled, received_us=[now] * len(readings)), 50)
    rains = {key: level for key, level in in_time.items() if key.startswith("rain.signal")}
    assert {key: level for key, level in at_last.items() if key.startswith("rain.signal")} == rains
    for key, level in in_time.items():
        assert at_last.get(key, 0) >= level
