"""History: what stations said within the horizon, so that repeats and overlaps are told, in bounded memory.

In      entries: a station's place, the time that tells the reading, and whole numbers that tell its content
Out     the entries of one station in a span of time
State   one row for each hour and each 64th part of the stations
Source  EXACT, rules 4 (horizons), 7 (repeats), 13 (rows of state)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.rows import PARTS, check_version, parts_of
from schemas.times import HOUR, Micros

_Column = tuple[int, str, bytes]
_FEW = 4
"""So many stations are sought faster one after the other."""
_HourRow = tuple[msgspec.Raw, _Column, _Column, list[_Column]]


class _Hour:
    """Entries of one hour of event time, in the order in which they came; columns that grow.

    100,000 gauges say a million things an hour, so times are kept within the hour and contents in half the width
    for as long as that holds them.
    """

    def __init__(self, hour: int, width: int) -> None:
        self.begins_us = hour * HOUR
        self.n = 0
        self.place = np.empty(64, dtype=np.int32)
        self.after_us = np.empty(64, dtype=np.uint32)
        self.content: NDArray[np.signedinteger[Any]] = np.empty((64, width), dtype=np.int32)

    def append(self, place: NDArray[np.intp], time_us: NDArray[np.int64], content: NDArray[np.int64]) -> None:
        stop = self.n + len(place)
        if stop > len(self.place):
            size = max(stop, 2 * len(self.place))
            self.place = _grown(self.place, self.n, size)
            self.after_us = _grown(self.after_us, self.n, size)
            self.content = _grown(self.content, self.n, size)
        if self.content.dtype != np.int64 and (content.max() >= 2**31 or content.min() < -(2**31)):
            self.content = self.content.astype(np.int64)
        self.place[self.n : stop] = place
        self.after_us[self.n : stop] = time_us - self.begins_us
        self.content[self.n : stop] = content
        self.n = stop

    def time_us(self, at: NDArray[np.intp]) -> NDArray[np.int64]:
        """Times of some entries, (k,)."""
        return self.begins_us + self.after_us[at].astype(np.int64)


def _grown(column: NDArray[Any], n: int, size: int) -> NDArray[Any]:
    larger = np.empty((size, *column.shape[1:]), dtype=column.dtype)
    larger[:n] = column[:n]
    return larger


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
        self._parts = parts_of(self._ids)
        # By place, its place among the members of its part; sorted in no time where it is of 16 bits.
        sizes = max(len(members) for members in self._parts.members)
        self._within = np.zeros(len(ids), dtype=np.uint16 if sizes <= 2**16 else np.int64)
        for members in self._parts.members:
            self._within[members] = np.arange(len(members))
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
                self._hours[hour] = _Hour(hour, self._width)
            self._hours[hour].append(places[inside], time_us[inside], content[inside])
            for marked in (self._present, self._dirty):
                marked.setdefault(hour, np.zeros(PARTS, dtype=bool))[self._parts.of[places[inside]]] = True

    def find(
        self, place: int, first_us: Micros, last_us: Micros
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Times (k,) and contents (k, width) of a station's entries from `first_us` to `last_us` inclusive."""
        (found,) = self.find_each([place], [first_us], [last_us])
        return found

    def find_each(
        self, places: Sequence[int], first_us: Sequence[Micros], last_us: Sequence[Micros]
    ) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """What `find` gives for each of several stations, none twice, with one look through the hours for all."""
        first_hour, last_hour = (np.array(moments) // HOUR for moments in (first_us, last_us))
        none = np.empty(0, dtype=np.int64), np.empty((0, self._width), dtype=np.int64)
        place, time_us, content = [none[0]], [none[0]], [none[1]]
        for hour, entries in sorted(self._hours.items()):
            if not ((first_hour <= hour) & (hour <= last_hour)).any():
                continue
            at = self._entries_of(places, entries)
            place.append(entries.place[at].astype(np.int64))
            time_us.append(entries.time_us(at))
            content.append(entries.content[at].astype(np.int64))
        every_place, every_time_us = np.concatenate(place), np.concatenate(time_us)
        every_content = np.concatenate(content)
        order = np.argsort(every_place, kind="stable")
        edges = np.searchsorted(every_place[order], np.stack([places, np.add(places, 1)]))
        found = []
        for first, last, low, high in zip(first_us, last_us, *edges.tolist(), strict=True):
            at = order[low:high]
            at = at[(every_time_us[at] >= first) & (every_time_us[at] <= last)]
            found.append((every_time_us[at], every_content[at]))
        return found

    def _entries_of(self, places: Sequence[int], entries: _Hour) -> NDArray[np.intp]:
        said = entries.place[: entries.n]
        if len(places) > _FEW:
            wanted = np.zeros(len(self._ids), dtype=bool)
            wanted[places] = True
            return np.flatnonzero(wanted[said])
        hit = said == places[0]
        for place in places[1:]:
            hit |= said == place
        return np.flatnonzero(hit)

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
            there = parts & self._present.get(hour, _NO_PARTS)
            rows.update(dict.fromkeys(self._keys(hour, parts & ~there)))
            rows.update(self._rows(hour, there))
        return rows

    def saved(self) -> None:
        """The checkpoint of the last `changed()` is durable."""
        self._handed.clear()

    def state(self) -> dict[str, bytes]:
        """All rows."""
        rows: dict[str, bytes] = {}
        for hour, parts in self._present.items():
            rows.update(self._rows(hour, parts))
        return rows

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Take up rows; entries of stations that are gone are left out."""
        for key, value in state.items():
            if not key.startswith(f"{self._head}/"):
                continue
            check_version(self._name, value, self._version)
            hour = int(key.split("/")[1])
            names, place, time, contents = msgspec.msgpack.decode(memoryview(value)[1:], type=_HourRow)
            rows = self._parts.places(names)[_unpacked(place)]
            known = rows >= 0
            content = np.stack([_unpacked(column) for column in contents], axis=1)
            self.add(rows[known], hour * HOUR + _unpacked(time)[known], content[known])
            self._present.setdefault(hour, np.zeros(PARTS, dtype=bool))[int(key.split("/")[2], 16)] = True
            self._hours.setdefault(hour, _Hour(hour, self._width))
        self._dirty.clear()

    def _keys(self, hour: int, parts: NDArray[np.bool_]) -> list[str]:
        return [f"{self._head}/{hour}/{part:02x}" for part in np.flatnonzero(parts).tolist()]

    def _rows(self, hour: int, parts: NDArray[np.bool_]) -> dict[str, bytes]:
        """Rows of some parts of an hour that is there."""
        if not parts.any():
            return {}
        entries = self._hours[hour]
        part_of = self._parts.of[entries.place[: entries.n]]
        order = np.argsort(part_of, kind="stable")
        edges = np.cumsum(np.bincount(part_of, minlength=PARTS))
        rows = {}
        for key, part in zip(self._keys(hour, parts), np.flatnonzero(parts).tolist(), strict=True):
            rows[key] = self._row(part, entries, order[edges[part - 1] if part else 0 : edges[part]])
        return rows

    def _row(self, part: int, entries: _Hour, at: NDArray[np.intp]) -> bytes:
        # By station and then as they came, so that the bytes do not depend on how stations were mixed.
        within = self._within[entries.place[at]]
        by_station = np.argsort(within, kind="stable")
        at, within = at[by_station], within[by_station]
        there = np.zeros(len(self._parts.members[part]), dtype=bool)
        there[within] = True
        body = (
            self._parts.names(part, there),
            _packed((np.cumsum(there) - 1)[within]),
            _packed(entries.after_us[at]),
            [_packed(entries.content[at, k]) for k in range(self._width)],
        )
        return bytes([self._version]) + msgspec.msgpack.encode(body)


_NO_PARTS = np.zeros(PARTS, dtype=bool)


def _packed(column: NDArray[Any]) -> _Column:
    """Whole numbers as the least of them and what each has above it, in the smallest type that holds that."""
    if not len(column):
        return 0, "", b""
    least, most = int(column.min()), int(column.max())
    size = next(s for s in ("", "<u1", "<u2", "<u4", "<i8") if most - least < _HOLDS[s])
    return least, size, (column - least).astype(size).tobytes() if size else len(column).to_bytes(4, "little")


def _unpacked(column: _Column) -> NDArray[np.int64]:
    least, size, above = column
    if size:
        return np.frombuffer(above, dtype=size).astype(np.int64) + least
    return np.full(int.from_bytes(above, "little"), least, dtype=np.int64)


_HOLDS = {"": 1, "<u1": 2**8, "<u2": 2**16, "<u4": 2**32, "<i8": 2**64}
"""By type, how many numbers from 0 on it holds; the last holds any difference that there is."""
