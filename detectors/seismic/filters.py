"""Filters: chains of second-order sections with carried state, for the picker, P amplitudes and ground motion.

An integrator (trapezoid) and a differentiator are sections too, so each series of a channel is one call.

Source  band-passes and high-passes are Butterworth; DOMAIN: 2-10 Hz, 0.075 Hz, 0.1-10 Hz
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

Sections = NDArray[np.float64]
PD_HIGH_PASS_HZ = 0.075
MOTION_BAND_HZ = (0.1, 10.0)
_TOP_OF_RATE = 0.4
_LEAST_BAND = 1.25


def too_slow(rate_hz: float, low_hz: float) -> bool:
    """Whether a channel's rate leaves no band above `low_hz` to look at."""
    return _TOP_OF_RATE * rate_hz < _LEAST_BAND * low_hz


class Design(NamedTuple):
    """Sections for one rate and quantity; `velocity_from_acceleration` applies to filtered acceleration."""

    pick: Sections
    p_velocity: Sections
    p_displacement: Sections
    motion_acceleration: Sections
    motion_velocity: Sections
    motion_velocity_of: str


@lru_cache(maxsize=256)
def design(rate_hz: float, quantity: str, low_hz: float, high_hz: float) -> Design:
    """The filters of a channel.

    Parameters
    ----------
    quantity
        What its samples are once divided by the gain: ``m/s2`` or ``m/s``.
    low_hz, high_hz
        The picker's band.
    """
    top_hz = _TOP_OF_RATE * rate_hz
    step_s = 1.0 / rate_hz
    pick = butter(4, (low_hz, min(high_hz, top_hz)), "bandpass", fs=rate_hz, output="sos")
    band = butter(
        2, (MOTION_BAND_HZ[0], min(MOTION_BAND_HZ[1], top_hz)), "bandpass", fs=rate_hz, output="sos"
    )
    slow = butter(2, PD_HIGH_PASS_HZ, "highpass", fs=rate_hz, output="sos")
    high = butter(2, MOTION_BAND_HZ[0], "highpass", fs=rate_hz, output="sos")
    integral = np.array([[step_s / 2, step_s / 2, 0.0, 1.0, -1.0, 0.0]])
    slope = np.array([[rate_hz, -rate_hz, 0.0, 1.0, 0.0, 0.0]])
    displacement = np.concatenate([integral, slow])
    if quantity == "m/s2":
        return Design(
            pick,
            np.concatenate([slow, integral, slow]),
            displacement,
            band,
            np.concatenate([integral, high]),
            "acceleration",
        )
    return Design(pick, slow, displacement, np.concatenate([slope, band]), band, "samples")


class Filter:
    """One chain of sections over a series that comes in pieces."""

    def __init__(self, sections: Sections, state: bytes | None = None) -> None:
        self.sections = sections
        self.state = (
            np.zeros((len(sections), 2))
            if state is None
            else np.frombuffer(state, dtype=np.float64).reshape(len(sections), 2).copy()
        )

    def __call__(self, samples: NDArray[np.float64]) -> NDArray[np.float64]:
        """The next piece filtered, (n,)."""
        filtered, self.state = sosfilt(self.sections, samples, zi=self.state)
        return np.asarray(filtered, dtype=np.float64)
