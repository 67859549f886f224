"""Official boundaries: a GeoJSON file taken into a configuration, where it replaces the derived outlines.

The file's codes may be written as others write them: as numbers, or a city's with 6 digits (511900 for 5119).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from runtime.configuration.outlines import IMPORTED, FeatureCollection, Geometry, Ring, inside
from schemas.area import Area, AreaIndex, Tier


@dataclass(frozen=True)
class Boundaries:
    """What an official file holds for a configuration: geometry by code, what else it holds, and what is wrong."""

    geometries: dict[str, Geometry]
    unknown: tuple[str, ...]
    faults: tuple[str, ...]


def read_boundaries(path: Path, areas: AreaIndex, code_property: str) -> Boundaries:
    """Read and check a file: known codes, closed rings in degrees, every county there and around its seat."""
    try:
        collection = msgspec.json.decode(path.read_bytes(), type=FeatureCollection)
    except OSError as error:
        return Boundaries({}, (), (f"{path} cannot be read ({error.strerror}); name a file that is there.",))
    except ValueError as error:
        return Boundaries({}, (), (f"{path} is no GeoJSON FeatureCollection ({error}); export it as one.",))
    geometries: dict[str, Geometry] = {}
    rings: dict[str, list[Ring]] = {}
    unknown: list[str] = []
    faults: list[str] = []
    for number, feature in enumerate(collection.features, 1):
        code = area_code(feature.properties.get(code_property), areas)
        if code is None:
            named = feature.properties.get(code_property)
            if named is None:
                present = ", ".join(sorted(feature.properties)) or "none"
                faults.append(
                    f"feature {number} has no property {code_property!r}; name its code with --code-property "
                    f"(properties: {present})."
                )
            else:
                unknown.append(str(named))
            continue
        if code in rings:
            faults.append(
                f"feature {number} is a second boundary of {code}; merge the two into a MultiPolygon."
            )
            continue
        try:
            rings[code] = feature.geometry.rings()
            geometries[code] = feature.geometry
        except ValueError as error:
            faults.append(f"feature {number} ({code}) {error}; mend its geometry.")
    faults += _missing_counties(rings, areas)
    faults += _seats_outside(rings, areas)
    return Boundaries(geometries, tuple(unknown), tuple(faults))


def area_code(value: Any, areas: AreaIndex) -> str | None:
    """The code in `areas` that a file's value means; None where it means none of them."""
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    for written in (text, text.removesuffix("00") if len(text) == 6 else text):
        if written in areas:
            return written
    return None


def write_boundaries(folder: Path, boundaries: Boundaries, areas: AreaIndex, source: str) -> Path:
    """Store the boundaries as the folder's, one feature a line, in order of code."""
    features = [_feature(areas[code], boundaries.geometries[code]) for code in sorted(boundaries.geometries)]
    head = msgspec.json.encode({"type": "FeatureCollection", "source": source}).decode()
    text = f'{head[:-1]},"features":[\n' + ",\n".join(features) + "\n]}\n"
    path = folder / IMPORTED
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def _missing_counties(rings: dict[str, list[Ring]], areas: AreaIndex) -> list[str]:
    return [
        f"{area.name} ({area.code}) has no boundary; the file must hold every county of areas.csv."
        for area in areas
        if area.tier is Tier.COUNTY and area.code not in rings
    ]


def _seats_outside(rings: dict[str, list[Ring]], areas: AreaIndex) -> list[str]:
    return [
        f"{areas[code].name} ({code}) stands in areas.csv outside its boundary; are the codes right, "
        "and the positions WGS 84?"
        for code, own in sorted(rings.items())
        if areas[code].tier is Tier.COUNTY
        and not inside(own, np.array([areas[code].lon]), np.array([areas[code].lat]))[0]
    ]


def _feature(area: Area, geometry: Geometry) -> str:
    feature = {
        "type": "Feature",
        "properties": {"code": area.code, "name": area.name, "tier": area.tier},
        "geometry": geometry,
    }
    return msgspec.json.encode(feature).decode()
