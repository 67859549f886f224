"""A country of rain gauges: its configuration, and what its gauges say in a storm, as packets of a gateway.

One association area of 20 counties with 50 townships each; the gauges stand in the townships. A storm of some cells
crosses it: most gauges stay dry, some get rain, a few cross thresholds. Each gauge reports every five minutes, at a
moment of its own, so that the gauges of a packet are in no order. Of a thousand readings one comes an interval late
and another one twice, as lines that break and come back give them.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.bundle import Bundle
from schemas.packet import Packet, make_packet
from schemas.times import MINUTE, SECOND, Micros

BAZHONG = Path(__file__).resolve().parents[1] / "deploy" / "bazhong"
CITY = "5101"
COUNTIES, TOWNSHIPS = 20, 50
WEST_DEG, SOUTH_DEG, WIDE_DEG = 105.0, 29.0, 4.0
INTERVAL_US: Micros = 5 * MINUTE
BEGIN_US: Micros = 1_784_304_000 * SECOND
CELLS = 24
_LATE = _TWICE = 0.001


def write_configuration(folder: Path, gauges: int, bootstrap: str, database: str) -> None:
    """Write the configuration of the country into a folder that is there.

    Parameters
    ----------
    bootstrap
        Address of the Kafka broker.
    database
        URL of the ledger.
    """
    chance = np.random.default_rng(1)
    shutil.copy(BAZHONG / "policy.yaml", folder)
    settings = {
        "status": "exercise",
        "brokers": {"kafka": {"bootstrap": [bootstrap]}},
        "database": {"url": database},
    }
    (folder / "fenghuo.yaml").write_text(json.dumps(settings))
    areas: list[list[Any]] = [[CITY, "测试市", "city", "", 105.0, 31.0]]
    townships = []
    for county in range(COUNTIES):
        code = f"{CITY}{county + 1:02}"
        row, column = divmod(county, 5)
        west, south = WEST_DEG + 0.8 * column, SOUTH_DEG + row
        areas.append([code, f"第{county + 1}县", "county", CITY, round(west + 0.4, 4), south + 0.5])
        for township in range(TOWNSHIPS):
            row, column = divmod(township, 5)
            middle = round(west + 0.16 * column + 0.08, 4), round(south + 0.1 * row + 0.05, 4)
            name = f"第{county + 1}县第{township + 1}镇"
            townships.append((f"{code}{township + 1:03}", *middle))
            areas.append([townships[-1][0], name, "township", code, *middle])
    offsets = chance.uniform(-0.04, 0.04, (gauges, 2)).round(5).tolist()
    stations = []
    for number, (east, north) in enumerate(offsets):
        code, lon, lat = townships[number % len(townships)]
        place = [round(lon + east, 5), round(lat + north, 5), 500]
        stations.append([f"RG-{number:06}", "rain", f"{number}号雨量站", *place, code, "", ""])
    recipients = [
        [f"{code}-{role}", f"{name}{role}", code, tier, role, json.dumps({"sms": f"example-{code}-{role}"})]
        for code, name, tier, *_ in areas
        for role in ("duty", "maintenance", "public")
        if tier in ("city", "county")
    ]
    _write(folder / "areas.csv", "code,name,tier,parent,lon,lat", areas)
    _write(folder / "stations.csv", "id,kind,name,lon,lat,elevation_m,area,watches,parameters", stations)
    _write(folder / "recipients.csv", "id,post,area,tier,role,channels", recipients)


def _write(path: Path, head: str, rows: list[list[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(head.split(","))
        writer.writerows(rows)


@dataclass(frozen=True, slots=True)
class _Cells:
    """Rain cells that move, grow and fade; arrays (CELLS,), degrees, hours, millimetres an hour."""

    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    from_h: NDArray[np.float64]
    long_h: NDArray[np.float64]
    wide_deg: NDArray[np.float64]
    peak_mm_h: NDArray[np.float64]

    @classmethod
    def made(cls, chance: np.random.Generator, hours: float) -> _Cells:
        return cls(
            chance.uniform(WEST_DEG, WEST_DEG + WIDE_DEG, CELLS),
            chance.uniform(SOUTH_DEG, SOUTH_DEG + WIDE_DEG, CELLS),
            chance.uniform(-1, hours - 1, CELLS),
            chance.uniform(2, 5, CELLS),
            chance.uniform(0.05, 0.15, CELLS),
            chance.uniform(8, 45, CELLS),
        )

    def rate_mm_h(
        self, lon: NDArray[np.float64], lat: NDArray[np.float64], hour: float
    ) -> NDArray[np.float64]:
        """Rain at places at a moment, (n,)."""
        rate = np.zeros(len(lon))
        for k in range(CELLS):
            age = (hour - self.from_h[k]) / self.long_h[k]
            if 0 < age < 1:
                distance = np.hypot(lon - self.lon[k] - 0.05 * age, lat - self.lat[k]) / self.wide_deg[k]
                rate += self.peak_mm_h[k] * np.sin(np.pi * age) * np.exp(-(distance**2))
        return rate


def sweeps(bundle: Bundle, count: int) -> Iterator[Packet]:
    """Yield what all gauges say in one interval after the other, each as one packet in the order of arrival."""
    chance = np.random.default_rng(2)
    rows = np.flatnonzero([station.kind == "rain" for station in bundle.stations]).astype(np.int32)
    lon, lat = bundle.stations.lon[rows], bundle.stations.lat[rows]
    cells = _Cells.made(chance, count * INTERVAL_US / (60 * MINUTE))
    moment_us = chance.integers(SECOND, INTERVAL_US - 20 * SECOND, len(rows))
    left = np.zeros(len(rows))
    held: tuple[NDArray[Any], ...] | None = None
    for number in range(count):
        observed_us = BEGIN_US + (number + 1) * INTERVAL_US
        left += cells.rate_mm_h(lon, lat, number * INTERVAL_US / (60 * MINUTE)) * (
            INTERVAL_US / (60 * MINUTE)
        )
        tips = np.floor(left / 0.2)
        left -= tips * 0.2
        # What falls below a trace between cells never makes a tip; it dries.
        left[tips == 0] *= 0.9
        arrives_us = observed_us + moment_us + chance.integers(0, 10 * SECOND, len(rows))
        said = (rows, np.full(len(rows), observed_us), arrives_us, (tips * 200).astype(np.int64))
        late = chance.random(len(rows)) < _LATE
        twice = chance.random(len(rows)) < _TWICE
        parts = [tuple(column[~late] for column in said), tuple(column[twice & ~late] for column in said)]
        if held is not None:
            parts.append(held)
        held = tuple(column[late] for column in said)
        held[2][:] += INTERVAL_US
        row, observed, received, rain_um = (np.concatenate(column) for column in zip(*parts, strict=True))
        order = np.argsort(received, kind="stable")
        columns = {
            "rain_um": rain_um[order],
            "interval_us": np.full(len(order), INTERVAL_US),
            "sequence": np.full(len(order), number),
        }
        yield make_packet("rain", bundle.hash, row[order], observed[order], received[order], columns)


def packets(bundle: Bundle, count: int, size: int) -> Iterator[Packet]:
    """Yield the same in packets of `size` readings."""
    for sweep in sweeps(bundle, count):
        for start in range(0, len(sweep), size):
            yield sweep.span(start, min(start + size, len(sweep)))
