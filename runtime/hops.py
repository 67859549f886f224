"""How long each hop takes, from the reading to the decision: as histograms, and in the ledger beside what was decided.

    observed ─▶ received ─▶ logged ─▶ decided            (then the dispatcher: due ─▶ dispatched ─▶ delivered)

Nothing that is told by a clock here enters a decision: the same log gives the same warnings whenever it is read.
"""

from __future__ import annotations

import bisect
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from alerting.ledger import Ledger
from alerting.ledger.hops import DecisionTimes
from runtime import metrics
from runtime.clock import Clock
from runtime.logs.store import LogStore
from schemas.log import Broken, Positioned, Record
from schemas.packet import Packet
from schemas.times import SECOND, Micros

LoggedAt = Callable[[str, int], Micros | None]
"""Area and position to when that record was in the log; None where nobody knows any more."""

_APPENDS = 1_000


class TimedLedger:
    """A ledger as a pipeline's area needs it: keeps beside each decision when it was made and its record logged, and
    measures checkpoints.
    """

    def __init__(self, ledger: Ledger, clock: Clock, logged_at: LoggedAt) -> None:
        self._ledger = ledger
        self._clock = clock
        self._logged_at = logged_at
        self.load_checkpoint = ledger.load_checkpoint
        self.load_bundle = ledger.load_bundle

    def checkpoint(
        self, area: str, rows: Mapping[str, bytes | None], position: int, *, epoch: int | None = None
    ) -> None:
        """As of `Ledger`."""
        with metrics.checkpoint_seconds.time():
            self._ledger.checkpoint(area, rows, position, epoch=epoch)
        metrics.checkpoint_bytes.labels(area).set(sum(len(row) for row in rows.values() if row is not None))

    def write_decisions(self, area: str, position: int, *decided: Any, **more: Any) -> None:
        """As of `Ledger`; what is decided is a ledger's affair, when it was is told here."""
        times = DecisionTimes(self._logged_at(area, position), self._clock.now_us())
        self._ledger.write_decisions(area, position, *decided, **more, times=times)


class TimedLog:
    """The embedded log as its intake writes it; remembers for a while when each append was durable."""

    def __init__(self, log: LogStore, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._appends: dict[str, deque[tuple[int, int, Micros]]] = {}
        """By area: the last position of an append, how many records it had, when it was durable."""
        self._remembering = threading.Lock()

    def append(self, records: Sequence[tuple[str, Micros, Record]]) -> None:
        """As of `LogStore`."""
        self._log.append(records)
        now_us = self._clock.now_us()
        with self._remembering:
            for area, count in Counter(area for area, _, _ in records).items():
                appends = self._appends.setdefault(area, deque(maxlen=_APPENDS))
                appends.append((self._log.end(area), count, now_us))

    def logged_at(self, area: str, position: int) -> Micros | None:
        """When a record was in the log; None of one that this process has not written, or long ago."""
        with self._remembering:
            appends = list(self._appends.get(area, ()))
        place = bisect.bisect_left(appends, position, key=lambda append: append[0])
        if place == len(appends):
            return None
        last, count, logged_us = appends[place]
        return logged_us if position > last - count else None


def observe(
    records: Sequence[Positioned], logged_at: Callable[[int], Micros | None], decided_us: Micros
) -> None:
    """Count how long the records of one batch took, by hop; of a packet its newest reading."""
    for position, record in records:
        if isinstance(record, Broken):
            continue
        if isinstance(record, Packet):
            metrics.log_readings_total.labels(record.kind).inc(len(record))
        received_us = int(record.log_us[-1]) if isinstance(record, Packet) else record.at_us
        if isinstance(record, Packet):
            observe_hop("received", int(record.observed_us[-1]), received_us)
        metrics.decision_seconds.observe(max(0, decided_us - received_us) / SECOND)
        logged_us = logged_at(position)
        if logged_us is not None:
            observe_hop("logged", received_us, logged_us)
            observe_hop("decided", logged_us, decided_us)


def observe_hop(hop: str, from_us: Micros, until_us: Micros) -> None:
    """Count how long one hop took, in the log's seconds."""
    metrics.hop_seconds.labels(hop).observe(max(0, until_us - from_us) / SECOND)
