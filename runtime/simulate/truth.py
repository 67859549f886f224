"""Truth: which hazard stood where at which level, from the noise-free series alone.

In      true depths, velocities, visibility and magnitude; never what an instrument said
Out     `Course`s (level over time by hazard and area), and the events of a stretch of them
Source  DOMAIN 2.1 (signals), 3.1 and 3.2 (tangential angle, remaining life), 4.4 and 4.6 (intensity).
        Nothing here imports a detector: a rule that is wrong there must not be wrong here too
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from runtime.simulate.place import Floats
from schemas.hazard import Hazard
from schemas.times import DAY, HOUR, Micros, from_micros
from schemas.truth import Event, Truth

Levels = NDArray[np.int64]

SIGNALS_MM: Sequence[tuple[int, float, int]] = ((12, 50.0, 1), (6, 50.0, 2), (3, 50.0, 3), (3, 100.0, 4))
"""Rainstorm signals: window in hours, depth in mm, level (CMA Order 16, DOMAIN 2.1)."""
CONTINUES_STEPS = 6
"""A signal stands while it rained in the last 30 min: "has reached and may continue"."""
DAMP_MM = 0.1
EPISODE_GAP_US: Micros = 6 * HOUR
"""Two spells of one hazard in one area that lie closer are one event (the rain event of DOMAIN 2.3)."""

FLASH_MM: Sequence[tuple[int, Sequence[float], Sequence[float]]] = (
    (1, (35.0, 45.0, 60.0, 80.0), (1.0, 1.0, 0.857)),
    (3, (55.0, 75.0, 100.0, 120.0), (1.0, 1.0, 0.833)),
    (6, (70.0, 95.0, 120.0, 150.0), (1.0, 1.0, 0.889)),
    (24, (100.0, 130.0, 160.0, 200.0), (1.0, 1.0, 1.0)),
)
"""Critical rain of townships: window in hours, mm of blue to red, share of it on dry, ordinary and wet ground.

