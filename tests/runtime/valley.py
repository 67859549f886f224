"""A made-up valley of many villages, each with a slope that fails: a small configuration and a load of readings."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

CITY, COUNTY = "5119", "511902"
NEXT_COUNTY = "511903"
RISES_MM_H = (0.0, 4.0, 12.0)
"""What slopes move an hour in the end, by turns: the first stays as it is, the others become red."""
_QUIET_H, _MOVING_H = 16, 10
POLICY: Mapping[str, Any] = {
    "routing": {
        "windows_s": {"red": 0, "orange": 1, "yellow": 2, "blue": 2, "cancel": 2},
        "limits": {"sms": {"burst": 1000, "every_s": 600}},
    }
}


def write_valley(folder: Path, villages: int, settings: Mapping[str, Any]) -> Path:
    """A configuration folder; 20 villages a township, in each a slope `LS-n`, in each township a gauge `RG-n`."""
    folder.mkdir(parents=True, exist_ok=True)
    areas = [(CITY, "试验市", "city", "", 106.7, 31.8), (COUNTY, "试验区", "county", CITY, 106.7, 31.8)]
    stations, people = [], []
    people.append(
        ("county", "区应急指挥中心值班室", COUNTY, "county", "duty", {"webhook": "https://example/"})
    )
    for number in range(villages):
        town = f"{COUNTY}{1 + number // 20:03d}"
        lon, lat = 106.5 + number // 20 / 100, 31.5 + number % 20 / 100
        if number % 20 == 0:
            areas.append((town, f"第{1 + number // 20}镇", "township", COUNTY, lon, lat))
            stations.append((f"RG-{number // 20}", "rain", lon, lat, town))
        village = f"{town}{200 + number % 20:03d}"
        areas.append((village, f"第{number}村", "village", town, lon, lat))
        stations.append((f"LS-{number}", "landslide", lon, lat, village))
        channels = {"sms": f"example-{number}", "webhook": "https://example/"}
        people.append((f"v-{number}", f"第{number}村监测员", village, "village", "responsible", channels))
    _table(folder / "areas.csv", ("code", "name", "tier", "parent", "lon", "lat"), areas)
    _table(
        folder / "stations.csv",
        ("id", "kind", "name", "lon", "lat", "elevation_m", "area", "watches", "parameters"),
        [(id, kind, id, lon, lat, "", area, "", "{}") for id, kind, lon, lat, area in stations],
    )
    _table(
        folder / "recipients.csv",
        ("id", "post", "area", "tier", "role", "channels"),
        [(*person[:5], json.dumps(person[5])) for person in people],
    )
    (folder / "fenghuo.yaml").write_text(yaml.safe_dump(dict(settings)))
    (folder / "policy.yaml").write_text(yaml.safe_dump(dict(POLICY)))
    return folder


def add_next_county(folder: Path) -> Path:
    """Another county in the city, with one town and no instrument: the valley's gauge `RG-0` is the town's nearest."""
    areas = [
        (NEXT_COUNTY, "邻县", "county", CITY, 106.45, 31.5),
        (f"{NEXT_COUNTY}001", "邻镇", "township", NEXT_COUNTY, 106.45, 31.5),
    ]
    people = [
        ("next", "邻县值班室", NEXT_COUNTY, "county", "duty", json.dumps({"webhook": "https://example/"}))
    ]
    for name, rows in (("areas", areas), ("recipients", people)):
        with (folder / f"{name}.csv").open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
    return folder


def failing_slope(number: int, until: datetime) -> Iterator[dict[str, Any]]:
    """A slope's hourly readings up to a time: quiet, then perhaps moving."""
    moved_mm = 0.0
    for hour in range(_QUIET_H + _MOVING_H):
        if hour >= _QUIET_H:
            moved_mm += RISES_MM_H[number % len(RISES_MM_H)]
        at = until - timedelta(hours=_QUIET_H + _MOVING_H - 1 - hour)
        yield {
            "kind": "landslide",
            "station": f"LS-{number}",
            "observed_at": at.isoformat(),
            "displacement_mm": round(moved_mm + 0.1 * (hour % 3), 2),
        }


def heavy_rain(number: int, until: datetime) -> Iterator[dict[str, Any]]:
    """Two hours of a gauge, every five minutes: 60 mm."""
    for step in range(24):
        at = until - timedelta(minutes=5 * (23 - step))
        reading = {"kind": "rain", "station": f"RG-{number}", "observed_at": at.isoformat()}
        yield reading | {"interval_s": 300, "rain_mm": 2.5}


def _table(path: Path, head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *rows])
