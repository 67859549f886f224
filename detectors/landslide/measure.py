"""How fast points move: several estimates of velocity, from six hours to a week, each with its error.

In      the ring of hourly buckets; points and the hour up to which to look
Out     `Estimates`: velocity, standard error and allowance by estimator and point
State   none
Source  least squares through at least five readings (DOMAIN 3.1); that a daily temperature cycle cancels in the
        difference to the same hours of the day before, and how much of it is left in a plain slope, is our own
        arithmetic: a sine of amplitude A over a window of n days has the slope 6 A / (pi n²) at worst
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.landslide.ring import BLOCK_H, KIND_OF_SERIES, Floats, Places, Ring, sums, unstuck


class Estimator(NamedTuple):
    """One way to estimate a velocity: its window, and how much of a daily cycle it lets through."""

    name: str
    window_h: float
    cycle: float
    """Velocity (a day) that a cycle of amplitude 1 can feign at worst."""


DENSE: tuple[Estimator, ...] = (
    Estimator("6h", 6, 1.5),
    Estimator("12h", 12, 1.2),
    Estimator("day_4h", 24, 0.25),
    Estimator("day_12h", 24, 0.25),
    Estimator("three_days", 72, 0.05),
    Estimator("5d", 120, 0.08),
    Estimator("7d", 168, 0.05),
    Estimator("plain_6h", 6, 6.0),
    Estimator("plain_12h", 12, 4.9),
)
"""Estimators for points that report hourly or oftener. `6h`, `12h`: slopes less the slope of the same hours of the
day before; `day_…`: rise against the day before; `three_days`: rise of a day's mean in three days; `5d`, `7d`: slopes
through medians of six hours; `plain_…`: slopes, where there is no day before. A quarter of the cycle is allowed for
where it cancels: no day is quite like the next."""
DAY_RISE: tuple[int, ...] = (2, 3)
"""Places in `DENSE` of the rises against the day before."""
SPARSE: tuple[Estimator, ...] = (Estimator("5d", 120, 0.0), Estimator("7d", 168, 0.0))
"""Estimators for points that are surveyed about daily."""

_RECENT = 13
_NEW = slice(0, 12)
_LOOK_BACK = np.concatenate([np.arange(_RECENT), 24 + np.arange(-1, _RECENT)])[:, None]


class Estimates(NamedTuple):
    """Velocities (mm or degrees a day) by estimator and point; NaN where readings do not suffice. Each (e, m)."""

    velocity: Floats
    sigma: Floats
    cycle: Floats
    """(e, 1): see `Estimator.cycle`."""

    def counts(self, gate_sigma: float, daily_cycle: float) -> NDArray[np.bool_]:
        """Which velocities stand out from noise and daily cycle, (e, m)."""
        least = gate_sigma * self.sigma + daily_cycle * self.cycle
        return np.asarray(self.velocity >= least, dtype=np.bool_)

    def known(self) -> NDArray[np.bool_]:
        """Whether any estimate could be made, (m,)."""
        return np.asarray((~np.isnan(self.velocity)).any(axis=0), dtype=np.bool_)


def dense_estimates(
    ring: Ring,
    series: int,
    places: Places,
    end_hour: NDArray[np.int64],
    noise: Floats,
    least: int,
    slow: NDArray[np.bool_],
) -> Estimates:
    """Velocities of points with hourly readings, by `DENSE`.

    Parameters
    ----------
    places, end_hour, noise
        (m,) each: points (repeats allowed), the newest hour to use, and noise of one reading, one sigma.
    least
        Readings that a slope needs.
    slow
        For which of them the estimates over days are wanted, (m,).
    """
    kind = KIND_OF_SERIES[series]
    both, values = ring.hours(kind, series, places, end_hour - _LOOK_BACK)
    time, value = both[:_RECENT], without_spikes(unstuck(values[:_RECENT]), noise)
    # One hour more on the younger side shows whether the youngest of the day before stands alone.
    old_time = both[_RECENT + 1 :]
    old_value = without_spikes(unstuck(values[_RECENT:]), noise)[1:]

    slope_6, var_6, n_6 = slopes(time[:6], value[:6])
    slope_12, var_12, n_12 = slopes(time[_NEW], value[_NEW])
    old_6, old_var_6, old_n_6 = slopes(old_time[:6], old_value[:6])
    old_12, old_var_12, old_n_12 = slopes(old_time[_NEW], old_value[_NEW])
    enough_6, enough_12 = n_6 >= least, n_12 >= max(least, 7)
    before_6, before_12 = enough_6 & (old_n_6 >= least), enough_12 & (old_n_12 >= max(least, 7))

    rise_4, rise_var_4 = _day_rise(time[:4], value[:4], old_time[:4], old_value[:4], 3)
    rise_12, rise_var_12 = _day_rise(time[_NEW], value[_NEW], old_time[_NEW], old_value[_NEW], 8)

    days = np.flatnonzero(slow)
    (three_days, slope_5d, slope_7d), (three_var, var_5d, var_7d) = np.full((2, 3, len(places)), np.nan)
    if len(days):
        blocks = _blocks(ring, series, places[days], end_hour[days], time[:, days], value[:, days])
        three_days[days], three_var[days] = _three_days(*blocks)
        for velocities, variances, count, needed in ((slope_5d, var_5d, 20, 12), (slope_7d, var_7d, 28, 16)):
            slope, variance, known = slopes(*(rows[:count] for rows in blocks))
            velocities[days] = np.where(known >= needed, slope, np.nan)
            variances[days] = variance

    def where(enough: NDArray[np.bool_], velocity: Floats) -> Floats:
        return np.where(enough, velocity, np.nan)

    velocity = np.stack(
        [
            where(before_6, slope_6 - old_6),
            where(before_12, slope_12 - old_12),
            rise_4,
            rise_12,
            three_days,
            slope_5d,
            slope_7d,
            where(enough_6 & ~before_6, slope_6),
            where(enough_12 & ~before_12, slope_12),
        ]
    )
    variance = np.stack(
        [
            var_6 + old_var_6,
            var_12 + old_var_12,
            rise_var_4,
            rise_var_12,
            three_var,
            var_5d,
            var_7d,
            var_6,
            var_12,
        ]
    )
    return Estimates(velocity, noise * np.sqrt(variance), _cycles(DENSE))


def sparse_estimates(
    ring: Ring, series: int, places: Places, end_hour: NDArray[np.int64], noise: Floats, least: int
) -> Estimates:
    """Velocities of points that are surveyed about daily, by `SPARSE`; parameters as of `dense_estimates`."""
    kind = KIND_OF_SERIES[series]
    recent = ring.hours(kind, series, places, end_hour - np.arange(BLOCK_H)[:, None])
    time, middle, variance = _blocks(ring, series, places, end_hour, *recent)
    # Windows reach back from the newest reading itself; blocks only say where to look.
    age_days = (time[:1] - time) / 24.0
    found = []
    for estimator in SPARSE:
        inside = age_days < estimator.window_h / 24.0
        found.append(slopes(np.where(inside, time, np.nan), np.where(inside, middle, np.nan), variance))
    velocity = np.stack([np.where(n >= least, slope, np.nan) for slope, _, n in found])
    return Estimates(velocity, noise * np.sqrt(np.stack([var for _, var, _ in found])), _cycles(SPARSE))


def slopes(time_h: Floats, value: Floats, variance: Floats | None = None) -> tuple[Floats, Floats, Floats]:
    """Least squares down columns of (w, m), times in hours.

    Returns
    -------
    slope, variance, count : (m,)
        A day; variance for values of variance 1 (or of `variance`, (w, m)), NaN where times do not vary.
    """
    held = ~np.isnan(value) & ~np.isnan(time_h)
    count = sums(held.astype(np.float64))
    some = np.maximum(count, 1.0)
    days = np.where(held, time_h - np.where(held, time_h, 0.0).max(axis=0), 0.0) / 24.0
    full = np.where(held, value, 0.0)
    from_mean = np.where(held, days - sums(days) / some, 0.0)
    spread = sums(from_mean * from_mean)
    spread = np.where(spread > 1e-9, spread, np.nan)
    slope = sums(from_mean * full) / spread
    weight = from_mean * from_mean
    error = weight if variance is None else np.where(held, weight * variance, 0.0)
    return slope, sums(error) / (spread * spread), count


def without_spikes(value: Floats, noise: Floats) -> Floats:
    """Values (w, m), newest first, less those that stand alone: six sigma off both neighbours, to one side."""
    to_older = value[1:-1] - value[2:]
    to_newer = value[1:-1] - value[:-2]
    lone = (to_older * to_newer > 0) & (np.minimum(np.abs(to_older), np.abs(to_newer)) > 6.0 * noise)
    cleaned = value.copy()
    cleaned[1:-1][lone] = np.nan
    return cleaned


def noise_of(value: Floats, least_differences: int, caution: float) -> tuple[Floats, NDArray[np.int64]]:
    """Noise of one reading from second differences, robustly; (m,), and how many differences told it.

    Parameters
    ----------
    value
        Values in order of time, (w, m), NaN where there are none. Exact repeats say nothing of noise: a stuck
        instrument must not look like a quiet one.
    caution
        Differences may all be small by chance (40 of one GNSS point in a calm month showed two fifths of its
        noise): sigma is raised by this many parts of the root of their number. Where it is above 1 and there
        are fewer than 100, the root mean square is taken where that is more.
    """
    off = np.abs(value[1:-1] - (value[:-2] + value[2:]) / 2.0)
    off = np.where((value[1:-1] == value[:-2]) | (value[1:-1] == value[2:]), np.nan, off)
    count = (~np.isnan(off)).sum(axis=0)
    ordered = np.sort(off, axis=0)
    columns = np.arange(off.shape[1])
    middle = ordered[np.maximum(count - 1, 0) // 2, columns]
    # The median of |x - mean of its neighbours| is 0.6745 sqrt(1.5) sigma.
    if caution > 1.0:
        square = np.nansum(off * off, axis=0) / np.maximum(count, 1)
        middle = np.where(count < 100, np.maximum(middle, np.sqrt(square) * 0.6745), middle)
    few = caution / np.sqrt(np.maximum(count, 1))
    sigma = middle / 0.6745 / np.sqrt(1.5) * (1.0 + few)
    return np.where(count >= least_differences, sigma, np.nan), count


def _day_rise(
    time: Floats, value: Floats, old_time: Floats, old_value: Floats, pairs: int
) -> tuple[Floats, Floats]:
    held = ~np.isnan(value) & ~np.isnan(old_value)
    count = sums(held.astype(np.float64))
    some = np.maximum(count, 1.0)
    rise = sums(np.where(held, value - old_value, 0.0)) / some
    days = sums(np.where(held, time - old_time, 0.0)) / some / 24.0
    enough = count >= pairs
    days = np.where(enough, days, np.nan)
    return rise / days, 2.0 / some / (days * days)


def _blocks(
    ring: Ring,
    series: int,
    places: Places,
    end_hour: NDArray[np.int64],
    recent_time: Floats,
    recent: Floats,
) -> tuple[Floats, Floats, Floats]:
    """Times, medians and variances of 28 blocks, newest first; the newest holds only hours up to `end_hour`."""
    kind = KIND_OF_SERIES[series]
    newest = end_hour // BLOCK_H
    time, median, count = ring.blocks(kind, series, places, newest - np.arange(28)[:, None])
    back = np.arange(BLOCK_H)[:, None]
    inside = (back <= end_hour % BLOCK_H) & ~np.isnan(recent[:BLOCK_H])
    inside_count = sums(inside.astype(np.float64))
    some = np.maximum(inside_count, 1.0)
    time[0] = np.where(inside_count > 0, sums(np.where(inside, recent_time[:BLOCK_H], 0.0)) / some, np.nan)
    median[0] = np.where(inside_count > 0, sums(np.where(inside, recent[:BLOCK_H], 0.0)) / some, np.nan)
    count[0] = inside_count
    # A median of n values is about 1.25 times as uncertain as their mean.
    variance = np.where(count > 2, 1.5625, 1.0) / np.maximum(count, 1.0)
    return time, median, variance


def _three_days(time: Floats, median: Floats, variance: Floats) -> tuple[Floats, Floats]:
    def mean(part: slice) -> tuple[Floats, Floats, Floats, Floats]:
        held = ~np.isnan(median[part])
        count = sums(held.astype(np.float64))
        some = np.maximum(count, 1.0)
        value = sums(np.where(held, median[part], 0.0)) / some
        at = sums(np.where(held, time[part], 0.0)) / some
        return value, at, sums(np.where(held, variance[part], 0.0)) / (some * some), count

    value, at, var, n = mean(slice(1, 5))
    old_value, old_at, old_var, old_n = mean(slice(13, 17))
    # A day's mean is free of the daily cycle only where the whole day is there.
    days = np.where((n == 4) & (old_n == 4), (at - old_at) / 24.0, np.nan)
    return (value - old_value) / days, (var + old_var) / (days * days)


def _cycles(estimators: tuple[Estimator, ...]) -> Floats:
    return np.array([[e.cycle] for e in estimators])
