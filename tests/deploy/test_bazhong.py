"""The shipped place: its numbers, its marks, and that its scripts make it byte for byte."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter

import pytest

from deploy.bazhong.build import geometry
from deploy.bazhong.build.__main__ import FOLDER, make
from deploy.bazhong.build.places import COUNTIES
from runtime.configuration.loading import load
from runtime.configuration.policy import Policy
from schemas.alert import Status

TOWNSHIPS = {"511902": 25, "511903": 18, "511921": 33, "511922": 32, "511923": 31}


def rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def areas() -> dict[str, dict[str, str]]:
    return {row["code"]: row for row in rows("areas.csv")}


def test_the_scripts_make_the_shipped_files_again():
    for name, text in make().items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, f"{name}: python -m deploy.bazhong.build"


def test_areas_are_those_of_the_city(areas):
    assert Counter(row["tier"] for row in areas.values()) == {
        "city": 1,
        "county": 5,
        "township": 139,
        "village": 1809,
    }
    assert Counter(row["parent"] for row in areas.values() if row["tier"] == "township") == TOWNSHIPS
    digits = {"city": 4, "county": 6, "township": 9, "village": 12}
    for code, row in areas.items():
        assert len(code) == digits[row["tier"]]
        assert row["parent"] == {4: "", 6: code[:4], 9: code[:6], 12: code[:9]}[len(code)]
    assert areas["511923135208"]["name"] == "红岩子村"


def test_villages_stand_in_the_extent_of_their_county_and_nowhere_twice(areas):
    extent = {county.code: county.extent() for county in COUNTIES}
    villages = [row for row in areas.values() if row["tier"] == "village"]
    for row in villages:
        position = (float(row["lon"]), float(row["lat"]))
        homes = [code for code, polygon in extent.items() if geometry.inside(position, polygon)]
        assert homes == [row["code"][:6]], row["code"]
    assert len({(row["lon"], row["lat"]) for row in villages}) == 1809


def test_the_network_has_the_numbers_of_the_plan_and_every_name_is_marked(areas):
    stations = rows("stations.csv")
    assert Counter(row["kind"] for row in stations) == {
        "landslide": 2096,
        "rain": 320,
        "camera": 40,
        "seismic": 17,
    }
    assert all(row["name"].endswith("（虚拟）") for row in stations)
    assert len({row["id"] for row in stations}) == len(stations)
    assert all(len(row["area"]) == 12 for row in stations if row["kind"] == "landslide")
    gauges = Counter(row["area"] for row in stations if row["kind"] == "rain")
    assert set(gauges) == {code for code in areas if len(code) == 9}
    assert min(gauges.values()) >= 2
    for row in stations:
        assert row["area"] in areas
        assert all(code in areas for code in row["watches"].split(";") if code)
    for row in stations:
        if row["kind"] == "seismic":
            assert row["watches"] == "5119"
            assert json.loads(row["parameters"])["channels"] == ["HNZ", "HNN", "HNE"]


def test_stations_stand_in_the_outline_of_their_county():
    features = json.loads((FOLDER / "outlines.geojson").read_text(encoding="utf-8"))["features"]
    counties = {
        feature["properties"]["code"]: feature["geometry"]["coordinates"][0][0]
        for feature in features
        if feature["properties"]["tier"] == "county"
    }
    assert all("非行政区域界线" in feature["properties"]["note"] for feature in features)
    for row in rows("stations.csv"):
        ring = [tuple(point) for point in counties[row["area"][:6]][:-1]]
        assert geometry.inside((float(row["lon"]), float(row["lat"])), ring), row["id"]


def test_most_villages_can_be_crossed_by_two_cameras():
    cameras = [
        geometry.to_km((float(row["lon"]), float(row["lat"])))
        for row in rows("stations.csv")
        if row["kind"] == "camera"
    ]

    def crossed(place: tuple[float, float]) -> bool:
        seen = [camera for camera in cameras if math.dist(camera, place) <= 20]
        bearings = [math.degrees(math.atan2(x - place[0], y - place[1])) for x, y in seen]
        return any(
            20 <= abs((a - b + 180) % 360 - 180) <= 160 for n, a in enumerate(bearings) for b in bearings[:n]
        )

    villages = [
        geometry.to_km((float(row["lon"]), float(row["lat"])))
        for row in rows("areas.csv")
        if row["tier"] == "village"
    ]
    assert sum(map(crossed, villages)) >= 0.94 * len(villages)


def test_every_village_has_an_officer_and_a_loudspeaker_and_no_address_can_be_dialled(areas):
    recipients = rows("recipients.csv")
    told = Counter((row["area"], channel) for row in recipients for channel in json.loads(row["channels"]))
    for code, row in areas.items():
        if row["tier"] == "village":
            assert told[code, "sms"] == 1
            assert told[code, "broadcast"] == 1
    tiers = {row["tier"] for row in recipients if row["role"] in ("duty", "responsible")}
    assert tiers == {"city", "county", "township", "village"}
    for row in recipients:
        assert row["tier"] == areas[row["area"]]["tier"]
        for channel, address in json.loads(row["channels"]).items():
            assert "example" in address
            if channel == "sms":
                assert len(address) <= 20, "an SMPP destination holds 20 characters"


def test_the_shipped_policy_spells_out_the_defaults():
    assert load(FOLDER).policy == Policy(), (
        "a default has changed: bring deploy/bazhong/policy.yaml up to date"
    )


def test_the_shipped_place_is_an_exercise():
    configuration = load(FOLDER)

    assert configuration.settings.status is Status.EXERCISE
    assert configuration.bundle.associations == ("5119",)
    assert configuration.outlines == FOLDER / "outlines.geojson"
