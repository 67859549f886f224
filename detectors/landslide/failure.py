"""Time of failure from the displacement itself: the law of inverse velocity, integrated.

In      times (hours) and displacements of one series, its noise; of series surveyed about daily: velocities
Out     `Outlook`: when it would fail, between when, how fast it moves now, and how surely it accelerates
State   none
Source  Fukuzono 1985, Voight 1988 with exponent 2: v = c / (t_f - t), so S = a - c ln(t_f - t). Fitting S instead of 1 / v
        spares the differences that make noise of millimetres unbearable; t_f is tried on a grid, the rest is linear
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.landslide.kinematics import inverse_velocity_failure, line
from detectors.landslide.ring import Floats, sums

LEFT_H: Floats = np.array([0.5 * 1.15**k for k in range(46)])
"""Remaining lives that are tried, hours: half an hour to eleven days, in steps of 15 per cent."""
WINDOWS_H: tuple[float, ...] = (12.0, 24.0, 48.0, 96.0)
_CYCLES_MOVED = 4.0
_BENDS: Floats = np.linspace(0.05, 0.9, 18)
_SPARSE_WINDOW_DAYS = 5.0
_SPARSE_VELOCITIES = 6
_MOVING_MM_DAY = 0.5
"""Velocity from which a surveyed point has begun to move, for the onset alone (choice)."""
_CYCLE_FROM_H = 36.0
"""Windows from this length on can tell a daily cycle from acceleration, so they fit one as well."""


class Outlook(NamedTuple):
    """How a series would end; times in hours from its newest reading."""

    left_h: float
    earliest_h: float
    latest_h: float | None
    """None where the last life tried is as likely."""
    velocity_mm_day: float | None
    """By the law, at the newest reading; None where the law was fitted to velocities."""
    r2: float


class _Fitted(NamedTuple):
    ahead: Outlook
    moved_mm: float
    """By the law, within the window."""
    gain: float
    """By how much the law fits better than a straight line, in squared standard errors."""


def outlook(
    hours: Floats,
    value: Floats,
    noise: float,
    *,
    windows_h: tuple[float, ...],
    least: int,
    least_r2: float,
    least_gain: float,
    daily_cycle: float,
) -> Outlook | None:
    """The most telling fit of the law to the last hours of a series.

    Parameters
    ----------
    hours, value
        In order of time, (n,).
    noise
        Of one reading, one sigma.
    least, least_r2, least_gain
        A fit with fewer readings, a lower R², or that is better than a straight line by less, says nothing.

    daily_cycle
        Amplitude of a daily cycle: what a window too short to fit one shows must be well above it.

    Returns
    -------
    Outlook or None
        Of the windows that accept the law, the one with the largest gain; None where none does.
    """
    best: _Fitted | None = None
    for window_h in windows_h:
        inside = hours > hours[-1] - window_h
        found = _fit(hours[inside], value[inside], noise, window_h, least)
        if found is None or found.ahead.r2 < least_r2 or found.gain < least_gain:
            continue
        if window_h < _CYCLE_FROM_H and found.moved_mm < _CYCLES_MOVED * daily_cycle:
            continue
        if best is None or found.gain > best.gain:
            best = found
    return None if best is None else best.ahead


def sparse_outlook(days: Floats, value: Floats, *, least: int, least_r2: float) -> Outlook | None:
    """The line of inverse velocity through velocities of five days, since movement began; days and mm, (n,)."""
    at, speed = [], []
    for k in range(len(days)):
        inside = (days > days[k] - _SPARSE_WINDOW_DAYS) & (days <= days[k])
        fit = line(days[inside], value[inside]) if inside.sum() >= 3 else None
        if fit is not None:
            at.append(float(days[k]))
            speed.append(fit.slope)
    onset = len(speed)
    while onset > 0 and speed[onset - 1] > _MOVING_MM_DAY:
        onset -= 1
    since = slice(max(onset, len(speed) - _SPARSE_VELOCITIES), None)
    found = inverse_velocity_failure(
        np.array(at[since]), np.array(speed[since]), least=least, least_r2=least_r2
    )
    if found is None:
        return None
    latest_h = None if found.latest is None else (found.latest - float(days[-1])) * 24.0
    now = float(days[-1])
    return Outlook((found.at - now) * 24.0, (found.earliest - now) * 24.0, latest_h, None, found.r2)


def _fit(hours: Floats, value: Floats, noise: float, window_h: float, least: int) -> _Fitted | None:
    cycle = window_h >= _CYCLE_FROM_H and len(hours) >= 30
    parameters = 4 if cycle else 2
    if len(hours) < max(least, parameters + 2) or hours[-1] - hours[0] < 0.6 * window_h:
        return None
    back = hours - hours[-1]
    y = value - value[-1]
    law = -np.log(LEFT_H[:, None] - back[None, :])
    line = np.broadcast_to(back / 24.0, (1, len(back)))
    # Rest and then an even pace looks like acceleration too: a bend at one of these times.
    bends = np.maximum(back[None, :] - back[0] * _BENDS[:, None], 0.0) / 24.0
    turn = 2.0 * math.pi * np.mod(hours, 24.0) / 24.0
    waves = [np.cos(turn), np.sin(turn)] if cycle else []
    coefficient, errors = _least_squares(np.concatenate([law, line, bends]), waves, y)
    tried = len(LEFT_H)
    error = np.where(coefficient[:tried] > 0.0, errors[:tried], np.inf)
    at = int(np.argmin(error))
    if not math.isfinite(error[at]) or error[at] > errors[tried + 1 :].min():
        return None
    variance = noise * noise
    degrees = len(y) - parameters - 1
    # Where even the best fit is poor the noise is larger than was believed, or the law does not hold.
    scale = max(1.0, float(error[at]) / degrees / variance)
    likely = error <= error[at] + 4.0 * variance * scale
    off = y - math.fsum(y) / len(y)
    total = math.fsum(off * off)
    open_ended = bool(likely[-1])
    ahead = Outlook(
        left_h=float(LEFT_H[at]),
        earliest_h=float(LEFT_H[int(np.argmax(likely))]),
        latest_h=None if open_ended else float(LEFT_H[len(LEFT_H) - 1 - int(np.argmax(likely[::-1]))]),
        velocity_mm_day=float(coefficient[at]) / float(LEFT_H[at]) * 24.0,
        r2=1.0 - float(error[at]) / total if total > 0.0 else 0.0,
    )
    return _Fitted(
        ahead,
        moved_mm=float(coefficient[at]) * math.log(1.0 + window_h / float(LEFT_H[at])),
        gain=float(errors[tried] - error[at]) / variance / scale,
    )


def _least_squares(first: Floats, others: list[NDArray[np.float64]], y: Floats) -> tuple[Floats, Floats]:
    """For each row u of `first` (k, n) fit y = a + c u + others; returns c and the squared error, both (k,).

    By Gram and Schmidt, column by column: what all fits share is taken out of u and y once.
    """
    n = len(y)
    rest_y = y - math.fsum(y) / n
    rest_u = first - (sums(np.ascontiguousarray(first.T)) / n)[:, None]
    basis: list[Floats] = []
    for wave in others:
        column = wave - math.fsum(wave) / n
        for known in basis:
            column = column - math.fsum(column * known) * known
        length = math.sqrt(math.fsum(column * column))
        if length < 1e-6:
            continue
        column = column / length
        basis.append(column)
        rest_y = rest_y - math.fsum(rest_y * column) * column
        rest_u = rest_u - sums(np.ascontiguousarray((rest_u * column).T))[:, None] * column
    spread = sums(np.ascontiguousarray((rest_u * rest_u).T))
    together = sums(np.ascontiguousarray((rest_u * rest_y).T))
    coefficient = together / np.where(spread > 0.0, spread, np.inf)
    error = math.fsum(rest_y * rest_y) - coefficient * together
    return coefficient, np.maximum(error, 0.0)
