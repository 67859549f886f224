"""The feed: what has just been decided, to every open page, by server-sent events.

A page that falls behind loses events, never the engine its pace: the page is told to load itself anew.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

_QUEUE_EVENTS = 1000


class Feed:
    """Hands events from the engine's threads to the pages' coroutines."""

    def __init__(self) -> None:
        self._subscribers: dict[asyncio.Queue[tuple[str, str]], asyncio.AbstractEventLoop] = {}
        self._lock = threading.Lock()

    def publish(self, event: str, data: Any) -> None:
        """Tell every page; from any thread."""
        with self._lock:
            subscribers = list(self._subscribers.items())
        if not subscribers:
            return
        text = json.dumps(data, ensure_ascii=False)
        for queue, loop in subscribers:
            with suppress(RuntimeError):  # the server has just closed: nobody is there to hear it
                loop.call_soon_threadsafe(_put, queue, (event, text))

    async def events(self) -> AsyncIterator[tuple[str, str]]:
        """(event, JSON) as they come, until the page leaves."""
        queue: asyncio.Queue[tuple[str, str]] = asyncio.Queue(_QUEUE_EVENTS)
        with self._lock:
            self._subscribers[queue] = asyncio.get_running_loop()
        try:
            while True:
                yield await queue.get()
        finally:
            with self._lock:
                self._subscribers.pop(queue, None)


def _put(queue: asyncio.Queue[tuple[str, str]], item: tuple[str, str]) -> None:
    if queue.full():
        while not queue.empty():
            queue.get_nowait()
        item = ("reload", "{}")
    queue.put_nowait(item)
