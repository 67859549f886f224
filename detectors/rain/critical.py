"""Critical rain for flash floods, and the settings of the rule that uses it.

Source  four depths by window: Jianghua county (DOMAIN, 2.4); how critical rain falls with wetness: one worked
        group (geog.com.cn 2017, 19(12):1643, table 11). Neither is Bazhong's: both are our choice as defaults,
        to be replaced by each township's own. Orange stands for "prepare to move", red for "move now"
"""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

UM_A_MM = 1000
WETNESS = (0.2, 0.5, 0.8)
"""Wetness of the three states dry, normal, wet, as shares of the soil's capacity."""
Depth = Annotated[float, Field(gt=0, le=2000)]
Window = Annotated[int, Field(ge=1, le=24)]
Depths = tuple[Depth | None, Depth | None, Depth | None, Depth | None]
Share = Annotated[float, Field(gt=0, le=3)]


class CriticalRain(BaseModel):
    """Critical rain of a place: depths by window in hours, for blue to red, and how they change with wetness.

    Attributes
    ----------
    depths_mm
        By window: the depth of each level at normal wetness; null where a level has none.
    wetness_share
        By window: what share of the depth is critical where the soil is dry, normal and wet. A window that
        is left out has the same depth whatever the wetness.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    depths_mm: dict[Window, Depths]
    wetness_share: dict[Window, tuple[Share, Share, Share]] = {}

    @model_validator(mode="after")
    def _in_order(self) -> CriticalRain:
        for hours, depths in self.depths_mm.items():
            given = [depth for depth in depths if depth is not None]
            if given != sorted(set(given)):
                raise ValueError(f"critical rain of {hours} h must rise from blue to red, not {depths}")
        for hours, (dry, normal, wet) in self.wetness_share.items():
            if not dry >= normal >= wet:
                raise ValueError(f"critical rain of {hours} h must not rise with wetness")
        return self

    def share(self, window_h: int, wetness: float) -> float:
        """What share of the depth is critical at a wetness: linear between the three states, level beyond."""
        shares = self.wetness_share.get(window_h)
        if shares is None:
            return 1.0
        dry, normal, wet = WETNESS
        w = min(max(wetness, dry), wet)
        if w <= normal:
            return shares[0] + (shares[1] - shares[0]) * (w - dry) / (normal - dry)
        return shares[1] + (shares[2] - shares[1]) * (w - normal) / (wet - normal)

    def floors_um(self) -> dict[int, int]:
        """By window the least depth that is critical at any wetness, thousandths of a millimetre."""
        return {
            hours: math.floor(
                min(depth for depth in depths if depth is not None) * UM_A_MM * self.share(hours, WETNESS[-1])
            )
            for hours, depths in self.depths_mm.items()
            if any(depth is not None for depth in depths)
        }


class FlashFloodParameters(BaseModel):
    """How rain is graded for flash floods.

    Attributes
    ----------
    critical
        Critical rain where no area has its own. As shipped dry soil does not raise it: only wet soil counts.
    areas
        Critical rain of single areas by code; that of the smallest area that contains a township holds.
    soil_capacity_mm
        Rain that fills the soil (Wm); wetness is the effective rain of the days before against it.
    antecedent_decay
        K, by which the rain of a day before counts less for each day since.
    reach_km
        How far the nearest gauge of a township without one may stand.
    hold_s
        How long good readings must be below a level before it falls, seconds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    critical: CriticalRain = CriticalRain(
        depths_mm={
            1: (35, 45, 60, 80),
            3: (55, 75, 100, 120),
            6: (70, 95, 120, 150),
            24: (100, 130, 160, 200),
        },
        wetness_share={1: (1.0, 1.0, 0.857), 3: (1.0, 1.0, 0.833), 6: (1.0, 1.0, 0.889)},
    )
    areas: dict[str, CriticalRain] = {}
    soil_capacity_mm: Annotated[float, Field(gt=0, le=1000)] = 100
    antecedent_decay: Annotated[float, Field(gt=0, lt=1)] = 0.84
    reach_km: Annotated[float, Field(ge=0, le=200)] = 25
    hold_s: Annotated[float, Field(ge=0, le=14_400)] = 3600

    def floors_um(self) -> dict[int, int]:
        """By window the least depth that is critical anywhere at any wetness, thousandths of a millimetre."""
        floors: dict[int, int] = {}
        for critical in (self.critical, *self.areas.values()):
            for hours, floor in critical.floors_um().items():
                floors[hours] = min(floors.get(hours, floor), floor)
        return dict(sorted(floors.items()))
