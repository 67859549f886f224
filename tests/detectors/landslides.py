"""Landslide points and series for tests."""

import csv
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np

from detectors.landslide import LandslideParameters, LandslidePoint
from schemas.area import Area, Tier
from schemas.bundle import Bundle
from schemas.finding import Finding
from schemas.packet import Packet, make_packet
from schemas.station import Station
from schemas.times import HOUR, to_micros

DATA = Path(__file__).parents[1] / "data" / "landslide"
AREAS = (
    Area("5119", "巴中市", Tier.CITY, None, 106.75, 31.86),
    Area("511902", "巴州区", Tier.COUNTY, "5119", 106.77, 31.85),
    Area("511902001", "甲镇", Tier.TOWNSHIP, "511902", 106.7, 31.8),
    Area("511902001200", "甲村", Tier.VILLAGE, "511902001", 106.7, 31.8),
)
START = to_micros(datetime(2026, 7, 1, tzinfo=UTC))


def points(count: int, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] = {}) -> Bundle:
    """A bundle of landslide points LS-0, LS-1, …"""
    each = [parameters] * count if isinstance(parameters, Mapping) else list(parameters)
    return Bundle.of(
        areas=AREAS,
        stations=[
            Station(f"LS-{k}", "landslide", f"点{k}", 106.7, 31.8, None, "511902001200", (), dict(each[k]))
            for k in range(count)
        ],
        policy={},
    )


def assessed(packet: Packet, flag: int = 1) -> Packet:
    return packet.assessed(np.full(len(packet), flag, dtype=np.uint8), np.ones(len(packet), dtype=bool))


def series(
    bundle: Bundle,
    times_us: Any,
    columns: Mapping[str, Any],
    place: int = 0,
    flag: int = 1,
) -> Packet:
    """One point's series as one packet, received as it was observed."""
    rows = np.full(len(times_us), place)
    return assessed(make_packet("landslide", bundle.hash, rows, times_us, times_us, columns), flag)


def grid(bundle: Bundle, values: Mapping[str, Any], start_us: int = START) -> list[Packet]:
    """Hourly packets of all points; values (hours, points), NaN where a point says nothing."""
    shape = next(iter(values.values())).shape
    packets = []
    for hour in range(shape[0]):
        there = ~np.isnan(np.stack([v[hour] for v in values.values()])).all(axis=0)
        rows = np.flatnonzero(there)
        at = np.full(len(rows), start_us + hour * HOUR)
        columns = {name: v[hour][there] for name, v in values.items()}
        packets.append(assessed(make_packet("landslide", bundle.hash, rows, at, at, columns)))
    return packets


def findings(stage: LandslidePoint, packets: Sequence[Packet]) -> list[Finding]:
    found: list[Finding] = []
    for packet in packets:
        if len(packet):
            found += [emitted.item for emitted in stage.process(packet, int(packet.log_us[-1]))]
    return found


def prism(name: str) -> tuple[list[int], list[float], list[tuple[float, float, float]]]:
    """Times, displacements (mm) and positions (m) of a prism of the Century mine."""
    zone = timezone(timedelta(hours=10))
    with open(DATA / f"prism_{name}.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    times = [to_micros(datetime.fromisoformat(r["observed_at_local"]).replace(tzinfo=zone)) for r in rows]
    where = [(float(r["easting_m"]), float(r["northing_m"]), float(r["elevation_m"])) for r in rows]
    return times, [float(r["displacement_mm"]) for r in rows], where


def stage(bundle: Bundle, **parameters: Any) -> LandslidePoint:
    return LandslidePoint(LandslideParameters(**parameters), bundle)
