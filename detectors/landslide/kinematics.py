"""Landslide kinematics: velocity, tangential angle and time of failure of one series; pure formulas.

In      times in days, displacements in mm, as float arrays of one length
Out     plain numbers; None where a formula does not apply
State   none
Source  improved tangential angle: Xu Qiang et al. 2009; inverse velocity: Fukuzono 1985, Voight 1988, Carlà 2017;
        third-stage creep: Saito 1969; classes by velocity: Cruden and Varnes 1996
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

VELOCITY_CLASSES: tuple[tuple[str, float], ...] = (
    ("extremely_rapid", 5e3),
    ("very_rapid", 5e1),
    ("rapid", 5e-1),
    ("moderate", 5e-3),
    ("slow", 5e-5),
    ("very_slow", 5e-7),
    ("extremely_slow", 0.0),
)
"""Classes of velocity and their lower limits, mm/s."""


class Line(NamedTuple):
    """A straight line by least squares: value at the mean of x, slope, the spread of x and the fit's R²."""

    mean_x: float
    mean_y: float
    slope: float
    spread: float
    """Sum of squared distances of x from its mean."""
    r2: float

    def at(self, x: float) -> float:
        """The line's value at x."""
        return self.mean_y + self.slope * (x - self.mean_x)


def line(x: Floats, y: Floats) -> Line | None:
    """Least squares through n ≥ 2 points, both (n,); None where x does not vary."""
    if len(x) < 2:
        return None
    mean_x, mean_y = math.fsum(x) / len(x), math.fsum(y) / len(y)
    dx, dy = x - mean_x, y - mean_y
    spread = math.fsum(dx * dx)
    if spread <= 0.0:
        return None
    slope = math.fsum(dx * dy) / spread
    total = math.fsum(dy * dy)
    residual = dy - slope * dx
    r2 = 1.0 - math.fsum(residual * residual) / total if total > 0.0 else 0.0
    return Line(mean_x, mean_y, slope, spread, r2)


def tangential_angle_deg(velocity_mm_day: float, v0_mm_day: float) -> float:
    """Improved tangential angle, degrees: arctan(v / v₀); below 0 where the slope moves back."""
    return math.degrees(math.atan2(velocity_mm_day, v0_mm_day))


def saito_failure(t1: float, t2: float, t3: float) -> float | None:
    """Time of failure from three times of equal displacement steps (any unit); None where they do not accelerate."""
    denominator = (t2 - t1) - 0.5 * (t3 - t1)
    if denominator <= 0.0:
        return None
    return t1 + 0.5 * (t2 - t1) ** 2 / denominator


class Failure(NamedTuple):
    """When an accelerating slope would fail, in the unit of the times; `earliest` and `latest` are its 95 % range."""

    at: float
    earliest: float
    latest: float | None
    """None where the range is open."""
    r2: float


def inverse_velocity_failure(
    t: Floats, velocity: Floats, *, alpha: float = 2.0, least: int = 6, least_r2: float = 0.8
) -> Failure | None:
    """Time of failure by inverse velocity: where the line of v^(1−α) against t meets zero.

    Parameters
    ----------
    t, velocity
        Times and smoothed velocities since the onset of acceleration, (n,); the last is the newest.
    alpha
        Voight's exponent; 2 gives Fukuzono's straight line of 1/v.
    least, least_r2
        A fit with fewer points, or with a lower R², says nothing.

    Returns
    -------
    Failure or None
        None where there is no acceleration, or the failure would lie in the past. The range is that of the
        crossing when the slope is moved by two standard errors.
    """
    moving = velocity > 0.0
    t, velocity = t[moving], velocity[moving]
    if len(t) < max(least, 3):
        return None
    y = velocity ** (1.0 - alpha)
    fit = line(t, y)
    if fit is None or fit.slope >= 0.0 or fit.r2 < least_r2:
        return None
    at = fit.mean_x - fit.mean_y / fit.slope
    now = float(t[-1])
    if at <= now:
        return None
    residual = y - (fit.mean_y + fit.slope * (t - fit.mean_x))
    sigma = math.sqrt(math.fsum(residual * residual) / (len(t) - 2) / fit.spread)
    steep, flat = fit.slope - 2.0 * sigma, fit.slope + 2.0 * sigma
    earliest = max(now, fit.mean_x - fit.mean_y / steep)
    latest = fit.mean_x - fit.mean_y / flat if flat < 0.0 else None
    return Failure(at, earliest, latest, fit.r2)


def velocity_class(velocity_mm_day: float) -> str:
    """The class of a velocity."""
    speed_mm_s = abs(velocity_mm_day) / 86400.0
    return next(name for name, lowest in VELOCITY_CLASSES if speed_mm_s >= lowest)
