"""Rainfall: what fell at each gauge in each minute of the last days, and its sums over windows.

In      rain of gauges in whole thousandths of a millimetre (um), at the minute that a reading ends
Out     sums over windows of hours, how much of a window was measured, the days before: all in integers
State   one row a gauge, and one row for each hour and each 64th part of the gauges, as sparse minutes
Source  DOMAIN, 2.1 (rolling sums over event-time buckets), 2.2 (days before); EXACT, rules 4, 6, 13

A *bucket* is one minute of event time: bucket b covers (60 b, 60 (b + 1)] seconds. A reading is spread evenly
over the buckets that its interval covers, ending with the one that holds its end.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.base import StationRows, check_version
from schemas.times import HOUR, MINUTE, Micros

HOURS_KEPT = 72 + 24 + 2
"""The horizon of late rain, the widest window before it, and a margin for hours that are cut."""
BUCKETS = HOURS_KEPT * 60
DAYS_KEPT = 16
PARTS = 64
"""Gauges fall into this many parts by a hash of their ids, which holds whatever the configuration."""
_A_DAY = 24 * 60

COVERED, END, SUSPECT = 1, 2, 4
"""Marks of a bucket: a reading covers it, a reading ends in it, one of its readings is suspect."""

_NONE = -(2**40)
"""A bucket before all buckets."""


_HourRow = dict[str, tuple[bytes, bytes]]


class Rainfall:
    """Minutes of rain of n gauges in rings, with running sums that end at each gauge's newest bucket.

    Parameters
    ----------
    name, version
        For the rows of state.
    ids
        Gauges' ids by place.
    windows_h
        Widths of the running sums, hours, ascending; at most 24.
    decay
        K of the effective rain of the days before, R_a = Σ K^i r_i.
    """

    _ROW_FIELDS: tuple[tuple[Any, ...], ...] = (
        ("newest", "<i8"),
        ("day", "<i8"),
        ("days_um", "<i8", (DAYS_KEPT,)),
        ("gap", "<i8"),
        ("odd", "<i8"),
    )

    def __init__(
        self, name: str, version: int, ids: Sequence[str], windows_h: Sequence[int], decay: float
    ) -> None:
        n = len(ids)
        self._name, self._version, self._decay = name, version, decay
        self.windows = np.array([hours * 60 for hours in windows_h], dtype=np.int64)
        row_type: Any = np.dtype([*self._ROW_FIELDS, ("sums_um", "<i8", (len(windows_h),))])
        self._gauges = np.zeros(n, dtype=row_type)
        self._gauges["newest"] = _NONE
        for field in ("day", "gap", "odd"):
            self._gauges[field] = _NONE
        self.newest = self._gauges["newest"]
        self.sums_um = self._gauges["sums_um"]
        # No bucket after `gap` is uncovered, none after `odd` suspect; both may lie later than they need to.
        self.gap = self._gauges["gap"]
        self.odd = self._gauges["odd"]
        self._before_day = np.full(n, _NONE, dtype=np.int64)
        self._before_um = np.zeros(n, dtype=np.float64)
        self._um = np.zeros((n, BUCKETS), dtype=np.int32)
        self._marks = np.zeros((n, BUCKETS), dtype=np.uint8)
        self._ids = tuple(ids)
        self._rows = StationRows(name, version, [f"gauge={i}" for i in ids], self._gauges)
        self._part = np.array([zlib.crc32(i.encode()) % PARTS for i in ids], dtype=np.intp)
        self._members = [np.flatnonzero(self._part == part) for part in range(PARTS)]
        # By hour, which parts have a row, which changed since they were last handed out, which are handed out.
        self._present: dict[int, NDArray[np.bool_]] = {}
        self._dirty: dict[int, NDArray[np.bool_]] = {}
        self._handed: dict[int, NDArray[np.bool_]] = {}
        self._oldest_hour = _NONE

    # --- adding ------------------------------------------------------------------------------------------------

    def add(
        self,
        places: NDArray[np.intp],
        last: NDArray[np.int64],
        rain_um: NDArray[np.int64],
        spread: NDArray[np.int64],
        suspect: NDArray[np.bool_],
    ) -> None:
        """Add one reading a gauge; all (m,), places without repeats.

        Parameters
        ----------
        last
            The bucket in which each reading ends.
        spread
            Over how many buckets it is spread, at least 1.
        """
        step = last - self.newest[places]
        # Next in order, of ordinary length, and apart from the one before: nearly all readings.
        plain = (step >= spread) & (step <= 60)
        if plain.all() and len(places) and (step == step[0]).all() and (spread == spread[0]).all():
            self._add_next(places, last, rain_um, int(step[0]), int(spread[0]), suspect)
        else:
            for group in np.unique(step[plain] * 64 + spread[plain]).tolist():
                member = plain & (step * 64 + spread == group)
                self._add_next(
                    places[member], last[member], rain_um[member], group // 64, group % 64, suspect[member]
                )
            for k in np.flatnonzero(~plain).tolist():
                self._add_one(int(places[k]), int(last[k]), int(rain_um[k]), int(spread[k]), bool(suspect[k]))
        if suspect.any():
            self.odd[places[suspect]] = np.maximum(self.odd[places[suspect]], last[suspect])
        self._add_to_days(places, last, rain_um)
        self._rows.touch(places)
        self._touch_hours(places, last, spread)

    def _add_next(
        self,
        places: NDArray[np.intp],
        last: NDArray[np.int64],
        rain_um: NDArray[np.int64],
        step: int,
        spread: int,
        suspect: NDArray[np.bool_],
    ) -> None:
        start = (last - step + 1)[:, None]
        base = (places * BUCKETS)[:, None]
        slots = base + (start + np.arange(step)) % BUCKETS
        um, marks = self._um.reshape(-1), self._marks.reshape(-1)
        wet = np.flatnonzero(self.sums_um[places, -1])
        if len(wet):
            offsets = np.arange(step)[None, None, :] - self.windows[None, :, None]
            leaving = base[wet][:, :, None] + (start[wet][:, :, None] + offsets) % BUCKETS
            self.sums_um[places[wet]] -= um[leaving].sum(axis=2)
        gap = step - spread
        if gap:
            self.gap[places] = last - spread
            um[slots[:, :gap]] = 0
            marks[slots[:, :gap]] = 0
        edges = np.arange(spread + 1) * rain_um[:, None] // spread
        um[slots[:, gap:]] = np.diff(edges, axis=1)
        marks[slots[:, gap:]] = (COVERED + SUSPECT * suspect)[:, None]
        marks[slots[:, -1]] |= END
        self.sums_um[places] += rain_um[:, None]
        self.newest[places] = last

    def _add_one(self, place: int, last: int, rain_um: int, spread: int, suspect: bool) -> None:
        newest = int(self.newest[place])
        if last > newest:
            if last - spread > newest:
                self.gap[place] = last - spread
            fresh = np.arange(max(newest + 1, last - BUCKETS + 1), last + 1) % BUCKETS
            self._um[place, fresh] = 0
            self._marks[place, fresh] = 0
            self.newest[place] = newest = last
        # Of a reading that began before the ring does, only what lies in the ring is kept.
        first = max(last - spread + 1, newest - BUCKETS + 1)
        if first <= last:
            edges = np.arange(first - (last - spread + 1), spread + 1) * rain_um // spread
            slots = np.arange(first, last + 1) % BUCKETS
            self._um[place, slots] += np.diff(edges).astype(np.int32)
            self._marks[place, slots] |= COVERED | (SUSPECT if suspect else 0)
            self._marks[place, last % BUCKETS] |= END
        for k, window in enumerate(self.windows.tolist()):
            self.sums_um[place, k] = self.sum_um(place, newest, window)

    def _add_to_days(
        self, places: NDArray[np.intp], last: NDArray[np.int64], rain_um: NDArray[np.int64]
    ) -> None:
        # A reading belongs to the day in which it ends.
        day = last // _A_DAY
        for k in np.flatnonzero(day > self._gauges["day"][places]).tolist():
            place, new = int(places[k]), int(day[k])
            first = max(int(self._gauges["day"][place]) + 1, new - DAYS_KEPT + 1)
            self._gauges["days_um"][place, np.arange(first, new + 1) % DAYS_KEPT] = 0
            self._gauges["day"][place] = new
            self._before_day[place] = _NONE
        for k in np.flatnonzero(rain_um).tolist():
            place = int(places[k])
            if int(day[k]) > int(self._gauges["day"][place]) - DAYS_KEPT:
                self._gauges["days_um"][place, int(day[k]) % DAYS_KEPT] += int(rain_um[k])
                if int(day[k]) < int(self._gauges["day"][place]):
                    self._before_day[place] = _NONE

    # --- asking ------------------------------------------------------------------------------------------------

    def um(self, place: int, first: int, last: int) -> NDArray[np.int64]:
        """Rain of buckets `first` to `last`, (last - first + 1,); 0 where the ring does not reach."""
        return self._ring(self._um, place, first, last).astype(np.int64)

    def marks(self, place: int, first: int, last: int) -> NDArray[np.uint8]:
        """Marks of buckets `first` to `last`; 0 where the ring does not reach."""
        marks: NDArray[np.uint8] = self._ring(self._marks, place, first, last)
        return marks

    def sum_um(self, place: int, last: int, window: int) -> int:
        """Rain in the `window` buckets that end with `last`."""
        return int(self.um(place, last - window + 1, last).sum())

    def missing(self, place: int, last: int, window: int) -> float:
        """What share of the `window` buckets that end with `last` no reading covers, 0..1."""
        if last - window >= int(self.gap[place]):
            return 0.0
        covered = int(np.count_nonzero(self.marks(place, last - window + 1, last) & COVERED))
        return (window - covered) / window

    def suspect(self, place: int, last: int, window: int) -> bool:
        """Whether any of the `window` buckets that end with `last` holds a suspect reading."""
        if last - window >= int(self.odd[place]):
            return False
        return bool((self.marks(place, last - window + 1, last) & SUSPECT).any())

    def antecedent_um(self, place: int, sums_um: Sequence[int]) -> tuple[int, ...]:
        """Effective rain of the days before the newest bucket's, less what windows that end there hold of it.

        Parameters
        ----------
        sums_um
            Rain of the windows, each at most a day wide.

        Notes
        -----
        Fifteen days count; what fell today before the window counts whole. Days are those of UTC, which begin
        at 08:00 in China as the hydrological day does.
        """
        gauge = self._gauges[place]
        day, days_um = int(gauge["day"]), gauge["days_um"]
        if self._before_day[place] != day:
            before, weight = 0.0, 1.0
            for back in range(1, DAYS_KEPT):
                weight *= self._decay
                before += weight * int(days_um[(day - back) % DAYS_KEPT])
            self._before_um[place], self._before_day[place] = before, day
        today, before = int(days_um[day % DAYS_KEPT]), float(self._before_um[place])
        return tuple(
            max(0, round(before - self._decay * max(0, inside - today) + max(0, today - inside)))
            for inside in sums_um
        )

    def _ring(self, ring: NDArray[Any], place: int, first: int, last: int) -> NDArray[Any]:
        newest = int(self.newest[place])
        low, high = max(first, newest - BUCKETS + 1), min(last, newest)
        if low == first and high == last:
            start, stop = first % BUCKETS, last % BUCKETS
            if start <= stop:
                return ring[place, start : stop + 1]
            return np.concatenate([ring[place, start:], ring[place, : stop + 1]])
        whole = np.zeros(last - first + 1, dtype=ring.dtype)
        if low <= high:
            whole[low - first : high - first + 1] = ring[place, np.arange(low, high + 1) % BUCKETS]
        return whole

    # --- state -------------------------------------------------------------------------------------------------

    def _touch_hours(
        self, places: NDArray[np.intp], last: NDArray[np.int64], spread: NDArray[np.int64]
    ) -> None:
        if not len(places):
            return
        first = np.maximum(last - spread + 1, last - BUCKETS + 1) // 60
        final = last // 60
        parts = self._part[places]
        for hour in range(int(first.min()), int(final.max()) + 1):
            inside = (first <= hour) & (hour <= final)
            for hours in (self._present, self._dirty):
                hours.setdefault(hour, np.zeros(PARTS, dtype=bool))[parts[inside]] = True

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
        """Rows of gauges and of hours that changed since the last saved checkpoint."""
        rows = self._rows.changed()
        for hour, parts in self._dirty.items():
            self._handed.setdefault(hour, np.zeros(PARTS, dtype=bool))[parts] = True
        self._dirty.clear()
        for hour, parts in self._handed.items():
            present = self._present.get(hour)
            for part in np.flatnonzero(parts).tolist():
                there = present is not None and bool(present[part])
                rows[f"hour={hour}/{part:02x}"] = self._hour_bytes(part, hour) if there else None
        return rows

    def saved(self) -> None:
        """The checkpoint of the last `changed()` is durable."""
        self._rows.saved()
        self._handed.clear()

    def state(self) -> dict[str, bytes]:
        """All rows."""
        rows = self._rows.state()
        for hour, parts in self._present.items():
            for part in np.flatnonzero(parts).tolist():
                rows[f"hour={hour}/{part:02x}"] = self._hour_bytes(part, hour)
        return rows

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Take up rows of gauges and of hours."""
        self._rows.restore(state)
        place_of = {station: place for place, station in enumerate(self._ids)}
        for key, value in state.items():
            if not key.startswith("hour="):
                continue
            hour, _, part = key.removeprefix("hour=").partition("/")
            check_version(self._name, value, self._version)
            self._present.setdefault(int(hour), np.zeros(PARTS, dtype=bool))[int(part, 16)] = True
            slots = np.arange(int(hour) * 60, int(hour) * 60 + 60) % BUCKETS
            for station, (marks, um) in msgspec.msgpack.decode(memoryview(value)[1:], type=_HourRow).items():
                place = place_of.get(station)
                if place is None:
                    continue
                valid = self._valid(place, int(hour))
                self._marks[place, slots[valid]] = np.frombuffer(marks, dtype=np.uint8)[valid]
                if um:
                    self._um[place, slots[valid]] = np.frombuffer(um, dtype="<i4")[valid]

    def _valid(self, place: int, hour: int) -> NDArray[np.bool_]:
        newest = int(self.newest[place])
        buckets = np.arange(hour * 60, hour * 60 + 60)
        inside: NDArray[np.bool_] = (buckets <= newest) & (buckets > newest - BUCKETS)
        return inside

    def _hour_bytes(self, part: int, hour: int) -> bytes:
        slots = np.arange(hour * 60, hour * 60 + 60) % BUCKETS
        rows: dict[str, tuple[bytes, bytes]] = {}
        for place in self._members[part].tolist():
            valid = self._valid(place, hour)
            marks = np.where(valid, self._marks[place, slots], 0).astype(np.uint8)
            if not marks.any():
                continue
            um = np.where(valid, self._um[place, slots], 0).astype("<i4")
            rows[self._ids[place]] = (marks.tobytes(), um.tobytes() if um.any() else b"")
        return bytes([self._version]) + msgspec.msgpack.encode(rows)


def last_bucket(observed_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """The bucket in which each reading ends, (m,)."""
    buckets: NDArray[np.int64] = (observed_us + (MINUTE - 1)) // MINUTE - 1
    return buckets


def spread_over(interval_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """Over how many buckets each reading is spread, (m,), at least 1."""
    buckets: NDArray[np.int64] = np.maximum(1, (interval_us + MINUTE // 2) // MINUTE)
    return buckets
