"""Quake: a quake's alert as it is seen from one place: shaking and its arrival there, not at the worst place.

In      an earthquake alert whose evidence has a table by area (`areas`), a place
Out     the same alert with that place's `intensity` and `s_arrival_at`
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alerting.render.places import Places
from schemas.alert import Alert
from schemas.area import Tier
from schemas.hazard import Hazard


def seen_from(alert: Alert, area: str, places: Places) -> Alert:
    """The alert as it is seen from an area: the table's line of the smallest area there that has one.

    A city, or an area that the table does not have, sees the alert as it is.
    """
    if alert.hazard is not Hazard.EARTHQUAKE:
        return alert
    table = table_of(alert)
    code = next((code for code in places.areas.lineage(area) if code in table), None)
    if code is None:
        return alert
    line = {name: table[code].get(name) for name in ("intensity", "s_arrival_at")}
    evidence = {**alert.evidence, **line, "intensity_area": area, "areas": {}}
    return alert.model_copy(update={"evidence": evidence})


def table_of(alert: Alert) -> Mapping[str, Mapping[str, Any]]:
    """What is expected by area code; empty where the evidence has no table."""
    table = alert.evidence.get("areas")
    return table if isinstance(table, Mapping) else {}


def counties_of(alert: Alert, places: Places) -> list[str]:
    """Codes of the counties in the table, the most shaken first."""
    table = table_of(alert)
    codes = [code for code in table if code in places.areas and places.areas[code].tier is Tier.COUNTY]
    return sorted(codes, key=lambda code: (-(table[code].get("intensity") or 0), code))
