"""Ratios: two ways of doing one thing, timed in turn, so that a slow machine slows both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
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
    seconds: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 1):
        for taken, way in zip(seconds, (ours, bare), strict=True):
            with way() as work:
                began = time.perf_counter()
                work()
                elapsed_s = time.perf_counter() - began
            if number:
                taken.append(elapsed_s)
    ours_s, bare_s = map(statistics.median, seconds)
    return Ratio(name, unit, count / ours_s, count / bare_s)
