"""Magnitude from the first seconds of P, and from the peak acceleration after S.

Source  Wu & Zhao 2006 (Pd, southern California); Kuyuk & Allen 2013 (Pd, world); Wu & Kanamori 2008 (tau_c);
        GB 18306-2015 (acceleration, solved for the magnitude)
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.seismic.intensity import Zone, mean_pga_gal

PD_SIGMA = 0.305 / 0.729
"""Scatter of one station's magnitude by Wu & Zhao."""
_GRID = np.round(np.arange(2.0, 8.51, 0.02), 2)


def magnitude_wu_zhao(pd_cm: float, hypocentral_km: float) -> float:
    """Magnitude from the peak displacement of 3 s of P, cm, at a hypocentral distance."""
    return (math.log10(pd_cm) + 3.463 + 1.374 * math.log10(hypocentral_km)) / 0.729


def magnitude_kuyuk_allen(pd_cm: float, epicentral_km: float) -> float:
    """Magnitude from the peak displacement of P, cm, at an epicentral distance."""
    return 1.23 * math.log10(pd_cm) + 1.38 * math.log10(epicentral_km) + 5.39


def magnitude_tau_c(tau_c_s: float) -> float:
    """Magnitude from the predominant period of 3 s of P, s."""
    return (math.log10(tau_c_s) + 1.462) / 0.296


def tau_c(velocity: NDArray[np.float64], displacement: NDArray[np.float64]) -> float | None:
    """Predominant period of P, s: 2 pi over the root of the ratio of the energies; None for no motion."""
    return tau_c_of(float((velocity * velocity).sum()), float((displacement * displacement).sum()))


def tau_c_of(velocity_energy: float, displacement_energy: float) -> float | None:
    """Predominant period from the two energies, in the units of one another's squares."""
    if velocity_energy <= 0 or displacement_energy <= 0:
        return None
    return 2 * math.pi / math.sqrt(velocity_energy / displacement_energy)


def magnitude_from_pga(pga_m_s2: float, epicentral_km: float, zone: Zone) -> float:
    """The magnitude whose mean acceleration at that distance is nearest, 2.0 to 8.5."""
    wanted = math.log10(pga_m_s2 * 100.0)
    low, high = 0, len(_GRID) - 1
    # Acceleration rises with magnitude but for a step where the coefficients change, so halving finds it.
    while high - low > 1:
        middle = (low + high) // 2
        if math.log10(mean_pga_gal(float(_GRID[middle]), epicentral_km, zone)) < wanted:
            low = middle
        else:
            high = middle

    def miss(at: int) -> float:
        return abs(math.log10(mean_pga_gal(float(_GRID[at]), epicentral_km, zone)) - wanted)

    return float(_GRID[min((low, high), key=miss)])


def median(values: Sequence[float]) -> float:
    """The median, of at least one value."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
