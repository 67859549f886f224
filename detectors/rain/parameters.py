"""Settings of the rainstorm signals.

Source  CMA Order 16 (2007); "may continue", hold time and missing share are our choices (DOMAIN, 2.1)
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from detectors.base import LEVELS


class Signal(BaseModel):
    """One rainstorm signal: its level is reached when `rain_mm` fell within `window_h`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: Annotated[int, Field(ge=1, le=LEVELS)]
    window_h: Annotated[int, Field(ge=1, le=24)]
    rain_mm: Annotated[float, Field(gt=0, le=2000)]


class RainParameters(BaseModel):
    """How rain is graded.

    Attributes
    ----------
    signals
        The rainstorm signals, the national ones as shipped.
    hold_s
        How long good readings must be below a level before it falls, seconds.
    may_continue
        Whether a level rises only while rain may continue.
    may_continue_mm, may_continue_s
        Rain may continue where at least so much fell in the last so many seconds, or in the last reading
        where that covers more.
    missing_share
        A window of which more than this share was not measured cannot say that a level is over.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    signals: tuple[Signal, ...] = (
        Signal(level=1, window_h=12, rain_mm=50),
        Signal(level=2, window_h=6, rain_mm=50),
        Signal(level=3, window_h=3, rain_mm=50),
        Signal(level=4, window_h=3, rain_mm=100),
    )
    hold_s: Annotated[float, Field(ge=0, le=86_400)] = 3600
    may_continue: bool = True
    may_continue_mm: Annotated[float, Field(gt=0, le=100)] = 0.1
    may_continue_s: Annotated[float, Field(ge=60, le=86_400)] = 1800
    missing_share: Annotated[float, Field(ge=0, lt=1)] = 0.2

    @model_validator(mode="after")
    def _in_order(self) -> RainParameters:
        for low in self.signals:
            for high in self.signals:
                if low.level < high.level and low.window_h <= high.window_h and low.rain_mm >= high.rain_mm:
                    raise ValueError(
                        f"signal of level {high.level} ({high.rain_mm:g} mm in {high.window_h} h) is reached no"
                        f" later than that of level {low.level} ({low.rain_mm:g} mm in {low.window_h} h)"
                    )
        return self
