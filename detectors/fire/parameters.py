"""Fire parameters: how many frames make smoke, and when two bearings make a place.

Source  persistence and confidence as in Pyronear; figures marked "choice" are defaults that no source gives
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Part = Annotated[float, Field(gt=0, le=1)]
Frames = Annotated[int, Field(ge=1, le=16)]
Level = Annotated[int, Field(ge=1, le=4)]


class FireParameters(BaseModel):
    """Thresholds of the fire cameras."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    smoke_level: Level = 2
    """Level of smoke that one camera has confirmed."""
    flame_level: Level = 3
    """Level of flame that one camera has confirmed."""
    confidence: Part = 0.35
    """Mean confidence that the frames with a hit need."""
    least_confidence: Part = 0.05
    """Detections below it are not looked at (choice)."""
    fast_hits: Frames = 5
    fast_frames: Frames = 8
    fast_window_s: Positive = 90.0
    """Smoke where frames come fast: so many hits of the last so many frames within this time (choice)."""
    slow_hits: Frames = 3
    slow_frames: Frames = 5
    slow_gap_s: Positive = 15.0
    """Smoke where frames come more than this apart, and flame at any rate: so many hits of so many frames (choice)."""
    window_s: Positive = 3600.0
    """Frames further apart than this are not weighed together (choice)."""
    hot_c: Positive = 80.0
    """Temperature that raises smoke or flame by one level (choice)."""
    same_fire_deg: Positive = 4.0
    """Boxes whose edges are no further apart than this are one fire: cameras sway, plumes drift (choice)."""
    sway_deg: Positive = 0.5
    """Uncertainty of a bearing that no number of frames removes: mounting and sway, one sigma (choice)."""
    fog_width: Part = 0.7
    """Smoke boxes at least this wide, as a part of the image, are fog in the morning (choice)."""
    fog_from_h: Annotated[float, Field(ge=0, le=24)] = 3.0
    fog_until_h: Annotated[float, Field(ge=0, le=24)] = 10.0
    """Hours of the morning, local solar time (choice)."""
    crossing_window_s: Positive = 1800.0
    crossing_least_deg: Annotated[float, Field(gt=0, lt=90)] = 15.0
    crossing_least_m: Positive = 100.0
    """Two cameras confirm each other within this time, at an angle from this to 180 degrees less it, this far away."""
    range_m: Positive = 20_000.0
    """How far a camera sees where its station does not say (choice)."""
    township_turns: Annotated[int, Field(ge=1)] = 3
    """Fixes in a row in another township before the fire is said to be there (choice)."""
    hold_s: Positive = 7200.0
    """A level falls when good frames that look there and see nothing span this time (choice)."""

    @model_validator(mode="after")
    def _in_order(self) -> FireParameters:
        if self.fast_hits > self.fast_frames or self.slow_hits > self.slow_frames:
            raise ValueError("more hits are asked for than frames are looked at")
        if self.flame_level < self.smoke_level:
            raise ValueError("flame_level must not be below smoke_level")
        if self.least_confidence > self.confidence:
            raise ValueError("least_confidence must not be above confidence")
        if self.fog_until_h < self.fog_from_h:
            raise ValueError("fog_until_h must not be before fog_from_h")
        return self
