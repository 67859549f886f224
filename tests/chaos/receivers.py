"""Who is told: phones, other systems and loudspeakers that outlive every fault, and know a repeat by its key."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any, Self

from runtime.clock import Clock
from runtime.receivers.loudspeaker import Loudspeakers, Played
from runtime.receivers.message_centre import MessageCentre
from runtime.receivers.webhook import WebhookReceiver
from tests.chaos.judging import Told
from tests.servers.base import spare_port

SECRET = "chaos"
_ANSWERS_AFTER_S = 0.2
"""Long enough that a kill finds notices that have left and have no answer."""


class Receivers:
    """All receivers; the loudspeakers begin when their broker runs."""

    def __init__(self) -> None:
        self.smpp_port = spare_port()
        self.webhook = WebhookReceiver(SECRET, on_notice=self._on_notice)
        self.told: list[Told] = []
        """What the channels with an idempotency key brought to somebody, in order."""
        self._sending = threading.Event()
        self._centre: MessageCentre | None = None
        self._speakers: Loudspeakers | None = None
        self._loop = asyncio.new_event_loop()
        self._ready, self._stopping = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(
            target=self._loop.run_until_complete, args=(self._serve(),), name="message centre", daemon=True
        )

    def __enter__(self) -> Self:
        self.webhook.start()
        self._thread.start()
        if not self._ready.wait(30):
            raise TimeoutError("the message centre did not start")
        return self

    def __exit__(self, *_: object) -> None:
        if self._speakers is not None:
            self._speakers.stop()
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._loop.close()
        self.webhook.stop()

    def listen(self, host: str, port: int, clock: Clock) -> None:
        """Let all loudspeakers listen to a broker that runs."""
        self._speakers = Loudspeakers(
            host, port, clock.now_us, device="chaos-loudspeakers", version="5", on_played=self._on_played
        )
        self._speakers.start()

    def wait_for_a_notice(self, at_most_s: float) -> None:
        """Wait until a webhook's notice has come that is not answered yet."""
        self._sending.clear()
        self._sending.wait(at_most_s)

    @property
    def repeats(self) -> int:
        """How many repeats the receivers have known by their key, and told nobody."""
        again = self.webhook.requests - len(self.webhook.notices) - self.webhook.forged
        return again + (0 if self._speakers is None else self._speakers.repeats)

    @property
    def messages(self) -> int:
        """How many short messages reached a phone."""
        return 0 if self._centre is None else len(self._centre.inbox)

    def _on_notice(self, notice: dict[str, Any]) -> None:
        self.told.append(Told("webhook", notice["recipient"], notice["id"]))
        self._sending.set()
        time.sleep(_ANSWERS_AFTER_S)

    def _on_played(self, played: Played) -> None:
        self.told.append(Told("broadcast", played.address, played.notice))

    async def _serve(self) -> None:
        self._centre = MessageCentre(self.smpp_port)
        await self._centre.start()
        self._ready.set()
        await self._stopping.wait()
        await self._centre.stop()
