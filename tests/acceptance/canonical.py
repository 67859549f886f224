"""Recorded series of each hazard as canonical readings, and a configuration folder for their instruments.

Used by the tests on the parts of the data that stand in `tests/data`; the same functions read the whole sets, which have
the same columns.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pymseed
import yaml

Reading = dict[str, Any]
MINE = timezone(timedelta(hours=10))
WIDTH_PX = 3072
PACKET_S = 2.0
VILLAGE = "511902100200"


@dataclass
class Record:
    """Instruments and what they said. `said` is in order of the time at which each reading could be sent."""

    stations: list[dict[str, Any]] = field(default_factory=list)
    said: list[tuple[datetime, Reading]] = field(default_factory=list)

    def station(self, id: str, kind: str, lon: float = 106.7, lat: float = 31.8, **parameters: Any) -> None:
        """Add an instrument."""
        self.stations.append({"id": id, "kind": kind, "lon": lon, "lat": lat, "parameters": parameters})

    def in_order(self) -> Record:
        """The same, sorted by the time of sending."""
        self.said.sort(key=lambda one: (one[0], one[1]["station"]))
        return self

    def lines(self) -> str:
        """The readings as a file for `fenghuo replay`."""
        return "".join(json.dumps(reading) + "\n" for _, reading in self.said)


def rows(path: Path) -> Iterable[dict[str, str]]:
    """Rows of a CSV file, packed or not."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open(newline="") as file:
        yield from csv.DictReader(file)


def rain(paths: Sequence[Path], interval_s: float, places: Mapping[str, tuple[float, float]] = {}) -> Record:
    """Gauges: observed_at, station, rain_mm of the interval that ends there; an empty value is no reading."""
    record = Record()
    known: set[str] = set()
    for path in paths:
        for row in rows(path):
            if row["station"] not in known:
                known.add(row["station"])
                lon, lat = places.get(row["station"], (106.7, 31.8))
                record.station(row["station"], "rain", lon, lat, interval_s=interval_s)
            if row["rain_mm"] == "":
                continue
            at = datetime.fromisoformat(row["observed_at"])
            reading = {"kind": "rain", "station": row["station"], "observed_at": at.isoformat()}
            record.said.append((at, reading | {"interval_s": interval_s, "rain_mm": float(row["rain_mm"])}))
    return record.in_order()


def prisms(paths: Sequence[Path]) -> Record:
    """Survey prisms: the published movement as a cumulative displacement, about daily."""
    record = Record()
    for path in paths:
        for number, row in enumerate(rows(path)):
            if number == 0:
                record.station(row["station"], "landslide", interval_s=86_400)
            at = datetime.fromisoformat(row["observed_at_local"]).replace(tzinfo=MINE)
            reading = {"kind": "landslide", "station": row["station"], "observed_at": at.isoformat()}
            record.said.append((at, reading | {"displacement_mm": float(row["displacement_mm"])}))
    return record.in_order()


def seismic(paths: Sequence[Path], stations: Path, gains: Path | None = None) -> Record:
    """miniSEED in counts as packets of two seconds, each sent when its last sample was taken."""
    record, channels = Record(), dict[str, dict[str, float]]()
    for row in rows(gains) if gains is not None else ():
        channels.setdefault(row["id"], {})[row["channel"]] = float(row["gain"])
    names = set()
    for row in rows(stations):
        names.add(row["id"])
        gain: Any = channels.get(row["id"]) or float(row["gain"])
        unit = {"unit": row["unit"]} if row["unit"] != "count" else {}
        lon, lat = float(row["lon"] or 106.7), float(row["lat"] or 31.8)
        record.station(row["id"], "seismic", lon, lat, gain=gain, **unit)
    for path in paths:
        for trace in pymseed.MS3Record.from_file(str(path), unpack_data=True):
            network, name, _, channel = pymseed.sourceid2nslc(trace.sourceid)
            station = name if name in names else f"{network}.{name}"
            record.said += _packets(trace, station, channel)
    return record.in_order()


def _packets(trace: Any, station: str, channel: str) -> Iterable[tuple[datetime, Reading]]:
    rate_hz, samples = float(trace.samprate), np.asarray(trace.np_datasamples, dtype=np.float64)
    starts = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(trace.starttime) // 1000)
    step = max(1, round(PACKET_S * rate_hz))
    for low in range(0, len(samples), step):
        part = samples[low : low + step]
        at = starts + timedelta(seconds=low / rate_hz)
        reading: Reading = {
            "kind": "seismic",
            "station": station,
            "observed_at": at.isoformat(),
            "channel": channel,
        }
        reading |= {"sample_rate_hz": rate_hz, "unit": "count", "samples": part.tolist()}
        yield at + timedelta(seconds=(len(part) - 1) / rate_hz), reading


def smoke(folder: Path, *, together: datetime | None = None) -> Record:
    """Labelled sequences of cameras: each box a detection of confidence 0.7; one station a sequence.

    Parameters
    ----------
    together
        Move every sequence so that its smoke begins then, and one clock can show them all.
    """
    record, shifts, azimuths = Record(), dict[str, timedelta](), dict[str, float]()
    for number, row in enumerate(rows(folder / "sequences.csv")):
        ignition = datetime.fromisoformat(row["ignition_at"])
        shifts[row["sequence"]] = timedelta(0) if together is None else together - ignition
        azimuths[row["sequence"]] = float(row["azimuth_deg"] or 0)
        # A degree apart: no two of these cameras saw the same ground.
        record.station(row["sequence"], "camera", 100.0 + number % 10, 25.0 + number // 10, interval_s=60)
    for row in rows(folder / "frames.csv.gz"):
        name = row["sequence"]
        at = datetime.fromisoformat(row["observed_at"]) + shifts[name]
        reading: Reading = {"kind": "camera", "station": name, "observed_at": at.isoformat()}
        reading |= {"azimuth_deg": azimuths[name], "field_of_view_deg": 62.0, "detections": []}
        if row["x0_px"]:
            box = [int(row["x0_px"]) / WIDTH_PX, 0.4, int(row["x1_px"]) / WIDTH_PX, 0.6]
            reading["detections"] = [{"label": "smoke", "confidence": 0.7, "box": box}]
        record.said.append((at, reading))
    return record.in_order()


def write_place(
    folder: Path, record: Record, settings: Mapping[str, Any], policy: Mapping[str, Any] | None = None
) -> Path:
    """A configuration folder: one city of one county, township and village, at the middle of the instruments."""
    folder.mkdir(parents=True, exist_ok=True)
    lon = round(float(np.mean([station["lon"] for station in record.stations])), 4)
    lat = round(float(np.mean([station["lat"] for station in record.stations])), 4)
    areas = [("5119", "试验市", "city", ""), ("511902", "试验区", "county", "5119")]
    areas += [("511902100", "试验镇", "township", "511902"), (VILLAGE, "试验村", "village", "511902100")]
    with (folder / "areas.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("code", "name", "tier", "parent", "lon", "lat")])
        csv.writer(file).writerows([(*area, lon, lat) for area in areas])
    with (folder / "stations.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("id", "kind", "name", "lon", "lat", "elevation_m", "area", "watches", "parameters"))
        for s in record.stations:
            place = (s["lon"], s["lat"], "", VILLAGE, "", json.dumps(s["parameters"]))
            table.writerow((s["id"], s["kind"], s["id"], *place))
    (folder / "fenghuo.yaml").write_text(yaml.safe_dump(dict(settings)), encoding="utf-8")
    if policy is not None:
        (folder / "policy.yaml").write_text(yaml.safe_dump(dict(policy)), encoding="utf-8")
    return folder
