"""History: what stations said within the horizon, so that repeats and overlaps are told, in bounded memory.

In      entries: a station's place, the time that tells the reading, and whole numbers that tell its content
Out     the entries of one station in a span of time
State   one row for each hour and each 64th part of the stations
Source  EXACT, rules 4 (horizons), 7 (repeats), 13 (rows of state)
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.rows import check_version
from schemas.times import HOUR, Micros

PARTS = 64
"""Stations fall into this many parts by a hash of their ids, which holds whatever the configuration."""


class _Hour:
    """Entries of one hour of event time, in the order in which they came; columns that grow."""

    def __init__(self, width: int) -> None:
        self.n = 0
        self.place = np.empty(64, dtype=np.int32)
        self.time_us = np.empty(64, dtype=np.int64)
        self.content = np.empty((64, width), dtype=np.int64)

    def append(self, place: NDArray[np.intp], time_us: NDArray[np.int64], content: NDArray[np.int64]) -> None:
        stop = self.n + len(place)
        if stop > len(self.place):
            size = max(stop, 2 * len(self.place))
            self.place = np.resize(self.place, size)
            self.time_us = np.resize(self.time_us, size)
            self.content = np.resize(self.content, (size, self.content.shape[1]))
        self.place[self.n : stop] = place
        self.time_us[self.n : stop] = time_us
        self.content[self.n : stop] = content
        self.n = stop


class History:
    """Entries of many stations by hour.

    Parameters
    ----------
    head
        What the keys of its rows begin with.
    name, version
        The stage's, for its rows.
    ids
        Station ids by place.
    width
        How many whole numbers tell an entry's content.
    horizon_us
        Entries older than this against the log are forgotten.
    """

    def __init__(
        self, head: str, name: str, version: int, ids: Sequence[str], width: int, horizon_us: Micros
    ) -> None:
        self._head, self._name, self._version = head, name, version
        self._ids = tuple(ids)
        self._width = width
        self._horizon_us = horizon_us
        self._hours: dict[int, _Hour] = {}
        self._part = np.array([zlib.crc32(i.encode()) % PARTS for i in ids], dtype=np.intp)
        self._present: dict[int, NDArray[np.bool_]] = {}
        self._dirty: dict[int, NDArray[np.bool_]] = {}
        self._handed: dict[int, NDArray[np.bool_]] = {}
        self._oldest_hour = -(2**40)

    def add(self, places: NDArray[np.intp], time_us: NDArray[np.int64], content: NDArray[np.int64]) -> None:
        """Add entries, (m,), (m,), (m, width)."""
        if not len(places):
            return
        hours = time_us // HOUR
        low, high = int(hours.min()), int(hours.max())
        for hour in (low,) if low == high else np.unique(hours).tolist():
            inside = slice(None) if low == high else hours == hour
            if hour not in self._hours:
                self._hours[hour] = _Hour(self._width)
            self._hours[hour].append(places[inside], time_us[inside], content[inside])
            for marked in (self._present, self._dirty):
                marked.setdefault(hour, np.zeros(PARTS, dtype=bool))[self._part[places[inside]]] = True

    def find(
        self, place: int, first_us: Micros, last_us: Micros
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Times (k,) and contents (k, width) of a station's entries from `first_us` to `last_us` inclusive."""
        times, contents = [], []
        for hour in range(first_us // HOUR, last_us // HOUR + 1):
            entries = self._hours.get(hour)
            if entries is None:
                continue
            at = np.flatnonzero(entries.place[: entries.n] == place)
            at = at[(entries.time_us[at] >= first_us) & (entries.time_us[at] <= last_us)]
            times.append(entries.time_us[at])
            contents.append(entries.content[at])
        if not times:
            return np.empty(0, dtype=np.int64), np.empty((0, self._width), dtype=np.int64)
        return np.concatenate(times), np.concatenate(contents)

    def forget(self, now: Micros) -> None:
        """Drop the hours that lie wholly past the horizon."""
        oldest = (now - self._horizon_us) // HOUR - 1
        if oldest == self._oldest_hour:
            return
        self._oldest_hour = oldest
        for hour in [hour for hour in self._hours if hour < oldest]:
            del self._hours[hour]
            gone = self._present.pop(hour)
            self._dirty.setdefault(hour, np.zeros(PARTS, dtype=bool))[gone] = True

    def changed(self) -> dict[str, bytes | None]:
        """Rows changed since the last saved checkpoint."""
        for hour, parts in self._dirty.items():
            self._handed.setdefault(hour, np.zeros(PARTS, dtype=bool))[parts] = True
        self._dirty.clear()
        rows: dict[str, bytes | None] = {}
        for hour, parts in self._handed.items():
            present = self._present.get(hour)
            for part in np.flatnonzero(parts).tolist():
                there = present is not None and bool(present[part])
                rows[f"{self._head}/{hour}/{part:02x}"] = self._row(hour, part) if there else None
        return rows

    def saved(self) -> None:
        """The checkpoint of the last `changed()` is durable."""
        self._handed.clear()

    def state(self) -> dict[str, bytes]:
        """All rows."""
        return {
            f"{self._head}/{hour}/{part:02x}": self._row(hour, part)
            for hour, parts in self._present.items()
            for part in np.flatnonzero(parts).tolist()
        }

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Take up rows; entries of stations that are gone are left out."""
        place_of = {station: place for place, station in enumerate(self._ids)}
        for key, value in state.items():
            if not key.startswith(f"{self._head}/"):
                continue
            check_version(self._name, value, self._version)
            hour = int(key.split("/")[1])
            names, place, time, content = msgspec.msgpack.decode(
                memoryview(value)[1:], type=tuple[list[str], bytes, bytes, bytes]
            )
            places = np.array([place_of.get(name, -1) for name in names], dtype=np.intp)
            rows = places[np.frombuffer(place, dtype="<i4")]
            known = rows >= 0
            self.add(
                rows[known],
                np.frombuffer(time, dtype="<i8")[known],
                np.frombuffer(content, dtype="<i8").reshape(-1, self._width)[known],
            )
            self._present.setdefault(hour, np.zeros(PARTS, dtype=bool))[int(key.split("/")[2], 16)] = True
            self._hours.setdefault(hour, _Hour(self._width))
        self._dirty.clear()

    def _row(self, hour: int, part: int) -> bytes:
        entries = self._hours[hour]
        at = np.flatnonzero(self._part[entries.place[: entries.n]] == part)
        # By station and then as they came, so that the bytes do not depend on how stations were mixed.
        at = at[np.argsort(entries.place[at], kind="stable")]
        places, names = np.unique(entries.place[at], return_inverse=True)
        body = (
            [self._ids[place] for place in places.tolist()],
            names.astype("<i4").tobytes(),
            entries.time_us[at].astype("<i8").tobytes(),
            entries.content[at].astype("<i8").tobytes(),
        )
        return bytes([self._version]) + msgspec.msgpack.encode(body)
