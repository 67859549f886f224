"""Silence: who is watched, when a station is named, when it is heard again, and gaps of a whole network."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from detectors.silence import Silence, SilenceParameters
from schemas.area import Area, Tier
from schemas.bundle import Bundle
from schemas.packet import Packet, make_packet
from schemas.station import Station
from schemas.times import DAY, HOUR, MINUTE, Micros, to_micros
from tests.detectors.contract import Drive, Subject, every_detector_passes

T0 = to_micros(datetime(2026, 7, 11, tzinfo=UTC))
AREA = Area("511921", "通江县", Tier.COUNTY, None, 107.24, 31.91)
KINDS = ("rain", "landslide", "seismic", "camera")


def bundle(*kinds: str, **parameters: Any) -> Bundle:
    stations = [
        Station(f"{kind}-{k}", kind, kind, 107.0, 31.0, None, "511921", (), parameters)
        for k, kind in enumerate(kinds)
    ]
    return Bundle.of(areas=[AREA], stations=stations, policy={})


def heard(kind: str, rows: list[int], times_us: list[Micros], counts: bool = True) -> Packet:
    columns = {"unit": [0] * len(rows)} if kind == "seismic" else {}
    packet = make_packet(kind, "", rows, times_us, times_us, columns)
    n = len(rows)
    return packet.assessed(np.ones(n, dtype=np.uint8), np.full(n, counts))


def drive(configuration: Bundle) -> Drive:
    return Drive([Silence(SilenceParameters(), configuration)])


def said(watch: Drive) -> list[tuple[str, int, float]]:
    return [(f.subject, f.level, (f.observed_us - T0) / MINUTE) for f in watch.found]


CONFIGURATION = bundle("rain", "rain", "landslide", "camera")


def packets() -> list[Packet]:
    rain = [(row, T0 + k * 5 * MINUTE) for k in range(80) for row in (0, 1) if row == 0 or not 20 < k < 50]
    return [heard("rain", [r for r, _ in rain], [t for _, t in rain])]


@pytest.mark.parametrize("check", every_detector_passes, ids=lambda check: check.__name__)
def test_silence_keeps_the_contract(check):
    check(Subject(lambda: [Silence(SilenceParameters(), CONFIGURATION)], packets()))


@pytest.mark.parametrize("check", every_detector_passes, ids=lambda check: check.__name__)
def test_silence_of_very_many_stations_keeps_the_contract(check, monkeypatch):
    monkeypatch.setattr("schemas.rows.BLOCKS_FROM", 1)
    check(Subject(lambda: [Silence(SilenceParameters(), CONFIGURATION)], packets()))


@pytest.mark.parametrize(("kind", "minutes"), [("rain", 15), ("landslide", 180), ("camera", 30)])
def test_each_kind_is_named_after_three_intervals(kind, minutes):
    watch = drive(bundle(kind))
    watch.take(heard(kind, [0], [T0]))
    watch.until(T0 + minutes * MINUTE)
    assert watch.found == []
    watch.until(T0 + (minutes + 1) * MINUTE)
    assert said(watch) == [(f"{kind}-0", 2, minutes + 1)]
    (finding,) = watch.found
    assert finding.hazard == "station"
    assert finding.evidence["test"] == "gap_test"
    assert finding.evidence["flag"] == 9
    assert finding.evidence["since"] == "2026-07-11T00:00:00Z"
    assert finding.evidence["limit_s"] == minutes * 60
    watch.until(T0 + 30 * DAY)
    assert len(watch.found) == 1, "named once"


def test_floors_hold_for_fast_stations():
    watch = drive(bundle("rain", interval_s=60))
    watch.take(heard("rain", [0], [T0]))
    watch.until(T0 + HOUR)
    assert said(watch) == [("rain-0", 2, 16)]


def test_a_station_heard_again_says_so_at_its_reading():
    watch = drive(bundle("rain"))
    watch.take(heard("rain", [0, 0], [T0, T0 + HOUR]))
    assert said(watch) == [("rain-0", 2, 16), ("rain-0", 0, 60)]
    assert watch.found[1].evidence["since"] == "2026-07-11T00:00:00Z"
    assert watch.found[1].evidence["silent_s"] == 3600


def test_triggered_and_unheard_stations_are_never_silent():
    watch = drive(bundle("seismic", "rain", "camera", interval_s=None))
    watch.take(heard("seismic", [0], [T0]))
    watch.take(heard("camera", [2], [T0]))
    watch.until(T0 + 90 * DAY)
    assert watch.found == []
    unheard = drive(bundle("rain", "rain"))
    unheard.take(heard("rain", [0], [T0]))
    unheard.until(T0 + DAY)
    assert {f.subject for f in unheard.found} == {"rain-0"}


def test_readings_that_score_nothing_are_signs_of_life():
    watch = drive(bundle("rain"))
    times = [T0 + k * 5 * MINUTE for k in range(30)]
    watch.take(heard("rain", [0] * 30, times, counts=False))
    assert watch.found == []


def test_a_gauge_that_states_an_hour_is_not_late_by_five_minutes():
    watch = drive(bundle("rain"))
    packet = make_packet(
        "rain", "", [0, 0], [T0, T0 + 2 * HOUR], [T0, T0 + 2 * HOUR], {"interval_us": [HOUR, HOUR]}
    )
    watch.take(packet)
    assert watch.found == []


def test_a_gap_of_the_whole_network_names_nobody_and_a_long_one_everybody():
    configuration = bundle(*["rain"] * 20)
    everyone = list(range(20))
    watch = drive(configuration)
    watch.take(heard("rain", everyone, [T0] * 20))
    watch.take(heard("rain", everyone[1:], [T0 + 25 * MINUTE] * 19))
    assert said(watch) == [], "all were silent for 25 min"
    watch.until(T0 + 31 * MINUTE)
    assert said(watch) == [("rain-0", 2, 31)], "the one that did not come back"
    watch.until(T0 + 56 * MINUTE)
    assert len(watch.found) == 20


def test_a_tick_is_cheap_while_nothing_is_over():
    watch = Silence(SilenceParameters(), bundle(*["rain"] * 30))
    watch.process(heard("rain", list(range(30)), [T0] * 30), T0)
    due = watch.next_due()
    assert due == T0 + 16 * MINUTE
    watch.process(heard("rain", list(range(30)), [T0 + 10 * MINUTE] * 30), T0 + 10 * MINUTE)
    assert watch.next_due() == due, "readings move no due earlier"
    assert watch.tick(due) == []
    assert watch.next_due() == T0 + 26 * MINUTE
