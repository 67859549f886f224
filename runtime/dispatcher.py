"""The dispatcher: claims due notices from the ledger, sends them, records what became of them.

In      due notices; receipts from channels and players
Out     calls of channels; states and receipts; acts of the system, which the ledger owes the log (`owed`)
Order   the ledger's: red before orange before yellow before blue, and for one person no older version after a newer

Blocking calls of the ledger run in threads; the ledger is let go before a channel is called. `sending` is committed
before the call, so what a crash leaves behind is adopted at the next start and judged as an outcome unknown.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from random import Random

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from alerting import metrics
from alerting.channels.base import (
    Channel,
    ChannelReceipt,
    Message,
    Outcome,
    Reason,
    Refused,
    Retry,
    Sent,
    Unknown,
)
from alerting.channels.topics import AlertTopics
from alerting.ledger import Claim, Ledger, LedgerError, Settlement
from runtime.clock import Clock
from runtime.dispatch.owed import AppendActs, OwedActs
from runtime.dispatch.receipts import ReceiptBook
from runtime.dispatch.retries import RetryPolicy, Verdict, judge
from runtime.hops import observe_hop
from schemas.errors import plain
from schemas.notice import NoticeState
from schemas.times import DAY, SECOND, Micros, seconds, to_micros

log = logging.getLogger("fenghuo")

RESENT = "【重发】"
_IDLE_S = 1.0
_TOPICS_SINCE = 7 * DAY
_COUNT_EVERY_S = 5.0
_OF_LEASE = 0.8


class DispatchPolicy(BaseModel):
    """How much is sent at once, and how long a dispatcher may be silent before another takes over."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    at_once: int = Field(default=16, ge=1, le=1000)
    """Notices that one channel carries at one time."""
    lease_s: float = Field(default=120.0, gt=0)
    """How long a claim lasts; longer than any channel's own time-outs together."""
    retries: RetryPolicy = RetryPolicy()
    """When a notice is tried again."""


