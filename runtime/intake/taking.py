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
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from ingest.arrival import Arrival, NoRoom, settle_all
from runtime import metrics
from runtime.clock import Clock
from runtime.intake.admission import Admission, Admitted
from runtime.intake.batches import Batch, Item, Written
from runtime.intake.durable import Begin, LogWriter, OnDurable, Records, RejectKeeper
from runtime.logs.store import LogFull
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
MOST_FLYING = 8
"""Batches that may be on their way into the log at once, where it takes several."""
TICK_EVERY_S = 0.25
_RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)


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
    begin
        Begins appends where the log can take the next before the one before is durable; left out, one goes at a time.
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
        begin: Begin | None = None,
    ) -> None:
        self._log = log
        self._rejects = rejects
        self._clock = clock
        self._due = due
        self._on_logged = on_logged
        self._begin = begin
        self._admission = Admission(bundle)
        self._flying: deque[Batch] = deque()
        """Batches whose append has begun, in that order."""
        self._queue: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self._holding = threading.Lock()
        self._room = threading.Condition(self._holding)
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

    @property
    def bundle(self) -> Bundle:
        """By which is decoded just now."""
        return self._admission.bundle

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
        with self._holding:  # the condition's own way in costs three times as much, for each message
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
        self._queue.put(Written(area, make, done, bundle))
        return done

    def _has_room(self) -> bool:
        return self._held_payloads < HELD_PAYLOADS and self._held_bytes < HELD_BYTES

    def _hold(self, arrival: Arrival) -> None:
        self._held_payloads += 1
        self._held_bytes += len(arrival.payload)
        self._queue.put(arrival)

    def _make_room(self, batch: Batch) -> None:
        with self._room:
            self._held_payloads -= batch.held
            self._held_bytes -= batch.held_bytes
            self._room.notify_all()
        batch.held = batch.held_bytes = 0

    # --- the thread --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not (self._stopping.is_set() and self._queue.empty()):
            batch = Batch()
            try:
                self._gather(batch)
                if batch.arrivals or batch.written:
                    self._take(batch)
                if batch.turn_to is not None:
                    self._turn_to(batch.turn_to)
                self._tick()
                self._land()
            except Exception as error:  # noqa: BLE001 - without this thread nothing is taken at all
                self._tripped(batch, error)
        while self._flying:
            self._land(wait=True)

    def _tripped(self, batch: Batch, error: Exception) -> None:
        self.failure = f"{type(error).__name__}: {plain(error)}"
        metrics.log.critical(
            "intake.tripped payloads=%d; they stay unacknowledged", len(batch.arrivals), exc_info=error
        )
        self._admission = Admission(self._admission.bundle)
        for written in batch.written:
            if not written.done.done():
                written.done.set_exception(error)
        if batch not in self._flying:
            self._make_room(batch)

    def _gather(self, batch: Batch) -> None:
        """Wait for the first, then take what comes by naps: to be woken by each costs as much as all else with it."""
        try:
            item: Item = self._queue.get(timeout=TICK_EVERY_S)
        except queue.Empty:
            return
        ends_s, before = time.monotonic() + GATHER_S, 0
        while self._drain(batch, item):
            left_s = ends_s - time.monotonic()
            # Sources that wait for us pause: their windows are full of what we have.
            paused = batch.held == before >= MANY_PAYLOADS
            if left_s <= 0 or paused or self._stopping.is_set() or not (batch.held or batch.written):
                return
            before, item = batch.held, None
            time.sleep(min(left_s, PAUSE_S))

    def _drain(self, batch: Batch, item: Item) -> bool:
        """Add to a batch what waits in the queue, behind `item`; whether there is room for more."""
        arrivals, size, get_nowait = batch.arrivals, batch.held_bytes, self._queue.get_nowait
        try:
            while True:
                if isinstance(item, Arrival):
                    arrivals.append(item)
                    size += len(item.payload)
                    if len(arrivals) >= GATHER_PAYLOADS or size >= GATHER_BYTES:
                        return False
                elif isinstance(item, Bundle):
                    batch.turn_to = item
                elif item is not None:
                    batch.written.append(item)
                else:
                    self._land()
                item = get_nowait()
        except queue.Empty:
            return True
        finally:
            batch.held, batch.held_bytes = len(arrivals), size

    def _take(self, batch: Batch) -> None:
        now = self._clock.now_us()
        batch.decoded_by = self._admission.bundle
        batch.admitted = self._admission.admit(batch.arrivals, now)
        batch.admitted.records += [(one.area, now, one.make(now)) for one in batch.written]
        self._put(batch)

    def _put(self, batch: Batch) -> None:
        """Bring a batch into the log, or on its way there."""
        if not self._make_durable([], batch.admitted.rejects):
            self._refuse(batch)
        elif self._begin is None:
            self._finish(batch)
        else:
            while len(self._flying) >= MOST_FLYING:
                self._land(wait=True)
            try:
                batch.appending = self._begin(batch.admitted.records, self._wake)
            except Exception as error:  # noqa: BLE001 - it has failed before it began, and goes again
                metrics.log.warning("log.not_begun reason=%s", plain(error))
            self._flying.append(batch)

    def _wake(self) -> None:
        self._queue.put(None)

    def _land(self, *, wait: bool = False) -> None:
        """Settle what has become durable, in its order; `wait` for the first."""
        while self._flying:
            first = self._flying[0]
            if first.appending is not None:
                if not wait and not first.appending.done():
                    return
                try:
                    first.appending.result()
                except Exception as error:  # noqa: BLE001 - whatever it was, it goes again
                    metrics.log.warning("log.again reason=%s", plain(error))
                else:
                    self._writable()
                    self._settle(self._flying.popleft())
                    wait = False
                    continue
            # Nobody knows what of those behind it is there: all go again, in their order, before anything newer.
            again, self._flying = self._flying, deque()
            for batch in again:
                self._finish(batch)

    def _finish(self, batch: Batch) -> None:
        if self._make_durable(batch.admitted.records, []):
            self._settle(batch)
        else:
            self._refuse(batch)

    def _refuse(self, batch: Batch) -> None:
        for written in batch.written:
            written.done.set_exception(LogFull(self.fault or "stopped"))
        self._make_room(batch)

    def _settle(self, batch: Batch) -> None:
        admitted = batch.admitted
        if batch.decoded_by is not None:
            self.on_durable(batch.decoded_by, admitted.records, admitted.rejects)
        settle_all(batch.arrivals, admitted.settled)
        for written in batch.written:
            if written.bundle is not None:
                self._turn_to(written.bundle)
            written.done.set_result(None)
        self._make_room(batch)
        self._on_logged()

    def _turn_to(self, bundle: Bundle) -> None:
        if bundle.hash != self._admission.bundle.hash:
            self._admission = Admission(bundle)

    def _make_durable(self, records: list[tuple[str, Micros, Record]], rejects: list[Reject]) -> bool:
        attempt = 0
        if not records and not rejects:
            return True
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
            self._writable()
            return True

    def _writable(self) -> None:
        if self.fault is not None:
            metrics.log.warning("log.writable again after=%s", self.fault)
        self.fault = None
        metrics.log_writable.set(1)

    def _tick(self) -> None:
        now = self._clock.now_us()
        ticks: list[tuple[str, Micros, Record]] = []
        for area in self._admission.bundle.associations:
            due = self._due(area)  # the pipeline lags the log a little: one tick a due is enough
            if due is not None and due <= now and self._ticked.get(area) != due:
                self._ticked[area] = due
                ticks.append((area, now, Tick(now)))
        if ticks:
            self._put(Batch(admitted=Admitted(ticks)))


def _tell_nobody(_bundle: Bundle, _records: Records, _rejects: Sequence[Reject]) -> None:
    """What an intake does whose broker gets no application acknowledgement."""
