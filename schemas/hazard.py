"""Hazards: their names inside and in Chinese, and how CAP and the national event codes call them.

Source  GB/T 35561-2017 event codes; CAP 1.2 categories
"""

from __future__ import annotations

from enum import StrEnum


class Hazard(StrEnum):
    """What threatens; `station` is a sick or silent instrument."""

    RAINSTORM = "rainstorm"
    FLASH_FLOOD = "flash_flood"
    FLOOD = "flood"
    LANDSLIDE = "landslide"
    DEBRIS_FLOW = "debris_flow"
    EARTHQUAKE = "earthquake"
    FOREST_FIRE = "forest_fire"
    FIRE_DANGER = "fire_danger"
    STATION = "station"

    @property
    def zh(self) -> str:
        """The Chinese name."""
        return _ZH[self]

    @property
    def event_code(self) -> str | None:
        """The national event code; None for a station."""
        return _EVENT_CODE.get(self)

    @property
    def cap_category(self) -> str:
        """The category of CAP 1.2."""
        return _CAP.get(self, "Infra")


_ZH = {
    Hazard.RAINSTORM: "暴雨",
    Hazard.FLASH_FLOOD: "山洪灾害",
    Hazard.FLOOD: "洪水",
    Hazard.LANDSLIDE: "滑坡",
    Hazard.DEBRIS_FLOW: "泥石流",
    Hazard.EARTHQUAKE: "地震",
    Hazard.FOREST_FIRE: "森林火灾",
    Hazard.FIRE_DANGER: "森林火险",
    Hazard.STATION: "监测设备",
}
_EVENT_CODE = {
    Hazard.RAINSTORM: "11B03",
    Hazard.FLOOD: "11A01",
    Hazard.FLASH_FLOOD: "11A51",
    Hazard.LANDSLIDE: "11D01",
    Hazard.DEBRIS_FLOW: "11D02",
    Hazard.EARTHQUAKE: "11C02",
    Hazard.FOREST_FIRE: "11G01",
    Hazard.FIRE_DANGER: "11B25",
}
_CAP = {
    Hazard.RAINSTORM: "Met",
    Hazard.FLASH_FLOOD: "Met",
    Hazard.FLOOD: "Met",
    Hazard.LANDSLIDE: "Geo",
    Hazard.DEBRIS_FLOW: "Geo",
    Hazard.EARTHQUAKE: "Geo",
    Hazard.FOREST_FIRE: "Fire",
    Hazard.FIRE_DANGER: "Met",
}
