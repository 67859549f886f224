"""The place of a simulation: areas and stations of a configuration folder, and plane positions.

In      areas.csv, stations.csv (see the contract); faults of the files are named by `fenghuo check`, not here
Out     `Place`
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from schemas.area import Area, AreaIndex, Tier
from schemas.station import Station

Floats: TypeAlias = NDArray[np.float64]

_KM_A_DEGREE = 111.195
"""Kilometres a degree of latitude on a sphere of 6,371 km; plane positions are good to 0.5 % over a city."""


@dataclass(frozen=True)
class Place:
    """Where a scenario plays."""

    areas: AreaIndex
    stations: tuple[Station, ...]

    @classmethod
    def read(cls, folder: Path) -> Place:
        """The place of a configuration folder.

        Raises
        ------
        OSError, ValueError, KeyError
            Where the folder is no configuration.
        """
        with (folder / "areas.csv").open(encoding="utf-8", newline="") as file:
            areas = [
                Area(
                    row["code"],
                    row["name"],
                    Tier(row["tier"]),
                    row["parent"] or None,
                    float(row["lon"]),
                    float(row["lat"]),
                )
                for row in csv.DictReader(file)
            ]
        with (folder / "stations.csv").open(encoding="utf-8", newline="") as file:
            stations = tuple(_station(row) for row in csv.DictReader(file))
        return cls(AreaIndex(areas), stations)

    def of_kind(self, kind: str) -> tuple[Station, ...]:
        """The stations of one kind, in the order of the file."""
        return tuple(station for station in self.stations if station.kind == kind)

    def of_tier(self, tier: Tier) -> tuple[Area, ...]:
        """The areas of one tier, by code."""
        return tuple(sorted((a for a in self.areas if a.tier is tier), key=lambda area: area.code))

    @cached_property
    def origin(self) -> tuple[float, float]:
        """(lon, lat) where plane positions are zero: the middle of the stations' extent."""
        lon = [station.lon for station in self.stations]
        lat = [station.lat for station in self.stations]
        return (min(lon) + max(lon)) / 2, (min(lat) + max(lat)) / 2

    def plane_km(self, things: Sequence[Area | Station]) -> Floats:
        """Positions east and north of the origin, kilometres, shape (n, 2)."""
        lon, lat = self.origin
        degrees = np.array([(thing.lon, thing.lat) for thing in things], dtype=np.float64).reshape(-1, 2)
        scale = np.array([_KM_A_DEGREE * np.cos(np.radians(lat)), _KM_A_DEGREE])
        return np.asarray((degrees - np.array([lon, lat])) * scale, dtype=np.float64)


def _station(row: dict[str, str]) -> Station:
    return Station(
        id=row["id"],
        kind=row["kind"],
        name=row["name"],
        lon=float(row["lon"]),
        lat=float(row["lat"]),
        elevation_m=float(row["elevation_m"]) if row["elevation_m"] else None,
        area=row["area"],
        watches=tuple(code for code in row["watches"].split(";") if code),
        parameters=json.loads(row["parameters"]) if row["parameters"] else {},
    )
