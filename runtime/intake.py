"""The intake: payloads from every source become records of the log, and are acknowledged when they are durable.

In      `Arrival`s from sources, in any thread; acts and configurations from the engine
Out     packets, ticks and acts in the log; rejects in the ledger; then, never before, the acknowledgements

One thread owns the order. It gathers what arrives within 20 ms, or 500 payloads, or 4 MB, or until a burst pauses, into
one transaction: one packet for each kind and association area. Where the log cannot be written it keeps what it holds,
acknowledges nothing, says so, and tries again; what waits before it is bounded, so that sources feel it.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

from ingest.arrival import Arrival, NoRoom, settle_all
from runtime import metrics
from runtime.admission import Admission
from runtime.clock import Clock
from runtime.logstore import LogFull
from schemas.act import Act
from schemas.bundle import Bundle
from schemas.errors import plain
from schemas.log import ActRecord, ConfigurationRecord, Record, Tick
from schemas.reject import Reject
from schemas.times import Micros

GATHER_S = 0.020
GATHER_PAYLOADS = 500
GATHER_BYTES = 4 * 1024 * 1024
MANY_PAYLOADS, PAUSE_S = 16, 0.002
"""So many are worth a record when nothing came for a while."""
HELD_PAYLOADS = 20_000
HELD_BYTES = 256 * 1024 * 1024
"""What may wait before the log; a log that cannot be written must not fill the memory instead."""
TICK_EVERY_S = 0.25
_RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)


OnDurable = Callable[[Bundle, Sequence[tuple[str, Micros, Record]], Sequence[Reject]], None]
"""Takes the bundle in whose rows the packets are, records with their areas, and rejects."""


class LogWriter(Protocol):
    """The part of a log that the intake needs."""

    def append(self, records: Sequence[tuple[str, Micros, Record]]) -> None:
        """Write records, each with its area and the time of writing; durable when it returns."""
        ...


class RejectKeeper(Protocol):
    """The part of the ledger that the intake needs."""

    def add_rejects(self, rejects: Sequence[Reject]) -> None:
        """Keep rejects; a repeat by id is kept once. Durable when it returns."""
        ...


@dataclass(slots=True)
class _Written:
    area: str
    make: Callable[[Micros], Record]
    done: Future[None]
    bundle: Bundle | None = None
    """By which to decode from here on."""


@dataclass(slots=True)
class _Gathered:
    arrivals: list[Arrival] = field(default_factory=list)
    written: list[_Written] = field(default_factory=list)
    bundle: Bundle | None = None
    """By which to decode from here on, told by somebody else's record."""
    size: int = 0
    """Bytes of the arrivals."""


