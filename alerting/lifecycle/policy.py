"""The lifecycle's part of policy.yaml (section `lifecycle`): how findings become alerts, and when these end.

Source  tiers by level and hold: house choices [C], see docs/alerting/lifecycle.md
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from schemas.area import Tier
from schemas.hazard import Hazard
from schemas.times import Micros, seconds

Colour = Literal["blue", "yellow", "orange", "red"]
COLOURS: tuple[Colour, ...] = ("blue", "yellow", "orange", "red")
"""By level, from 1."""
TiersByColour = Mapping[Colour, tuple[Tier, ...]]

_UPPER = (Tier.CITY, Tier.COUNTY)
_ALL = (Tier.CITY, Tier.COUNTY, Tier.TOWNSHIP, Tier.VILLAGE)
_AT_ONCE_TO_THE_VILLAGE: TiersByColour = {"blue": _ALL, "yellow": _ALL}


_CHAIN_TIER = {
    Hazard.RAINSTORM: Tier.COUNTY,
    Hazard.FIRE_DANGER: Tier.COUNTY,
    Hazard.FLOOD: Tier.COUNTY,
    Hazard.FLASH_FLOOD: Tier.TOWNSHIP,
    Hazard.DEBRIS_FLOW: Tier.TOWNSHIP,
    Hazard.FOREST_FIRE: Tier.TOWNSHIP,
    Hazard.LANDSLIDE: Tier.VILLAGE,
    Hazard.EARTHQUAKE: Tier.CITY,
    Hazard.STATION: Tier.VILLAGE,
}
_TIERS: TiersByColour = {"blue": _UPPER, "yellow": (*_UPPER, Tier.TOWNSHIP), "orange": _ALL, "red": _ALL}
_TIERS_BY_HAZARD: Mapping[Hazard, TiersByColour] = {
    Hazard.FLASH_FLOOD: _AT_ONCE_TO_THE_VILLAGE,
    Hazard.DEBRIS_FLOW: _AT_ONCE_TO_THE_VILLAGE,
    Hazard.LANDSLIDE: _AT_ONCE_TO_THE_VILLAGE,
    Hazard.STATION: {"blue": _UPPER, "yellow": _UPPER, "orange": _UPPER, "red": _UPPER},
}
_EXPIRES_S = {
    Hazard.RAINSTORM: 6 * 3600.0,
    Hazard.FLASH_FLOOD: 6 * 3600.0,
    Hazard.FLOOD: 12 * 3600.0,
    Hazard.LANDSLIDE: 24 * 3600.0,
    Hazard.DEBRIS_FLOW: 6 * 3600.0,
    Hazard.EARTHQUAKE: 1800.0,
    Hazard.FOREST_FIRE: 6 * 3600.0,
    Hazard.FIRE_DANGER: 24 * 3600.0,
    Hazard.STATION: 7 * 86400.0,
}
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "chain_tier": {str(hazard): tier for hazard, tier in _CHAIN_TIER.items()},
    "tiers": {str(colour): tiers for colour, tiers in _TIERS.items()},
    "tiers_by_hazard": {str(hazard): tiers for hazard, tiers in _TIERS_BY_HAZARD.items()},
    "expires_s": {str(hazard): value for hazard, value in _EXPIRES_S.items()},
    "ends": {str(Hazard.EARTHQUAKE): "by_time"},
}


class LifecyclePolicy(BaseModel):
    """How findings become alert chains.

    Attributes
    ----------
    language
        Language of headline, description, instruction and speech.
    chain_tier
        The tier whose area a chain of that hazard has; a finding is lifted to it.
    tiers
        Who is told at each colour.
    tiers_by_hazard
        Exceptions to `tiers` for single hazards: the colours that differ.
    expires_s
        Seconds from a version's issue to its `expires_at`, by hazard.
    extend_before_s
        How long before `expires_at` a chain that nothing has lowered is extended.
    ends
        `by_evidence`: a chain is extended until fresh good evidence or a person ends it; `by_time`: it
        ends when it expires. Warnings issued by hand or by a department always end by time.
    cancel_by
        How many people a cancel by hand takes.
    cancel_silent_by
        How many it takes while no valid data hold the level up.
    issuer
        Whose warning it is; `{city}`, `{county}`, `{township}` and `{area}` become names.
    issuers
        Exceptions to `issuer` for single hazards.
    repeat
        How often a loudspeaker reads the text.
    remember_s
        How long an ended chain is known, so that a late act is told that it has ended.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    language: Literal["zh", "en"] = "zh"
    chain_tier: Mapping[Hazard, Tier] = Field({}, validate_default=True)
    tiers: TiersByColour = Field({}, validate_default=True)
    tiers_by_hazard: Mapping[Hazard, TiersByColour] = Field({}, validate_default=True)
    expires_s: Mapping[Hazard, float] = Field({}, validate_default=True)
    extend_before_s: float = Field(1800.0, gt=0)
    ends: Mapping[Hazard, Literal["by_evidence", "by_time"]] = Field({}, validate_default=True)
    cancel_by: Literal[1, 2] = 1
    cancel_silent_by: Literal[1, 2] = 2
    issuer: str = "{city}应急指挥中心"
    issuers: Mapping[Hazard, str] = Field(default_factory=dict)
    repeat: int = Field(3, ge=1, le=10)
    remember_s: float = Field(7 * 86400.0, gt=0)

    @field_validator(*_DEFAULTS, mode="before")
    @classmethod
    def _over_the_defaults(cls, given: Any, info: ValidationInfo) -> Any:
        # A policy names only the hazards whose value it changes.
        if not isinstance(given, Mapping):
            return given
        return {**_DEFAULTS[info.field_name or ""], **{str(key): value for key, value in given.items()}}

    @model_validator(mode="after")
    def _plain(self) -> LifecyclePolicy:
        for hazard in Hazard:
            if self.expires_s[hazard] <= 0:
                raise ValueError(f"lifecycle.expires_s needs a time above 0 for {hazard}")
            if not self.ends_by_time(hazard) and self.expires_s[hazard] <= self.extend_before_s:
                raise ValueError(
                    f"lifecycle.extend_before_s is {self.extend_before_s:g} s, but a warning of {hazard} expires after "
                    f"{self.expires_s[hazard]:g} s: it would be extended before it begins"
                )
        for template in (self.issuer, *self.issuers.values()):
            try:
                template.format(city="", county="", township="", area="")
            except (KeyError, IndexError, ValueError) as error:
                raise ValueError(
                    f"issuer {template!r}: only {{city}}, {{county}}, {{township}}, {{area}} are names"
                ) from error
        return self

    def ends_by_time(self, hazard: Hazard) -> bool:
        """Whether a detector's chain of that hazard ends when it expires."""
        return self.ends.get(hazard, "by_evidence") == "by_time"

    def expires_us(self, hazard: Hazard) -> Micros:
        """Microseconds from issue to expiry."""
        return seconds(self.expires_s[hazard])

    def tiers_at(self, hazard: Hazard, level: int) -> tuple[Tier, ...]:
        """Who is told of that hazard at that level, from the top down; nobody at level 0."""
        if level == 0:
            return ()
        colour = COLOURS[level - 1]
        chosen = self.tiers_by_hazard.get(hazard, {}).get(colour, self.tiers[colour])
        return tuple(sorted(chosen, key=lambda tier: tier.rank))

    def issuer_of(self, hazard: Hazard) -> str:
        """The template of the issuer; empty where policy leaves it open."""
        return self.issuers.get(hazard, self.issuer)
