"""`fenghuo areas import`: official boundaries replace the derived outlines, or are refused with reasons."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from runtime.cli import fenghuo
from runtime.configuration.loading import examine, load

SMALL = Path(__file__).parent.parent / "data" / "configurations" / "small"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SMALL, tmp_path / "place"))


def square(west: float, south: float, east: float, north: float) -> list[list[float]]:
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def feature(code: Any, *rings: list[list[float]], kind: str = "Polygon") -> dict[str, Any]:
    return {
        "type": "Feature",
        "properties": {"adcode": code},
        "geometry": {"type": kind, "coordinates": list(rings)},
    }


BAZHOU = feature(511902, square(106.5, 31.3, 107.1, 32.0))
NANJIANG = feature("511922", square(106.4, 32.0, 107.2, 32.8))
CITY = feature(511900, square(106.3, 31.2, 107.8, 32.8))


def imported(place: Path, *features: dict[str, Any]) -> Result:
    file = place.parent / "official.geojson"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    words = ["areas", "import", str(file), str(place), "--code-property", "adcode"]
    return CliRunner().invoke(fenghuo, words)


def test_boundaries_are_stored_and_hold_from_then_on(place):
    result = imported(place, CITY, BAZHOU, NANJIANG, feature(610721, square(106, 32, 107, 33)))

    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        f"{place}/boundaries.geojson: 3 boundaries; 36 areas keep none.",
        "1 feature names no area of areas.csv: 610721",
    ]
    stored = json.loads((place / "boundaries.geojson").read_text(encoding="utf-8"))
    assert [f["properties"]["code"] for f in stored["features"]] == ["5119", "511902", "511922"]
    assert stored["features"][1]["properties"]["name"] == "巴州区"
    assert load(place).outlines == place / "boundaries.geojson"

    imported(place, feature(511902, square(106.76, 31.84, 106.78, 31.86)), NANJIANG)
    _, faults = examine(place)
    assert any("outside every county, but its area 511902" in fault.message for fault in faults)


def test_a_hole_is_outside(place):
    hole = square(106.70, 31.40, 106.72, 31.42)
    imported(place, feature(511902, BAZHOU["geometry"]["coordinates"][0], hole), NANJIANG)
    stations = (place / "stations.csv").read_text(encoding="utf-8")
    first = stations.splitlines()[1].split(",")
    assert first[6].startswith("511902")
    moved = stations.replace(f"{first[3]},{first[4]}", "106.71,31.41")
    (place / "stations.csv").write_text(moved, encoding="utf-8")

    _, faults = examine(place)

    assert [fault.line for fault in faults] == [2]


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (
            [BAZHOU],
            "official.geojson: 南江县 (511922) has no boundary; the file must hold every county of areas.csv.",
        ),
        (
            [BAZHOU, BAZHOU, NANJIANG],
            "official.geojson: feature 2 is a second boundary of 511902; merge the two into a MultiPolygon.",
        ),
        (
            [BAZHOU, feature("511922", square(106.4, 32.0, 107.2, 32.8)[:4])],
            "official.geojson: feature 2 (511922) has a ring that is not closed or has fewer than 4 positions; "
            "mend its geometry.",
        ),
        (
            [BAZHOU, feature("511922", square(400_000, 3_500_000, 410_000, 3_510_000))],
            "official.geojson: feature 2 (511922) has a position that is not degrees of longitude and latitude (WGS 84); "
            "mend its geometry.",
        ),
        (
            [BAZHOU, feature("511922", [[106.4, 32.0]], kind="LineString")],
            "official.geojson: feature 2 (511922) is a LineString, not a Polygon or MultiPolygon; mend its geometry.",
        ),
        (
            [
                feature("511922", *BAZHOU["geometry"]["coordinates"]),
                feature(511902, *NANJIANG["geometry"]["coordinates"]),
            ],
            "official.geojson: 巴州区 (511902) stands in areas.csv outside its boundary; are the codes right, and the "
            "positions WGS 84?",
        ),
    ],
)
def test_a_wrong_file_is_refused_and_nothing_is_stored(place, features, message):
    result = imported(place, *features)

    assert result.exit_code == 1
    assert message in result.stdout.splitlines()
    assert not (place / "boundaries.geojson").exists()


def test_a_wrong_property_is_named_with_those_that_are_there(place):
    file = place.parent / "official.geojson"
    file.write_text(json.dumps({"type": "FeatureCollection", "features": [BAZHOU]}), encoding="utf-8")

    result = CliRunner().invoke(fenghuo, ["areas", "import", str(file), str(place)])

    assert result.exit_code == 1
    assert result.stdout.splitlines()[0] == (
        "official.geojson: feature 1 has no property 'code'; name its code with --code-property (properties: adcode)."
    )


def test_a_file_that_is_no_geojson_is_refused(place):
    file = place.parent / "official.geojson"
    file.write_text('{"type": "Topology"}', encoding="utf-8")

    result = CliRunner().invoke(fenghuo, ["areas", "import", str(file), str(place)])

    assert result.exit_code == 1
    assert "is no GeoJSON FeatureCollection" in result.stdout
