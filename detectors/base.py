"""What station detectors share: rows of state by station, what changed in them, and how a level stands and falls.

In      columns: places of stations in a detector's own arrays, levels, times in microseconds
Out     rises and falls of standing levels; state as rows keyed by station id
State   each detector's own; the arrays here are parts of it
Source  EXACT, rule 8 (a level falls), rule 13 (rows of state)
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.packet import FAIL, MISSING, PASS
from schemas.rows import Marks, StationRows, check_version
from schemas.stage import Emitted
from schemas.times import Micros

__all__ = [
    "LEVELS",
    "NEVER",
    "STANDING",
    "Marks",
    "Standing",
    "StationRows",
    "check_version",
    "clear_standings",
    "figure",
    "in_row_order",
    "passes",
    "scores",
    "standing_array",
]

NEVER: Micros = -(2**62)
"""A time before all times, for "not yet" in columns."""
LEVELS = 4
"""How many levels stand above none."""

STANDING = np.dtype(
    [
        ("level", "u1"),
        ("number", "<i4"),
        ("held_us", "<i8", (LEVELS,)),
        ("start_us", "<i8", (LEVELS,)),
        ("newest_us", "<i8", (LEVELS,)),
    ]
)
"""One station's standing level and what may lower it; column ℓ - 1 of the times is level ℓ.

