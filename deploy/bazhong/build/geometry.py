"""Plane geometry for laying out a place: polygons, low-discrepancy points, kilometres.

Everything here is a pure function of its arguments; coordinates are degrees unless a name says `_km`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from deploy.bazhong.build.places import Position

KM_PER_DEGREE = 111.195
"""Of latitude, on a sphere of 6,371 km."""

REFERENCE_LATITUDE = 31.95
KM_PER_DEGREE_LON = KM_PER_DEGREE * math.cos(math.radians(REFERENCE_LATITUDE))


def to_km(position: Position) -> Position:
    """(east, north) in kilometres from the origin of degrees, at the city's latitude."""
    return position[0] * KM_PER_DEGREE_LON, position[1] * KM_PER_DEGREE


def to_degrees(east_north_km: Position) -> Position:
    """The inverse of `to_km`."""
    return east_north_km[0] / KM_PER_DEGREE_LON, east_north_km[1] / KM_PER_DEGREE


def inside(point: Position, polygon: Sequence[Position]) -> bool:
    """Whether a point lies in a polygon (even-odd rule)."""
    x, y = point
    hit = False
    for (x0, y0), (x1, y1) in edges(polygon):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
            hit = not hit
    return hit


def distance_to_rim(point: Position, polygon: Sequence[Position]) -> float:
    """The least distance from a point to a polygon's edges, in the unit of the coordinates."""
    return min(_to_segment(point, start, end) for start, end in edges(polygon))


def edges(polygon: Sequence[Position]) -> Iterator[tuple[Position, Position]]:
    """Yield the edges of a polygon that is not closed."""
    for index, start in enumerate(polygon):
        yield start, polygon[(index + 1) % len(polygon)]


def area(polygon: Sequence[Position]) -> float:
    """The area of a polygon, in the square of the unit of its coordinates."""
    return abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in edges(polygon))) / 2


def halton(index: int, base: int) -> float:
    """Term `index` (from 1) of the van der Corput sequence of a base, in (0, 1)."""
    value, fraction = 0.0, 1.0
    while index > 0:
        fraction /= base
        value += fraction * (index % base)
        index //= base
    return value


def halton_points(polygon: Sequence[Position]) -> Iterator[Position]:
    """Yield without end the points of the Halton sequence (2, 3) over the bounding box that lie in the polygon."""
    west, east = min(x for x, _ in polygon), max(x for x, _ in polygon)
    south, north = min(y for _, y in polygon), max(y for _, y in polygon)
    index = 0
    while True:
        index += 1
        point = (west + (east - west) * halton(index, 2), south + (north - south) * halton(index, 3))
        if inside(point, polygon):
            yield point


def sunflower_km(count: int, radius_km: float) -> list[Position]:
    """`count` points spread evenly over a disc about the origin, by the golden angle."""
    golden = math.pi * (3 - math.sqrt(5))
    points = []
    for index in range(count):
        distance = radius_km * math.sqrt((index + 0.5) / count)
        points.append((distance * math.cos(index * golden), distance * math.sin(index * golden)))
    return points


def _to_segment(point: Position, start: Position, end: Position) -> float:
    dx, dy = end[0] - start[0], end[1] - start[1]
    along = ((point[0] - start[0]) * dx + (point[1] - start[1]) * dy) / (dx * dx + dy * dy)
    along = min(1.0, max(0.0, along))
    return math.hypot(point[0] - start[0] - along * dx, point[1] - start[1] - along * dy)
