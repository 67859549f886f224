"""Webhook: a notice as signed JSON to another system by HTTP.

Channel   `webhook`
Repeat    safe: the receiver sees one `Idempotency-Key`, so `Unknown` simply goes again
Signature `Fenghuo-Signature: v1=<hex HMAC-SHA256 of "<Fenghuo-Timestamp>.<body>">`
Receipts  a 2xx is one; there is no other
Source    RFC 9110 status codes and Retry-After; RFC 2104 HMAC
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ConfigDict, Field

from alerting.channels.base import (
    Message,
    Outcome,
    Reason,
    Refused,
    Retry,
    Sent,
    Unknown,
    example_refused,
)
from schemas.alert import Status
from schemas.times import SECOND

SECRET_VARIABLE = "FENGHUO_WEBHOOK_SECRET"
_MAX_WAIT_S = 3600.0
_WHOLE_SECONDS = re.compile(r"[0-9]{1,9}")


class WebhookSettings(BaseModel):
    """How webhooks go. The secret stands in a file or in FENGHUO_WEBHOOK_SECRET, never here."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    secret_file: str | None = None
    """A file that holds the key of the signatures; left out, FENGHUO_WEBHOOK_SECRET does."""
    connect_s: float = Field(default=5.0, gt=0)
    """How long to wait for a connection."""
    answer_s: float = Field(default=10.0, gt=0)
    """How long to wait for an answer; after it the outcome is unknown."""
    exercise_receiver: str | None = None
    """In exercises and tests all webhooks go here and not to their addresses."""


class WebhookChannel:
    """Posts notices.

    Parameters
    ----------
    secret
        Key of the signatures; shared with the receivers, and sent to nobody.
    transport
        Another way to the network, for tests.
    """

    name = "webhook"
    repeatable = True

    def __init__(
        self, settings: WebhookSettings, secret: str, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._settings = settings
        self._secret = secret.encode()
        timeout = httpx.Timeout(settings.answer_s, connect=settings.connect_s)
        # No proxy of the environment and no redirect: a warning goes where the configuration says.
        self._http = httpx.AsyncClient(
            timeout=timeout, follow_redirects=False, trust_env=False, transport=transport
        )

    async def send(self, message: Message) -> Outcome:
        """Post one notice."""
        address = message.address
        if self._settings.exercise_receiver is not None and message.notice.status is not Status.ACTUAL:
            address = self._settings.exercise_receiver
        refused = _address_refused(address)
        if refused is not None:
            return refused
        body = body_of(message)
        timestamp = str(message.sent_us // SECOND)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Idempotency-Key": message.notice.id,
            "Fenghuo-Timestamp": timestamp,
            "Fenghuo-Signature": signature(self._secret, timestamp, body),
        }
        return await self._exchange(lambda: self._http.post(address, content=body, headers=headers))

    async def probe(self) -> Outcome:
        """Ask the receiver of exercises whether it is there; without one there is no single link to test."""
        receiver = self._settings.exercise_receiver
        if receiver is None:
            return Sent()
        outcome = await self._exchange(lambda: self._http.head(receiver))
        # Any answer shows the link: a receiver need not know HEAD.
        return Sent() if isinstance(outcome, Refused) else outcome

    async def close(self) -> None:
        """Close connections."""
        await self._http.aclose()

    async def _exchange(self, call: Callable[[], Any]) -> Outcome:
        # Only the class of an error is told: its text may repeat an address that holds a token.
        try:
            response: httpx.Response = await call()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return Retry(Reason.UNREACHABLE, type(error).__name__)
        except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.LocalProtocolError) as error:
            return Refused(Reason.ADDRESS, type(error).__name__)
        except (httpx.TransportError, httpx.DecodingError) as error:
            return Unknown(Reason.NO_ANSWER, type(error).__name__)
        return outcome_of(response.status_code, response.headers.get("Retry-After"))


def outcome_of(status: int, retry_after: str | None = None) -> Outcome:
    """The outcome that an HTTP status means.

    Parameters
    ----------
    retry_after
        The header; only whole seconds are understood, a date is as if there were none.
    """
    detail = f"HTTP {status}"
    after_s = None
    if retry_after is not None and _WHOLE_SECONDS.fullmatch(retry_after.strip()):
        after_s = min(float(retry_after), _MAX_WAIT_S)
    if 200 <= status <= 299:
        return Sent(delivered=True)
    if status == 429:
        return Retry(Reason.THROTTLED, detail, after_s)
    if status in {408, 425} or status >= 500:
        return Retry(Reason.BUSY, detail, after_s)
    if status in {401, 403, 407}:
        return Refused(Reason.LOGIN, detail)
    if status in {404, 405, 410}:
        return Refused(Reason.ADDRESS, detail)
    if status in {400, 413, 415, 422}:
        return Refused(Reason.CONTENT, detail)
    return Refused(Reason.REJECTED, detail)


def body_of(message: Message) -> bytes:
    """The JSON that a receiver gets: the notice without what is ours to know about its sending."""
    notice = message.notice.model_dump(
        mode="json",
        include={
            "id",
            "alerts",
            "audience",
            "tier",
            "area",
            "recipient",
            "hazard",
            "level",
            "cancel",
            "status",
        }
        | {"first_due_at", "expires_at"},
    )
    return json.dumps({**notice, "text": message.text}, ensure_ascii=False, sort_keys=True).encode()


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """The value of `Fenghuo-Signature`; the time is signed too, so that an old request cannot be played again."""
    digest = hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"v1={digest}"


def _address_refused(address: str) -> Refused | None:
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return Refused(Reason.ADDRESS, "no URL")
    if parts.scheme not in {"http", "https"} or not host:
        return Refused(Reason.ADDRESS, "no URL of http or https")
    if host == "example" or host.endswith(".example"):
        return example_refused(host, host)
    return None