DOMAIN 2.4: four colours of Jianghua, and how critical rain falls with wetness in the worked group."""
WETNESS_STATES = (0.2, 0.5, 0.8)
SOIL_MM = 100.0
DECAY_A_DAY = 0.84
"""Wetness: effective rain before the window, each day (of UTC) counting 0.84 of the next, over 100 mm (DOMAIN 2.2)."""

ANGLE_DEG: Sequence[tuple[float, int]] = ((42.0, 1), (48.0, 2), (80.0, 3), (85.0, 4))
"""Improved tangential angle from which each level begins (DOMAIN 3.1)."""
LIFE_H: Sequence[tuple[float, int]] = ((168.0, 2), (24.0, 3), (6.0, 4))
"""Remaining life up to which each level holds, hours (DOMAIN 3.2)."""


@dataclass(frozen=True)
class Course:
    """The true level of one hazard in one area over time.

    `levels[k]` holds from `times_us[k]` to `times_us[k + 1]`, the last one to `ends_us`.
    """

    hazard: Hazard
    area: str
    times_us: tuple[Micros, ...]
    levels: tuple[int, ...]
    ends_us: Micros

    @classmethod
    def of_series(
        cls, hazard: Hazard, area: str, levels: Levels, first_us: Micros, step_us: Micros
    ) -> Course | None:
        """The course of a series of levels, each from its instant to the next; None where it stays 0."""
        if not levels.any():
            return None
        turns = np.flatnonzero(np.diff(levels, prepend=-1))
        times = tuple(first_us + int(turn) * step_us for turn in turns)
        return cls(
            hazard, area, times, tuple(int(levels[turn]) for turn in turns), first_us + len(levels) * step_us
        )

    def events(self, start_us: Micros, stop_us: Micros) -> list[Event]:
        """The events in a stretch: one an episode, at its highest level.

        An event begins when that level is first reached and ends when the episode is over.
        """
        found: list[Event] = []
        peak, begins, ends = 0, 0, 0
        stops = (*self.times_us[1:], self.ends_us)
        for at, until, level in zip(self.times_us, stops, self.levels, strict=True):
            low, high = max(at, start_us), min(until, stop_us)
            if level == 0 or low >= high:
                continue
            if peak and low - ends > EPISODE_GAP_US:
                found.append(self._event(peak, begins, ends))
                peak = 0
            if level > peak:
                peak, begins = level, low
            ends = high
        return [*found, self._event(peak, begins, ends)] if peak else found

    def _event(self, level: int, begins: Micros, ends: Micros) -> Event:
        return Event(
            hazard=self.hazard,
            level=level,
            area=self.area,
            begins_at=from_micros(begins),
            ends_at=from_micros(ends),
        )


def truth_of(courses: Iterable[Course], start_us: Micros, stop_us: Micros) -> Truth:
    """The events of all courses in a stretch, in order of time."""
    events = [event for course in courses for event in course.events(start_us, stop_us)]
    return Truth(events=tuple(sorted(events, key=lambda e: (e.begins_at, e.hazard, e.area))))


def rolling_mm(depths_mm: Floats, steps: int) -> Floats:
    """Sums of the last `steps` steps, the present one included, along the last axis."""
    total = np.cumsum(depths_mm, axis=-1)
    sums = total.copy()
    sums[..., steps:] -= total[..., :-steps]
    return sums


def signal_levels(depths_mm: Floats, steps_an_hour: int) -> Levels:
    """Rainstorm level of each gauge at each step from true depths (gauges, steps); same shape."""
    levels = np.zeros(depths_mm.shape, dtype=np.int64)
    for window_h, threshold_mm, level in SIGNALS_MM:
        reached = rolling_mm(depths_mm, window_h * steps_an_hour) >= threshold_mm
        levels = np.where(reached, np.maximum(levels, level), levels)
    raining = rolling_mm(depths_mm, CONTINUES_STEPS) >= DAMP_MM
    return np.where(raining, levels, 0)


def slope_levels(velocity_mm_day: Floats, creep_mm_day: float, left_h: Floats) -> Levels:
    """Level of a failing slope from its true velocity and remaining life; 0 once it has failed (NaN).

    Parameters
    ----------
    creep_mm_day
        The true velocity of its constant stage, v0.
    """
    angle = np.degrees(np.arctan(velocity_mm_day / creep_mm_day))
    levels = np.zeros(len(angle), dtype=np.int64)
    for from_deg, level in ANGLE_DEG:
        levels[angle >= from_deg] = level
    accelerates = velocity_mm_day > 1.1 * creep_mm_day
    for life_h, level in LIFE_H:
        levels = np.where(accelerates & (left_h <= life_h), np.maximum(levels, level), levels)
    return np.where(np.isnan(velocity_mm_day), 0, levels)


_CENTRAL_LONG = (5.8410, 1.0710, -3.6570, 15.0)
_CENTRAL_SHORT = (3.9440, 1.0710, -2.8450, 7.0)
_INTENSITY_LEVEL: Mapping[int, int] = {2: 1, 3: 2, 4: 2, 5: 3, 6: 3}


def intensity(magnitude: float, epicentral_km: float) -> float:
    """Seismic intensity in the Central zone, the mean of both axes as the strike is unknown (GB 18306, DOMAIN 4.4)."""
    axes = [
        a + b * magnitude + c * float(np.log10(epicentral_km + r0))
        for a, b, c, r0 in (_CENTRAL_LONG, _CENTRAL_SHORT)
    ]
    return sum(axes) / len(axes)


def shaking_level(estimate: float) -> int:
    """Level by rounded intensity: red from VII, orange V and VI, yellow III and IV, blue II (DOMAIN 4.6)."""
    rounded = int(np.floor(estimate + 0.5))
    return 4 if rounded >= 7 else _INTENSITY_LEVEL.get(rounded, 0)


def flash_levels(depths_mm: Floats, first_us: Micros, step_us: Micros) -> Levels:
    """Flash-flood level at each step from true depths of townships (or of gauges), shape (n, steps).

    Parameters
    ----------
    first_us
        End of the first step.
    """
    levels = np.zeros(depths_mm.shape, dtype=np.int64)
    days = (first_us + np.arange(depths_mm.shape[1]) * step_us - 1) // DAY
    for window_h, thresholds_mm, shares in FLASH_MM:
        steps = window_h * HOUR // step_us
        sums = rolling_mm(depths_mm, steps)
        wetness = _effective_before_mm(depths_mm, days, steps) / SOIL_MM
        share = np.interp(wetness, WETNESS_STATES, shares)
        for level, threshold_mm in enumerate(thresholds_mm, 1):
            levels = np.where(sums >= threshold_mm * share, np.maximum(levels, level), levels)
    return levels


def _effective_before_mm(depths_mm: Floats, days: NDArray[np.int64], steps: int) -> Floats:
    """Rain before the window of `steps` steps that ends at each step, less with each day since; shape (n, steps)."""
    effective = np.zeros_like(depths_mm)
    for day in np.unique(days):
        fallen = np.cumsum(np.where(days == day, depths_mm, 0.0), axis=1)
        before = np.zeros_like(fallen)
        before[:, steps:] = fallen[:, :-steps]
        age = np.maximum(days - day, 0)
        effective += before * DECAY_A_DAY**age
    return effective