class Intake:
    """Turns arrivals into log records, in one thread.

    Parameters
    ----------
    bundle
        The configuration by which readings are decoded; `configure` changes it.
    due
        Tells for each association area when its pipeline wants a tick; while an area is quiet the intake writes one then.
    on_logged
        Called after each durable append.
    """

    def __init__(
        self,
        log: LogWriter,
        rejects: RejectKeeper,
        bundle: Bundle,
        clock: Clock,
        *,
        due: Callable[[str], Micros | None],
        on_logged: Callable[[], None],
    ) -> None:
        self._log = log
        self._rejects = rejects
        self._clock = clock
        self._due = due
        self._on_logged = on_logged
        self._admission = Admission(bundle)
        self._queue: queue.SimpleQueue[Arrival | _Written | Bundle | None] = queue.SimpleQueue()
        self._room = threading.Condition()
        self._held_payloads = self._held_bytes = 0
        self._door_closed = False
        self._stopping = threading.Event()
        self._ticked: dict[str, Micros] = {}
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)
        self.on_durable: OnDurable = _tell_nobody
        """Told what is durable before its source is; set before the start, must not raise."""
        self.fault: str | None = None
        """Why the log cannot be written just now; None while it can."""
        self.failure: str | None = None
        """What the intake has tripped over: it goes on, and what that hit stays unacknowledged."""

    def start(self) -> None:
        """Begin to take arrivals."""
        self._thread.start()

    def stop(self) -> None:
        """Write what has been taken, then end. What cannot be written stays unacknowledged."""
        self._stopping.set()
        self._queue.put(None)
        self._thread.join()

    def submit(self, arrival: Arrival) -> None:
        """Hand on a payload; blocks while there is no room.

        Once the door is closed, an arrival that finds no room is let go: unacknowledged, it is its source's still.
        """
        with self._room:
            while not self._has_room():
                if self._door_closed:
                    return
                self._room.wait()
            self._hold(arrival)

    def offer(self, arrival: Arrival) -> None:
        """Hand on a payload of a sender that can come again.

        Raises
        ------
        NoRoom
            The log cannot be written just now, or too much waits for it.
        """
        with self._room:
            if self.fault is not None or not self._has_room():
                raise NoRoom("the log cannot be written just now; send the same readings again")
            self._hold(arrival)

    def close_door(self) -> None:
        """From now on nobody waits for room, so that sources can end while the log cannot be written."""
        with self._room:
            self._door_closed = True
            self._room.notify_all()

    def append_act(self, area: str, act: Act) -> Future[None]:
        """Append an act to an association area's log; the future is done when it is durable."""
        body = act.model_dump_json().encode()
        return self._write(area, lambda now: ActRecord(now, body))

    def configure(self, bundle: Bundle) -> list[Future[None]]:
        """Write a bundle's record into every area's log; what comes behind it is decoded by that bundle."""
        return [
            self._write(area, lambda now: ConfigurationRecord(now, bundle.hash), bundle)
            for area in bundle.associations
        ]

    def decode_by(self, bundle: Bundle) -> None:
        """Decode what comes from now on by a bundle that stands in the logs already."""
        self._queue.put(bundle)

    def _write(
        self, area: str, make: Callable[[Micros], Record], bundle: Bundle | None = None
    ) -> Future[None]:
        done: Future[None] = Future()
        self._queue.put(_Written(area, make, done, bundle))
        return done

    def _has_room(self) -> bool:
        return self._held_payloads < HELD_PAYLOADS and self._held_bytes < HELD_BYTES

    def _hold(self, arrival: Arrival) -> None:
        self._held_payloads += 1
        self._held_bytes += len(arrival.payload)
        self._queue.put(arrival)

    def _make_room(self, gathered: _Gathered) -> None:
        with self._room:
            self._held_payloads -= len(gathered.arrivals)
            self._held_bytes -= gathered.size
            self._room.notify_all()

    # --- the thread --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            gathered = self._gather()
            try:
                if gathered.arrivals or gathered.written:
                    self._take(gathered)
                if gathered.bundle is not None:
                    self._turn_to(gathered.bundle)
                self._tick()
            except Exception as error:  # noqa: BLE001 - without this thread nothing is taken at all
                self._tripped(gathered, error)
            self._make_room(gathered)
            if self._stopping.is_set() and self._queue.empty():
                return

    def _tripped(self, gathered: _Gathered, error: Exception) -> None:
        self.failure = f"{type(error).__name__}: {plain(error)}"
        metrics.log.critical(
            "intake.tripped payloads=%d; they stay unacknowledged", len(gathered.arrivals), exc_info=error
        )
        self._admission = Admission(self._admission.bundle)
        for written in gathered.written:
            if not written.done.done():
                written.done.set_exception(error)

    def _gather(self) -> _Gathered:
        gathered = _Gathered()
        arrivals, size = gathered.arrivals, 0
        wait_s, ends_s = TICK_EVERY_S, 0.0
        while len(arrivals) < GATHER_PAYLOADS and size < GATHER_BYTES:
            try:
                item = self._queue.get(timeout=wait_s) if wait_s else self._queue.get_nowait()
            except queue.Empty:
                if wait_s or not ends_s:
                    break
                wait_s = self._patience_s(len(arrivals), ends_s)
                if wait_s <= 0:
                    break
                continue
            if not ends_s:
                ends_s = time.monotonic() + GATHER_S
            wait_s = 0.0
            if isinstance(item, Arrival):
                arrivals.append(item)
                size += len(item.payload)
            elif isinstance(item, Bundle):
                gathered.bundle = item
            elif item is not None:
                gathered.written.append(item)
            else:
                break
        gathered.size = size
        return gathered

    @staticmethod
    def _patience_s(gathered: int, ends_s: float) -> float:
        """How long to wait for the next. Sources that wait for us pause: their windows are full of what we have."""
        left_s = ends_s - time.monotonic()
        return min(left_s, PAUSE_S) if gathered >= MANY_PAYLOADS else left_s

    def _take(self, gathered: _Gathered) -> None:
        now = self._clock.now_us()
        admitted = self._admission.admit(gathered.arrivals, now)
        records = admitted.records + [(one.area, now, one.make(now)) for one in gathered.written]
        if not self._make_durable(records, admitted.rejects):
            for written in gathered.written:
                written.done.set_exception(LogFull(self.fault or "stopped"))
            return
        self.on_durable(self._admission.bundle, records, admitted.rejects)
        settle_all(gathered.arrivals, admitted.settled)
        for written in gathered.written:
            if written.bundle is not None:
                self._turn_to(written.bundle)
            written.done.set_result(None)
        self._on_logged()

    def _turn_to(self, bundle: Bundle) -> None:
        if bundle.hash != self._admission.bundle.hash:
            self._admission = Admission(bundle)

    def _make_durable(self, records: list[tuple[str, Micros, Record]], rejects: list[Reject]) -> bool:
        attempt = 0
        if self._stopping.is_set() and self.fault is not None:
            return False  # the end must not wait for each of what is left to fail by itself
        while True:
            try:
                if rejects:
                    self._rejects.add_rejects(rejects)
                    rejects = []
                if records:
                    self._log.append(records)
            except Exception as error:  # noqa: BLE001 - whatever keeps the log from being written: nothing is acknowledged
                if self.fault is None:
                    metrics.log.error(
                        "log.full reason=%s; nothing is acknowledged until it can be written", plain(error)
                    )
                self.fault = plain(error)
                metrics.log_writable.set(0)
                if self._stopping.is_set():
                    return False
                self._stopping.wait(_RETRY_S[min(attempt, len(_RETRY_S) - 1)])
                attempt += 1
                continue
            if self.fault is not None:
                metrics.log.warning("log.writable again after=%s", self.fault)
            self.fault = None
            metrics.log_writable.set(1)
            return True

    def _tick(self) -> None:
        now = self._clock.now_us()
        ticks: list[tuple[str, Micros, Record]] = []
        for area in self._admission.bundle.associations:
            due = self._due(area)
            # The pipeline lags the log a little: one tick a due is enough.
            if due is not None and due <= now and self._ticked.get(area) != due:
                self._ticked[area] = due
                ticks.append((area, now, Tick(now)))
        if ticks and self._make_durable(ticks, []):
            self._on_logged()


def _tell_nobody(
    _bundle: Bundle, _records: Sequence[tuple[str, Micros, Record]], _rejects: Sequence[Reject]
) -> None:
    """What an intake does whose broker gets no application acknowledgement."""
