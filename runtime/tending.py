"""Tending a worker: once a second how far it is, so that metrics, health and the watchdog know.

In      the brokers' word on where the log ends and what is committed; the worker's own
Out     `progress`, the areas' gauges, what the watchdog is shown; plain sentences for health
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from typing import Any

import faust
from faust.types import TP

from runtime.connections import KafkaAccess
from runtime.diagnosis import why_no_line
from runtime.progress import Place, Progress
from runtime.topics import LOG
from runtime.watchdog import Shown, Watchdog
from runtime.worker import Worker

_ASK_S = 10.0


class Tending:
    """Looks after one worker. `look` belongs to its event loop, `faults` to any thread."""

    def __init__(
        self, app: faust.App, worker: Worker, progress: Progress, kafka: KafkaAccess, watchdog: Watchdog
    ) -> None:
        self._app = app
        self._worker = worker
        self._progress = progress
        self._kafka = kafka
        self._watchdog = watchdog
        self._beat = 0
        self.is_member = False
        """Whether the group of workers has let it in."""

    def faults(self) -> list[str]:
        """One plain sentence for each thing for which this worker's warnings are late or missing."""
        faults = [] if self.is_member else ["the group of workers has not let it in yet"]
        if (reason := self._worker.waits_for()) is not None:
            faults.append(reason)
        if (stopped := self._worker.stopped()) != []:
            faults.append(f"areas have stopped and need a person: {', '.join(stopped)}")
        if self._watchdog.stands_still is not None:
            faults.append(self._watchdog.stands_still)
        return faults + self._progress.faults()

    async def look(self) -> None:
        """Look once."""
        self._beat += 1
        given = self._progress.partitions()
        waits_for, asked = self._worker.waits_for(), False
        if given:
            try:
                places = await asyncio.wait_for(self._places(given), _ASK_S)
                self._progress.stands(places, time.monotonic())
                asked = True
            except Exception:  # noqa: BLE001 - whatever keeps the brokers from answering, they are asked again
                waits_for = waits_for or await asyncio.to_thread(self._why_away)
        self._worker.measure()
        # Where only our own client gets no answer, all counts as behind: it may be the client that hangs.
        behind = {
            number: self._committed(number)
            for number in given - self._worker.blocked()
            if not asked or self._progress.uncommitted(number)
        }
        self._watchdog.show(Shown(self._beat, behind, waits_for))

    async def _places(self, given: Collection[int]) -> dict[int, Place]:
        places = [TP(LOG, number) for number in sorted(given)]
        ends = await self._app.consumer.highwaters(*places)
        firsts = await self._app.consumer.earliest_offsets(*places)
        return {
            place.partition: Place(firsts[place], self._committed(place.partition), ends[place])
            for place in places
        }

    def _committed(self, partition: int) -> int | None:
        # Faust tells it nowhere else; what it holds is where the group would begin again.
        offsets: Any = self._app.consumer._committed_offset  # type: ignore[attr-defined]
        committed = offsets.get(TP(LOG, partition))
        return None if committed is None else int(committed)

    def _why_away(self) -> str | None:
        reasons = []
        for address in self._kafka.bootstrap:
            host, _, port = address.rpartition(":")
            reason = why_no_line(host, int(port), self._kafka.tls)
            if reason is None:
                return None
            reasons.append(f"Kafka at {address}: {reason}")
        return "; ".join(reasons)
