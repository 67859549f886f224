"""The intake: payloads from every source become records of the log, and are acknowledged when they are durable.

In      `Arrival`s from sources, in any thread; acts and configurations from the engine
Out     packets, ticks and acts in the log; rejects in the ledger; then, never before, the acknowledgements

One thread owns the order. It gathers what arrives within 20 ms, or 500 payloads, into one transaction: one packet
for each kind and association area. Where the log cannot be written it keeps what it holds, acknowledges nothing,
says so, and tries again; the queue before it is bounded, so that sources feel it.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

from ingest.arrival import Arrival, Settled
from ingest.decoders.canonical import Decoded, decode
from ingest.packing import Packer, kind_of
from runtime import metrics
from runtime.clock import Clock
from runtime.logstore import LogFull
from schemas.act import Act
from schemas.bundle import Bundle
from schemas.log import ActRecord, ConfigurationRecord, Record, Tick
from schemas.reject import Reject, RejectReason, make_reject
from schemas.times import Micros

GATHER_S = 0.020
GATHER_PAYLOADS = 500
QUEUE_PAYLOADS = 20_000
TICK_EVERY_S = 0.25
_RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)


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


@dataclass(slots=True)
class _Gathered:
    arrivals: list[Arrival] = field(default_factory=list)
    written: list[_Written] = field(default_factory=list)


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
        self._bundle = bundle
        self._packer = Packer(bundle)
        self._queue: queue.Queue[Arrival | _Written | None] = queue.Queue(QUEUE_PAYLOADS)
        self._stopping = threading.Event()
        self._ticked: dict[str, Micros] = {}
        self._named: set[tuple[str, str]] = set()
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)
        self.fault: str | None = None
        """Why the log cannot be written just now; None while it can."""

    def start(self) -> None:
        """Begin to take arrivals."""
        self._thread.start()

    def stop(self) -> None:
        """Write what has been taken, then end. What cannot be written stays unacknowledged."""
        self._stopping.set()
        self._queue.put(None)
        self._thread.join()

    def submit(self, arrival: Arrival) -> None:
        """Hand on a payload; blocks while the queue is full."""
        self._queue.put(arrival)

    def append_act(self, area: str, act: Act) -> Future[None]:
        """Append an act to an association area's log; the future is done when it is durable."""
        body = act.model_dump_json().encode()
        return self._write(area, lambda now: ActRecord(now, body))

    def configure(self, bundle: Bundle) -> list[Future[None]]:
        """From here on decode by another bundle; its record goes into every area's log."""
        self._bundle = bundle
        self._packer = Packer(bundle)
        return [
            self._write(area, lambda now: ConfigurationRecord(now, bundle.hash))
            for area in bundle.associations
        ]

    def _write(self, area: str, make: Callable[[Micros], Record]) -> Future[None]:
        done: Future[None] = Future()
        self._queue.put(_Written(area, make, done))
        return done

    # --- the thread --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            gathered = self._gather()
            if gathered.arrivals or gathered.written:
                self._take(gathered)
            self._tick()
            if self._stopping.is_set() and self._queue.empty():
                return

    def _gather(self) -> _Gathered:
        gathered = _Gathered()
        try:
            first = self._queue.get(timeout=TICK_EVERY_S)
        except queue.Empty:
            return gathered
        ends = time.monotonic() + GATHER_S
        item: Arrival | _Written | None = first
        while True:
            if isinstance(item, Arrival):
                gathered.arrivals.append(item)
            elif item is not None:
                gathered.written.append(item)
            if len(gathered.arrivals) >= GATHER_PAYLOADS or item is None:
                return gathered
            try:
                item = self._queue.get(timeout=max(0.0, ends - time.monotonic()))
            except queue.Empty:
                return gathered

    def _take(self, gathered: _Gathered) -> None:
        now = self._clock.now_us()
        decoded = [self._decode_or_refuse(arrival, now) for arrival in gathered.arrivals]
        records: list[tuple[str, Micros, Record]] = [
            (area, now, placed.packet) for area, group in self._packer.take().items() for placed in group
        ]
        records += [(written.area, now, written.make(now)) for written in gathered.written]
        rejects = [reject for one in decoded for reject in one.rejects]
        if not self._make_durable(records, rejects):
            for written in gathered.written:
                written.done.set_exception(LogFull(self.fault or "stopped"))
            return
        for arrival, one in zip(gathered.arrivals, decoded, strict=True):
            arrival.settle(
                Settled(len(one.readings), tuple(one.rejects), tuple(name for _, name in one.unknown_fields))
            )
        for written in gathered.written:
            written.done.set_result(None)
        self._on_logged()

    def _decode_or_refuse(self, arrival: Arrival, now: Micros) -> Decoded:
        try:
            return self._decode(arrival, now)
        except Exception as error:  # noqa: BLE001 - no payload may end the thread that takes all others
            metrics.log.exception("reading.undecodable source=%s", arrival.source)
            detail = f"reading it failed ({type(error).__name__}: {error}); please report this payload"
            reject = make_reject(now, arrival.source, RejectReason.UNREADABLE, detail, arrival.payload)
            metrics.rejects_total.labels(reject.reason.value).inc()
            return Decoded(rejects=[reject])

    def _decode(self, arrival: Arrival, now: Micros) -> Decoded:
        decoded = decode(arrival.payload, arrival.source, now)
        taken = []
        for said in decoded.readings:
            if arrival.expected is not None and arrival.expected[1] != said.station:
                detail = f"station: the topic names {arrival.expected[1]!r}, the reading {said.station!r}; mend one of them"
                reject: Reject | None = make_reject(
                    now, arrival.source, RejectReason.WRONG_TOPIC, detail, arrival.payload
                )
            else:
                reject = self._packer.add(said, now, arrival.source)
            if reject is None:
                taken.append(said)
                metrics.readings_total.labels(kind_of(said)).inc()
            else:
                decoded.rejects.append(reject)
        decoded.readings = taken
        for reject in decoded.rejects:
            metrics.rejects_total.labels(reject.reason.value).inc()
        for station, name in decoded.unknown_fields:
            metrics.unknown_fields_total.inc()
            if (station, name) not in self._named and len(self._named) < 10_000:
                self._named.add((station, name))
                metrics.log.warning("reading.unknown_field station=%s field=%s", station, name)
        return decoded

    def _make_durable(self, records: list[tuple[str, Micros, Record]], rejects: list[Reject]) -> bool:
        attempt = 0
        while True:
            try:
                if rejects:
                    self._rejects.add_rejects(rejects)
                if records:
                    self._log.append(records)
            except Exception as error:  # noqa: BLE001 - whatever keeps the log from being written: nothing is acknowledged
                if self.fault is None:
                    metrics.log.error(
                        "log.full reason=%s; nothing is acknowledged until it can be written", error
                    )
                self.fault = str(error)
                metrics.log_writable.set(0)
                if self._stopping.is_set():
                    return False
                time.sleep(_RETRY_S[min(attempt, len(_RETRY_S) - 1)])
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
        for area in self._bundle.associations:
            due = self._due(area)
            # The pipeline lags the log a little: one tick a due is enough.
            if due is not None and due <= now and self._ticked.get(area) != due:
                self._ticked[area] = due
                ticks.append((area, now, Tick(now)))
        if ticks and self._make_durable(ticks, []):
            self._on_logged()
