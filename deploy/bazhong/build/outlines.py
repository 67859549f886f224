"""Derive outlines: Voronoi cells of the villages, dissolved by township, county and city.

In      placed areas, the city's hull in places.py
Out     outlines.geojson, one polygon an area of all four tiers, marked 示意图，非行政区域界线

A point lies in the village whose position is nearest, so outlines nest without a gap or an overlap. At the rim the
cells are closed by mirror points: for each 0.8 km of the hull one point outside, as far from the rim as the nearest
village is inside.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Voronoi, cKDTree

from deploy.bazhong.build import geometry
from deploy.bazhong.build.areas import PlacedArea
from deploy.bazhong.build.places import CORNERS, RIM, Position

MARK = "示意图，非行政区域界线"
RIM_STEP_KM = 0.8
DECIMALS = 4
Edge = tuple[int, int]
Points = NDArray[np.float64]


def outlines(areas: Sequence[PlacedArea]) -> str:
    """The GeoJSON text of all areas' outlines, one feature a line."""
    villages = [area for area in areas if area.tier == "village"]
    sites_km = np.array([geometry.to_km(village.position) for village in villages])
    diagram = Voronoi(np.vstack([sites_km, mirror_points_km(sites_km)]))
    vertices = [_rounded(geometry.to_degrees((float(x), float(y)))) for x, y in diagram.vertices]
    rings = {
        prefix: _dissolved(edges, vertices)
        for prefix, edges in _boundary_edges(diagram, [village.code for village in villages]).items()
    }
    features = ",\n".join(_feature(area, rings[area.code]) for area in areas)
    return f'{{"type":"FeatureCollection","note":"{MARK}","features":[\n{features}\n]}}\n'


def mirror_points_km(sites_km: Points) -> Points:
    """Points outside the hull that close the cells at the rim; kilometres, shape (m, 2)."""
    hull_km = [geometry.to_km(CORNERS[corner]) for corner in RIM]
    tree = cKDTree(sites_km)
    mirrored = []
    for start, end in geometry.edges(hull_km):
        length = math.dist(start, end)
        # the hull runs clockwise: outside is to the left of the way along it
        normal = (-(end[1] - start[1]) / length, (end[0] - start[0]) / length)
        for x, y in _steps(start, end, max(1, round(length / RIM_STEP_KM))):
            away = float(tree.query((x, y))[0])
            point = (x + normal[0] * away, y + normal[1] * away)
            if not geometry.inside(point, hull_km):
                mirrored.append(point)
    return np.array(mirrored)


def _steps(start: Position, end: Position, count: int) -> Iterator[Position]:
    for index in range(count):
        along = (index + 0.5) / count
        yield start[0] + along * (end[0] - start[0]), start[1] + along * (end[1] - start[1])


def _boundary_edges(diagram: Voronoi, codes: Sequence[str]) -> dict[str, list[Edge]]:
    """By area, the edges that have it on one side only."""
    edges: dict[str, list[Edge]] = defaultdict(list)
    for (left, right), ridge in zip(diagram.ridge_points, diagram.ridge_vertices, strict=True):
        on_left = _lineage(codes[left]) if left < len(codes) else set()
        on_right = _lineage(codes[right]) if right < len(codes) else set()
        for code in on_left ^ on_right:
            if -1 in ridge:
                raise ValueError(f"the cell of {code} is open: the hull has too few mirror points there")
            edges[code].append((ridge[0], ridge[1]))
    return edges


def _lineage(code: str) -> set[str]:
    return {code[:digits] for digits in (4, 6, 9, 12)}


def _dissolved(edges: Sequence[Edge], vertices: Sequence[Position]) -> list[list[Position]]:
    """Join edges to closed rings, the largest first."""
    next_of: dict[int, list[int]] = defaultdict(list)
    for start, end in edges:
        next_of[start].append(end)
        next_of[end].append(start)
    rings = []
    while next_of:
        first = min(next_of)
        ring = [first]
        while True:
            here = ring[-1]
            onward = next_of[here].pop()
            next_of[onward].remove(here)
            for vertex in (here, onward):
                if not next_of[vertex]:
                    del next_of[vertex]
            if onward == first:
                break
            ring.append(onward)
        rings.append(_without_repeats([vertices[vertex] for vertex in ring]))
    return sorted(rings, key=geometry.area, reverse=True)


def _without_repeats(ring: list[Position]) -> list[Position]:
    kept = [point for index, point in enumerate(ring) if point != ring[index - 1]]
    return [*kept, kept[0]]


def _rounded(position: Position) -> Position:
    return round(position[0], DECIMALS), round(position[1], DECIMALS)


def _feature(area: PlacedArea, rings: list[list[Position]]) -> str:
    # Separate pieces are polygons of their own: dissolved Voronoi cells of one area may touch in a point or lie apart.
    feature = {
        "type": "Feature",
        "properties": {"code": area.code, "name": area.name, "tier": area.tier, "note": MARK},
        "geometry": {"type": "MultiPolygon", "coordinates": [[ring] for ring in rings]},
    }
    return json.dumps(feature, ensure_ascii=False, separators=(",", ":"))
