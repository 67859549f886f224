"""Faults: instruments that lose readings, fall silent, stick or drift.

In      what instruments would say
Out     the same with faults; -1 (rain) or NaN (landslide) where nothing was said
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from runtime.simulate.landslide import Slopes

_HOUR_STEPS = 12


def losses(counted: NDArray[np.int64], chance: np.random.Generator, part: float) -> NDArray[np.int64]:
    """Rain readings of which a part never arrives."""
    return np.where(chance.random(counted.shape, dtype=np.float32) < part, -1, counted)


def calm_faults(counted: NDArray[np.int64], slopes: Slopes, chance: np.random.Generator) -> NDArray[np.int64]:
    """A month's faults: the rain readings with theirs; the slopes are changed in place."""
    counted = losses(counted, chance, 0.001)
    steps = counted.shape[1]
    sick = chance.permutation(len(counted))[:16].tolist()
    for gauge in sick[:12]:
        begins = int(chance.integers(0, steps - 30 * _HOUR_STEPS))
        counted[gauge, begins : begins + int(chance.integers(2, 30)) * _HOUR_STEPS] = -1
    for gauge in sick[12:14]:
        # A reed that sticks counts the same small rain on and on.
        begins = int(chance.integers(0, steps - 30 * _HOUR_STEPS))
        counted[gauge, begins : begins + int(chance.integers(3, 8)) * _HOUR_STEPS] = 2
    for gauge in sick[14:]:
        # A clogged funnel: it speaks, and it never rains.
        counted[gauge] = np.where(counted[gauge] > 0, 0, counted[gauge])

    hours = steps // _HOUR_STEPS
    ill = chance.permutation(len(slopes.stations))[:32].tolist()
    for point in ill[:20]:
        begins = int(chance.integers(0, hours - 61))
        slopes.silence(point, slice(begins, begins + int(chance.integers(5, 60))))
    for point in ill[20:26]:
        begins = int(chance.integers(0, hours - 240))
        slopes.stick(point, slice(begins, begins + int(chance.integers(96, 240))))
    for point in ill[26:]:
        instrument, row = slopes.place[point]
        a_day = {"displacement": 0.06, "crack": 0.05, "gnss": 0.15, "tilt": 0.003}[instrument]
        slopes.values[instrument][row] += a_day * np.arange(hours)[:, None] / 24
    missing = chance.random((len(slopes.stations), hours), dtype=np.float32) < 0.001
    for instrument, points in slopes.members.items():
        slopes.values[instrument][missing[points]] = np.nan
    return counted