`number`: how many findings were made of this subject. `held_us`: when a reading last held the level up.
`start_us`, `newest_us`: the first and the newest good reading observed since then that was below it.
"""

_HEIGHTS = np.arange(1, LEVELS + 1, dtype=np.uint8)


def standing_array(n: int) -> NDArray[Any]:
    """Standings of n stations, all at level 0, shape (n,) of `STANDING`."""
    array = np.zeros(n, dtype=STANDING)
    clear_standings(array)
    return array


def clear_standings(array: NDArray[Any]) -> None:
    """Set standings, alone or as a field of larger rows, to "never raised"."""
    array["level"] = 0
    array["number"] = 0
    for name in ("held_us", "start_us", "newest_us"):
        array[name] = NEVER


class Standing:
    """Levels at which stations stand: they rise at once and fall only on fresh good evidence.

    Parameters
    ----------
    array
        (n,) of `STANDING`, for example a field of the detector's own state; changed in place.
    hold_us
        How long good readings must have been below a level before it falls, microseconds.

    Notes
    -----
    A level ℓ falls when readings that are good evidence, observed after the one that last held it up, span
    `hold_us`, and the newest of them is no older than two of the station's intervals against the log. The
    station then stands at the highest level that was held up meanwhile. Only readings speak: there is no
    method by which time alone lowers anything.

    A late reading that holds a level up later than the run of good readings began breaks that run; the run
    then begins again with the newest good reading known. So a late reading can make a level stay longer
    than readings in order would have, and never shorter.
    """

    def __init__(self, array: NDArray[Any], hold_us: Micros) -> None:
        self.array = array
        self.hold_us = hold_us

    def levels(self, places: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Where stations stand, (m,)."""
        levels: NDArray[np.uint8] = self.array["level"][places]
        return levels

    def update(
        self,
        places: NDArray[np.intp],
        level: NDArray[np.uint8],
        observed_us: NDArray[np.int64],
        good: NDArray[np.bool_],
        log_us: NDArray[np.int64],
        interval_us: NDArray[np.int64],
        *,
        holds: NDArray[np.uint8] | None = None,
        holds_us: NDArray[np.int64] | None = None,
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Take one graded reading a station; every argument is (m,), places without repeats.

        Parameters
        ----------
        level
            To what level the reading raises its station; suspect readings may raise too.
        observed_us
            When the reading was observed: of two readings the later one in the log may be the earlier here.
        good
            (m,) or (m, 4): whether the reading, where it is below a level, is good evidence of being below
            it: flag 1, and graded by enough data. Column ℓ - 1 is for level ℓ.
        log_us
            The log's time at the reading.
        interval_us
            The station's own interval, for the age of the newest reading; 0 where it is triggered, which
            sets no limit.
        holds
            Which level the reading keeps up where it stands, if that is more than what it would raise.
        holds_us
            When that level was last seen, where a late reading re-graded windows after its own time.

        Returns
        -------
        rose, fell : (m,) bool
            Whose standing level is higher or lower than before; `levels` says where it is now.
        """
        before = self.array["level"][places]
        held = level if holds is None else np.maximum(level, np.minimum(holds, before))
        if not before.any() and not held.any():
            # Nothing stands and nothing rises: the common case, and nothing to remember.
            quiet = np.zeros(len(places), dtype=bool)
            return quiet, quiet
        state = self.array[places]
        seen = observed_us if holds_us is None else holds_us
        up = held[:, None] >= _HEIGHTS
        held_us = np.where(up, np.maximum(state["held_us"], seen[:, None]), state["held_us"])
        start, newest = state["start_us"], state["newest_us"]

        # A level that was held up after a run had begun breaks that run.
        broken = up & (start <= held_us)
        start = np.where(broken, np.where(newest > held_us, newest, NEVER), start)
        newest = np.where(up & (newest <= held_us), NEVER, newest)

        tall = good if good.ndim == 2 else np.broadcast_to(good[:, None], up.shape)
        counts = tall & ~up & (observed_us[:, None] > held_us) & (held_us > NEVER)
        observed = observed_us[:, None]
        start = np.where(counts & ((start == NEVER) | (observed < start)), observed, start)
        newest = np.where(counts & (observed > newest), observed, newest)

        fresh = (interval_us == 0)[:, None] | (log_us[:, None] - newest <= 2 * interval_us[:, None])
        over = (start > NEVER) & (newest - start >= self.hold_us) & fresh & counts
        after = np.where(over | (before[:, None] < _HEIGHTS), 0, _HEIGHTS).max(axis=1)
        after = np.maximum(after, level).astype(np.uint8)
        gone = after[:, None] < _HEIGHTS
        state["held_us"] = np.where(gone, NEVER, held_us)
        state["start_us"] = np.where(gone, NEVER, start)
        state["newest_us"] = np.where(gone, NEVER, newest)
        state["level"] = after
        self.array[places] = state
        return after > before, after < before

    def update_one(
        self, place: int, level: int, observed_us: Micros, good: bool, log_us: Micros, interval_us: Micros
    ) -> None:
        """`update` for one station in plain numbers, much faster for one; good or not for all levels alike."""
        row = self.array[place]
        before = int(row["level"])
        if not before and not level:
            return
        after = level
        for at in range(max(before, level)):
            up = level > at
            held, start, newest = (int(row[name][at]) for name in ("held_us", "start_us", "newest_us"))
            over = False
            if up:
                held = max(held, observed_us)
                if start <= held:
                    start = newest if newest > held else NEVER
                if newest <= held:
                    newest = NEVER
            elif good and observed_us > held > NEVER:
                start = observed_us if start == NEVER else min(start, observed_us)
                newest = max(newest, observed_us)
                fresh = not interval_us or log_us - newest <= 2 * interval_us
                over = newest - start >= self.hold_us and fresh
            if at < before and not over:
                after = max(after, at + 1)
            row["held_us"][at], row["start_us"][at], row["newest_us"][at] = held, start, newest
        for name in ("held_us", "start_us", "newest_us"):
            row[name][after:] = NEVER
        row["level"] = after

    def next_number(self, place: int) -> int:
        """The running number of the next finding of a station, counted up."""
        number = int(self.array["number"][place]) + 1
        self.array["number"][place] = number
        return number


def in_row_order(emitted: Iterable[Emitted]) -> list[Emitted]:
    """What turns found, put back in the order of the packet's rows; of one row as it was found."""
    return sorted(emitted, key=lambda e: e.row)


def scores(flag: NDArray[np.uint8], counts: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which readings a detector may use at all, (n,): they count, and no test failed them."""
    usable: NDArray[np.bool_] = counts & (flag != FAIL) & (flag != MISSING)
    return usable


def passes(flag: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which readings may lower a level, (n,)."""
    lowers: NDArray[np.bool_] = flag == PASS
    return lowers


def figure(value: float, digits: int) -> float | None:
    """A figure for evidence, rounded to the digits of its unit; None where there is none."""
    number = float(value)
    if not math.isfinite(number):
        return None
    return round(number, digits) + 0.0
