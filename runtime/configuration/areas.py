"""areas.csv: the administrative areas, and what can be wrong with one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runtime.configuration.faults import Faults
from runtime.configuration.tables import Row, did_you_mean, read_table
from schemas.area import TIERS, Area, AreaIndex, Tier

FILE = "areas.csv"
COLUMNS = ("code", "name", "tier", "parent", "lon", "lat")
DIGITS = {Tier.CITY: 4, Tier.COUNTY: 6, Tier.TOWNSHIP: 9, Tier.VILLAGE: 12}
"""Length of a national code at each tier."""


@dataclass(frozen=True)
class AreaTable:
    """The areas, the line on which each stands, and whether that is all of them."""

    index: AreaIndex
    lines: Mapping[str, int]
    whole: bool

    def lacks(self, code: str) -> bool:
        """Whether the file certainly has no such area."""
        return self.whole and code not in self.lines


def read_areas(folder: Path, faults: Faults) -> AreaTable:
    """The areas of a folder."""
    areas: dict[str, Area] = {}
    rows: dict[str, Row] = {}
    empty = True
    for row in read_table(folder, FILE, COLUMNS, faults):
        empty = False
        code = row["code"]
        if code in rows:
            row.fault(
                f"area {code} stands on line {rows[code].line} already; take one away or mend its code."
            )
            continue
        area = _area(row)
        rows[code] = row
        if area is not None:
            areas[code] = area
    whole = FILE not in faults.torn
    for code, area in areas.items():
        if whole or area.parent in rows:
            _check_parent(area, rows, areas, rows[code])
    if empty and whole:
        faults.add(FILE, 1, "holds no area; add the areas that are to be warned.")
    return AreaTable(AreaIndex(areas.values()), {code: row.line for code, row in rows.items()}, whole)


def _area(row: Row) -> Area | None:
    code, tier = row.filled("code"), _tier(row)
    name = row.filled("name")
    lon, lat = row.number("lon", -180, 180, "106.7530"), row.number("lat", -90, 90, "31.8590")
    if (
        code is not None
        and tier is not None
        and not (code.isascii() and code.isdigit() and len(code) == DIGITS[tier])
    ):
        row.fault(
            f"code {code!r} is not the {DIGITS[tier]} digits of a {tier}'s national code; mend code or tier."
        )
        return None
    if code is None or tier is None or name is None or lon is None or lat is None:
        return None
    return Area(code, name, tier, row["parent"] or None, lon, lat)


def _tier(row: Row) -> Tier | None:
    text = row["tier"]
    if text in {*TIERS}:
        return Tier(text)
    row.fault(f"tier {text!r} is unknown{did_you_mean(text, TIERS)}; write one of {', '.join(TIERS)}.")
    return None


def _check_parent(area: Area, rows: dict[str, Row], areas: dict[str, Area], row: Row) -> None:
    if area.parent is None:
        return
    if area.parent not in rows:
        row.fault(f"{area.code} lies in {area.parent}, which {FILE} lacks; add that area or mend the parent.")
    elif area.parent in areas and areas[area.parent].tier.rank >= area.tier.rank:
        parent = areas[area.parent]
        row.fault(
            f"{area.code} is a {area.tier} in {parent.code}, which is a {parent.tier}; "
            "a parent is of a higher tier: mend parent or tier."
        )
