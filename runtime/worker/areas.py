"""The worker's areas: pipelines over the records of the topic `log`, acknowledged after the checkpoint that includes them.

In      batches of events of the partitions that are ours, in the order of each partition
Out     the ledger, checkpoints; what is decided, on its topics before a checkpoint includes it (`publishing`)
State   in memory, restored from PostgreSQL when a partition is given to us

An exception that left `take` would acknowledge what it lost, so none leaves it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from alerting.ledger import Fenced, Ledger
from runtime import metrics
from runtime.association import PASSING_FAULTS, Association
from runtime.clock import Clock
from runtime.configuration.loading import Configuration
from runtime.hops import TimedLedger, observe
from runtime.logs.topics import partition_of
from runtime.worker.graveyard import Graveyard
from runtime.worker.progress import Progress
from runtime.worker.publishing import Publishing, Send
from schemas.bundle import Bundle
from schemas.errors import plain
from schemas.log import Positioned, read_record
from schemas.times import SECOND, Micros

log = logging.getLogger("fenghuo")

RESTORING_S = 600.0
"""What an area's state may take to come back; the watchdog waits so long."""
FENCED_S = 15.0
"""Longer than a member of the group can be away without being told so."""
_AWAY_S = 1.0
_DRAIN_S = 20.0
_TOLD_S = 30.0
"""How long what was last waited for counts as what is waited for still."""


@dataclass(slots=True)
class _Area:
    """One association area of a partition that is ours.

    Attributes
    ----------
    association
        None until it is opened, and after another worker has fenced it; a graveyard where it is no area of ours to know.
    rests_until_s
        When it may be opened again, by the machine's running time.
    saving
        Writes its checkpoint, while records are taken.
    """

    partition: int
    association: Association | Graveyard | None = None
    rests_until_s: float = 0.0
    stopped: bool = False
    saving: asyncio.Task[None] | None = None
    logged_us: dict[int, Micros] = field(default_factory=dict)
    """When the records of the batch in hand were in the log, by position."""


