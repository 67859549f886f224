"""Taking: what devices send is numbered and on the disk before they are told that it is taken.

In      `Arrival`s from the local broker and from HTTP, in any thread
Out     messages in the store; then, never before, the acknowledgements

One thread writes, what arrives within 20 ms in one transaction. While the store is full or the disk cannot be written
it keeps what it holds in hand, acknowledges nothing and says so; the local broker then holds the rest.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
import time
from collections.abc import Callable

from ingest.arrival import Arrival, Settled, settle_all
from runtime import metrics
from runtime.relay.numbering import UNNUMBERED_TOPIC, Message, Numbering
from runtime.relay.store import RelayStore

GATHER_S = 0.020
GATHER_PAYLOADS = 500
GATHER_BYTES = 4 * 1024 * 1024
QUEUE_PAYLOADS = 2000
"""More than the local broker sends ahead (`devices.window`), so that its connection never waits here."""
_RETRY_S = 0.5


class Taking:
    """Takes arrivals in one thread.

    Parameters
    ----------
    on_kept
        Called after each durable write.
    """

    def __init__(self, store: RelayStore, numbering: Numbering, on_kept: Callable[[], None]) -> None:
        self._store = store
        self._numbering = numbering
        self._on_kept = on_kept
        self._queue: queue.Queue[Arrival | None] = queue.Queue(QUEUE_PAYLOADS)
        self._closed = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="taking", daemon=True)
        self._fault: str | None = None

    def start(self) -> None:
        """Begin to take."""
        self._thread.start()

    def close(self) -> None:
        """From now on nobody waits for room, so that sources can end while there is none."""
        self._closed.set()

    def stop(self) -> None:
        """Write what is in hand where there is room, and end."""
        self._stopping.set()
        self._queue.put(None)
        self._thread.join()

    def submit(self, arrival: Arrival) -> None:
        """Hand on a payload; blocks while too many wait. Once closed, what finds no room is let go, unacknowledged."""
        while not self._closed.is_set():
            try:
                self._queue.put(arrival, timeout=_RETRY_S)
            except queue.Full:
                continue
            return

    def refusal(self) -> str | None:
        """Why nothing can be taken just now; None while it can."""
        if self._store.full:
            return f"{self._store.count} readings are held, as much as most_mb lets it"
        return self._fault

    def _run(self) -> None:
        while not (self._stopping.is_set() and self._queue.empty()):
            arrivals = self._gather()
            if arrivals:
                self._take(arrivals)

    def _gather(self) -> list[Arrival]:
        arrivals: list[Arrival] = []
        size = 0
        item = self._queue.get()
        ends = time.monotonic() + GATHER_S
        while item is not None:
            arrivals.append(item)
            size += len(item.payload)
            if len(arrivals) >= GATHER_PAYLOADS or size >= GATHER_BYTES:
                break
            try:
                item = self._queue.get(timeout=max(0.0, ends - time.monotonic()))
            except queue.Empty:
                break
        return arrivals

    def _take(self, arrivals: list[Arrival]) -> None:
        taken = [self._numbered(arrival) for arrival in arrivals]
        messages = [message for part in taken for message in part]
        last = self._numbering.changed()
        while (fault := self._kept(lambda: self._store.keep(messages, last))) is not None:
            if self._fault is None:
                metrics.log.error("relay.full reason=%s; nothing more is taken until there is room", fault)
            self._fault = fault
            if self._stopping.wait(_RETRY_S):
                return
        if self._fault is not None:
            metrics.log.warning("relay.room again after=%s", self._fault)
        self._fault = None
        metrics.relay_taken_total.inc(len(messages))
        metrics.relay_unnumbered_total.inc(sum(message.number is None for message in messages))
        settle_all(arrivals, [Settled(len(part), (), ()) for part in taken])
        self._on_kept()

    def _numbered(self, arrival: Arrival) -> list[Message]:
        try:
            return self._numbering.take(arrival.payload, arrival.expected)
        except Exception:  # noqa: BLE001 - no payload may end the thread that takes all others
            metrics.log.exception("relay.unnumbered source=%s", arrival.source)
            return [Message(None, None, UNNUMBERED_TOPIC, arrival.payload)]

    def _kept(self, keep: Callable[[], None]) -> str | None:
        if self._store.full:
            return self.refusal()
        try:
            keep()
        except sqlite3.Error as error:
            return str(error)
        return None
