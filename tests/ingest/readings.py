"""Streams of readings and stations for the tests of quality."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from ingest.quality import Quality, QualityParameters
from schemas.area import Area, Tier
from schemas.bundle import Bundle
from schemas.packet import Packet, make_packet
from schemas.station import Station
from schemas.times import MINUTE, Micros, to_micros

T0 = to_micros(datetime(2026, 7, 11, tzinfo=UTC))
FIVE = 5 * MINUTE
AREA = Area("511921", "通江县", Tier.COUNTY, None, 107.24, 31.91)


def bundle(kind: str, n: int = 2, **parameters: Any) -> Bundle:
    stations = [
        Station(f"{kind}-{k}", kind, kind, 107.0, 31.0, None, "511921", (), parameters) for k in range(n)
    ]
    return Bundle.of(areas=[AREA], stations=stations, policy={})


def quality(kind: str, n: int = 2, **parameters: Any) -> Quality:
    return Quality(QualityParameters(), bundle(kind, n, **parameters))


def rain(
    readings: Sequence[tuple[int, Micros, float]],
    interval_us: Micros = FIVE,
    received_us: Sequence[Micros] | None = None,
) -> Packet:
    observed = [o for _, o, _ in readings]
    return make_packet(
        "rain",
        "",
        [r for r, _, _ in readings],
        observed,
        received_us if received_us is not None else np.maximum.accumulate(observed),
        {
            "rain_um": [round(mm * 1000) for _, _, mm in readings],
            "interval_us": [interval_us] * len(readings),
        },
    )


def slope(readings: Sequence[tuple[int, Micros, dict[str, float]]], now: Micros | None = None) -> Packet:
    names = sorted({name for _, _, fields in readings for name in fields})
    observed = [o for _, o, _ in readings]
    return make_packet(
        "landslide",
        "",
        [r for r, _, _ in readings],
        observed,
        np.maximum.accumulate(observed) if now is None else [now] * len(readings),
        {name: [fields.get(name, np.nan) for _, _, fields in readings] for name in names},
    )


def judged(stage: Quality, packet: Packet) -> Packet:
    return stage.process(packet, int(packet.log_us[-1]))[0]


def verdicts(packet: Packet) -> list[tuple[int, bool]]:
    return list(zip(packet.flag.tolist(), packet.counts.tolist(), strict=True))
