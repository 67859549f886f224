"""The figures that a landslide finding carries, and what speaks against it.

In      the grade of one point at one hour
Out     evidence with the names that outsiders read, rounded to the digits of its units
State   none
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from detectors.base import figure
from detectors.landslide.grade import Grade, Grader, angle_of
from detectors.landslide.parameters import LandslideParameters
from detectors.landslide.ring import KINDS
from schemas.times import HOUR, MINUTE, Micros, rfc3339, seconds

_KIND_ZH: Mapping[str, str] = {"displacement": "位移", "crack": "裂缝", "gnss": "北斗", "tilt": "倾角"}


def evidence_of(
    parameters: LandslideParameters, grader: Grader, place: int, grade: Grade, seen_us: Micros, level: int
) -> dict[str, Any]:
    """Evidence of a point's standing level, from the kind of instrument that leads.

    Parameters
    ----------
    seen_us
        When the readings that led to it were observed.
    level
        At which the point stands; the thresholds beside the figures are that level's.
    """
    leading, step = grade.leading, max(level, 1) - 1
    if leading is None:
        return {"instruments": [], "threshold_deg": parameters.angles_deg[step]}
    kind = KINDS.index(leading.kind)
    tilt = leading.kind == "tilt"
    unit, digits = ("deg", 3) if tilt else ("mm", 1)
    ahead = leading.outlook
    acceleration = math.nan if tilt else grader.acceleration_mm_day2(kind, place, seen_us // HOUR)
    evidence: dict[str, Any] = {
        "instruments": [k.kind for k in grade.kinds if k.level or k.single],
        "velocity_mm_day": None if tilt else figure(leading.velocity, 2),
        "velocity_sigma_mm_day": None if tilt else figure(leading.sigma, 2),
        "acceleration_mm_day2": figure(acceleration, 2),
        "tangential_angle_deg": None if tilt else figure(angle_of(leading), 1),
        "threshold_deg": parameters.angles_deg[step],
        "v0_mm_day": None if tilt else figure(leading.v0, 3),
        "window_h": figure(leading.window_h, 0),
        f"moved_24h_{unit}": figure(leading.day_rise, digits),
        f"threshold_24h_{unit}": parameters.instrument(leading.kind).day_thresholds[step],
        "failure_at": None if ahead is None else _after(seen_us, ahead.left_h),
        "failure_earliest_at": None if ahead is None else _after(seen_us, ahead.earliest_h),
        "failure_latest_at": None
        if ahead is None or ahead.latest_h is None
        else _after(seen_us, ahead.latest_h),
    }
    if ahead is not None:
        evidence["failure_r2"] = figure(ahead.r2, 2)
    if grade.raised_by_two_kinds:
        evidence["raised_by_two_kinds"] = True
    return evidence


def against(grade: Grade, level: int) -> tuple[str, ...]:
    """What speaks against a point's standing level."""
    leading = grade.leading
    if level == 0 or leading is None:
        return ()
    said = []
    quiet = [k.kind for k in grade.kinds if k.known and not k.single and not k.level and k is not leading]
    if quiet:
        said.append("同点其他仪器无变化：" + "、".join(_KIND_ZH[kind] for kind in quiet))
    elif len(grade.kinds) == 1:
        said.append("仅一种仪器")
    if leading.outlook is None and level >= 3:
        said.append("破坏时间尚不能推定")
    return tuple(said)


def _after(from_us: Micros, hours: float) -> str:
    """RFC 3339 of a time so many hours later, to the minute."""
    return rfc3339((from_us + seconds(hours * 3600.0)) // MINUTE * MINUTE)
