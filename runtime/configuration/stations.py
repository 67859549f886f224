"""stations.csv: the instruments, and what can be wrong with one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from runtime.configuration.areas import FILE as AREAS_FILE
from runtime.configuration.areas import AreaTable
from runtime.configuration.faults import Faults
from runtime.configuration.outlines import Counties
from runtime.configuration.parameters import check_parameters
from runtime.configuration.tables import Row, did_you_mean, read_table
from schemas.area import AreaIndex, Tier
from schemas.station import INTERVAL_S, Station, StationIndex

FILE = "stations.csv"
COLUMNS = ("id", "kind", "name", "lon", "lat", "elevation_m", "area", "watches", "parameters")
ID = re.compile(r"[^\s/+#\x00-\x1f]{1,64}")
"""An id is a level of an MQTT topic."""


def read_stations(folder: Path, areas: AreaTable, faults: Faults) -> StationIndex:
    """The stations; faults are named against the areas."""
    stations: list[Station] = []
    rows: dict[str, Row] = {}
    for row in read_table(folder, FILE, COLUMNS, faults):
        id = row["id"]
        if id in rows:
            row.fault(f"station {id} stands on line {rows[id].line} already; take one away or mend its id.")
            continue
        rows[id] = row
        station = _station(row, areas)
        if station is not None:
            stations.append(station)
    index = StationIndex(stations)
    _check_counties(index, rows, areas.index, Counties.of(folder, areas.index, faults))
    return index


def _station(row: Row, areas: AreaTable) -> Station | None:
    id, kind, name = _id(row), _kind(row), row.filled("name")
    lon, lat = row.number("lon", -180, 180, "106.77000"), row.number("lat", -90, 90, "31.85000")
    elevation_m = row.number("elevation_m", -500, 9000, "421") if row["elevation_m"] else None
    area = row.filled("area")
    watches = tuple(code for code in map(str.strip, row["watches"].split(";")) if code)
    parameters = row.object("parameters")
    if area is not None and areas.lacks(area):
        row.fault(
            f"{row['id']} stands in area {area}, which {AREAS_FILE} lacks; add the area or mend the code."
        )
    for code in watches:
        if areas.lacks(code):
            row.fault(
                f"{row['id']} watches area {code}, which {AREAS_FILE} lacks; add the area or mend the code."
            )
    if kind is not None and parameters is not None:
        check_parameters(row, kind, parameters)
    if id is None or kind is None or name is None or area is None or parameters is None:
        return None
    if lon is None or lat is None:
        return None
    return Station(id, kind, name, lon, lat, elevation_m, area, watches, parameters)


def _id(row: Row) -> str | None:
    id = row.filled("id")
    if id is not None and not ID.fullmatch(id):
        row.fault(
            f"id {id!r} cannot be part of an MQTT topic; use 1 to 64 characters without blank, /, + and #."
        )
        return None
    return id


def _kind(row: Row) -> str | None:
    kind = row["kind"]
    if kind in INTERVAL_S:
        return kind
    row.fault(
        f"kind {kind!r} is unknown{did_you_mean(kind, [*INTERVAL_S])}; write one of {', '.join(INTERVAL_S)}."
    )
    return None


def _check_counties(
    stations: StationIndex, rows: Mapping[str, Row], areas: AreaIndex, counties: Counties
) -> None:
    lying = counties.of_positions(stations.lon, stations.lat)
    for station, found in zip(stations, lying, strict=True):
        own = areas.at_tier(station.area, Tier.COUNTY)
        if own is None or own == found:
            continue
        where = f"in {areas[found].name} ({found})" if found else "outside every county"
        rows[station.id].fault(
            f"{station.id} stands at {station.lon:g}, {station.lat:g}, {where}, but its area {station.area} is in "
            f"{areas[own].name} ({own}); mend lon and lat, or the area."
        )
