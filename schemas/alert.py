"""Alerts: one version of what is said to people about one hazard in one area (CAP 1.2's word)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.area import Tier
from schemas.hazard import Hazard
from schemas.times import Time


class Status(StrEnum):
    """Whether it is real; drills and tests never reach live topics."""

    ACTUAL = "actual"
    EXERCISE = "exercise"
    TEST = "test"


class Origin(StrEnum):
    """Whose conclusion it is."""

    DETECTOR = "detector"
    MANUAL = "manual"
    DEPARTMENT = "department"
    NEIGHBOUR = "neighbour"


class Reference(BaseModel):
    """An earlier version of the same chain."""

    model_config = ConfigDict(frozen=True)

    id: str
    version: int
    issued_at: Time


class Alert(BaseModel):
    """One immutable version of a chain.

    `reaches_people` is true for first issue, rise and end; other versions (a change of area, an extension, a change
    of evidence, a fall that stays above none) reach the console and machines only unless policy says otherwise.
    `missing_since`: since when the data that hold the level up are missing, or None.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: Annotated[int, Field(ge=1)]
    status: Status
    type: Literal["issue", "update", "cancel"]
    origin: Origin
    issuer: str
    hazard: Hazard
    level: Annotated[int, Field(ge=0, le=4)]
    previous_level: Annotated[int, Field(ge=0, le=4)]
    area: str
    areas: tuple[str, ...]
    tiers: tuple[Tier, ...]
    observed_at: Time
    issued_at: Time
    effective_at: Time
    expires_at: Time
    headline: str
    description: str
    instruction: str
    speech: str
    repeat: int
    findings: tuple[str, ...]
    evidence: dict[str, Any]
    position: tuple[float, float] | None
    references: tuple[Reference, ...]
    policy: str
    reaches_people: bool = True
    missing_since: Time | None = None


class Release(BaseModel):
    """That one version of an alert may go to one audience: by policy, by a deadline (自动发布) or by an act.

    Topics, feeds and loudspeakers carry only versions released to the public.
    """

    model_config = ConfigDict(frozen=True)

    alert: str
    version: int
    audience: Literal["responsible", "public"]
    at: Time
    by: str
    automatic: bool
