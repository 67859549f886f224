"""Rainfall: what fell at each gauge in each minute of the last days, and its sums over windows.

In      rain of gauges in whole thousandths of a millimetre (um), at the minute that a reading ends
Out     sums over windows of hours, how much of a window was measured, the days before: all in integers
State   one row a gauge or a 64th part of them, and the rows of `detectors.rain.rings`
Source  DOMAIN, 2.1 (rolling sums over event-time buckets), 2.2 (days before); EXACT, rules 4, 6, 13

A *bucket* is one minute of event time: bucket b covers (60 b, 60 (b + 1)] seconds. A reading is spread evenly
over the buckets that its interval covers, ending with the one that holds its end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.base import StationRows
from detectors.rain.rings import BUCKETS, NO_BUCKET, Rings
from schemas.times import MINUTE, Micros

DAYS_KEPT = 16
_A_DAY = 24 * 60

COVERED, END, SUSPECT = 1, 2, 4
"""Marks of a bucket: a reading covers it, a reading ends in it, one of its readings is suspect."""


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
        ("days_um", "<i4", (DAYS_KEPT,)),
        ("gap", "<i8"),
        ("odd", "<i8"),
    )

    def __init__(
        self, name: str, version: int, ids: Sequence[str], windows_h: Sequence[int], decay: float
    ) -> None:
        n = len(ids)
        self._decay = decay
        self.windows = np.array([hours * 60 for hours in windows_h], dtype=np.int64)
        row_type: Any = np.dtype([*self._ROW_FIELDS, ("sums_um", "<i8", (len(windows_h),))])
        self._gauges = np.zeros(n, dtype=row_type)
        self._gauges["newest"] = NO_BUCKET
        for field in ("day", "gap", "odd"):
            self._gauges[field] = NO_BUCKET
        self.newest = self._gauges["newest"]
        self.sums_um = self._gauges["sums_um"]
        # No bucket after `gap` is uncovered, none after `odd` suspect; both may lie later than they need to.
        self.gap = self._gauges["gap"]
        self.odd = self._gauges["odd"]
        self._before_day = np.full(n, NO_BUCKET, dtype=np.int64)
        self._before_um = np.zeros(n, dtype=np.float64)
        self._rings = Rings(name, version, ids, self.newest)
        self._rows = StationRows(name, version, ids, self._gauges, head="gauge=")

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
        newest = self.newest[places]
        first = newest == NO_BUCKET
        step = np.where(first, spread, last - newest)
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
        if first.any():
            self.gap[places[first]] = last[first] - spread[first]
        if suspect.any():
            self.odd[places[suspect]] = np.maximum(self.odd[places[suspect]], last[suspect])
        self._add_to_days(places, last, rain_um)
        self._rows.touch(places)
        self._rings.touch(places, last, spread)

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
        steps = np.arange(step)
        at = self._rings.at(places[:, None], start + steps)
        um, marks = self._rings.um, self._rings.marks
        wet = np.flatnonzero(self.sums_um[places, -1])
        if len(wet):
            offsets = steps[None, None, :] - self.windows[None, :, None]
            leaving = self._rings.at(places[wet][:, None, None], start[wet][:, :, None] + offsets)
            self.sums_um[places[wet]] -= um[leaving].sum(axis=2)
        gap = step - spread
        if gap:
            self.gap[places] = last - spread
            marks[at[:, :gap]] = 0
        um[at] = 0
        marks[at[:, gap:]] = COVERED
        marks[at[:, -1]] = COVERED | END
        if suspect.any():
            marks[at[suspect, gap:]] |= SUSPECT
        rain = np.flatnonzero(rain_um)
        if len(rain):
            edges = np.arange(spread + 1) * rain_um[rain, None] // spread
            um[at[rain, gap:]] = np.diff(edges, axis=1)
            self.sums_um[places[rain]] += rain_um[rain, None]
        self.newest[places] = last

    def _add_one(self, place: int, last: int, rain_um: int, spread: int, suspect: bool) -> None:
        newest = int(self.newest[place])
        um, marks = self._rings.um, self._rings.marks
        if last > newest:
            if last - spread > newest:
                self.gap[place] = last - spread
            if newest > NO_BUCKET:
                fresh = self._rings.at(place, np.arange(max(newest + 1, last - BUCKETS + 1), last + 1))
                um[fresh] = 0
                marks[fresh] = 0
            self.newest[place] = newest = last
        # Of a reading that began before the ring does, only what lies in the ring is kept.
        first = max(last - spread + 1, newest - BUCKETS + 1)
        if first <= last:
            edges = np.arange(first - (last - spread + 1), spread + 1) * rain_um // spread
            slots = self._rings.at(place, np.arange(first, last + 1))
            um[slots] += np.diff(edges).astype(np.int32)
            marks[slots] |= COVERED | (SUSPECT if suspect else 0)
            marks[slots[-1]] |= END
        for k, window in enumerate(self.windows.tolist()):
            self.sums_um[place, k] = self.sum_um(place, newest, window)

    def _add_to_days(
        self, places: NDArray[np.intp], last: NDArray[np.int64], rain_um: NDArray[np.int64]
    ) -> None:
        # A reading belongs to the day in which it ends.
        day = last // _A_DAY
        newest = self._gauges["day"][places]
        later = day > newest
        if later.any():
            turned, new = places[later], day[later]
            first = np.maximum(newest[later] + 1, new - DAYS_KEPT + 1)
            for back in range(DAYS_KEPT):
                fresh = first <= new - back
                if not fresh.any():
                    break
                self._gauges["days_um"][turned[fresh], (new - back)[fresh] % DAYS_KEPT] = 0
            self._gauges["day"][turned] = new
            self._before_day[turned] = NO_BUCKET
            newest = np.maximum(newest, day)
        counts = np.flatnonzero((rain_um != 0) & (day > newest - DAYS_KEPT))
        if len(counts):
            self._gauges["days_um"][places[counts], day[counts] % DAYS_KEPT] += rain_um[counts].astype(
                np.int32
            )
            past = counts[day[counts] < newest[counts]]
            self._before_day[places[past]] = NO_BUCKET

    # --- asking ------------------------------------------------------------------------------------------------

    def um(self, place: int, first: int, last: int) -> NDArray[np.int64]:
        """Rain of buckets `first` to `last`, (last - first + 1,); 0 where the ring does not reach."""
        return self._rings.um_of(place, first, last)

    def marks(self, place: int, first: int, last: int) -> NDArray[np.uint8]:
        """Marks of buckets `first` to `last`; 0 where the ring does not reach."""
        return self._rings.marks_of(place, first, last)

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

    # --- state -------------------------------------------------------------------------------------------------

    def forget(self, now: Micros) -> None:
        """Drop rows of hours that no window of a reading within the horizon can reach."""
        self._rings.forget(now)

    def changed(self) -> dict[str, bytes | None]:
        """Rows of gauges and of hours that changed since the last saved checkpoint."""
        return {**self._rows.changed(), **self._rings.changed()}

    def saved(self) -> None:
        """The checkpoint of the last `changed()` is durable."""
        self._rows.saved()
        self._rings.saved()

    def state(self) -> dict[str, bytes]:
        """All rows."""
        return {**self._rows.state(), **self._rings.state()}

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Take up rows of gauges and of hours."""
        self._rows.restore(state)
        self._rings.restore(state)


def last_bucket(observed_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """The bucket in which each reading ends, (m,)."""
    buckets: NDArray[np.int64] = (observed_us + (MINUTE - 1)) // MINUTE - 1
    return buckets


def spread_over(interval_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """Over how many buckets each reading is spread, (m,), at least 1."""
    buckets: NDArray[np.int64] = np.maximum(1, (interval_us + MINUTE // 2) // MINUTE)
    return buckets
