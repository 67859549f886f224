"""SMS by SMPP 3.4: to phones through a message centre.

Channel   `sms`
Repeat    a phone cannot recognise one, so `Unknown` goes again only for orange and red, once, marked 重发
Text      UCS-2; longer ones in parts of 67 characters that the phone joins (UDH)
Receipts  asked for each part; one that comes while we are away is lost, and the notice then stays `sent`
Source    SMPP v3.4 issue 1.2: 5.1.3 command status, 5.2.12 esm_class, appendix B receipts; 3GPP TS 23.040 9.2.3.24.1
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import re
from typing import Literal

import smpp34
from pydantic import BaseModel, ConfigDict, Field

from alerting.channels.base import (
    ChannelReceipt,
    Message,
    Outcome,
    Reason,
    Receive,
    Refused,
    Retry,
    Sent,
    Unknown,
    example_refused,
)

log = logging.getLogger("fenghuo")

PASSWORD_VARIABLE = "FENGHUO_SMPP_PASSWORD"

_SINGLE, _PART = 70, 67
_UCS2, _UDH, _RECEIPT = 8, 0x40, 0x04
_RECEIPTED_MESSAGE_ID, _MESSAGE_STATE = 0x001E, 0x0427
_OK = 0
_PART_TRIES = 5
_PART_PAUSE_S = 0.5
_LOGIN_MARGIN_S = 2.0
_SILENT_LIMIT = 3
"""Answers that stay out in a row before the session is taken for dead."""

_STATUS: dict[int, Retry | Refused] = {
    0x01: Refused(Reason.CONTENT, "message length (0x01)"),
    0x04: Retry(Reason.LOGIN, "bind state (0x04)"),
    0x08: Retry(Reason.BUSY, "system error (0x08)"),
    0x0A: Refused(Reason.REJECTED, "source address (0x0a)"),
    0x0B: Refused(Reason.ADDRESS, "destination address (0x0b)"),
    0x14: Retry(Reason.THROTTLED, "queue full (0x14)"),
    0x45: Retry(Reason.BUSY, "submit failed (0x45)"),
    0x50: Refused(Reason.ADDRESS, "destination type (0x50)"),
    0x51: Refused(Reason.ADDRESS, "destination plan (0x51)"),
    0x58: Retry(Reason.THROTTLED, "throttled (0x58)"),
    0x64: Retry(Reason.BUSY, "application, temporary (0x64)"),
    0x65: Refused(Reason.REJECTED, "application, permanent (0x65)"),
    0x66: Refused(Reason.REJECTED, "application, refused (0x66)"),
}
"""A message centre's answers onto our outcomes. One that stands here nowhere is tried again and in the end parked."""


class SmppSettings(BaseModel):
    """The message centre. The password stands in a file or in FENGHUO_SMPP_PASSWORD, never here."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    host: str
    """The message centre."""
    port: int = Field(default=2775, ge=1, le=65535)
    """Its port."""
    system_id: str = Field(min_length=1, max_length=15)
    """As whom we log in."""
    password_file: str | None = None
    """A file that holds the password; left out, FENGHUO_SMPP_PASSWORD does."""
    system_type: str = Field(default="", max_length=12)
    """As the operator prescribes."""
    source: str = Field(default="", max_length=20)
    """Sender that the phone shows; empty: the message centre's own."""
    tls: bool = False
    """Whether the connection is TLS."""
    window: int = Field(default=20, ge=1, le=1000)
    """Submissions without an answer at one time."""
    answer_s: float = Field(default=10.0, gt=0)
    """How long to wait for an answer; after it the outcome is unknown."""


