"""Cameras, frames and smoke sequences for tests."""

import csv
import gzip
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from detectors.fire import FireFix, FireParameters, FireSighting
from schemas.area import Area, Tier
from schemas.bundle import Bundle
from schemas.finding import Finding
from schemas.packet import LABELS, Packet, make_packet
from schemas.station import Station
from schemas.times import Micros, seconds, to_micros

DATA = Path(__file__).parents[1] / "data" / "fire"
NOON = to_micros(datetime(2026, 4, 5, 4, 0, tzinfo=UTC))
"""Twelve o'clock in Bazhong."""
AREAS = (
    Area("5119", "巴中市", Tier.CITY, None, 106.75, 31.86),
    Area("511902", "巴州区", Tier.COUNTY, "5119", 106.77, 31.85),
    Area("511902101", "甲镇", Tier.TOWNSHIP, "511902", 106.70, 31.85),
    Area("511902102", "乙镇", Tier.TOWNSHIP, "511902", 106.85, 31.90),
    Area("511902103", "丙镇", Tier.TOWNSHIP, "511902", 106.80, 31.97),
    Area("511902101200", "甲村", Tier.VILLAGE, "511902101", 106.70, 31.85),
    Area("511902102200", "乙村", Tier.VILLAGE, "511902102", 106.85, 31.90),
    Area("511902103200", "丙村", Tier.VILLAGE, "511902103", 106.80, 31.98),
)
CAMERAS = (("FC-A", 106.70, 31.85, "511902101"), ("FC-B", 106.85, 31.90, "511902102"))


class Look(NamedTuple):
    """One frame: camera, seconds after the start, azimuth, view, detections (label, confidence, x0, x1)."""

    camera: int
    at_s: float
    azimuth: float = 0.0
    seen: Sequence[tuple[str, float, float, float]] = ()
    view: float = 60.0
    heat: float = np.nan
    start: Micros = NOON

    @property
    def observed_us(self) -> Micros:
        return self.start + seconds(self.at_s)


def cameras(places: Iterable[tuple[str, float, float, str]] = CAMERAS, **parameters: Any) -> Bundle:
    return Bundle.of(
        areas=AREAS,
        stations=[
            Station(name, "camera", name, lon, lat, None, area, (), {"range_m": 20000, **parameters})
            for name, lon, lat, area in places
        ],
        policy={},
    )


def frames(bundle: Bundle, looks: Sequence[Look], flag: int = 1) -> Packet:
    """Frames as one packet, received when they were observed."""
    seen = [one for look in looks for one in look.seen]
    at = [look.observed_us for look in looks]
    packet = make_packet(
        "camera",
        bundle.hash,
        [look.camera for look in looks],
        at,
        at,
        {
            "azimuth_deg": [look.azimuth for look in looks],
            "field_of_view_deg": [look.view for look in looks],
            "max_temperature_c": [look.heat for look in looks],
        },
        lengths=[len(look.seen) for look in looks],
        parts={
            "label": [LABELS.index(label) for label, *_ in seen],
            "confidence": [confidence for _, confidence, *_ in seen],
            "x0": [x0 for _, _, x0, _ in seen],
            "y0": [0.4 for _ in seen],
            "x1": [x1 for *_, x1 in seen],
            "y1": [0.6 for _ in seen],
        },
    )
    return packet.assessed(np.full(len(packet), flag, dtype=np.uint8), np.ones(len(packet), dtype=bool))


def stages(bundle: Bundle, **parameters: Any) -> tuple[FireSighting, FireFix]:
    return FireSighting(FireParameters(**parameters), bundle), FireFix(FireParameters(**parameters), bundle)


def run(pair: tuple[FireSighting, FireFix], packets: Iterable[Packet]) -> list[Finding]:
    """What both stages find, in order."""
    found: list[Finding] = []
    sighting, fix = pair
    for packet in packets:
        for emitted in sighting.process(packet, int(packet.log_us[-1])):
            if isinstance(emitted.item, Finding):
                found.append(emitted.item)
            else:
                found += fix.process(emitted.item, int(packet.log_us[emitted.row]))
    return found


class Sequence80(NamedTuple):
    """One smoke sequence: azimuth of the camera, when smoke is first visible, and its frames (time, box or None)."""

    name: str
    azimuth: float
    ignition_us: Micros
    frames: tuple[tuple[Micros, tuple[float, float] | None], ...]


def sequences(folder: Path = DATA) -> Iterator[Sequence80]:
    """Smoke sequences of real cameras; boxes as fractions of the width."""
    boxes: dict[str, list[tuple[Micros, tuple[float, float] | None]]] = {}
    with gzip.open(folder / "frames.csv.gz", "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            at = to_micros(datetime.fromisoformat(row["observed_at"]))
            box = (float(row["x0_px"]) / 3072, float(row["x1_px"]) / 3072) if row["x0_px"] else None
            boxes.setdefault(row["sequence"], []).append((at, box))
    with open(folder / "sequences.csv", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            yield Sequence80(
                row["sequence"],
                float(row["azimuth_deg"] or 0.0),
                to_micros(datetime.fromisoformat(row["ignition_at"])),
                tuple(sorted(boxes[row["sequence"]])),
            )


def dressed(bundle: Bundle, sequence: Sequence80, confidence: np.random.Generator) -> Packet:
    """A sequence as frames of camera 0, its boxes with confidences of 0.6 to 0.9."""
    looks = [
        Look(
            0,
            (at - sequence.ignition_us) / 1e6,
            sequence.azimuth,
            () if box is None else (("smoke", round(float(confidence.uniform(0.6, 0.9)), 2), *box),),
            62.0,
            start=sequence.ignition_us,
        )
        for at, box in sequence.frames
    ]
    return frames(bundle, looks)


def subjects(found: Iterable[Finding]) -> Mapping[str, list[int]]:
    """Levels by subject, in order."""
    levels: dict[str, list[int]] = {}
    for finding in found:
        levels.setdefault(finding.subject, []).append(finding.level)
    return levels
