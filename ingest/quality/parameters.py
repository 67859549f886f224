"""Settings of the quality tests, and the limits that they give each station.

Source  records of rain: DOMAIN, 2.5; test names: IOOS QARTOD. Limits of motion and of flat lines are our choice
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.times import HOUR, MINUTE, Micros

Positive = Annotated[float, Field(gt=0)]

_FAIL_MM = ((MINUTE, 31.2), (5 * MINUTE, 60.0), (HOUR, 305.0), (24 * HOUR, 1062.0))
"""Depths that no gauge has measured in so long: the world's records of a minute and an hour, China's of a day."""


class Limits(BaseModel):
    """Limits of one measured field; what is left out is not tested.

    Attributes
    ----------
    fail_min, fail_max, suspect_min, suspect_max
        Gross range in the field's unit, limits themselves pass. Of rain: depth in one reading, millimetres.
    jump
        A step from one reading to the next beyond this is suspect, unless it comes back or goes on.
    flat_line_s
        How long a value may stay the same to the last digit, seconds, before it is called stuck.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fail_min: float | None = None
    fail_max: float | None = None
    suspect_min: float | None = None
    suspect_max: float | None = None
    jump: Positive | None = None
    flat_line_s: Positive | None = None

    @model_validator(mode="after")
    def _nested(self) -> Limits:
        low, high = self.fail_min, self.fail_max
        for inner in (self.suspect_min, self.suspect_max):
            if inner is not None and (
                (low is not None and inner < low) or (high is not None and inner > high)
            ):
                raise ValueError("the suspect range must lie inside the fail range")
        return self


_MOTION_FLAT_S = 72 * 3600.0


class QualityParameters(BaseModel):
    """How readings are judged. A station's own `qc` parameter, by field, goes before what stands here.

    Attributes
    ----------
    fields
        Limits of the fields of landslide points.
    rain_suspect_mm_5min, rain_suspect_mm_1h
        Depths that are suspect; for other intervals by the power law through both.
    rain_flat_s, rain_flat_readings
        Rain above nothing that stays the same to the last digit for so long and so often is suspect, and
        failed after twice of both.
    flat_chance
        A field is stuck when it stays the same for `flat_line_s` and, by how often it used to change, chance
        would do that more rarely than this.
    sick_hold_s
        How long a station must pass before its `gross_range` finding ends, and rain change before a gauge's
        `flat_line` finding does, seconds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fields: dict[str, Limits] = {
        "displacement_mm": Limits(fail_min=-1e5, fail_max=1e5, jump=20, flat_line_s=_MOTION_FLAT_S),
        "crack_mm": Limits(fail_min=-1e4, fail_max=1e5, jump=20, flat_line_s=_MOTION_FLAT_S),
        "gnss_east_mm": Limits(fail_min=-1e5, fail_max=1e5, jump=40, flat_line_s=_MOTION_FLAT_S),
        "gnss_north_mm": Limits(fail_min=-1e5, fail_max=1e5, jump=40, flat_line_s=_MOTION_FLAT_S),
        "gnss_up_mm": Limits(fail_min=-1e5, fail_max=1e5, jump=60, flat_line_s=_MOTION_FLAT_S),
        "tilt_x_deg": Limits(fail_min=-90, fail_max=90, jump=3, flat_line_s=_MOTION_FLAT_S),
        "tilt_y_deg": Limits(fail_min=-90, fail_max=90, jump=3, flat_line_s=_MOTION_FLAT_S),
        "soil_moisture_pct": Limits(fail_min=0, fail_max=100),
        "pore_pressure_kpa": Limits(fail_min=-200, fail_max=2000),
        "groundwater_m": Limits(fail_min=-500, fail_max=500),
    }
    rain_suspect_mm_5min: Positive = 25.4
    rain_suspect_mm_1h: Positive = 120.0
    rain_flat_s: Positive = 3 * 3600.0
    rain_flat_readings: Annotated[int, Field(ge=3)] = 12
    flat_chance: Annotated[float, Field(gt=0, lt=1)] = 1e-6
    sick_hold_s: Positive = 86_400.0

    @model_validator(mode="after")
    def _rain_nested(self) -> QualityParameters:
        if not self.rain_suspect_mm_5min <= self.rain_suspect_mm_1h:
            raise ValueError("suspect rain of an hour must not be less than that of five minutes")
        if self.rain_suspect_mm_5min > 60 or self.rain_suspect_mm_1h > 305:
            raise ValueError(
                "the suspect range must lie inside the fail range (60 mm in 5 min, 305 mm in 1 h)"
            )
        return self

    def rain_limits_um(self, interval_us: Micros) -> tuple[int, int]:
        """Suspect above the first and failed above the second, thousandths of a millimetre in one reading.

        Between the records the fail limit follows the straight line of the logarithms; beyond them it grows
        as the rain of the longest or falls as that of the shortest would.
        """
        power = math.log(self.rain_suspect_mm_1h / self.rain_suspect_mm_5min) / math.log(12)
        suspect = self.rain_suspect_mm_5min * (interval_us / (5 * MINUTE)) ** power
        fail = _log_line(interval_us)
        return round(min(suspect, fail) * 1000), round(fail * 1000)


def _log_line(interval_us: Micros) -> float:
    pairs = list(itertools.pairwise(_FAIL_MM))
    (t0, d0), (t1, d1) = next((pair for pair in pairs if interval_us <= pair[1][0]), pairs[-1])
    return d0 * math.exp(math.log(interval_us / t0) * math.log(d1 / d0) / math.log(t1 / t0))


def station_limits(
    defaults: Mapping[str, Limits], station_parameters: Mapping[str, Any], field: str
) -> Limits:
    """The limits of one field at one station: its own `qc` entry over the defaults."""
    default = defaults.get(field, Limits())
    own = station_parameters.get("qc", {}).get(field)
    if own is None:
        return default
    return Limits.model_validate({**default.model_dump(), **own})
