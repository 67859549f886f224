"""Notices: one or several alert versions for one recipient by one channel, and what became of them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.alert import Status
from schemas.area import Tier
from schemas.hazard import Hazard
from schemas.times import Time


class NoticeState(StrEnum):
    """Where a notice stands; `held` and `due` follow from the log, the rest is the dispatchers'."""

    HELD = "held"
    DUE = "due"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    UNKNOWN = "unknown"
    PARKED = "parked"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"


FINAL: frozenset[NoticeState] = frozenset(
    {NoticeState.DELIVERED, NoticeState.FAILED, NoticeState.SUPERSEDED, NoticeState.EXPIRED}
)
"""States from which a notice does not move on by itself."""


class AlertVersion(BaseModel):
    """Names one version of one chain."""

    model_config = ConfigDict(frozen=True)

    id: str
    version: int


class Notice(BaseModel):
    """What one recipient is to be told by one channel.

    `text` is what is said (SMS text, speech for `broadcast`); `supersedes`: earlier notices to the same recipient and channel
    about the same chains, which this one makes pointless while they are unsent; `expires_at`: after which
    it is not worth sending. `attempts` and what follows are the dispatchers' and no replay compares them.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    alerts: tuple[AlertVersion, ...]
    audience: Literal["responsible", "public"]
    tier: Tier
    area: str
    recipient: str
    channel: str
    state: NoticeState
    attempts: int = 0
    first_due_at: Time | None
    sent_at: Time | None = None
    delivered_at: Time | None = None
    answer: str | None = None
    answered_at: Time | None = None
    error: str | None = None
    hazard: Hazard
    level: Annotated[int, Field(ge=0, le=4)]
    cancel: bool = False
    status: Status
    text: str
    repeat: int = 1
    expires_at: Time
    supersedes: tuple[str, ...] = ()
    automatic_release: bool = False


class Receipt(BaseModel):
    """The channel's word on a notice: a delivery report or a player's answer."""

    model_config = ConfigDict(frozen=True)

    notice: str
    state: Literal["delivered", "failed", "played"]
    at: Time
    device: str | None = None
    detail: str | None = None
