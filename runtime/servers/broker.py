"""A broker inside the process, so that a demo or a first try needs no server.

amqtt speaks MQTT 3.1.1 only, acknowledges before it routes, and can lose messages: `fenghuo run` says so and
points to Mosquitto.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import suppress

from amqtt.broker import Broker

_READY_S = 10


class InProcessBroker:
    """amqtt on a loopback port, in a thread of its own."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)

    def start(self) -> None:
        """Listen.

        Raises
        ------
        OSError
            The port is taken.
        """
        for name in ("amqtt", "transitions"):
            logging.getLogger(name).setLevel(logging.ERROR)
        self._thread.start()
        if not self._ready.wait(_READY_S):
            raise OSError(f"the broker did not listen on {self._host}:{self._port} within {_READY_S} s")
        if self._failure is not None:
            raise OSError(f"the broker cannot listen on {self._host}:{self._port}: {self._failure}")

    def stop(self) -> None:
        """Close all connections and end."""
        with suppress(RuntimeError):  # it has ended by itself, and health said so when its clients were lost
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(timeout=_READY_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        broker = Broker(
            {
                "listeners": {"default": {"type": "tcp", "bind": f"{self._host}:{self._port}"}},
                "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
            }
        )
        try:
            await broker.start()
        except Exception as failure:  # noqa: BLE001 - told to whoever started us
            self._failure = failure
            self._ready.set()
            return
        self._ready.set()
        await self._stop.wait()
        await broker.shutdown()
