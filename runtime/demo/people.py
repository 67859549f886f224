"""The people of the demo: every phone, every loudspeaker and the city's dispatch system, on loopback."""

from __future__ import annotations

import asyncio
import secrets
import socket
import threading
from collections.abc import Callable

from alerting.channels.webhook import SECRET_VARIABLE
from runtime.cli.engine import TOKEN_VARIABLE
from runtime.clock import Clock
from runtime.demo.told import Told
from runtime.dispatch.dispatching import SMPP_PASSWORD_VARIABLE
from runtime.receivers.loudspeaker import Loudspeakers
from runtime.receivers.message_centre import MessageCentre
from runtime.receivers.webhook import WebhookReceiver

TOKEN = "demo"
"""For acts of operators on the demo's own page."""


class People:
    """Where they are reached is known when this is made; what they receive goes to `told` from the start on."""

    def __init__(self) -> None:
        self.smpp_port = free_port()
        self._webhook_port = free_port()
        self._secret = secrets.token_hex(16)
        self.webhook_url = f"http://127.0.0.1:{self._webhook_port}/notices"
        self.environment = {
            SMPP_PASSWORD_VARIABLE: "demo",
            SECRET_VARIABLE: self._secret,
            TOKEN_VARIABLE: TOKEN,
        }
        """What the dispatcher needs to reach them, and operators the engine."""
        self._stops: list[Callable[[], None]] = []

    def listen(self, told: Told) -> None:
        """Switch phones and the dispatch system on."""
        phones = _Phones(self.smpp_port, told)
        phones.start()
        self._stops.append(phones.stop)
        receiver = WebhookReceiver(self._secret, self._webhook_port, told.webhook)
        receiver.start()
        self._stops.append(receiver.stop)

    def listen_to_broker(self, port: int, clock: Clock, told: Told) -> None:
        """Switch the loudspeakers on, once there is a broker."""
        loudspeakers = Loudspeakers("127.0.0.1", port, clock.now_us, on_played=told.played)
        loudspeakers.start()
        self._stops.append(loudspeakers.stop)

    def stop(self) -> None:
        """Switch all off, the last first."""
        while self._stops:
            self._stops.pop()()


class _Phones:
    """A message centre in a thread of its own."""

    def __init__(self, port: int, told: Told) -> None:
        self._centre_port, self._told = port, told
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="phones", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._ready.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        centre = MessageCentre(self._centre_port, self._told.sms)
        await centre.start()
        self._ready.set()
        await self._stopping.wait()
        await centre.stop()


def free_port() -> int:
    """A port of loopback that nobody uses just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
