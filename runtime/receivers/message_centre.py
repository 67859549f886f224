"""A message centre: takes SMS by SMPP 3.4, joins their parts, and sends the receipts that were asked for."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import smpp34

_UDH = 0x40
_RECEIPT = 0x04
_RECEIPTED_MESSAGE_ID, _MESSAGE_STATE = 0x001E, 0x0427
_DELIVERED = 2
_NO_SUCH_DESTINATION, _THROTTLED = 0x0B, 0x58


@dataclass(frozen=True)
class Sms:
    """One whole message on a phone."""

    address: str
    text: str
    parts: int


@dataclass
class Faults:
    """What goes wrong, for tests: how many of the next submissions."""

    throttle: int = 0
    """Answered with "throttled"."""
    swallow: int = 0
    """Taken and shown to the phone, and never answered."""
    reject_address: int = 0
    """Answered with "no such destination"."""


class MessageCentre:
    """An SMPP server on loopback.

    Parameters
    ----------
    on_sms
        Told of each whole message, in the event loop.
    """

    def __init__(self, port: int, on_sms: Callable[[Sms], None] = lambda _: None) -> None:
        self.port = port
        self.inbox: list[Sms] = []
        self.faults = Faults()
        self._on_sms = on_sms
        self._server = smpp34.Server("127.0.0.1", port, system_id="fenghuo")
        self._ids = itertools.count(1)
        self._pieces: dict[tuple[str, int], dict[int, str]] = {}
        self._phones: dict[str, smpp34.Esme] = {}
        self._held: list[smpp34.SubmitSmEvent] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen."""
        await self._server.start()
        self._spawn(self._serve())

    async def stop(self) -> None:
        """Stop listening; what is under way is left."""
        for task in list(self._tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._server.stop()

    async def _serve(self) -> None:
        while True:
            event = await self._server.next()
            if isinstance(event, smpp34.Esme):
                self._phones[event.session_id] = event
            elif isinstance(event, smpp34.Unbound):
                self._phones.pop(event.session_id, None)
            else:
                self._take(event)

    def _take(self, event: smpp34.SubmitSmEvent) -> None:
        if self.faults.throttle:
            self.faults.throttle -= 1
            event.reject(_THROTTLED)
            return
        if self.faults.reject_address:
            self.faults.reject_address -= 1
            event.reject(_NO_SUCH_DESTINATION)
            return
        self._show(event)
        if self.faults.swallow:
            self.faults.swallow -= 1
            self._held.append(event)  # an event that is dropped would be answered
            return
        message_id = f"mc-{next(self._ids)}"
        event.accept(message_id)
        session = self._phones.get(event.session_id)
        if session is not None and session.can_receive and event.registered_delivery & 1:
            self._spawn(_confirm(session, event, message_id))

    def _show(self, event: smpp34.SubmitSmEvent) -> None:
        body = event.short_message
        address = event.destination_addr
        if not event.esm_class & _UDH:
            self._arrived(Sms(address, body.decode("utf-16-be"), 1))
            return
        number, total, index = body[3], body[4], body[5]
        pieces = self._pieces.setdefault((address, number), {})
        pieces[index] = body[6:].decode("utf-16-be")
        if len(pieces) == total:
            del self._pieces[(address, number)]
            self._arrived(Sms(address, "".join(pieces[one] for one in sorted(pieces)), total))

    def _arrived(self, sms: Sms) -> None:
        self.inbox.append(sms)
        self._on_sms(sms)

    def _spawn(self, work: object) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _confirm(session: smpp34.Esme, event: smpp34.SubmitSmEvent, message_id: str) -> None:
    text = f"id:{message_id} sub:001 dlvrd:001 submit date:0101010101 done date:0101010101 stat:DELIVRD err:000 text:"
    # The sender may have gone: then there is nobody to tell.
    with contextlib.suppress(smpp34.SmppError):
        await session.deliver_sm(
            event.source_addr,
            text.encode("ascii"),
            source_addr=event.destination_addr,
            esm_class=_RECEIPT,
            tlvs=[
                smpp34.Tlv(_RECEIPTED_MESSAGE_ID, message_id.encode("ascii") + b"\0"),
                smpp34.Tlv(_MESSAGE_STATE, bytes([_DELIVERED])),
            ],
        )
