"""Truth: what really happened, in a simulated or real event; what `verify` scores alerts against."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from schemas.hazard import Hazard
from schemas.times import Time


class Event(BaseModel):
    """One hazard at one level in one area, from `begins_at` to `ends_at`."""

    model_config = ConfigDict(frozen=True)

    hazard: Hazard
    level: Annotated[int, Field(ge=0, le=4)]
    area: str
    begins_at: Time
    ends_at: Time


class Truth(BaseModel):
    """The content of `truth.json`."""

    model_config = ConfigDict(frozen=True)

    events: tuple[Event, ...]
