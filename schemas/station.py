"""Stations: the instruments, their places, and the row that stands for each in columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.times import Micros, seconds

INTERVAL_S: Mapping[str, float | None] = {
    "rain": 300.0,
    "landslide": 3600.0,
    "camera": 600.0,
    "seismic": None,
    "weather": 3600.0,
    "water": 3600.0,
    "report": None,
    "hotspot": None,
    "measure": 3600.0,
}
"""How often a station of each kind reports unless its `interval_s` says otherwise; None: triggered, never silent."""


class Station(msgspec.Struct, frozen=True):
    """One instrument. `watches`: codes of the areas that its readings concern beside its own."""

    id: str
    kind: str
    name: str
    lon: float
    lat: float
    elevation_m: float | None
    area: str
    watches: tuple[str, ...] = ()
    parameters: dict[str, Any] = {}

    @property
    def interval_us(self) -> Micros | None:
        """Its own rhythm, microseconds; None where it is triggered."""
        value = self.parameters.get("interval_s", INTERVAL_S.get(self.kind))
        return None if value is None else seconds(float(value))


class StationIndex:
    """All stations of a configuration; a station's *row* is its place in this order.

    Rows are the indices that packets carry. They hold for one configuration bundle only: state that
    outlives a bundle is keyed by station id.
    """

    def __init__(self, stations: Iterable[Station]) -> None:
        self.stations: tuple[Station, ...] = tuple(stations)
        self.row_of: dict[str, int] = {station.id: row for row, station in enumerate(self.stations)}

    def __len__(self) -> int:
        return len(self.stations)

    def __iter__(self) -> Iterator[Station]:
        return iter(self.stations)

    def __getitem__(self, row: int) -> Station:
        return self.stations[row]

    @cached_property
    def lon(self) -> NDArray[np.float64]:
        """Longitudes by row, degrees, shape (n,)."""
        return np.array([s.lon for s in self.stations], dtype=np.float64)

    @cached_property
    def lat(self) -> NDArray[np.float64]:
        """Latitudes by row, degrees, shape (n,)."""
        return np.array([s.lat for s in self.stations], dtype=np.float64)

    @cached_property
    def interval_us(self) -> NDArray[np.int64]:
        """Intervals by row, microseconds, shape (n,); 0 where a station is triggered."""
        return np.array([s.interval_us or 0 for s in self.stations], dtype=np.int64)

    def rows_of(self, kind: str) -> NDArray[np.intp]:
        """Rows of the stations of one kind, ascending, shape (m,)."""
        return np.array([row for row, s in enumerate(self.stations) if s.kind == kind], dtype=np.intp)

    def places_of(self, kind: str) -> NDArray[np.intp]:
        """For each row its place among the stations of `kind`, or -1; shape (n,). A detector's state is that long."""
        places = np.full(len(self.stations), -1, dtype=np.intp)
        rows = self.rows_of(kind)
        places[rows] = np.arange(len(rows))
        return places
