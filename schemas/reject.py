"""Rejects: payloads that cannot be readings, kept with their reason."""

from __future__ import annotations

import base64
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from schemas.ids import hashed
from schemas.times import Micros, Time, from_micros


class RejectReason(StrEnum):
    """The closed list of reasons; also the metric's label."""

    NOT_JSON = "not_json"
    NOT_TEXT = "not_text"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    BLANK = "blank"
    INVALID = "invalid"
    UNKNOWN_STATION = "unknown_station"
    UNKNOWN_AREA = "unknown_area"
    WRONG_KIND = "wrong_kind"
    WRONG_TOPIC = "wrong_topic"
    CLOCK_AHEAD = "clock_ahead"
    UNREADABLE = "unreadable"


class Reject(BaseModel):
    """One refused payload; `encoding` says whether `payload` is its text or base64."""

    model_config = ConfigDict(frozen=True)

    id: str
    received_at: Time
    source: str
    reason: RejectReason
    detail: str
    payload: str
    encoding: str = "text"

    @property
    def bytes(self) -> bytes:
        """The payload as it came (of one that was too large, its beginning)."""
        return base64.b64decode(self.payload) if self.encoding == "base64" else self.payload.encode()

    def received(self, received_us: Micros) -> Reject:
        """The same reject at another time of arrival."""
        return make_reject(received_us, self.source, self.reason, self.detail, self.bytes)


def make_reject(
    received_us: Micros, source: str, reason: RejectReason, detail: str, payload: bytes
) -> Reject:
    """A reject of raw bytes; text stays text, anything else becomes base64."""
    try:
        text, encoding = payload.decode(), "text"
    except UnicodeDecodeError:
        text, encoding = base64.b64encode(payload).decode(), "base64"
    return Reject(
        id=hashed("r", received_us, source, reason, text),
        received_at=from_micros(received_us),
        source=source,
        reason=reason,
        detail=detail,
        payload=text,
        encoding=encoding,
    )
