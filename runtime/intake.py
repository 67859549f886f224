"""The intake: payloads from every source become records of the log, and are acknowledged when they are durable.

In      `Arrival`s from sources, in any thread; acts and configurations from the engine
Out     packets, ticks and acts in the log; rejects in the ledger; then, never before, the acknowledgements

One thread owns the order. It gathers what arrives within 20 ms, or 500 payloads, or 4 MB, into one transaction: one
packet for each kind and association area. Where the log cannot be written it keeps what it holds, acknowledges nothing,
says so, and tries again; what waits before it is bounded, so that sources feel it.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from ingest.arrival import Arrival, NoRoom, Settled
from ingest.decoders.canonical import Decoded, decode
from ingest.packing import Packer, kind_of
from runtime import metrics
from runtime.clock import Clock
from runtime.logstore import LogFull
from schemas.act import Act
from schemas.bundle import Bundle
from schemas.errors import plain
from schemas.log import ActRecord, ConfigurationRecord, Record, Tick
from schemas.packet import Packet
from schemas.reject import Reject, RejectReason, make_reject
from schemas.times import Micros

GATHER_S = 0.020
GATHER_PAYLOADS = 500
GATHER_BYTES = 4 * 1024 * 1024
HELD_PAYLOADS = 20_000
HELD_BYTES = 256 * 1024 * 1024
"""What may wait before the log; a log that cannot be written must not fill the memory instead."""
PACKET_PARTS = 500_000
"""Most samples or detections in one record: 4 MB, which every log takes."""
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
        self._bundle = bundle
        self._packer = Packer(bundle)
        self._queue: queue.SimpleQueue[Arrival | _Written | Bundle | None] = queue.SimpleQueue()
        self._room = threading.Condition()
        self._held_payloads = self._held_bytes = 0
        self._door_closed = False
        self._stopping = threading.Event()
        self._ticked: dict[str, Micros] = {}
        self._named: set[tuple[str, str]] = set()
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
            self._room.wait_for(lambda: self._door_closed or self._has_room())
            if self._has_room():
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
        self._packer = Packer(self._bundle)
        for written in gathered.written:
            if not written.done.done():
                written.done.set_exception(error)

    def _gather(self) -> _Gathered:
        gathered = _Gathered()
        try:
            first = self._queue.get(timeout=TICK_EVERY_S)
        except queue.Empty:
            return gathered
        ends = time.monotonic() + GATHER_S
        item: Arrival | _Written | Bundle | None = first
        while True:
            if isinstance(item, Arrival):
                gathered.arrivals.append(item)
                gathered.size += len(item.payload)
            elif isinstance(item, Bundle):
                gathered.bundle = item
            elif item is not None:
                gathered.written.append(item)
            full = len(gathered.arrivals) >= GATHER_PAYLOADS or gathered.size >= GATHER_BYTES
            if full or item is None:
                return gathered
            try:
                item = self._queue.get(timeout=max(0.0, ends - time.monotonic()))
            except queue.Empty:
                return gathered

    def _take(self, gathered: _Gathered) -> None:
        now = self._clock.now_us()
        decoded = [self._decode_or_refuse(arrival, now) for arrival in gathered.arrivals]
        records: list[tuple[str, Micros, Record]] = [
            (area, now, piece)
            for area, group in self._packer.take().items()
            for placed in group
            for piece in _pieces(placed.packet)
        ]
        records += [(written.area, now, written.make(now)) for written in gathered.written]
        rejects = [reject for one in decoded for reject in one.rejects]
        if not self._make_durable(records, rejects):
            for written in gathered.written:
                written.done.set_exception(LogFull(self.fault or "stopped"))
            return
        self.on_durable(self._packer.bundle, records, rejects)
        for arrival, one in zip(gathered.arrivals, decoded, strict=True):
            _settle(arrival, one)
        for written in gathered.written:
            if written.bundle is not None:
                self._turn_to(written.bundle)
            written.done.set_result(None)
        self._on_logged()

    def _turn_to(self, bundle: Bundle) -> None:
        if bundle.hash != self._bundle.hash:
            self._bundle, self._packer = bundle, Packer(bundle)

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
        for area in self._bundle.associations:
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


def _settle(arrival: Arrival, decoded: Decoded) -> None:
    unknown = tuple(name for _, name in decoded.unknown_fields)
    try:
        arrival.settle(Settled(len(decoded.readings), tuple(decoded.rejects), unknown))
    except Exception:  # noqa: BLE001 - it is in the log; a source that cannot hear so sends it again
        metrics.log.exception("intake.unheard source=%s", arrival.source)


def _pieces(packet: Packet) -> list[Packet]:
    """A packet in parts that a log takes; a reading by itself is never cut."""
    if packet.offsets is None or int(packet.offsets[-1]) <= PACKET_PARTS:
        return [packet]
    pieces, start = [], 0
    while start < len(packet):
        most = int(packet.offsets[start]) + PACKET_PARTS
        stop = max(start + 1, int(np.searchsorted(packet.offsets, most, side="right")) - 1)
        pieces.append(packet.span(start, stop))
        start = stop
    return pieces