class SmsChannel:
    """One session with a message centre, made when it is first needed and made again when it is lost.

    Parameters
    ----------
    password
        Sent to the message centre and nowhere else.
    receive
        Takes delivery receipts; by reference.
    """

    name = "sms"
    repeatable = False

    def __init__(self, settings: SmppSettings, password: str, receive: Receive) -> None:
        self._settings = settings
        self._password = password
        self._receive = receive
        self._client: smpp34.Client | None = None
        self._session: smpp34.Smsc | None = None
        self._listener: asyncio.Task[None] | None = None
        self._binding = asyncio.Lock()
        self._window = asyncio.Semaphore(settings.window)
        self._numbers = itertools.count(1)
        self._silent = 0

    async def send(self, message: Message) -> Outcome:
        """Submit all parts, in order."""
        refused = example_refused(message.address, self._settings.host)
        if refused is not None:
            return refused
        references: list[str] = []
        for esm_class, body in parts(message.text, next(self._numbers) % 256):
            outcome = await self._submit_part(message.address, esm_class, body, begun=bool(references))
            if not isinstance(outcome, Sent):
                if references and not isinstance(outcome, Unknown):
                    return Unknown(
                        Reason.PARTIAL, f"part {len(references) + 1}: {outcome.reason}, {outcome.detail}"
                    )
                return outcome
            references += outcome.references
        return Sent(tuple(references))

    async def probe(self) -> Outcome:
        """Log in, or find that we are logged in and alive."""
        session = await self._bound()
        if not isinstance(session, smpp34.Smsc):
            return session
        assert self._client is not None
        return Sent() if await self._client.is_alive() else Retry(Reason.UNREACHABLE, "the session has ended")

    async def close(self) -> None:
        """Unbind and close."""
        client, listener = self._client, self._listener
        self._client = self._session = self._listener = None
        if listener is not None:
            listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listener
        if client is not None:
            # The other side may be gone: leaving in order is a courtesy, not a condition.
            with contextlib.suppress(smpp34.SmppError, TimeoutError):
                await asyncio.wait_for(client.stop(), timeout=2)

    async def _submit_part(self, address: str, esm_class: int, body: bytes, *, begun: bool) -> Outcome:
        # A message that was begun should be finished: half of it is worse than a moment's waiting.
        outcome = await self._submit(address, esm_class, body)
        for attempt in range(_PART_TRIES if begun else 0):
            if not isinstance(outcome, Retry):
                break
            await asyncio.sleep(_PART_PAUSE_S * 2**attempt)
            outcome = await self._submit(address, esm_class, body)
        return outcome

    async def _submit(self, address: str, esm_class: int, body: bytes) -> Outcome:
        session = await self._bound()
        if not isinstance(session, smpp34.Smsc):
            return session
        async with self._window:
            try:
                answer = await asyncio.wait_for(
                    session.submit_sm(
                        address,
                        body,
                        source_addr=self._settings.source,
                        dest_addr_ton=1,
                        dest_addr_npi=1,
                        esm_class=esm_class,
                        data_coding=_UCS2,
                        registered_delivery=1,
                    ),
                    self._settings.answer_s,
                )
            except TimeoutError:
                self._silent += 1
                if self._silent >= _SILENT_LIMIT:
                    await self._lose(session)
                return Unknown(Reason.NO_ANSWER, f"no answer within {self._settings.answer_s:g} s")
            except smpp34.SmppError:
                # The library does not say whether it had written the submission when the session ended.
                await self._lose(session)
                return Unknown(Reason.NO_ANSWER, "the session ended before an answer")
            except ValueError:
                return Refused(Reason.ADDRESS, "the address cannot be written in SMPP")
        self._silent = 0
        return outcome_of(answer.command_status, answer.message_id)

    async def _bound(self) -> smpp34.Smsc | Retry:
        async with self._binding:
            if self._session is not None:
                return self._session
            settings = self._settings
            client = smpp34.Client(
                settings.host,
                settings.port,
                settings.system_id,
                self._password,
                bind_type="TRX",
                system_type=settings.system_type,
                tls=settings.tls,
                window_size=settings.window,
                connect_timeout_ms=int(settings.answer_s * 1000),
            )
            try:
                session = await asyncio.wait_for(client.connect(), settings.answer_s + _LOGIN_MARGIN_S)
            except TimeoutError:
                return Retry(Reason.UNREACHABLE, "no connection")
            except (smpp34.SmppError, OSError) as error:
                return _login_failed(str(error))
            self._client, self._session, self._silent = client, session, 0
            self._listener = asyncio.create_task(self._listen(session), name="sms receipts")
            return session

    async def _lose(self, session: smpp34.Smsc) -> None:
        if self._session is session:
            log.warning("channel.lost channel=sms host=%s", self._settings.host)
            await self.close()

    async def _listen(self, session: smpp34.Smsc) -> None:
        while True:
            event = await session.next()
            if isinstance(event, smpp34.Disconnected):
                if self._session is session:
                    log.warning("channel.lost channel=sms host=%s", self._settings.host)
                    self._session = self._client = None
                return
            if event.esm_class & _RECEIPT:
                receipt = read_receipt(event)
                if receipt is not None:
                    self._receive(receipt)


def parts(text: str, number: int) -> list[tuple[int, bytes]]:
    """A text as (esm_class, short_message) of each SMS that it needs.

    Parameters
    ----------
    number
        0..255, by which a phone tells which parts belong together.
    """
    if len(text.encode("utf-16-be")) <= 2 * _SINGLE:
        return [(0, text.encode("utf-16-be"))]
    pieces: list[str] = [""]
    size = 0
    for character in text:
        units = 2 if ord(character) > 0xFFFF else 1  # a surrogate pair must not be torn apart
        if size + units > _PART:
            pieces.append("")
            size = 0
        pieces[-1] += character
        size += units
    total = len(pieces)
    return [
        (_UDH, bytes((5, 0, 3, number, total, index)) + piece.encode("utf-16-be"))
        for index, piece in enumerate(pieces, start=1)
    ]


def outcome_of(status: int, message_id: str | None) -> Outcome:
    """The outcome that a command status means."""
    if status == _OK:
        return Sent((message_id,) if message_id else ())
    return _STATUS.get(status, Retry(Reason.REJECTED, f"command status 0x{status:02x}"))


def read_receipt(event: smpp34.DeliverSmEvent) -> ChannelReceipt | None:
    """A delivery receipt; None for one that names nothing or says nothing final."""
    values = {tlv.tag: tlv.value for tlv in event.tlvs}
    text = event.short_message.decode("latin-1")
    named = values.get(_RECEIPTED_MESSAGE_ID)
    reference = named.rstrip(b"\0").decode("latin-1") if named else _field(text, "id")
    state = values.get(_MESSAGE_STATE)
    word = _STATES.get(state[0], "") if state else _field(text, "stat")
    if not reference:
        return None
    final: Literal["delivered", "failed"]
    if word == "DELIVRD":
        final = "delivered"
    elif word in {"EXPIRED", "DELETED", "UNDELIV", "REJECTD"}:
        final = "failed"
    else:
        return None
    return ChannelReceipt("sms", final, reference=reference, detail=None if final == "delivered" else word)


_STATES = {2: "DELIVRD", 3: "EXPIRED", 4: "DELETED", 5: "UNDELIV", 8: "REJECTD"}


def _field(text: str, name: str) -> str:
    found = re.search(rf"(?:^|\s){name}:(\S+)", text)
    return found.group(1) if found else ""


def _login_failed(error: str) -> Retry:
    # The library passes over a refused login and then says that it timed out: the two cannot be told apart.
    if "bind" in error.lower():
        return Retry(Reason.LOGIN, "the message centre refused the login or did not answer it")
    return Retry(Reason.UNREACHABLE, "no connection")
