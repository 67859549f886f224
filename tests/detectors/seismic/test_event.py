"""The network stage: real records of an earthquake and of noise, made ones of what must not be one."""

import dataclasses
from datetime import UTC, datetime
from functools import cache

import numpy as np
import pytest

from detectors.seismic.items import Motion, Pick
from detectors.seismic.locate import distance_km
from detectors.seismic.parameters import SeismicParameters
from schemas.packet import Packet, merged
from schemas.stage import UnknownState
from schemas.times import SECOND, to_micros
from tests.detectors.contract import Drive, Subject, every_detector_passes
from tests.detectors.seismic.quakes import (
    START_US,
    burst,
    events,
    network,
    noise,
    one_station,
    real,
    seconds_of,
    stages,
)

ORIGIN = datetime(2018, 8, 22, 18, 3, 8, tzinfo=UTC)
EPICENTRE = (-98.745, 16.534)
PLACES = {
    f"SM-{k:02d}": (106.8 + 0.25 * (k % 3) + 0.03 * (k % 2), 31.7 + 0.25 * (k // 3) + 0.02 * (k % 4))
    for k in range(9)
}
SOURCE = (107.1, 32.0)
DEPTH_KM = 10.0


@cache
def guerrero() -> tuple[Packet, ...]:
    return tuple(real("guerrero_2018_m5.3")[1])


@cache
def near() -> tuple[Packet, ...]:
    """A minute of the six stations nearest to the source."""
    bundle, (packet,) = real("guerrero_2018_m5.3")
    rows = [bundle.stations.row_of[s] for s in ("MX004", "MX006", "MX008", "MX009", "MX010", "MX014")]
    begin, end = (to_micros(ORIGIN) + s * SECOND for s in (-20, 25))
    keep = np.flatnonzero(
        np.isin(packet.row, rows) & (packet.observed_us >= begin) & (packet.received_us < end)
    )
    return tuple(merged([packet.span(int(i), int(i) + 1) for i in part]) for part in np.array_split(keep, 3))


def made(
    arrivals_s: dict[str, float], peak: float = 0.02, vertical_only: bool = True, seconds: int = 70
) -> list[Packet]:
    """All stations of `PLACES` in noise; those with an arrival shaken from then on."""
    bundle = made_network(vertical_only)
    rows = []
    for k, station in enumerate(sorted(PLACES)):
        series = noise(seconds, seed=k)
        if station in arrivals_s:
            series = series + burst(seconds, arrivals_s[station], 4.0, 5.0, peak)
        rows.append(one_station(seconds_of(series), bundle, row=bundle.stations.row_of[station]))
    return [merged([row.span(s, s + 1) for row in rows]) for s in range(seconds)]


def made_network(vertical_only: bool = True):
    channels = ["HNZ"] if vertical_only else ["HNZ", "HNN", "HNE"]
    return network(PLACES, {"channels": channels, "gain": 1.0, "unit": "m/s2"})


def arrivals(stations: int = len(PLACES), origin_s: float = 30.0) -> dict[str, float]:
    away = {s: distance_km(*SOURCE, *at) for s, at in PLACES.items()}
    nearest = sorted(away, key=lambda s: away[s])[:stations]
    return {s: origin_s + float(np.hypot(away[s], DEPTH_KM)) / 6.0 for s in nearest}


@pytest.mark.parametrize("check", every_detector_passes, ids=lambda check: check.__name__)
def test_seismic_keeps_the_contract(check):
    bundle, _ = real("guerrero_2018_m5.3")
    check(Subject(lambda: stages(bundle), near()))


def test_the_earthquake_of_seventeen_stations_is_one_event():
    bundle, _ = real("guerrero_2018_m5.3")
    found = events(bundle, guerrero())
    assert len({finding.subject for finding in found}) == 1
    first = found[0]
    assert first.area == "5119"
    assert first.evidence["event"] == first.subject
    assert first.position is not None
    assert distance_km(*first.position, *EPICENTRE) < 20
    assert abs(first.evidence["magnitude"] - 5.3) <= 0.4
    assert first.evidence["stations_used"] >= first.evidence["stations_threshold"] == 4
    # The fourth station's pick is 12.9 s after the origin.
    assert (first.observed_at - ORIGIN).total_seconds() < 16
    assert all(finding.level == 3 for finding in found)
    assert first.evidence["threshold_intensity"] == 4.5 <= first.evidence["intensity"]
    assert first.evidence["areas"]["511908"]["level"] == max(
        a["level"] for a in first.evidence["areas"].values()
    )


def test_a_minute_of_real_noise_is_nothing():
    bundle, packets = real("mexico_noise_2018_01_08")
    assert events(bundle, packets) == []


def test_an_event_is_located_by_all_stations():
    found = events(made_network(), made(arrivals()))
    assert len({finding.subject for finding in found}) == 1
    last = found[-1]
    assert last.position is not None
    assert distance_km(*last.position, *SOURCE) < 3
    assert last.evidence["depth_km"] == pytest.approx(DEPTH_KM, abs=5)
    assert abs(to_micros(found[0].observed_at) - START_US - 36 * SECOND) < 5 * SECOND


@pytest.mark.parametrize("stations", [1, 2, 3])
def test_few_stations_are_no_event(stations):
    assert events(made_network(), made(arrivals(stations))) == []


def test_three_stations_suffice_where_policy_says_so():
    found = events(made_network(), made(arrivals(3)), SeismicParameters(stations_min=3))
    assert found


def test_trucks_at_many_stations_that_fit_no_source_are_no_event():
    passing = {station: 20.0 + 9.0 * k for k, station in enumerate(sorted(PLACES)) if k < 5}
    assert events(made_network(), made(passing, peak=0.05)) == []


def test_picks_at_once_over_sixty_kilometres_fit_no_near_source():
    # A lightning strike or a radio fault reaches all at the same instant: no wave does.
    assert not [f for f in events(made_network(), made(dict.fromkeys(PLACES, 30.0))) if f.level > 0]


def test_a_small_event_has_level_zero_and_says_why():
    found = events(made_network(), made(arrivals(), peak=0.001))
    assert found
    assert {finding.level for finding in found} == {0}
    assert any("震级" in words for words in found[-1].against)


def test_stations_without_a_gain_make_an_event_without_a_level():
    bundle = network(PLACES, {"channels": ["HNZ"]})
    found = events(bundle, [in_counts(packet) for packet in made(arrivals())])
    assert {finding.level for finding in found} == {0}
    assert found[-1].evidence["magnitude"] is None


def in_counts(packet: Packet) -> Packet:
    unit = np.full(len(packet), 2, dtype=np.uint8)
    samples = packet.parts["samples"] * 1e6
    return dataclasses.replace(packet, columns={**packet.columns, "unit": unit}, parts={"samples": samples})


def test_a_second_event_after_the_first_is_its_own():
    bundle = made_network()
    both = [
        both_of(first, second)
        for first, second in zip(made(arrivals()), made(arrivals(origin_s=55.0), peak=2.0), strict=True)
    ]
    found = events(bundle, both)
    assert len({finding.subject for finding in found}) == 2


def both_of(one: Packet, other: Packet) -> Packet:
    return dataclasses.replace(one, parts={"samples": one.parts["samples"] + other.parts["samples"]})


def test_an_event_lets_go_after_its_time():
    bundle = made_network()
    drive = Drive(stages(bundle))
    for packet in made(arrivals()):
        drive.take(packet)
    assert len(drive.networks[0].state()) == 2
    drive.until(drive.now + 600 * SECOND)
    assert list(drive.networks[0].state()) == ["picks"]
    assert drive.networks[0].next_due() is None


def test_clocks_that_lie_by_half_an_hour_spoil_nothing():
    bundle, packets = real("guerrero_2018_m5.3")
    plain = events(bundle, packets)
    slow = [
        dataclasses.replace(
            p,
            observed_us=np.where(
                p.row == bundle.stations.row_of["MX018"], p.observed_us - 1816 * SECOND, p.observed_us
            ),
        )
        for p in packets
    ]
    found = events(bundle, slow)
    assert {f.subject for f in found} == {f.subject for f in plain}


def told(station: str, at_s: float, window_s: float = 0.0, pd_cm: float | None = None) -> Pick:
    picked_us = START_US + round(at_s * SECOND)
    return Pick(station, "HNZ", 1, picked_us, 0.05, 12.0, window_s, pd_cm, 0.001, 1.0)


def heard(station: str, until_s: float) -> Motion:
    return Motion(station, START_US + round(until_s * SECOND), 0.001, 0.0001, 3, False)


def test_an_event_that_nearer_stations_deny_is_cancelled():
    _, stage = stages(made_network())
    arrival = arrivals()
    far = sorted(arrival, key=lambda s: arrival[s])[-4:]
    found = []
    for station in far:
        found += stage.process(told(station, arrival[station]), START_US + 45 * SECOND)
    for station in far:
        item = told(station, arrival[station], 1.0, 0.1)
        found += stage.process(item, START_US + 46 * SECOND)
    assert [finding.level > 0 for finding in found] == [True]
    # The nearer stations' data come late, and none of them saw anything.
    for station in sorted(set(PLACES) - set(far)):
        found += stage.process(heard(station, 50.0), START_US + 50 * SECOND)
    assert len(found) == 1
    cancels = [item for _ in range(20) if (due := stage.next_due()) for item in stage.tick(due)]
    assert [finding.level for finding in cancels] == [0]
    assert cancels[0].evidence["cancelled"] is True
    assert cancels[0].subject == found[0].subject
    assert cancels[0].id != found[0].id


def test_a_level_of_the_first_seconds_is_not_lowered_at_once():
    _, stage = stages(made_network())
    arrival = arrivals()
    order = sorted(arrival, key=lambda s: arrival[s])
    found = []
    for station in order[:4]:
        found += stage.process(told(station, arrival[station]), START_US + 40 * SECOND)
    for station in order[:4]:
        found += stage.process(told(station, arrival[station], 1.0, 0.3), START_US + 41 * SECOND)
    first = found[-1].level
    assert first >= 3
    for station in order[4:]:
        found += stage.process(told(station, arrival[station]), START_US + 42 * SECOND)
        found += stage.process(told(station, arrival[station], 1.0, 0.002), START_US + 43 * SECOND)
    assert {finding.level for finding in found} == {first}
    later = [item for s in range(44, 56) for item in stage.tick(START_US + s * SECOND)]
    assert later
    assert later[-1].level < first


def test_a_refused_state_names_the_version():
    _, stage = stages(made_network())
    with pytest.raises(UnknownState, match=r"seismic\.event"):
        stage.restore({"picks": b"\x07"})