class Dispatcher:
    """Sends what is due by the channels that it has.

    Parameters
    ----------
    address_of
        Recipient and channel to address; None where the configuration has none.
    clock, machine
        The house's clock (states, expiry) and the machine's (leases, pauses, signatures).
    worker
        Stays the same over restarts, and differs between dispatchers that run at the same time.
    random
        Spreads pauses.
    append_acts
        Appends acts of the system to the log; None where this process has no way to it: another pays then.
    topics
        Kept as the ledger's released alerts say; None where another process does.
    """

    def __init__(
        self,
        ledger: Ledger,
        channels: Mapping[str, Channel],
        address_of: Callable[[str, str], str | None],
        clock: Clock,
        machine: Clock,
        *,
        worker: str,
        random: Random,
        policy: DispatchPolicy | None = None,
        append_acts: AppendActs | None = None,
        topics: AlertTopics | None = None,
    ) -> None:
        self._ledger = ledger
        self._channels = channels
        self._address_of = address_of
        self._clock = clock
        self._machine = machine
        self._worker = worker
        self._random = random
        self._policy = policy or DispatchPolicy()
        self._owed = None if append_acts is None else OwedActs(ledger, append_acts, machine)
        self._topics = topics
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._wakes: dict[str, asyncio.Event] = {}
        self._sending: dict[str, set[asyncio.Task[None]]] = {name: set() for name in channels}
        """By channel: notices in hand; a task has its notice's name."""
        self._away: str | None = None
        """Why the ledger cannot be written just now; None while it can."""
        self._claiming: set[asyncio.Future[list[Claim]]] = set()
        self._receipts = ReceiptBook(ledger, clock)
        self._outcomes: asyncio.Queue[tuple[Settlement, asyncio.Future[bool]]] = asyncio.Queue()

    async def run(self) -> None:
        """Send until `stop`; what is claimed by then is sent and recorded."""
        self._loop = asyncio.get_running_loop()
        recorder = asyncio.create_task(self._record_outcomes())
        await self._steadily(partial(self._adopt, own=True))
        serving = [asyncio.create_task(self._steadily(partial(self._serve, name))) for name in self._channels]
        works: list[Callable[[], Awaitable[None]]] = [self._adopt_others, self._receipts.run, self._count]
        if self._owed is not None:
            works.append(self._owed.run)
        if self._topics is not None:
            works.append(partial(self._keep_topics, self._topics))
        beside = [recorder, *(asyncio.create_task(self._steadily(work)) for work in works)]
        stopped = asyncio.create_task(self._stopping.wait())
        # A job that ends by itself has failed: better to end all, and be started again, than to go on without it.
        await asyncio.wait([stopped, *serving, *beside], return_when=asyncio.FIRST_COMPLETED)
        self._stopping.set()
        self._wake_all()
        # Not cancelled: a claim under way in its thread would leave notices `sending` that nobody sends.
        ended = await asyncio.gather(*serving, return_exceptions=True)
        if under_way := [task for tasks in self._sending.values() for task in tasks]:
            await asyncio.wait(under_way)
        for job in (stopped, *beside):
            job.cancel()
        ended += await asyncio.gather(*beside, return_exceptions=True)
        await self._receipts.record()
        if self._owed is not None:
            await self._owed.pay()
        for channel in self._channels.values():
            await channel.close()
        for error in ended:
            if isinstance(error, BaseException) and not isinstance(error, asyncio.CancelledError):
                raise error

    def faults(self) -> list[str]:
        """One plain sentence for each thing that keeps notices from going out just now; from any thread."""
        faults = (
            [] if self._away is None else [f"the ledger cannot be written: {self._away}; nothing is sent"]
        )
        if self._owed is not None and self._owed.fault is not None:
            faults.append(
                f"the log cannot be written: {self._owed.fault}; who was not reached is not known there"
            )
        return faults

    def stop(self) -> None:
        """End `run`, from any thread."""
        self._call(self._stopping.set)

    def wake(self) -> None:
        """Something may be due; from any thread."""
        self._call(self._wake_all)

    def receive(self, receipt: ChannelReceipt) -> None:
        """Take a receipt, from any thread: give it to channels as their `receive`."""
        self._call(partial(self._receipts.put, receipt))

    def _call(self, what: Callable[[], None]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(what)

    def _wake_all(self) -> None:
        for wake in self._wakes.values():
            wake.set()

    async def _steadily(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do a work, from its beginning again where the database is away or full for a while."""
        while True:
            try:
                return await work()
            except DBAPIError as error:
                away = plain(error)
                if away != self._away:
                    log.error("dispatcher.database error=%s; again each %g s", away, _IDLE_S)
                self._away = away
                await asyncio.sleep(_IDLE_S)

    # --- sending ----------------------------------------------------------------------------------------------------

    async def _serve(self, name: str) -> None:
        wake = self._wakes.setdefault(name, asyncio.Event())
        under_way = self._sending[name]
        while not self._stopping.is_set():
            wake.clear()
            room = self._policy.at_once - len(under_way)
            # The lease must outlive the call, or another dispatcher would send the same notice beside us. It counts from
            # before the claim, so that a process which was stopped in between knows that its time is over.
            ends_s = time.monotonic() + self._policy.lease_s * _OF_LEASE
            claims: list[Claim] = []
            if room:
                claiming = asyncio.ensure_future(asyncio.to_thread(self._claim, name, room))
                self._claiming.add(claiming)
                claiming.add_done_callback(self._claiming.discard)
                claims = await claiming
                self._away = None
            for claim in claims:
                task = asyncio.create_task(self._send(claim, ends_s), name=claim.notice.id)
                under_way.add(task)
                task.add_done_callback(under_way.discard)
                task.add_done_callback(lambda _: wake.set())
            if len(claims) < room or not room:
                await _wait(wake, _IDLE_S)

    def _claim(self, channel: str, limit: int) -> list[Claim]:
        return self._ledger.claim_due(
            self._clock.now_us(),
            limit,
            self._worker,
            self._policy.lease_s,
            machine_us=self._machine.now_us(),
            channels=[channel],
        )

    async def _send(self, claim: Claim, ends_s: float) -> None:
        channel = self._channels[claim.notice.channel]
        began_us = self._clock.now_us()
        if claim.attempt == 1 and claim.notice.first_due_at is not None:
            observe_hop("dispatched", to_micros(claim.notice.first_due_at), began_us)
        address = self._address_of(claim.notice.recipient, channel.name)
        left_s = ends_s - time.monotonic()
        if address is None or left_s <= 0:
            outcome: Outcome = Refused(Reason.ADDRESS, "the configuration has none")
            if address is not None:
                outcome = Retry(Reason.LATE)
            await self._settle(claim, outcome, channel.repeatable)
            return
        if claim.resend:
            metrics.resends_total.labels(channel.name).inc()
        message = Message(
            claim.notice,
            address,
            RESENT + claim.notice.text if claim.resend else claim.notice.text,
            claim.resend,
            self._machine.now_us(),
            self._clock.seconds_until(to_micros(claim.notice.expires_at)),
        )
        began_s = time.monotonic()
        try:
            outcome = await asyncio.wait_for(channel.send(message), left_s)
        except TimeoutError:
            outcome = Unknown(Reason.NO_ANSWER, "the channel took too long")
        except Exception:
            log.exception("notice.fault notice=%s channel=%s", claim.notice.id, channel.name)
            outcome = Unknown(Reason.FAULT)
        if isinstance(outcome, Sent) and outcome.delivered:
            observe_hop("delivered", began_us, self._clock.now_us())
        metrics.send_seconds.labels(channel.name).observe(time.monotonic() - began_s)
        try:
            await self._settle(claim, outcome, channel.repeatable)
        except (DBAPIError, LedgerError):
            # It stays `sending`; when the lease is over it is adopted as an outcome that nobody knows.
            log.exception("notice.unrecorded notice=%s channel=%s", claim.notice.id, channel.name)

    async def _settle(self, claim: Claim, outcome: Outcome, repeatable: bool) -> None:
        verdict = judge(
            claim, outcome, repeatable=repeatable, policy=self._policy.retries, chance=self._random.random()
        )
        reason = "" if isinstance(outcome, Sent) else outcome.reason.value
        metrics.sends_total.labels(claim.notice.channel, type(outcome).__name__.lower(), reason).inc()
        ready_us = None if verdict.pause_s is None else self._machine.now_us() + seconds(verdict.pause_s)
        now_us = self._clock.now_us()
        recorded = await self._record(
            Settlement(
                claim, verdict.state, now_us, verdict.error, ready_us, verdict.resend, verdict.references
            )
        )
        self._tell(claim, verdict, now_us, recorded)
        self._receipts.named(claim.notice.channel, verdict.references, claim.notice.id)

    async def _record(self, settlement: Settlement) -> bool:
        recorded: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._outcomes.put_nowait((settlement, recorded))
        return await recorded

    async def _record_outcomes(self) -> None:
        """Write outcomes as they come, all that wait in one transaction: a commit costs more than what it holds."""
        while True:
            waiting = [await self._outcomes.get()]
            while not self._outcomes.empty():
                waiting.append(self._outcomes.get_nowait())
            try:
                results = await self._settle_all([one for one, _ in waiting])
            except (DBAPIError, LedgerError) as error:
                for _, recorded in waiting:
                    recorded.set_exception(error)
                continue
            for (_, recorded), result in zip(waiting, results, strict=True):
                recorded.set_result(result)

    async def _settle_all(self, settlements: Sequence[Settlement]) -> list[bool]:
        """Record outcomes, again while the database is away: forgotten, what was certainly sent would go once more."""
        while True:
            try:
                return await asyncio.to_thread(self._ledger.settle, settlements)
            except (OperationalError, InterfaceError) as error:
                self._away = plain(error)
                log.error("dispatcher.unrecorded outcomes=%d error=%s", len(settlements), error.orig)
                if self._stopping.is_set():
                    raise
                await asyncio.sleep(_IDLE_S)

    def _tell(self, claim: Claim, verdict: Verdict, now_us: Micros, recorded: bool) -> None:
        notice = claim.notice
        if not recorded:
            log.warning(
                "notice.late notice=%s channel=%s: another dispatcher has it", notice.id, notice.channel
            )
            return
        if verdict.state in {NoticeState.SENT, NoticeState.DELIVERED}:
            if notice.first_due_at is not None:
                waited_s = max(0, now_us - to_micros(notice.first_due_at)) / SECOND
                metrics.due_to_sent_seconds.labels(notice.channel, str(notice.level)).observe(waited_s)
            return
        level = logging.WARNING if verdict.pause_s is None else logging.INFO
        log.log(
            level,
            "notice.%s notice=%s channel=%s attempt=%d reason=%s next_in_s=%s",
            verdict.state.value,
            notice.id,
            notice.channel,
            claim.attempt,
            verdict.error,
            "never" if verdict.pause_s is None else f"{verdict.pause_s:.1f}",
        )
        if verdict.pause_s is None and self._owed is not None:
            self._owed.look()

    # --- what others left -------------------------------------------------------------------------------------------

    async def _adopt(self, *, own: bool) -> None:
        claims = await asyncio.to_thread(
            self._ledger.adopt, self._worker, self._policy.lease_s, machine_us=self._machine.now_us(), own=own
        )
        if self._claiming:
            await asyncio.wait(self._claiming)
        # After a sleep of the whole process our own claims may be over, too: whoever has one in hand settles it.
        in_hand = {task.get_name() for tasks in self._sending.values() for task in tasks}
        for claim in claims:
            if claim.notice.id in in_hand:
                continue
            channel = self._channels.get(claim.notice.channel)
            repeatable = channel is not None and channel.repeatable
            await self._settle(claim, Unknown(Reason.CRASHED), repeatable)

    async def _adopt_others(self) -> None:
        while True:
            await asyncio.sleep(self._policy.lease_s / 4)
            await self._adopt(own=False)

    # --- topics, counts ---------------------------------------------------------------------------------------------

    async def _keep_topics(self, topics: AlertTopics) -> None:
        wake = self._wakes.setdefault("topics", asyncio.Event())
        while True:
            wake.clear()
            now_us = self._clock.now_us()
            alerts = await asyncio.to_thread(self._ledger.newest_released, now_us - _TOPICS_SINCE)
            metrics.topics_behind.set(await topics.sync(alerts, now_us))
            await _wait(wake, _IDLE_S)

    async def _count(self) -> None:
        while True:
            counts = await asyncio.to_thread(self._ledger.notice_counts)
            oldest = await asyncio.to_thread(self._ledger.oldest_due)
            now_us = self._clock.now_us()
            for channel in self._channels:
                for state in NoticeState:
                    metrics.notices.labels(channel, state.value).set(counts.get((channel, state), 0))
                waits_us = now_us - oldest[channel] if channel in oldest else 0
                metrics.oldest_due_seconds.labels(channel).set(max(0, waits_us) / SECOND)
            metrics.acts_owed.set(await asyncio.to_thread(self._ledger.owed_acts))
            await asyncio.sleep(_COUNT_EVERY_S)


async def _wait(event: asyncio.Event, at_most_s: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), at_most_s)
    except TimeoutError:
        return
