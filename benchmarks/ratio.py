"""Ratios: two ways of doing one thing, timed in turn, so that a slow machine slows both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

Work = Callable[[], object]
Way = Callable[[], AbstractContextManager[Work]]
"""Makes ready, untimed; gives the work that is timed; clears away, untimed."""


@dataclass(frozen=True)
class Ratio:
    """What was compared, and how the two did.

    Attributes
    ----------
    name
        What is compared, in a few words.
    unit
        What is counted, e.g. `readings`.
    ours_per_s, bare_per_s
        Medians over the rounds.
    """

    name: str
    unit: str
    ours_per_s: float
    bare_per_s: float

    @property
    def ratio(self) -> float:
        """Ours by the bare library's: 1 means as fast, 0.1 ten times slower."""
        return self.ours_per_s / self.bare_per_s


def ready(work: Work) -> Way:
    """Return the way of work that needs no making ready."""
    return lambda: nullcontext(work)


def compare(name: str, unit: str, count: int, ours: Way, bare: Way, rounds: int = 5) -> Ratio:
    """Time both in turn.

    Parameters
    ----------
    count
        How many `unit`s the work of either way does.
    rounds
        Odd, so that the median is a round that happened. One more before them is not counted.
    """
    return compare_by({name: time.perf_counter}, unit, count, ours, bare, rounds)[0]


def compare_by(
    clocks: Mapping[str, Callable[[], float]], unit: str, count: int, ours: Way, bare: Way, rounds: int = 5
) -> list[Ratio]:
    """Time both in turn by several clocks, such as the processor's, which others' work does not move.

    Parameters
    ----------
    clocks
        By the name of each comparison, what tells the time in seconds.
    """
    seconds: list[tuple[list[float], list[float]]] = [([], []) for _ in clocks]
    for number in range(rounds + 1):
        for side, way in enumerate((ours, bare)):
            with way() as work:
                began = [clock() for clock in clocks.values()]
                work()
                elapsed_s = [clock() - start for clock, start in zip(clocks.values(), began, strict=True)]
            if number:
                for taken, one_s in zip(seconds, elapsed_s, strict=True):
                    taken[side].append(one_s)
    medians = (map(statistics.median, taken) for taken in seconds)
    return [
        Ratio(name, unit, count / ours_s, count / bare_s)
        for name, (ours_s, bare_s) in zip(clocks, medians, strict=True)
    ]
