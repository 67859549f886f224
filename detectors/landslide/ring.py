"""The last 13 days of every landslide point, in buckets of an hour of event time.

In      turns of readings: places, times, values by series
Out     mean time and value of each hour, and medians of each six hours, as columns over the points
State   one row a station and day of buckets (24 of them); layout 1
Source  EXACT, rules 6 and 13: sums are whole numbers, so the order of readings does not change them
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.base import check_version
from schemas.times import HOUR

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

KINDS: tuple[str, ...] = ("displacement", "crack", "gnss", "tilt")
SERIES: tuple[str, ...] = ("displacement", "crack", "gnss", "tilt_x", "tilt_y")
KIND_OF_SERIES: tuple[int, ...] = (0, 1, 2, 3, 3)
SERIES_OF_KIND: tuple[tuple[int, ...], ...] = ((0,), (1,), (2,), (3, 4))

BLOCK_H = 6
"""Hours of a block: long windows are fitted through medians of blocks."""
SLOTS = 13 * 24
BLOCKS = SLOTS // BLOCK_H
_ROW_SLOTS = 24
_PARTS = SLOTS // _ROW_SLOTS
_UNIT = 1e6
"""Values are summed in whole millionths of a millimetre or degree."""
EMPTY = -(2**31)


class Ring:
    """Hourly buckets of n points.

    Attributes
    ----------
    newest_hour : (4, n) int64
        By kind: the newest hour in which a point said something, hours since 1970; `EMPTY` where it never did.
    mean_time : 4 of (SLOTS, n)
        By kind: mean time of a bucket's readings, hours since 1970, NaN where it is empty. A bucket whose time
        does not lie in the hour that is asked for is a left-over of a turn of the ring ago.
    mean : 5 of (SLOTS, n)
        By series: mean of a bucket's values.
    block_time, block_count, block_median
        The same for blocks of six hours, with how many hours they hold.
    """

    def __init__(self, name: str, version: int, ids: Sequence[str]) -> None:
        self._name, self._version, self._ids = name, version, tuple(ids)
        n = len(ids)
        self._hour = np.full((SLOTS, n), EMPTY, dtype=np.int64)
        self._count = [np.zeros((SLOTS, n), dtype=np.int64) for _ in KINDS]
        self._time = [np.zeros((SLOTS, n), dtype=np.int64) for _ in KINDS]
        self._sum = [np.zeros((SLOTS, n), dtype=np.int64) for _ in SERIES]
        self.newest_hour = np.full((len(KINDS), n), EMPTY, dtype=np.int64)
        self.mean_time = [np.full((SLOTS, n), np.nan) for _ in KINDS]
        self.mean = [np.full((SLOTS, n), np.nan) for _ in SERIES]
        self._block = [np.full((BLOCKS, n), EMPTY, dtype=np.int64) for _ in KINDS]
        self.block_time = [np.full((BLOCKS, n), np.nan) for _ in KINDS]
        self.block_count = [np.zeros((BLOCKS, n)) for _ in KINDS]
        self.block_median = [np.full((BLOCKS, n), np.nan) for _ in SERIES]
        self._dirty = np.zeros((_PARTS, n), dtype=bool)
        self._handed = np.zeros((_PARTS, n), dtype=bool)

    def add(self, places: Places, observed_us: NDArray[np.int64], values: Floats) -> NDArray[np.bool_]:
        """Add one reading a point; returns which of them opened a bucket, (m,).

        Parameters
        ----------
        values
            (5, m) by series, NaN where not said. A reading older than the ring is left out.
        """
        hour = observed_us // HOUR
        slot = hour % SLOTS
        known = self._hour[slot, places]
        fits = known <= hour
        opened = fits & (known < hour)
        places_new, slot_new = places[opened], slot[opened]
        self._hour[slot_new, places_new] = hour[opened]
        for column in (*self._count, *self._time, *self._sum):
            column[slot_new, places_new] = 0
        for time in self.mean_time:
            time[slot_new, places_new] = np.nan
        for series in self.mean:
            series[slot_new, places_new] = np.nan
        offset_us = observed_us - hour * HOUR
        for kind, members in enumerate(SERIES_OF_KIND):
            said = fits & ~np.isnan(values[list(members)]).any(axis=0)
            if not said.any():
                continue
            self._add_kind(kind, members, places[said], hour[said], offset_us[said], values[:, said])
        self._dirty[slot[fits] // _ROW_SLOTS, places[fits]] = True
        return opened

    def _add_kind(
        self,
        kind: int,
        members: tuple[int, ...],
        places: Places,
        hour: NDArray[np.int64],
        offset_us: NDArray[np.int64],
        values: Floats,
    ) -> None:
        slot = hour % SLOTS
        count = self._count[kind][slot, places] + 1
        time = self._time[kind][slot, places] + offset_us
        self._count[kind][slot, places] = count
        self._time[kind][slot, places] = time
        self.mean_time[kind][slot, places] = hour + time / count / HOUR
        for series in members:
            total = self._sum[series][slot, places] + np.rint(values[series] * _UNIT).astype(np.int64)
            self._sum[series][slot, places] = total
            self.mean[series][slot, places] = total / count / _UNIT
        newest = np.maximum(self.newest_hour[kind, places], hour)
        self.newest_hour[kind, places] = newest
        block = hour // BLOCK_H
        self._refresh_blocks(kind, places, block)
        followed = newest // BLOCK_H > block
        if followed.any():
            self._refresh_followers(kind, places[followed], block[followed] + 1)

    def _refresh_followers(self, kind: int, places: Places, block: NDArray[np.int64]) -> None:
        """A late reading may show that the first hours of the block behind it are, or are not, stuck."""
        there = self._block[kind][block % BLOCKS, places] == block
        if there.any():
            self._refresh_blocks(kind, places[there], block[there])

    def _refresh_blocks(self, kind: int, places: Places, block: NDArray[np.int64]) -> None:
        # Two hours more before the block tell whether its first ones are stuck.
        hours = block * BLOCK_H + np.arange(-2, BLOCK_H)[:, None]
        slots = hours % SLOTS
        time = self.mean_time[kind][slots, places]
        held = (time >= hours) & (time < hours + 1)
        values = [np.where(held, self.mean[s][slots, places], np.nan) for s in SERIES_OF_KIND[kind]]
        for value in values:
            held &= ~np.isnan(unstuck(value))
        held[:2] = False
        count = held.sum(axis=0)
        at = block % BLOCKS
        self._block[kind][at, places] = block
        self.block_count[kind][at, places] = count
        mean_time = sums(np.where(held, time, 0.0)) / np.maximum(count, 1)
        self.block_time[kind][at, places] = np.where(count > 0, mean_time, np.nan)
        for series, value in zip(SERIES_OF_KIND[kind], values, strict=True):
            self.block_median[series][at, places] = medians(np.where(held, value, np.nan), count)

    def hours(
        self, kind: int, series: int, places: Places, hours: NDArray[np.int64]
    ) -> tuple[Floats, Floats]:
        """Mean times and values of buckets, both of the shape of `hours`, (w, m); NaN where there is none."""
        at = hours % SLOTS * len(self._ids) + places
        time = self.mean_time[kind].ravel().take(at)
        value = self.mean[series].ravel().take(at)
        gone = ~((time >= hours) & (time < hours + 1))
        time[gone] = np.nan
        value[gone] = np.nan
        return time, value

    def blocks(
        self, kind: int, series: int, places: Places, blocks: NDArray[np.int64]
    ) -> tuple[Floats, Floats, Floats]:
        """Mean times, medians and counts of blocks, each of the shape of `blocks`, (w, m)."""
        slots = blocks % BLOCKS
        time = self.block_time[kind][slots, places]
        held = (time >= blocks * BLOCK_H) & (time < (blocks + 1) * BLOCK_H)
        median = np.where(held, self.block_median[series][slots, places], np.nan)
        return (
            np.where(held, time, np.nan),
            median,
            np.where(held, self.block_count[kind][slots, places], 0.0),
        )

    def filled(self, kind: int, place: int, until_hour: int) -> NDArray[np.int64]:
        """Hours up to and with `until_hour` in which a point said something of a kind, ascending."""
        time = self.mean_time[kind][:, place]
        hours = np.sort(np.floor(time[~np.isnan(time)]).astype(np.int64))
        within: NDArray[np.int64] = hours[
            (hours <= until_hour) & (hours > self.newest_hour[kind, place] - SLOTS)
        ]
        return within

    def changed(self) -> dict[str, bytes]:
        """Rows changed since the last saved checkpoint."""
        self._handed |= self._dirty
        self._dirty[:] = False
        return self._rows(self._handed)

    def saved(self) -> None:
        """The checkpoint of the last `changed()` is durable."""
        self._handed[:] = False

    def state(self) -> dict[str, bytes]:
        """All rows."""
        present = (self._hour.reshape(_PARTS, _ROW_SLOTS, -1) != EMPTY).any(axis=1)
        return self._rows(present)

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Take up rows (keys `station/part`); those of stations that are gone are ignored."""
        place_of = {station: place for place, station in enumerate(self._ids)}
        touched: list[int] = []
        for key, value in state.items():
            station, _, part = key.rpartition("/")
            place = place_of.get(station)
            if place is None:
                continue
            check_version(self._name, value, self._version)
            self._take(place, int(part), value)
            touched.append(place)
        self._derive(np.unique(np.array(touched, dtype=np.intp)))

    def _take(self, place: int, part: int, value: bytes) -> None:
        mask, filled = value[1], value[2]
        at = 3
        rows = slice(part * _ROW_SLOTS, (part + 1) * _ROW_SLOTS)

        def column(dtype: str) -> NDArray[Any]:
            nonlocal at
            found = np.frombuffer(value, dtype=dtype, count=filled, offset=at)
            at += found.nbytes
            return found

        hour = column("<i4").astype(np.int64)
        slot = hour % SLOTS
        self._hour[rows, place] = EMPTY
        self._hour[slot, place] = hour
        for kind, members in enumerate(SERIES_OF_KIND):
            if not mask >> kind & 1:
                continue
            self._count[kind][slot, place] = column("<i4")
            self._time[kind][slot, place] = column("<i8")
            for series in members:
                self._sum[series][slot, place] = column("<i8")

    def _derive(self, places: Places) -> None:
        if not len(places):
            return
        hour = self._hour[:, places]
        for kind, members in enumerate(SERIES_OF_KIND):
            count = self._count[kind][:, places]
            held = count > 0
            shared = np.where(held, count, 1)
            time = np.where(held, hour + self._time[kind][:, places] / shared / HOUR, np.nan)
            self.mean_time[kind][:, places] = time
            for series in members:
                mean = self._sum[series][:, places] / shared / _UNIT
                self.mean[series][:, places] = np.where(held, mean, np.nan)
            self.newest_hour[kind, places] = np.where(held, hour, EMPTY).max(axis=0)
            for row in range(0, SLOTS, BLOCK_H):
                newest = np.where(held[row : row + BLOCK_H], hour[row : row + BLOCK_H], EMPTY).max(axis=0)
                some = newest != EMPTY
                if some.any():
                    self._refresh_blocks(kind, places[some], newest[some] // BLOCK_H)

    def _rows(self, which: NDArray[np.bool_]) -> dict[str, bytes]:
        rows: dict[str, bytes] = {}
        for part, place in zip(*(index.tolist() for index in np.nonzero(which)), strict=True):
            rows[f"{self._ids[place]}/{part}"] = self._row(part, place)
        return rows

    def _row(self, part: int, place: int) -> bytes:
        slots = slice(part * _ROW_SLOTS, (part + 1) * _ROW_SLOTS)
        hour = self._hour[slots, place]
        held = hour != EMPTY
        mask, pieces = 0, [hour[held].astype("<i4").tobytes()]
        for kind, members in enumerate(SERIES_OF_KIND):
            count = self._count[kind][slots, place][held]
            if not count.any():
                continue
            mask |= 1 << kind
            pieces.append(count.astype("<i4").tobytes())
            pieces.append(self._time[kind][slots, place][held].astype("<i8").tobytes())
            pieces += [self._sum[s][slots, place][held].astype("<i8").tobytes() for s in members]
        return bytes([self._version, mask, int(held.sum())]) + b"".join(pieces)


def sums(rows: Floats) -> Floats:
    """Sums down the columns of (w, m), row by row: the same bits whatever m is."""
    total: Floats = rows[0].copy()
    for row in rows[1:]:
        total += row
    return total


def medians(rows: Floats, count: NDArray[np.int64]) -> Floats:
    """Medians down the columns of (w, m) that hold `count` values each beside NaN; NaN where there is none."""
    ordered = np.sort(rows, axis=0)
    columns = np.arange(rows.shape[1])
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    high = np.minimum(high, np.maximum(count - 1, 0))
    middle: Floats = (ordered[low, columns] + ordered[high, columns]) / 2.0
    return middle


def unstuck(value: Floats) -> Floats:
    """Values (w, m) less runs of three and more that are equal to the last digit: a stuck instrument shows nothing."""
    same = value[1:] == value[:-1]
    run = same[1:] & same[:-1]
    stuck = np.zeros(value.shape, dtype=bool)
    for shift in range(3):
        stuck[shift : shift + len(run)] |= run
    return np.where(stuck, np.nan, value)
