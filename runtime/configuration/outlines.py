"""Outlines: in which county a position lies.

An imported boundaries.geojson comes before the derived outlines.geojson; where neither is there, a position lies
in the county whose lowest area is nearest (the Voronoi cells of the villages, without a hull).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from runtime.configuration.faults import Faults
from schemas.area import AreaIndex, Tier

IMPORTED = "boundaries.geojson"
DERIVED = "outlines.geojson"
Ring = NDArray[np.float64]
"""A closed ring of positions, degrees, shape (n, 2)."""


class Geometry(msgspec.Struct):
    """A GeoJSON Polygon or MultiPolygon."""

    type: str
    coordinates: list[Any]

    def rings(self) -> list[Ring]:
        """All rings, holes too: a point inside is inside of an odd number of them.

        Raises
        ------
        ValueError
            With what is wrong with the geometry.
        """
        if self.type not in ("Polygon", "MultiPolygon"):
            raise ValueError(f"is a {self.type}, not a Polygon or MultiPolygon")
        polygons = [self.coordinates] if self.type == "Polygon" else self.coordinates
        rings = [_ring(ring) for polygon in polygons for ring in polygon]
        if not rings:
            raise ValueError("has no ring")
        return rings


class Feature(msgspec.Struct):
    """A GeoJSON feature: whose outline, and the outline."""

    properties: dict[str, Any]
    geometry: Geometry


class FeatureCollection(msgspec.Struct):
    """A GeoJSON file."""

    features: list[Feature]


def outline_file(folder: Path) -> Path | None:
    """The file of outlines that holds for a folder; None where there is none."""
    return next((folder / name for name in (IMPORTED, DERIVED) if (folder / name).is_file()), None)


class Counties:
    """Finds the county of a position."""

    def __init__(self, areas: AreaIndex, rings: Mapping[str, Sequence[Ring]]) -> None:
        self._rings = rings
        counties = {area.code for area in areas if area.tier is Tier.COUNTY}
        self._drawn = bool(counties) and counties <= rings.keys()
        parents = {area.parent for area in areas}
        lowest = [
            area for area in areas if area.code not in parents and areas.at_tier(area.code, Tier.COUNTY)
        ]
        self._county_of_lowest = [areas.at_tier(area.code, Tier.COUNTY) for area in lowest]
        self._squeeze = math.cos(math.radians(sum(a.lat for a in lowest) / len(lowest))) if lowest else 1.0
        self._tree = None
        if lowest and not self._drawn:
            from scipy.spatial import (
                cKDTree,  # here: it takes 0.15 s to load, and with outlines nobody asks it
            )

            self._tree = cKDTree([(a.lon * self._squeeze, a.lat) for a in lowest])

    @classmethod
    def of(cls, folder: Path, areas: AreaIndex, faults: Faults) -> Counties:
        """Take up the outlines of a folder; a fault where the file is wrong."""
        path = outline_file(folder)
        rings: dict[str, list[Ring]] = {}
        if path is not None:
            try:
                collection = msgspec.json.decode(path.read_bytes(), type=FeatureCollection)
                for feature in collection.features:
                    code = feature.properties.get("code")
                    if isinstance(code, str) and code in areas and areas[code].tier is Tier.COUNTY:
                        rings[code] = feature.geometry.rings()
            except (OSError, ValueError) as error:
                faults.add(path.name, 0, f"holds no outlines ({error}); make or import it again.")
        return cls(areas, rings)

    def of_positions(self, lon: NDArray[np.float64], lat: NDArray[np.float64]) -> list[str | None]:
        """The county's code of each position, shape (n,); None outside all."""
        found: list[str | None] = [None] * len(lon)
        if self._drawn:
            for code, rings in self._rings.items():
                for index in np.flatnonzero(inside(rings, lon, lat)):
                    found[index] = code
        elif self._tree is not None and len(lon):
            nearest = self._tree.query(np.column_stack([lon * self._squeeze, lat]))[1]
            found = [self._county_of_lowest[index] for index in nearest]
        return found


def inside(rings: Iterable[Ring], lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether positions lie inside, by the even-odd rule; shape (n,)."""
    hit = np.zeros(len(lon), np.bool_)
    for ring in rings:
        for (x0, y0), (x1, y1) in pairwise(ring):
            if y0 != y1:
                spans = (y0 > lat) != (y1 > lat)
                hit ^= spans & (lon < x0 + (lat - y0) * (x1 - x0) / (y1 - y0))
    return hit


def _ring(positions: Any) -> Ring:
    try:
        ring = np.array([(position[0], position[1]) for position in positions], np.float64)
    except (TypeError, ValueError, IndexError, KeyError) as error:
        raise ValueError("has a ring that is no list of [lon, lat]") from error
    if len(ring) < 4 or not np.array_equal(ring[0], ring[-1]):
        raise ValueError("has a ring that is not closed or has fewer than 4 positions")
    if not (np.abs(ring) <= (180.0, 90.0)).all():
        raise ValueError("has a position that is not degrees of longitude and latitude (WGS 84)")
    return ring