class Worker:
    """Holds the association areas of the partitions that this worker was given.

    Parameters
    ----------
    publish
        Sends a message to Kafka; done when the brokers have acknowledged it.
    generation
        The generation of the assignment that holds now.
    clock
        The house's clock, for how long things take; decisions know nothing of it.
    progress
        Told what is taken.
    """

    def __init__(
        self,
        configuration: Configuration,
        ledger: Ledger,
        publish: Send,
        generation: Callable[[], int],
        clock: Clock,
        progress: Progress,
    ) -> None:
        self._bundle = configuration.bundle
        self._ledger = ledger
        self._generation = generation
        self._clock = clock
        self._progress = progress
        self._waits_for = ("", 0.0)
        """Why it could not go on, and until when that counts, by the machine's running time."""
        self._over: int | None = None
        """The generation that was let go while the next is not there yet."""
        self._publishing = Publishing(ledger, publish)
        self._areas: dict[str, _Area] = {}
        self._waiting: dict[int, deque[Any]] = {}
        """By partition, in order: events that are not acknowledged yet."""
        self._blocked: set[int] = set()
        """Partitions of an area that has stopped: nothing behind it can be acknowledged, so nothing is kept for that."""
        self._lock = asyncio.Lock()
        ledger.store_bundle(self._bundle.hash, self._bundle.canonical)

    async def take(self, events: Sequence[Any]) -> None:
        """Process a batch; returns when it is taken or no longer ours. Nothing leaves here but cancellation."""
        arrived = False
        while True:
            async with self._lock:
                # What was fetched before the partitions changed hands is another's, or comes again: it must neither
                # fence that other nor be taken ahead of what lies before it.
                events = [event for event in events if self._is_ours(event)]
                if not arrived:
                    self._keep(events)
                    arrived = True
                reason = await self._take_areas(events)
                await self._try_to_send()
                await self._save_all(now=False)
            if reason is None:
                for event in events:
                    self._progress.took(event.message.partition, event.message.offset + 1)
                return
            self._wait_for(reason)
            log.error("worker.waiting reason=%s", reason)
            await asyncio.sleep(_AWAY_S)

    async def checkpoint(self, *, now: bool = False) -> None:
        """Save what is due and acknowledge what the checkpoints include."""
        async with self._lock:
            for code, area in self._areas.items():
                if area.association is None and not area.stopped:
                    await self._take_area(code, area, [])
            await self._save_all(now=now)

    async def drain(self) -> None:
        """Save and acknowledge what was taken, before the process ends; what cannot be saved is taken again by another."""
        try:
            await asyncio.wait_for(self.checkpoint(now=True), _DRAIN_S)
        except TimeoutError:
            log.error("worker.not_drained after_s=%g; what is not saved is taken again", _DRAIN_S)

    def waits_for(self) -> str | None:
        """What keeps the worker from going on just now, as it was last told; None where nothing does."""
        reason, until_s = self._waits_for
        return reason if time.monotonic() < until_s else None

    def stopped(self) -> list[str]:
        """Codes of areas that have stopped and need a person; from any thread."""
        return sorted(code for code, area in list(self._areas.items()) if area.stopped)

    def blocked(self) -> frozenset[int]:
        """Partitions in which nothing can be acknowledged any more, for an area of theirs has stopped."""
        return frozenset(self._blocked)

    def measure(self) -> None:
        """Set the gauges of all areas."""
        now_us = self._clock.now_us()
        for code, area in self._areas.items():
            if not isinstance(area.association, Association):
                continue
            metrics.checkpoint_age_seconds.labels(code).set(area.association.unsaved_s())
            behind = self._progress.behind(area.partition) and area.association.now > 0
            lag_s = max(0, now_us - area.association.now) / SECOND if behind else 0.0
            metrics.lag_seconds.labels(code).set(lag_s)

    async def let_go(self) -> None:
        """Partitions have changed hands: forget everything; whoever has an area now draws a newer epoch."""
        async with self._lock:
            self._over = self._generation()
            for code in self._areas:
                metrics.forget_area(code)
            self._areas.clear()
            self._progress.gone()
            metrics.areas_stopped.set(0)
            self._waiting.clear()
            self._blocked.clear()

    async def begin(self, partitions: Collection[int], count: int) -> None:
        """Partitions were given to us, in a generation of their own: their areas' states are restored at once.

        Parameters
        ----------
        count
            How many partitions the log has.
        """
        async with self._lock:
            self._over = None
            self._progress.given(partitions, time.monotonic())
            for code in self._bundle.associations:
                if (partition := partition_of(code, count)) in partitions:
                    self._areas.setdefault(code, _Area(partition))

    def _is_ours(self, event: Any) -> bool:
        generation: int = event.message.generation_id
        return generation == self._generation() and generation != self._over

    def _keep(self, events: Sequence[Any]) -> None:
        for event in events:
            if event.message.partition not in self._blocked:
                self._waiting.setdefault(event.message.partition, deque()).append(event)

    async def _take_areas(self, events: Sequence[Any]) -> str | None:
        """Give each area its events; why some must be given again, or None."""
        groups: dict[str, list[Any]] = {}
        for event in events:
            groups.setdefault(_area_of(event), []).append(event)
        reasons = []
        for code, group in groups.items():
            area = self._areas.setdefault(code, _Area(group[0].message.partition))
            reasons.append(await self._take_area(code, area, group))
        return next((reason for reason in reasons if reason is not None), None)

    async def _take_area(self, code: str, area: _Area, events: Sequence[Any]) -> str | None:
        if area.stopped:
            return None
        if time.monotonic() < area.rests_until_s:
            return f"another worker holds area {code}; waiting whether it is ours still"
        try:
            if area.association is None:
                area.association = await asyncio.to_thread(self._open, code, area)
                # Also what was taken before the area was lost and is in no checkpoint.
                kept = [event for event in self._waiting.get(area.partition, ()) if _area_of(event) == code]
                newest = kept[-1].message.offset if kept else -1
                events = [*kept, *(event for event in events if event.message.offset > newest)]
            behind = area.association.position
            records = [
                Positioned(event.message.offset + 1, read_record(event.message.value))
                for event in events
                if event.message.offset + 1 > behind
            ]
            if isinstance(area.association, Graveyard):
                born = await asyncio.to_thread(area.association.bury_until_known, records)
                if born is None:
                    return None
                bundle, records = born[0], list(born[1])
                area.association = await asyncio.to_thread(self._association, code, area, bundle)
            area.logged_us = self._logged_us(events)
            await asyncio.to_thread(area.association.take, records)
            metrics.records_total.inc(len(records))
            observe(records, area.logged_us.get, self._clock.now_us())
        except PASSING_FAULTS as error:
            return f"area {code}: {plain(error)}; nothing is lost"
        except Fenced as error:
            self._fence(code, area, error)
        except Exception as error:  # noqa: BLE001 - Faust would acknowledge what an exception leaves behind
            self._stop(code, area, error)
        return None if area.association is not None or area.stopped else f"area {code} is fenced"

    def _fence(self, code: str, area: _Area, error: Fenced) -> None:
        """Let an area rest: a worker that woke from a pause learns by then that its partitions are another's."""
        if area.partition in self._blocked:
            self._stop(code, area, error)  # what it would have to take again was not kept
            return
        log.error("worker.fenced area=%s reason=%s", code, error)
        area.association = None
        area.rests_until_s = time.monotonic() + FENCED_S

    def _stop(self, code: str, area: _Area, error: Exception) -> None:
        area.stopped = True
        metrics.areas_stopped.inc()
        log.critical("worker.area_stopped area=%s reason=%s: %s", code, type(error).__name__, plain(error))
        self._blocked.add(area.partition)

    def _logged_us(self, events: Sequence[Any]) -> dict[int, Micros]:
        """When the brokers took events, by the position of each."""
        return {
            event.message.offset + 1: self._clock.shown_at(int(event.message.timestamp * SECOND))
            for event in events
            if event.message.timestamp is not None
        }

    def _wait_for(self, reason: str, told_s: float = _TOLD_S) -> None:
        self._waits_for = (reason, time.monotonic() + told_s)

    def _open(self, code: str, area: _Area) -> Association | Graveyard:
        if code in self._bundle.associations or self._ledger.checkpoint_position(code):
            return self._association(code, area, self._bundle)
        return Graveyard(code, partial(self._publishing.bury, code), self._ledger.load_bundle)

    def _association(self, code: str, area: _Area, bundle: Bundle) -> Association:
        self._wait_for(f"the state of area {code} is being restored", RESTORING_S)
        began_s = time.monotonic()
        association = Association(
            code,
            bundle,
            TimedLedger(self._ledger, self._clock, lambda _, position: area.logged_us.get(position)),
            on_decisions=self._publishing.say,
            on_dead=partial(self._publishing.bury, code),
            epoch=self._ledger.draw_epoch(code),
            all_told=self._publishing.all_sent,
        )
        metrics.restore_seconds.labels(code).set(time.monotonic() - began_s)
        self._waits_for = ("", 0.0)
        return association

    async def _save_all(self, *, now: bool) -> None:
        """Begin the checkpoints that are due; with `now` make all and wait for them."""
        for code, area in list(self._areas.items()):
            if area.saving is not None and not area.saving.done():
                if not now:
                    continue
                await area.saving
            held = area.association
            if held is None or area.stopped or not (now or held.checkpoint_is_due()):
                continue
            if await self._try_to_send():
                area.saving = asyncio.create_task(self._save(code, area, held))
                if now or isinstance(held, Graveyard):
                    await area.saving
        self._acknowledge()

    async def _save(self, code: str, area: _Area, association: Association | Graveyard) -> None:
        try:
            await asyncio.to_thread(association.checkpoint)
        except PASSING_FAULTS as error:
            self._wait_for(f"area {code} cannot save its state: {plain(error)}")
            log.error("worker.ledger_away area=%s reason=%s; nothing is acknowledged", code, plain(error))
        except Exception as error:  # noqa: BLE001 - see _take_area
            # What became of an area that was let go meanwhile, or fenced and opened again, is another's affair.
            if self._areas.get(code) is not area or area.association is not association:
                return
            if isinstance(error, Fenced):
                self._fence(code, area, error)
            else:
                self._stop(code, area, error)
        else:
            self._acknowledge()

    async def _try_to_send(self) -> bool:
        sent = await self._publishing.try_to_send()
        if not sent:
            self._wait_for("what was decided cannot be put on its topics")
        return sent

    def _acknowledge(self) -> None:
        """Acknowledge what checkpoints include, each partition strictly in its order.

        Faust commits up to the first gap behind what it was last told, and takes a single event that is missing at the
        beginning for none: one area's event before another's earlier one would commit that away.
        """
        for kept in self._waiting.values():
            while kept and self._is_saved(kept[0]):
                kept.popleft().ack()

    def _is_saved(self, event: Any) -> bool:
        area = self._areas.get(_area_of(event))
        return (
            area is not None
            and area.association is not None
            and event.message.offset + 1 <= area.association.saved_position
        )


def _area_of(event: Any) -> str:
    return (event.message.key or b"").decode(errors="replace")
