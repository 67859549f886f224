"""Rain on real gauges: the minutes of first blue to red at 59 gauges equal an independent program's figures."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from detectors.rain import RainParameters, RainSignal
from detectors.silence import Silence, SilenceParameters
from schemas.bundle import Bundle
from schemas.hazard import Hazard
from schemas.packet import make_packet
from schemas.station import Station
from schemas.times import HOUR, Micros, to_micros
from tests.detectors.contract import Drive
from tests.detectors.rainy import AREAS, TOWNSHIP

DATA = Path(__file__).parent.parent / "data" / "rain" / "jma-kanto-2023-09-08"
COLOURS = ("blue", "yellow", "orange", "red")


@pytest.fixture(scope="module")
def played() -> Drive:
    with gzip.open(DATA / "rain.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = [
            (to_micros(datetime.fromisoformat(r["observed_at"])), r["station"], float(r["rain_mm"]))
            for r in csv.DictReader(file)
        ]
    rows.sort(key=lambda row: row[0])
    ids = sorted({station for _, station, _ in rows})
    stations = [Station(i, "rain", i, 107.2, 31.9, None, TOWNSHIP, (), {"interval_s": 3600}) for i in ids]
    bundle = Bundle.of(areas=AREAS, stations=stations, policy={})
    times = [t for t, _, _ in rows]
    packet = make_packet(
        "rain",
        bundle.hash,
        [ids.index(station) for _, station, _ in rows],
        times,
        times,
        {"rain_um": [round(mm * 1000) for _, _, mm in rows], "interval_us": [HOUR] * len(rows)},
    )
    n = len(rows)
    drive = Drive([RainSignal(RainParameters(), bundle), Silence(SilenceParameters(), bundle)])
    drive.take(packet.assessed(np.ones(n, dtype=np.uint8), np.ones(n, dtype=bool)))
    return drive


def first_times(drive: Drive) -> dict[str, dict[int, Micros]]:
    """For each gauge and level, when it first stood at that level or higher."""
    first: dict[str, dict[int, Micros]] = defaultdict(dict)
    for finding in drive.found:
        if finding.hazard is Hazard.RAINSTORM:
            for level in range(1, finding.level + 1):
                first[finding.subject].setdefault(level, finding.observed_us)
    return first


def test_every_gauge_reaches_every_level_in_the_hour_of_the_reference(played):
    with (DATA / "expected.csv").open(encoding="utf-8", newline="") as file:
        expected = {row["station"]: row for row in csv.DictReader(file)}
    first = first_times(played)
    assert len(expected) == 59
    for station, row in expected.items():
        reached = [
            None if row[c] == "-" else to_micros(datetime.strptime(row[c], "%Y-%m-%dT%H:%M%z"))
            for c in COLOURS
        ]
        for level in range(1, 5):
            # A gauge that reaches a higher signal stands at the lower ones too.
            want = min((t for t in reached[level - 1 :] if t is not None), default=None)
            assert first[station].get(level) == want, (station, level)


def test_counts_of_the_source(played):
    first = first_times(played)
    assert [sum(level in levels for levels in first.values()) for level in (1, 2, 3, 4)] == [49, 45, 33, 12]


def test_largest_sums_equal_the_reference(played):
    peak: dict[str, float] = defaultdict(float)
    for finding in played.found:
        if finding.hazard is Hazard.RAINSTORM and finding.level == 4:
            peak[finding.subject] = max(peak[finding.subject], finding.evidence["rain_mm"])
    with (DATA / "expected.csv").open(encoding="utf-8", newline="") as file:
        largest = {row["station"]: float(row["max3h"]) for row in csv.DictReader(file)}
    assert len(peak) == 12
    for station, mm in peak.items():
        assert 100 <= mm <= largest[station]


def test_an_hour_missing_at_all_gauges_names_no_station(played):
    assert [f for f in played.found if f.hazard is Hazard.STATION] == []


def test_the_second_centre_rises_when_the_first_is_over(played):
    """Chiba in the morning, Hitachi ten hours later: both red, and Chiba's has ended by then at some gauges."""
    first = first_times(played)
    assert first["45261"][4] < first["40136"][4]
    last = {f.subject: f.level for f in played.found if f.hazard is Hazard.RAINSTORM}
    assert last["45261"] == 0
