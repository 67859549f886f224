"""Landslide parameters: what counts as movement, and from when it is a warning.

Source  angles: Xu Qiang et al. 2009; figures marked "choice" are defaults that no source gives, to be set for each site
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
FourLevels = tuple[Positive, Positive, Positive, Positive]


class InstrumentParameters(BaseModel):
    """One kind of instrument: its noise, its daily cycle and its thresholds of 24 h (mm, or degrees for tilt)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    noise: Positive
    """Noise of one reading, one sigma, while too few readings show the station's own (choice)."""
    least_noise: Positive
    """Noise below which no instrument is believed, whatever its readings show (choice)."""
    daily_cycle: Annotated[float, Field(ge=0)]
    """Amplitude of a daily temperature cycle that must not look like movement (choice)."""
    day_thresholds: FourLevels
    """Movement within 24 h that is blue, yellow, orange, red (choice)."""

    @model_validator(mode="after")
    def _in_order(self) -> InstrumentParameters:
        if list(self.day_thresholds) != sorted(set(self.day_thresholds)):
            raise ValueError("day_thresholds must rise from blue to red")
        return self


class LandslideParameters(BaseModel):
    """Thresholds of the landslide points."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    v0_mm_day: Positive = 1.0
    """Velocity of the constant-rate stage where neither the station (`v0_mm_day`) nor ten quiet days say more (choice)."""
    angles_deg: FourLevels = (42.0, 48.0, 80.0, 85.0)
    """Tangential angles from which a point is blue, yellow, orange, red."""
    remaining_life_h: tuple[Positive, Positive, Positive] = (168.0, 24.0, 6.0)
    """Time to failure at or below which a moving point is yellow, orange, red (choice)."""
    gate_sigma: Positive = 6.0
    """A velocity counts where it exceeds this many of its standard errors (choice)."""
    sparse_gate_sigma: Positive = 2.0
    """The same for stations that report more seldom than `sparse_interval_s` (choice)."""
    sparse_interval_s: Positive = 21_600.0
    """From this interval on a station is sparse: surveyed about daily, each reading checked by persons (choice)."""
    least_points: Annotated[int, Field(ge=3)] = 5
    """Readings that a velocity needs (choice)."""
    persistence: Annotated[int, Field(ge=1, le=8)] = 3
    """Readings in a row that must agree before one instrument alone raises a level (choice)."""
    failure_points: Annotated[int, Field(ge=4)] = 6
    """Readings that a time of failure needs (choice)."""
    sparse_failure_points: Annotated[int, Field(ge=4)] = 5
    """Velocities that a time of failure needs of a sparse station, whose velocities are days apart (choice)."""
    failure_r2: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """R² that a time of failure needs."""
    failure_gain: Positive = 12.0
    """By how many squared standard errors the law of failure must fit better than a straight line (choice)."""
    combine_h: Positive = 24.0
    """Two kinds of instrument at yellow or above within this time raise the level by one (choice)."""
    hold_s: Positive = 86_400.0
    """A level falls when good readings below it span this time (choice)."""
    displacement: InstrumentParameters = InstrumentParameters(
        noise=1.0, least_noise=0.1, daily_cycle=1.5, day_thresholds=(5.0, 10.0, 20.0, 50.0)
    )
    crack: InstrumentParameters = InstrumentParameters(
        noise=1.0, least_noise=0.05, daily_cycle=1.0, day_thresholds=(5.0, 10.0, 20.0, 50.0)
    )
    gnss: InstrumentParameters = InstrumentParameters(
        noise=5.0, least_noise=1.0, daily_cycle=2.0, day_thresholds=(10.0, 20.0, 40.0, 80.0)
    )
    tilt: InstrumentParameters = InstrumentParameters(
        noise=0.02, least_noise=0.002, daily_cycle=0.05, day_thresholds=(0.3, 0.5, 1.0, 3.0)
    )

    def instrument(self, kind: str) -> InstrumentParameters:
        """The parameters of `displacement`, `crack`, `gnss` or `tilt`."""
        found: InstrumentParameters = getattr(self, kind)
        return found

    @model_validator(mode="after")
    def _in_order(self) -> LandslideParameters:
        if list(self.angles_deg) != sorted(set(self.angles_deg)) or self.angles_deg[-1] >= 90.0:
            raise ValueError("angles_deg must rise from blue to red and stay below 90")
        if list(self.remaining_life_h) != sorted(set(self.remaining_life_h), reverse=True):
            raise ValueError("remaining_life_h must fall from yellow to red")
        return self

    def angle_level(self, angle_deg: float) -> int:
        """The level of a tangential angle, 0..4; a strict `>` for yellow as in the table, `>=` elsewhere."""
        blue, yellow, orange, red = self.angles_deg
        if angle_deg >= red:
            return 4
        if angle_deg >= orange:
            return 3
        if angle_deg > yellow:
            return 2
        return 1 if angle_deg >= blue else 0

    def life_level(self, hours: float) -> int:
        """The level of a remaining life, 1..4."""
        yellow, orange, red = self.remaining_life_h
        return 1 + (hours <= yellow) + (hours <= orange) + (hours <= red)
