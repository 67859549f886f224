"""The level of one point at one hour, with the figures that led to it.

In      the ring, one point, the hour up to which to look
Out     a `Grade`
State   none: a pure function of the ring
Source  tangential angle, persistence, inverse velocity, combination of instruments: DOMAIN 3.1 to 3.4
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.landslide.failure import WINDOWS_H, Outlook, outlook, sparse_outlook
from detectors.landslide.kinematics import line, tangential_angle_deg
from detectors.landslide.measure import (
    DAY_RISE,
    DENSE,
    SPARSE,
    Estimates,
    dense_estimates,
    slopes,
    sparse_estimates,
    without_spikes,
)
from detectors.landslide.parameters import LandslideParameters
from detectors.landslide.ring import KINDS, SERIES_OF_KIND, SLOTS, Floats, Places, Ring

_TILT = 3
_DENSE_WINDOWS = np.array([estimator.window_h for estimator in DENSE])
_SPARSE_WINDOWS = np.array([estimator.window_h for estimator in SPARSE])


class KindGrade(NamedTuple):
    """What one kind of instrument says at one hour."""

    kind: str
    level: int
    """After persistence."""
    single: int
    """What the newest reading alone would give."""
    velocity: float
    """Millimetres (tilt: degrees) a day; NaN where nothing stands out."""
    sigma: float
    day_rise: float
    window_h: float
    v0: float
    outlook: Outlook | None
    """When it would fail; None where that cannot be told."""
    known: bool


@dataclass(frozen=True)
class Grade:
    """What a point says at one hour."""

    level: int
    kinds: tuple[KindGrade, ...]
    raised_by_two_kinds: bool

    @property
    def leading(self) -> KindGrade | None:
        """The kind that leads: the highest level, then the highest velocity."""
        return max(self.kinds, key=lambda k: (k.level, k.single, np.nan_to_num(k.velocity)), default=None)


class Signal(NamedTuple):
    """Levels of m (point, hour) pairs by one kind, before persistence, and what they rest on; each (m,)."""

    level: NDArray[np.int64]
    velocity: Floats
    sigma: Floats
    day_rise: Floats
    window_h: Floats
    known: NDArray[np.bool_]


class Grader:
    """Grades points from the ring."""

    def __init__(
        self, parameters: LandslideParameters, ring: Ring, sparse: NDArray[np.bool_], v0: Floats
    ) -> None:
        self._parameters = parameters
        self._ring = ring
        self._sparse = sparse
        self._v0 = v0
        blue, yellow, orange, red = (math.tan(math.radians(a)) for a in parameters.angles_deg)
        # Yellow begins beyond its angle, the others at theirs.
        self._ratios = (blue, math.nextafter(yellow, math.inf), orange, red)
        self._angle_slack = 1e-9

    def signal(
        self,
        kind: int,
        places: Places,
        end_hour: NDArray[np.int64],
        noise: Floats,
        v0: Floats,
        *,
        sparse: bool,
        part: float = 1.0,
        slow: NDArray[np.bool_] | None = None,
    ) -> Signal:
        """Levels of points (m,) by one kind at their hours, from velocities that stand out.

        Parameters
        ----------
        part
            Of what velocities must exceed: 1 by themselves, less where others speak beside them.
        slow
            For which points estimates over days are wanted too, (m,); all unless given.
        """
        parameters = self._parameters.instrument(KINDS[kind])
        gate = self._parameters.sparse_gate_sigma if sparse else self._parameters.gate_sigma
        least = self._parameters.least_points
        if sparse:
            found = [
                sparse_estimates(self._ring, series, places, end_hour, noise, least)
                for series in SERIES_OF_KIND[kind]
            ]
        else:
            every = np.ones(len(places), dtype=bool) if slow is None else slow
            found = [
                dense_estimates(self._ring, series, places, end_hour, noise, least, every)
                for series in SERIES_OF_KIND[kind]
            ]
        first = found[0]
        velocity = first.velocity if len(found) == 1 else np.hypot(found[0].velocity, found[1].velocity)
        estimates = Estimates(velocity, first.sigma, first.cycle)
        counted = np.where(estimates.counts(part * gate, part * parameters.daily_cycle), velocity, np.nan)
        # Sparse points have no reading at the same hour of the day before: a day's velocity stands for it.
        day_rise = highest(counted if sparse else counted[list(DAY_RISE)])
        level = np.zeros(len(places), dtype=np.int64)
        for step, threshold in enumerate(parameters.day_thresholds, 1):
            level[day_rise >= threshold] = step
        fastest = highest(counted)
        if kind != _TILT:
            for step, ratio in enumerate(self._ratios, 1):
                level[fastest >= ratio * v0 * (1.0 - self._angle_slack)] = np.maximum(
                    level[fastest >= ratio * v0 * (1.0 - self._angle_slack)], step
                )
        columns = np.arange(len(places))
        which = np.where(np.isnan(counted), -np.inf, counted).argmax(axis=0)
        windows = _SPARSE_WINDOWS if sparse else _DENSE_WINDOWS
        return Signal(
            level, fastest, estimates.sigma[which, columns], day_rise, windows[which], estimates.known()
        )

    def grade(self, place: int, end_hour: int, noise: Floats) -> Grade:
        """The level of one point at one hour; `noise` (4,) by kind."""
        kinds = tuple(
            graded
            for kind in range(len(KINDS))
            if (graded := self._grade_kind(kind, place, end_hour, float(noise[kind]))) is not None
        )
        level = max((k.level for k in kinds), default=0)
        # Two instruments at once need no persistence: what the second of them says is confirmed.
        singles = sorted((k.single for k in kinds), reverse=True)
        level = max(level, singles[1] if len(singles) > 1 else 0)
        return Grade(level, kinds, False)

    def _grade_kind(self, kind: int, place: int, end_hour: int, noise: float) -> KindGrade | None:
        parameters = self._parameters
        hours = self._ring.filled(kind, place, end_hour)
        if len(hours) == 0:
            return None
        sparse = bool(self._sparse[place])
        ends = hours[::-1][: parameters.persistence]
        m = len(ends)
        places = np.full(m, place, dtype=np.intp)
        v0 = self._v0_of(kind, place, int(hours[-1]), noise)
        v0s, noises = np.full(m, v0), np.full(m, noise)
        newest = self.signal(kind, places[:1], ends[:1], noises[:1], v0s[:1], sparse=sparse)
        # Earlier readings have only to agree, not to stand out by themselves.
        earlier = self.signal(kind, places, ends, noises, v0s, sparse=sparse, part=0.5)
        single = int(newest.level[0])
        agreed = 0
        if m >= parameters.persistence:
            agreed = min(single, int(earlier.level.min()))
        level = max(agreed, min(single, agreed + 1)) if agreed else 0
        velocity = float(newest.velocity[0])
        ahead = None
        if level >= 2 and kind != _TILT:
            ahead = self._outlook(kind, place, int(hours[-1]), noise, sparse)
            if ahead is not None:
                level = max(level, min(self._by_law(ahead, v0), level + 1))
                if ahead.velocity_mm_day is not None:
                    velocity = max(ahead.velocity_mm_day, 0.0 if math.isnan(velocity) else velocity)
        return KindGrade(
            KINDS[kind],
            level,
            single,
            velocity,
            float(newest.sigma[0]),
            float(newest.day_rise[0]),
            float(newest.window_h[0]),
            v0,
            ahead,
            bool(newest.known[0]),
        )

    def _by_law(self, ahead: Outlook, v0: float) -> int:
        """The level of a remaining life and of the velocity by the law."""
        # As long as it may never fail, the law raises nothing.
        if ahead.latest_h is None:
            return 0
        level = self._parameters.life_level(ahead.left_h)
        if ahead.velocity_mm_day is not None:
            level = max(level, self._parameters.angle_level(tangential_angle_deg(ahead.velocity_mm_day, v0)))
        return level

    def _v0_of(self, kind: int, place: int, end_hour: int, noise: float) -> float:
        """The velocity of the constant stage: the station's, else that of ten days before the last two, else default."""
        own = float(self._v0[place])
        if not math.isnan(own):
            return own
        base = self._parameters.v0_mm_day
        times, values = self._series(kind, place, end_hour - 10 * 24 - 60, end_hour - 60)
        if len(times) < 8 or times[-1] - times[0] < 9.5:
            return base
        whole = line(times, values)
        middle = len(times) // 2
        halves = [line(times[:middle], values[:middle]), line(times[middle:], values[middle:])]
        if whole is None or None in halves:
            return base
        sigma = noise / math.sqrt(whole.spread)
        change = max(half.slope for half in halves if half) - min(half.slope for half in halves if half)
        # A stage that itself accelerates is no constant stage.
        if whole.slope < 2.0 * sigma or change > max(whole.slope, 6.0 * sigma):
            return base
        return max(base, whole.slope)

    def _outlook(self, kind: int, place: int, end_hour: int, noise: float, sparse: bool) -> Outlook | None:
        """How the movement of a point would end, from its last days."""
        parameters = self._parameters
        if sparse:
            days, values = self._series(kind, place, end_hour - SLOTS, end_hour)
            return sparse_outlook(
                days, values, least=parameters.sparse_failure_points, least_r2=parameters.failure_r2
            )
        days, values = self._series(kind, place, end_hour - int(WINDOWS_H[-1]), end_hour)
        values = without_spikes(values[::-1, None], np.array([noise]))[::-1, 0]
        held = ~np.isnan(values)
        return outlook(
            days[held] * 24.0,
            values[held],
            noise,
            windows_h=WINDOWS_H,
            least=parameters.failure_points,
            least_r2=parameters.failure_r2,
            least_gain=parameters.failure_gain,
            daily_cycle=parameters.instrument(KINDS[kind]).daily_cycle,
        )

    def _series(self, kind: int, place: int, from_hour: int, to_hour: int) -> tuple[Floats, Floats]:
        """Times (days) and values of a kind's buckets within hours, in order of time."""
        hours = np.arange(max(from_hour, to_hour - SLOTS + 1), to_hour + 1, dtype=np.int64)[:, None]
        time, value = self._ring.hours(kind, SERIES_OF_KIND[kind][0], np.array([place]), hours)
        held = ~np.isnan(value[:, 0])
        return time[held, 0] / 24.0, value[held, 0]

    def acceleration_mm_day2(self, kind: int, place: int, end_hour: int) -> float:
        """Change of the velocity from the day before to the last day; NaN where days are not known."""
        speeds = []
        for back in (0, 24):
            hours = (end_hour - back - np.arange(24))[:, None]
            time, value = self._ring.hours(kind, SERIES_OF_KIND[kind][0], np.array([place]), hours)
            slope, _, count = slopes(time, value)
            if count[0] < self._parameters.least_points:
                return math.nan
            speeds.append(float(slope[0]))
        return speeds[0] - speeds[1]


def highest(rows: Floats) -> Floats:
    """Maxima down the columns of (e, m) beside NaN; NaN where there is none."""
    top = np.where(np.isnan(rows), -np.inf, rows).max(axis=0)
    return np.where(np.isneginf(top), np.nan, top)


def angle_of(graded: KindGrade) -> float:
    """The tangential angle of what a kind says, degrees; 0 where nothing stands out."""
    return 0.0 if math.isnan(graded.velocity) else tangential_angle_deg(graded.velocity, graded.v0)
