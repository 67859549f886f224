"""Lay out the areas: a position for every county, township and village, by a rule.

In      names.csv (facts, see ../SOURCE.md) and places.py (hand-made extents)
Out     areas.csv rows; villages in the order of their codes

The rule, county by county:

1. Streets (街道, township codes with 0 in the seventh place) are the seat's town. Their villages fill a disc about the
   seat, each with a quarter of the county's mean area a village, as a sunflower; sorted by bearing from the seat and
   cut into runs, one a street, so that each street is a sector.
2. The other villages take the first points of the Halton sequence (2, 3) over the county's extent that lie outside
   the disc and at least 0.6 km inside the rim.
3. Townships take these points by bisection: the points sorted along the longer side of their bounding box are cut
   where the townships' list (in order of code) is cut, so that each half gets as many points as its townships have
   villages; and so on until one township is left. Within a township villages take their points in order of code.
4. A township lies at the mean of its villages; a county at its seat; the city at its own.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.bazhong.build import geometry
from deploy.bazhong.build.places import CITY, CITY_SEAT, COUNTIES, County, Position

NAMES = Path(__file__).with_name("names.csv")
RIM_MARGIN_KM = 0.6
TOWN_SHARE = 0.25
TIER_OF_DIGITS = {4: "city", 6: "county", 9: "township", 12: "village"}
SHORT_ENDINGS = (
    ("村村民委员会", "村"),
    ("村民委员会", "村"),
    ("社区居民委员会", "社区"),
    ("居民委员会", "社区"),
    ("社区居委会", "社区"),
    ("居委会", "社区"),
    ("村村委会", "村"),
    ("村委会", "村"),
)


@dataclass(frozen=True)
class PlacedArea:
    """One row of areas.csv."""

    code: str
    name: str
    tier: str
    parent: str
    position: Position


def short_name(name: str) -> str:
    """The village's or community's own name: the committee's without 村民委员会 or 居民委员会."""
    for ending, kept in SHORT_ENDINGS:
        if name.endswith(ending):
            return name.removesuffix(ending) + kept
    return name


def read_names() -> dict[str, str]:
    """Names by code, as the source has them."""
    with NAMES.open(encoding="utf-8", newline="") as lines:
        return {row["code"]: row["name"] for row in csv.DictReader(lines)}


def lay_out(names: dict[str, str]) -> list[PlacedArea]:
    """Place every area; in order of the code's text, so that a parent stands before what lies in it."""
    positions: dict[str, Position] = {CITY: CITY_SEAT}
    for county in COUNTIES:
        positions[county.code] = county.seat
        villages = _place_villages(county, [code for code in sorted(names) if code.startswith(county.code)])
        positions.update(villages)
        by_township: dict[str, list[Position]] = {}
        for code, position in villages.items():
            by_township.setdefault(code[:9], []).append(position)
        for code, points in by_township.items():
            positions[code] = (
                sum(x for x, _ in points) / len(points),
                sum(y for _, y in points) / len(points),
            )
    return [
        PlacedArea(
            code,
            short_name(name) if len(code) == 12 else name,
            TIER_OF_DIGITS[len(code)],
            parent_of(code),
            (round(positions[code][0], 4), round(positions[code][1], 4)),
        )
        for code, name in sorted(names.items())
    ]


def parent_of(code: str) -> str:
    """The code one tier up; empty for the city."""
    return {4: "", 6: code[:4], 9: code[:6], 12: code[:9]}[len(code)]


def _place_villages(county: County, codes: Sequence[str]) -> dict[str, Position]:
    villages = [code for code in codes if len(code) == 12]
    town = [code for code in villages if code[6] == "0"]
    country = [code for code in villages if code[6] != "0"]
    extent_km = [geometry.to_km(corner) for corner in county.extent()]
    radius_km = math.sqrt(TOWN_SHARE * geometry.area(extent_km) * len(town) / len(villages) / math.pi)
    seat_km = geometry.to_km(county.seat)

    placed = dict(zip(town, _town_points_km(len(town), seat_km, radius_km), strict=True))
    placed.update(_assign(country, _country_points_km(len(country), extent_km, seat_km, radius_km)))
    return {code: geometry.to_degrees(point) for code, point in placed.items()}


def _town_points_km(count: int, seat_km: Position, radius_km: float) -> list[Position]:
    around = sorted(geometry.sunflower_km(count, radius_km), key=lambda point: math.atan2(point[0], point[1]))
    return [(seat_km[0] + east, seat_km[1] + north) for east, north in around]


def _country_points_km(
    count: int, extent_km: list[Position], seat_km: Position, radius_km: float
) -> list[Position]:
    points: list[Position] = []
    for point in geometry.halton_points(extent_km):
        if len(points) == count:
            break
        clear_of_town = math.dist(point, seat_km) > radius_km + RIM_MARGIN_KM
        if clear_of_town and geometry.distance_to_rim(point, extent_km) >= RIM_MARGIN_KM:
            points.append(point)
    return points


def _assign(villages: list[str], points: list[Position]) -> dict[str, Position]:
    """Give each village one of as many points, so that townships are compact."""
    townships = sorted({code[:9] for code in villages})
    if len(townships) == 1:
        return dict(zip(villages, points, strict=True))
    axis = 0 if _spread(points, 0) > _spread(points, 1) else 1
    first = set(townships[: len(townships) // 2])
    left = [code for code in villages if code[:9] in first]
    right = [code for code in villages if code[:9] not in first]
    ranked = sorted(points, key=lambda point: (point[axis], point[1 - axis]))
    return _assign(left, ranked[: len(left)]) | _assign(right, ranked[len(left) :])


def _spread(points: list[Position], axis: int) -> float:
    values = [point[axis] for point in points]
    return max(values) - min(values)
