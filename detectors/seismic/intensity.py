"""Intensity: what an earthquake of a magnitude does at a distance, what was measured, and when S arrives.

Source  GB 18306-2015 (attenuation, long and short axis); GB/T 17742-2020 appendix A (instrumental intensity); the joining rule
        of its two intensities is as two public implementations have it, the standard's own text was not seen
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

Zone = Literal["central", "qinghai_tibet"]
Axis = Literal["long", "short"]


class Attenuation(NamedTuple):
    """Coefficients of one zone and axis: PGA in gal, PGV in cm/s, both with the near term D e^(E Ms)."""

    pga_small: tuple[float, float]
    pga_large: tuple[float, float]
    pga_c: float
    near: tuple[float, float]
    pgv_small: tuple[float, float]
    pgv_large: tuple[float, float]
    pgv_c: float
    intensity: tuple[float, float, float, float]


ATTENUATION: dict[tuple[Zone, Axis], Attenuation] = {
    ("qinghai_tibet", "long"): Attenuation(
        (2.387, 0.645), (3.807, 0.411), -2.416, (2.647, 0.366),
        (-0.064, 0.766), (1.714, 0.491), -2.205, (6.4580, 1.2746, -4.4709, 25.0),
    ),
    ("qinghai_tibet", "short"): Attenuation(
        (1.003, 0.609), (2.457, 0.388), -1.854, (0.612, 0.457),
        (-1.301, 0.741), (0.443, 0.474), -1.696, (3.3682, 1.2746, -3.3119, 9.0),
    ),
    ("central", "long"): Attenuation(
        (2.417, 0.498), (3.706, 0.298), -2.079, (2.802, 0.295),
        (0.093, 0.621), (1.640, 0.382), -1.889, (5.8410, 1.0710, -3.6570, 15.0),
    ),
    ("central", "short"): Attenuation(
        (1.715, 0.471), (2.690, 0.321), -1.723, (1.295, 0.331),
        (-0.589, 0.601), (0.671, 0.407), -1.599, (3.9440, 1.0710, -2.8450, 7.0),
    ),
}  # fmt: skip
"""By zone and axis of the isoseismals."""

LARGE_MS = 6.5
"""Above this magnitude the second pair of coefficients holds."""


def _ground(small: tuple[float, float], large: tuple[float, float], c: float, near: tuple[float, float],
            ms: float, epicentral_km: float) -> float:  # fmt: skip
    a, b = small if ms <= LARGE_MS else large
    return float(10 ** (a + b * ms + c * math.log10(epicentral_km + near[0] * math.exp(near[1] * ms))))


def pga_gal(ms: float, epicentral_km: float, zone: Zone, axis: Axis) -> float:
    """Expected peak acceleration, gal (cm/s2)."""
    k = ATTENUATION[zone, axis]
    return _ground(k.pga_small, k.pga_large, k.pga_c, k.near, ms, epicentral_km)


def pgv_cm_s(ms: float, epicentral_km: float, zone: Zone, axis: Axis) -> float:
    """Expected peak velocity, cm/s."""
    k = ATTENUATION[zone, axis]
    return _ground(k.pgv_small, k.pgv_large, k.pgv_c, k.near, ms, epicentral_km)


def intensity_of(ms: float, epicentral_km: float, zone: Zone, axis: Axis) -> float:
    """Expected intensity on one axis."""
    a, b, c, r0 = ATTENUATION[zone, axis].intensity
    return a + b * ms + c * math.log10(epicentral_km + r0)


def mean_pga_gal(ms: float, epicentral_km: float, zone: Zone) -> float:
    """Expected peak acceleration where the strike is unknown: the axes' geometric mean."""
    return math.sqrt(pga_gal(ms, epicentral_km, zone, "long") * pga_gal(ms, epicentral_km, zone, "short"))


def mean_intensity(ms: float, epicentral_km: float, zone: Zone) -> float:
    """Expected intensity where the strike is unknown: the axes' mean, not below 1."""
    both = intensity_of(ms, epicentral_km, zone, "long") + intensity_of(ms, epicentral_km, zone, "short")
    return min(12.0, max(1.0, both / 2))


def zone_of(lon: float, lat: float) -> Zone:
    """Zone of an epicentre: west of the line of Longmenshan Qinghai-Tibet, else central [K: check the map]."""
    if not (lon >= 73.0 and 21.0 <= lat <= 40.0):
        return "central"
    line_lon = 103.0 + (lat - 30.2) * (105.6 - 103.0) / (32.7 - 30.2)
    return "qinghai_tibet" if lon <= line_lon else "central"


def instrumental(pga_m_s2: float, pgv_m_s: float) -> float:
    """Instrumental intensity of a vector-sum peak acceleration and velocity, 1.0 to 12.0, one decimal."""
    if pga_m_s2 <= 0 or pgv_m_s <= 0:
        return 1.0
    by_pga = 3.17 * math.log10(pga_m_s2) + 6.59
    by_pgv = 3.00 * math.log10(pgv_m_s) + 9.77
    joined = by_pgv if by_pga >= 6.0 and by_pgv >= 6.0 else (by_pga + by_pgv) / 2
    return round(min(12.0, max(1.0, joined)), 1)


def blind_radius_km(alert_after_origin_s: float, depth_km: float, vs_km_s: float) -> float:
    """Radius around the epicentre that S has passed when the alert goes out; 0 where it is still below ground."""
    return math.sqrt(max((vs_km_s * alert_after_origin_s) ** 2 - depth_km**2, 0.0))
