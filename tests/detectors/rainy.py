"""A small city of gauges and streams of their readings, for the tests of the rain detectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from schemas.area import Area, Tier
from schemas.bundle import Bundle
from schemas.packet import Packet, make_packet
from schemas.station import Station
from schemas.times import MINUTE, Micros, to_micros

T0: Micros = to_micros(datetime(2026, 7, 11, 0, 0, tzinfo=UTC))
TOWNSHIP = "511921100"
AREAS = (
    Area("5119", "巴中市", Tier.CITY, None, 106.75, 31.86),
    Area("511921", "通江县", Tier.COUNTY, "5119", 107.24, 31.91),
    Area(TOWNSHIP, "诺江镇", Tier.TOWNSHIP, "511921", 107.24, 31.91),
    Area("511921101", "民胜镇", Tier.TOWNSHIP, "511921", 107.30, 31.95),
)


def bundle(n: int = 3, policy: Mapping[str, Any] | None = None, **parameters: Any) -> Bundle:
    """A bundle with `n` gauges in one township; the other township has none of its own."""
    stations = [
        Station(f"R-{k:03d}", "rain", f"{k}号雨量站", 107.24, 31.91, None, TOWNSHIP, (), parameters)
        for k in range(n)
    ]
    return Bundle.of(areas=AREAS, stations=stations, policy=policy or {})


def rain(
    hash_: str,
    readings: Sequence[tuple[int, Micros, float]],
    *,
    interval_us: Micros = 5 * MINUTE,
    received_us: Sequence[Micros] | None = None,
    flag: int = 1,
) -> Packet:
    """A packet of (row, observed_us, rain_mm), assessed; received when observed unless said otherwise."""
    observed = [o for _, o, _ in readings]
    packet = make_packet(
        "rain",
        hash_,
        [r for r, _, _ in readings],
        observed,
        observed if received_us is None else received_us,
        {
            "rain_um": [round(mm * 1000) for _, _, mm in readings],
            "interval_us": [interval_us] * len(readings),
        },
    )
    n = len(readings)
    return packet.assessed(np.full(n, flag, dtype=np.uint8), np.ones(n, dtype=bool))


def series(row: int, depths_mm: Sequence[float], start: Micros = T0) -> list[tuple[int, Micros, float]]:
    """Five-minute readings of one gauge, the first one ending five minutes after `start`."""
    return [(row, start + (k + 1) * 5 * MINUTE, mm) for k, mm in enumerate(depths_mm)]
