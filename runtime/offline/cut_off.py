"""A gateway that is cut off from Kafka: what it takes waits on its disk, and goes into the log in its order.

In      records and rejects of the intake
Out     the log and the ledger; while they do not answer, the disk buffer, and later from there

Once something waits, all that is newer waits behind it. What is on the disk counts as taken and is acknowledged. A
crash in the middle of bringing it into the log brings some of it twice, which counts once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from runtime import metrics
from runtime.clock import Clock
from runtime.intake.durable import Appending, Records, RejectKeeper
from runtime.logs.kafka import KafkaLog
from runtime.logs.store import LogFull
from runtime.offline.buffer import DiskBuffer
from schemas.errors import plain
from schemas.log import Tick
from schemas.reject import Reject

LOOK_EVERY_S = 1.0
_DRAIN_RECORDS = 200
_DRAIN_BYTES = 8 * 1024 * 1024
_DRAIN_REJECTS = 500


class Reachable(Protocol):
    """The brokers, as far as they are looked at from here."""

    def answers(self) -> bool:
        """Whether they can be reached; sends nothing."""
        ...

    def prepare(self) -> None:
        """Make what topics are missing, where they could not be made before."""
        ...


class Warner(Protocol):
    """Who warns while the cut lasts."""

    def begin(self) -> None:
        """Begin, or go on."""
        ...

    def wake(self) -> None:
        """Something more was taken."""
        ...

    def hand_over(self) -> None:
        """End, and have the deployment know who was told; before anything of the cut enters the log."""
        ...

    def stop(self) -> None:
        """End with the process."""
        ...


class OfflineLog:
    """The log where Kafka answers, else the disk.

    Parameters
    ----------
    rejects
        Where rejects go.
    kafka
        Looked at before what waits is brought there.
    local
        Warns while the cut lasts; None where nobody does.
    """

    def __init__(
        self,
        log: KafkaLog,
        rejects: RejectKeeper,
        buffer: DiskBuffer,
        clock: Clock,
        kafka: Reachable,
        local: Warner | None = None,
    ) -> None:
        self._log = log
        self._rejects = rejects
        self._buffer = buffer
        self._clock = clock
        self._kafka = kafka
        self._local = local
        self._deciding = threading.Lock()
        self._cut_off_because: str | None = None
        self._since_s = 0.0
        if buffer.records:
            self._cut_off("what was taken before the start waits on the disk")
        elif not kafka.answers():
            self._cut_off("it does not answer at the start")
        else:
            kafka.prepare()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="offline", daemon=True)

    @property
    def fault(self) -> str | None:
        """Why the disk takes what comes, and how much waits; None while Kafka does."""
        reason = self._cut_off_because
        if reason is None:
            return None
        return f"cut off from Kafka ({reason}): {self._buffer.records} records wait on the disk"

    def start(self) -> None:
        """Begin to bring what waits into the log."""
        self._thread.start()

    def stop(self) -> None:
        """End; what waits stays on the disk."""
        self._stopping.set()
        self._thread.join()
        if self._local is not None:
            self._local.stop()

    def cut_off(self, reason: str) -> None:
        """From now on the disk takes what comes, until all of it is in the log."""
        with self._deciding:
            self._cut_off(reason)

    # --- what the intake calls -------------------------------------------------------------------------------------

    def append(self, records: Records) -> None:
        """Write records into the log, or behind those that wait.

        Raises
        ------
        LogFull
            The disk cannot take them either.
        """
        if self._kept(records):
            return
        try:
            self._log.append(records)
        except LogFull as error:
            self.cut_off(plain(error))
            self._kept(records)

    def begin(self, records: Records, on_end: Callable[[], None]) -> Appending:
        """Begin to write records; what waits for the disk is there when it returns.

        Raises
        ------
        LogFull
            The disk cannot take them, or Kafka has just ceased to: then `append` what was begun before, and this.
        """
        if self._kept(records):
            on_end()
            return _OnDisk()
        try:
            return _Watched(self._log.begin(records, on_end), self.cut_off)
        except LogFull as error:
            self.cut_off(plain(error))
            raise

    def add_rejects(self, rejects: Sequence[Reject]) -> None:
        """Keep rejects where they belong, or on the disk.

        Raises
        ------
        LogFull
            The disk cannot take them either.
        """
        if self._cut_off_because is None and not self._buffer.rejects:
            try:
                self._rejects.add_rejects(rejects)
                return
            except Exception as error:  # noqa: BLE001 - whatever keeps them from there, the disk takes them
                metrics.log.error("rejects.on_disk reason=%s", plain(error))
        self._guarded(lambda: self._buffer.keep_rejects(rejects))

    def _kept(self, records: Records) -> bool:
        """Whether the disk takes records; it does while anything waits on it."""
        # One who brings the last of it into the log must not end that between the question and the answer.
        with self._deciding:
            if self._cut_off_because is None:
                return False
            # A tick says what time it is; later it would say what time it was, which moves nothing.
            worth = [entry for entry in records if not isinstance(entry[2], Tick)]
            if worth:
                self._guarded(lambda: self._buffer.keep(worth))
        self._measure()
        if self._local is not None:
            self._local.wake()
        return True

    @staticmethod
    def _guarded(keep: Callable[[], None]) -> None:
        try:
            keep()
        except LogFull:
            metrics.gateway_refused_total.inc()
            raise

    # --- the thread ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S):
            self._measure()
            if self._cut_off_because is None and not self._buffer.rejects:
                continue
            try:
                if self._kafka.answers():
                    self._kafka.prepare()
                    if self._local is not None:
                        self._local.hand_over()
                    self._drain()
                    self._drain_rejects()
                elif self._local is not None and self._cut_off_because is not None:
                    self._local.begin()
            except Exception as error:  # noqa: BLE001 - what waits is safe; without this thread it would wait for ever
                metrics.log.warning("offline.still reason=%s", plain(error))
        self._measure()

    def _drain(self) -> None:
        while not self._stopping.is_set():
            kept = self._buffer.oldest(_DRAIN_RECORDS, _DRAIN_BYTES)
            if not kept:
                with self._deciding:
                    if not self._buffer.records:
                        self._reconnected()
                        return
                continue
            self._log.append_bytes([(one.area, one.body) for one in kept])
            self._buffer.forget(kept[-1].sequence)
            metrics.gateway_drained_total.inc(len(kept))
            self._measure()

    def _drain_rejects(self) -> None:
        while rejects := self._buffer.oldest_rejects(_DRAIN_REJECTS):
            self._rejects.add_rejects([reject for _, reject in rejects])
            self._buffer.forget_rejects(rejects[-1][0])

    def _cut_off(self, reason: str) -> None:
        if self._cut_off_because is None:
            self._since_s = time.monotonic()
            metrics.log.error("gateway.cut_off reason=%s; the disk takes what comes", reason)
        self._cut_off_because = reason
        metrics.gateway_cut_off.set(1)

    def _reconnected(self) -> None:
        if self._cut_off_because is not None:
            metrics.log.warning(
                "gateway.reconnected after_s=%.0f; all that waited is in the log",
                time.monotonic() - self._since_s,
            )
        self._cut_off_because = None
        metrics.gateway_cut_off.set(0)

    def _measure(self) -> None:
        oldest_us = self._buffer.oldest_us()
        age_us = 0 if oldest_us is None else max(0, self._clock.now_us() - oldest_us)
        metrics.gateway_waiting.set(self._buffer.records)
        metrics.gateway_waiting_bytes.set(self._buffer.size)
        metrics.gateway_waiting_seconds.set(age_us / 1e6)


class _Watched:
    """An append to Kafka whose failure cuts off."""

    def __init__(self, appending: Appending, cut_off: Callable[[str], None]) -> None:
        self._appending = appending
        self._cut_off = cut_off

    def done(self) -> bool:
        return self._appending.done()

    def result(self) -> None:
        try:
            self._appending.result()
        except LogFull as error:
            self._cut_off(plain(error))
            raise


class _OnDisk:
    """An append that has ended: the disk has it."""

    def done(self) -> bool:
        return True

    def result(self) -> None:
        return None
