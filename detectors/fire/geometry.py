"""Bearings of cameras and where they cross; pure formulas.

In      image coordinates, positions, bearings in degrees clockwise from north
Out     bearings, positions with their 95 % ellipses
State   none
Source  pinhole camera; WGS 84 local plane at the mid latitude; bearings-only fix by least squares (DOMAIN 5.1)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

_A_M = 6_378_137.0
_E2 = 6.694_379_990_14e-3
_ELLIPSE_95 = 2.4477
"""Axis of the 95 % ellipse of two dimensions, in standard deviations."""

Point = tuple[float, float]


def bearing_deg(azimuth_deg: float, field_of_view_deg: float, x: float) -> float:
    """Bearing of an image column, 0 ≤ β < 360.

    Parameters
    ----------
    azimuth_deg
        Of the image centre.
    field_of_view_deg
        Horizontal; of 180 and more no pinhole camera is possible, and the bearing is taken as linear.
    x
        Column as a part of the image's width, 0 left to 1 right.
    """
    if field_of_view_deg >= 180.0:
        off = (x - 0.5) * field_of_view_deg
    else:
        off = math.degrees(math.atan(2.0 * (x - 0.5) * math.tan(math.radians(field_of_view_deg / 2.0))))
    return (azimuth_deg + off) % 360.0


def apart_deg(one_deg: float, other_deg: float) -> float:
    """The signed angle from `other` to `one`, −180 ≤ Δ < 180."""
    return (one_deg - other_deg + 180.0) % 360.0 - 180.0


class Plane:
    """A local plane in metres around a middle, exact to some metres within 30 km.

    Attributes
    ----------
    x_m_per_deg, y_m_per_deg
        Metres a degree of longitude and of latitude at the middle.
    """

    def __init__(self, lon: float, lat: float) -> None:
        self._lon, self._lat = lon, lat
        phi = math.radians(lat)
        bend = 1.0 - _E2 * math.sin(phi) ** 2
        meridian = _A_M * (1.0 - _E2) / bend**1.5
        normal = _A_M / math.sqrt(bend)
        self.x_m_per_deg = normal * math.cos(phi) * math.pi / 180.0
        self.y_m_per_deg = meridian * math.pi / 180.0

    @classmethod
    def around(cls, positions: Sequence[Point]) -> Plane:
        """The plane in the middle of some positions (lon, lat)."""
        n = len(positions)
        return cls(math.fsum(p[0] for p in positions) / n, math.fsum(p[1] for p in positions) / n)

    def metres(self, position: Point) -> Point:
        """(x east, y north), metres, of (lon, lat)."""
        return (position[0] - self._lon) * self.x_m_per_deg, (position[1] - self._lat) * self.y_m_per_deg

    def degrees(self, point: Point) -> Point:
        """(lon, lat) of (x, y) in metres."""
        return self._lon + point[0] / self.x_m_per_deg, self._lat + point[1] / self.y_m_per_deg


class Sight(NamedTuple):
    """A bearing from a place: (lon, lat), degrees, one sigma in degrees."""

    position: Point
    bearing_deg: float
    sigma_deg: float


class Fix(NamedTuple):
    """Where bearings cross.

    `ranges_m`: along each bearing, negative behind the camera. `semi_major_m`, `semi_minor_m`, `azimuth_deg`:
    the 95 % ellipse and the direction of its long axis, 0 ≤ azimuth < 180.
    """

    position: Point
    ranges_m: tuple[float, ...]
    semi_major_m: float
    semi_minor_m: float
    azimuth_deg: float


def crossing_deg(one_deg: float, other_deg: float) -> float:
    """The angle at which two bearings cross, 0..180."""
    return abs(apart_deg(one_deg, other_deg))


def fix(sights: Sequence[Sight]) -> Fix | None:
    """Where two or more bearings cross, by least squares; None where they are parallel or cross on a camera."""
    plane = Plane.around([sight.position for sight in sights])
    places = [plane.metres(sight.position) for sight in sights]
    directions = [math.radians(sight.bearing_deg) for sight in sights]
    # Each bearing is a line cos β x − sin β y = c; two unknowns, so the normal equations are solved by hand.
    aa = math.fsum(math.cos(b) ** 2 for b in directions)
    ab = math.fsum(-math.cos(b) * math.sin(b) for b in directions)
    bb = math.fsum(math.sin(b) ** 2 for b in directions)
    offsets = [math.cos(b) * x - math.sin(b) * y for b, (x, y) in zip(directions, places, strict=True)]
    ca = math.fsum(math.cos(b) * c for b, c in zip(directions, offsets, strict=True))
    cb = math.fsum(-math.sin(b) * c for b, c in zip(directions, offsets, strict=True))
    determinant = aa * bb - ab * ab
    if determinant < 1e-9:
        return None
    point = (bb * ca - ab * cb) / determinant, (aa * cb - ab * ca) / determinant
    ranges = tuple(
        (point[0] - x) * math.sin(b) + (point[1] - y) * math.cos(b)
        for b, (x, y) in zip(directions, places, strict=True)
    )
    ellipse = _ellipse(point, places, [math.radians(sight.sigma_deg) for sight in sights])
    return None if ellipse is None else Fix(plane.degrees(point), ranges, *ellipse)


def _ellipse(
    point: Point, places: Sequence[Point], sigmas: Sequence[float]
) -> tuple[float, float, float] | None:
    """Semi-axes of the 95 % ellipse, metres, and the azimuth of the long one, degrees."""
    xx = xy = yy = 0.0
    for (x, y), sigma in zip(places, sigmas, strict=True):
        east, north = point[0] - x, point[1] - y
        distance2 = east * east + north * north
        if distance2 == 0.0:
            return None
        row = north / distance2 / sigma, -east / distance2 / sigma
        xx, xy, yy = xx + row[0] * row[0], xy + row[0] * row[1], yy + row[1] * row[1]
    determinant = xx * yy - xy * xy
    if determinant <= 0.0:
        return None
    cxx, cxy, cyy = yy / determinant, -xy / determinant, xx / determinant
    middle, reach = (cxx + cyy) / 2.0, math.hypot((cxx - cyy) / 2.0, cxy)
    # The long axis, as an azimuth: x is east, y is north.
    angle = math.degrees(math.atan2(2.0 * cxy, cyy - cxx)) / 2.0 % 180.0
    return _ELLIPSE_95 * math.sqrt(middle + reach), _ELLIPSE_95 * math.sqrt(max(middle - reach, 0.0)), angle
