"""Rings: the minutes of rain of many gauges in the last days, and the rows of state that hold them.

In      minutes of event time, set and added to by `detectors.rain.buckets`
Out     rain and marks of a gauge's minutes
State   one row for each hour and each 64th part of the gauges
Source  EXACT, rule 13
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.rows import PARTS, check_version, parts_of
from schemas.times import HOUR, Micros

HOURS_KEPT = 72 + 24 + 2
"""The horizon of late rain, the widest window before it, and a margin for hours that are cut."""
BUCKETS = HOURS_KEPT * 60
NO_BUCKET = -(2**40)
"""A bucket before all buckets."""
_MINUTES = np.arange(60)
_NO_PARTS = np.zeros(PARTS, dtype=bool)

_HourRow = tuple[msgspec.Raw, bytes, bytes, bytes]
"""Gauges' ids, their marks, which of them have rain, their rain: 60 minutes a gauge."""


class Rings:
    """Rain and marks of each minute, hour by hour and in each hour gauge by gauge.

    What gauges say at about the same time is near each other, and so is what one row of state holds.

    Parameters
    ----------
    name, version
        For the rows of state.
    ids
        Gauges' ids by place.
    newest
        (n,) the newest bucket of each gauge, kept by the owner: a ring reaches back from there.

    Attributes
    ----------
    um, marks
        The rings laid flat; `at` says where a bucket lies.
    """

    def __init__(self, name: str, version: int, ids: Sequence[str], newest: NDArray[np.int64]) -> None:
        self._name, self._version = name, version
        self._n = len(ids)
        self._newest = newest
        self._um = np.zeros((HOURS_KEPT, len(ids), 60), dtype=np.int32)
        self._marks = np.zeros((HOURS_KEPT, len(ids), 60), dtype=np.uint8)
        self.um, self.marks = self._um.reshape(-1), self._marks.reshape(-1)
        self._parts = parts_of(tuple(ids))
        # By hour, which parts have a row, which changed since they were last handed out, which are handed out.
        self._present: dict[int, NDArray[np.bool_]] = {}
        self._dirty: dict[int, NDArray[np.bool_]] = {}
        self._handed: dict[int, NDArray[np.bool_]] = {}
        self._oldest_hour = NO_BUCKET

    def at(self, places: NDArray[np.intp] | int, buckets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where buckets of gauges lie in the rings laid flat; both of one shape, or of shapes that broadcast."""
        hour = buckets // 60
        at: NDArray[np.int64] = (hour % HOURS_KEPT * self._n + places) * 60 + (buckets - hour * 60)
        return at

    def um_of(self, place: int, first: int, last: int) -> NDArray[np.int64]:
        """Rain of buckets `first` to `last`, (last - first + 1,); 0 where the ring does not reach."""
        return self._read(self._um, place, first, last).astype(np.int64)

    def marks_of(self, place: int, first: int, last: int) -> NDArray[np.uint8]:
        """Marks of buckets `first` to `last`; 0 where the ring does not reach."""
        marks: NDArray[np.uint8] = self._read(self._marks, place, first, last)
        return marks

    def _read(self, ring: NDArray[Any], place: int, first: int, last: int) -> NDArray[Any]:
        newest = int(self._newest[place])
        low, high = max(first, newest - BUCKETS + 1), min(last, newest)
        if low > high:
            return np.zeros(last - first + 1, dtype=ring.dtype)
        hours = np.arange(low // 60, high // 60 + 1)
        begin = low // 60 * 60
        inside: NDArray[Any] = ring[hours % HOURS_KEPT, place].reshape(-1)[low - begin : high - begin + 1]
        if low == first and high == last:
            return inside
        whole = np.zeros(last - first + 1, dtype=ring.dtype)
        whole[low - first : high - first + 1] = inside
        return whole

    def touch(self, places: NDArray[np.intp], last: NDArray[np.int64], spread: NDArray[np.int64]) -> None:
        """Readings that end in the buckets `last` and are spread over so many have changed the rings; all (m,)."""
        if not len(places):
            return
        first = np.maximum(last - spread + 1, last - BUCKETS + 1) // 60
        final = last // 60
        parts = self._parts.of[places]
        low, high = int(first.min()), int(final.max())
        # Nearly all readings lie within one hour; a late one may lie days before the others.
        hours: Sequence[int] = range(low, high + 1)
        if high - low > 1 and (final - first <= 1).all():
            hours = np.unique(np.concatenate([first, final])).tolist()
        for hour in hours:
            inside = (first <= hour) & (hour <= final)
            for marked in (self._present, self._dirty):
                marked.setdefault(hour, np.zeros(PARTS, dtype=bool))[parts[inside]] = True

    def forget(self, now: Micros) -> None:
        """Drop rows of hours that no window of a reading within the horizon can reach."""
        oldest = now // HOUR - HOURS_KEPT
        if oldest == self._oldest_hour:
            return
        self._oldest_hour = oldest
        for hour in [hour for hour in self._present if hour < oldest]:
            gone = self._present.pop(hour)
            self._dirty.setdefault(hour, np.zeros(PARTS, dtype=bool))[gone] = True

    def changed(self) -> dict[str, bytes | None]:
        """Rows of hours that changed since the last saved checkpoint."""
        rows: dict[str, bytes | None] = {}
        for hour, parts in self._dirty.items():
            self._handed.setdefault(hour, np.zeros(PARTS, dtype=bool))[parts] = True
        self._dirty.clear()
        for hour, parts in self._handed.items():
            present = self._present.get(hour, _NO_PARTS)
            for part in np.flatnonzero(parts).tolist():
                rows[f"hour={hour}/{part:02x}"] = self._hour_bytes(part, hour) if present[part] else None
        return rows

    def saved(self) -> None:
        """The checkpoint of the last `changed()` is durable."""
        self._handed.clear()

    def state(self) -> dict[str, bytes]:
        """All rows."""
        rows: dict[str, bytes] = {}
        for hour, parts in self._present.items():
            for part in np.flatnonzero(parts).tolist():
                rows[f"hour={hour}/{part:02x}"] = self._hour_bytes(part, hour)
        return rows

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Take up rows of hours; each gauge's newest bucket must be known."""
        for key, value in state.items():
            if not key.startswith("hour="):
                continue
            hour, _, part = key.removeprefix("hour=").partition("/")
            check_version(self._name, value, self._version)
            self._present.setdefault(int(hour), np.zeros(PARTS, dtype=bool))[int(part, 16)] = True
            names, marks, wet, um = msgspec.msgpack.decode(memoryview(value)[1:], type=_HourRow)
            places = self._parts.places(names)
            full = np.zeros((len(places), 60), dtype=np.int32)
            full[np.frombuffer(wet, dtype="<i4")] = np.frombuffer(um, dtype="<i4").reshape(-1, 60)
            here = places >= 0
            self._put_hour(
                int(hour),
                places[here],
                np.frombuffer(marks, dtype=np.uint8).reshape(-1, 60)[here],
                full[here],
            )

    def _put_hour(
        self, hour: int, places: NDArray[np.intp], marks: NDArray[np.uint8], um: NDArray[np.int32]
    ) -> None:
        valid = self._valid(places, hour)
        slot = hour % HOURS_KEPT
        self._marks[slot, places] = np.where(valid, marks, self._marks[slot, places])
        self._um[slot, places] = np.where(valid, um, self._um[slot, places])

    def _valid(self, places: NDArray[np.intp], hour: int) -> NDArray[np.bool_]:
        """Which minutes of an hour lie in the ring, (m, 60) or (m, 1): the others hold another hour's."""
        newest = self._newest[places]
        begins = hour * 60
        whole: NDArray[np.bool_] = (begins + 59 <= newest) & (begins > newest - BUCKETS)
        if whole.all():
            return whole[:, None]
        buckets = begins + _MINUTES
        inside: NDArray[np.bool_] = (buckets <= newest[:, None]) & (buckets > newest[:, None] - BUCKETS)
        return inside

    def _hour_bytes(self, part: int, hour: int) -> bytes:
        members = self._parts.members[part]
        slot = hour % HOURS_KEPT
        valid = self._valid(members, hour)
        marks = self._marks[slot, members] * valid
        there = marks.any(axis=1)
        um = (self._um[slot, members] * valid)[there]
        wet = np.flatnonzero(um.any(axis=1))
        body = (
            self._parts.names(part, there),
            marks[there].tobytes(),
            wet.astype("<i4").tobytes(),
            um[wet].astype("<i4", copy=False).tobytes(),
        )
        return bytes([self._version]) + msgspec.msgpack.encode(body)
