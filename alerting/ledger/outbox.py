"""The outbox: dispatchers claim notices, and settle what became of them.

A claim commits the state `sending` before the channel is called, and holds a lease. A dispatcher that dies leaves its
lease; another adopts it when it has run out and settles it as an outcome that nobody knows.

Two clocks: `now_us` is the house's (what states and expiry are told in), `machine_us` the machine's (leases, pauses).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, exists, or_, select

from alerting.ledger import owed, tables
from alerting.ledger.composed import notices_of
from alerting.ledger.queue import being_sent, blocked, covered, enqueue, leave
from alerting.ledger.rows import chunks, content, insert_new
from alerting.ledger.states import ALLOWED, MAY_HAVE_REACHED, Step, move, move_all, state_of
from alerting.ledger.told import heard
from schemas.notice import Notice, NoticeState, Receipt
from schemas.times import Micros, to_micros

_L, _A, _S = tables.leases, tables.notice_alerts, tables.notice_states


@dataclass(frozen=True)
class Claim:
    """A notice that one dispatcher may send now.

    `attempt` counts from 1. `resend`: an earlier try had no answer and the channel cannot recognise a repeat,
    so the text must say so.
    """

    notice: Notice
    attempt: int
    resend: bool
    worker: str


@dataclass(frozen=True)
class Settlement:
    """What became of a claim.

    Attributes
    ----------
    state
        `sent`, `delivered`, `failed`, `parked`, `unknown`, or `due` to try again.
    ready_us
        With `due`, or with `unknown` that goes again: not before this time of the machine's clock.
    resend
        The next try is marked as a repeat.
    references
        The channel's names for what it took.
    """

    claim: Claim
    state: NoticeState
    now_us: Micros
    error: str | None = None
    ready_us: Micros | None = None
    resend: bool = False
    references: tuple[str, ...] = ()


def claim_due(
    connection: Connection,
    now_us: Micros,
    machine_us: Micros,
    limit: int,
    worker: str,
    lease_us: Micros,
    channels: Collection[str] | None = None,
) -> list[Claim]:
    """Claim up to `limit` notices, the highest level first, then by when they became due.

    What has expired on the way, became pointless, or was told by a gateway that was cut off, is settled here and not
    returned.
    """
    claimed: dict[str, tuple[int, bool]] = {}
    while len(claimed) < limit:
        rows = connection.execute(_ready(machine_us, limit - len(claimed), channels)).all()
        if not rows:
            break
        pointless = covered(connection, [row.notice for row in rows])
        pointless |= {row.notice for row in rows if row.cancel and _nobody_saw(connection, row.notice)}
        known = heard(connection, [row.notice for row in rows], [row.recipient for row in rows])
        states = dict.fromkeys((row.notice for row in rows), NoticeState.DUE)
        steps: list[Step] = []
        taken: list[str] = []
        for row in rows:
            if row.expires_us <= now_us or row.notice in pointless:
                state = NoticeState.EXPIRED if row.expires_us <= now_us else NoticeState.SUPERSEDED
                steps.append(Step(row.notice, state, now_us))
                leave(connection, row.notice)
                continue
            if row.attempt == 0 and (told := known.get(row.notice)) is not None:
                words = f"told by gateway {told.gateway}, which was cut off"
                steps.append(Step(row.notice, NoticeState.SENT, told.at_us, 0, told.gateway, words))
                leave(connection, row.notice)
                continue
            attempt = row.attempt + 1
            steps.append(Step(row.notice, NoticeState.SENDING, now_us, attempt, worker))
            taken.append(row.notice)
            claimed[row.notice] = (attempt, row.resend)
        held = {"worker": worker, "until_us": machine_us + lease_us, "attempt": _L.c.attempt + 1}
        for part in chunks(taken):
            connection.execute(_L.update().where(_L.c.notice.in_(part)).values(**held))
        move_all(connection, steps, states)
    composed = notices_of(connection, list(claimed))
    return [Claim(composed[notice], attempt, resend, worker) for notice, (attempt, resend) in claimed.items()]


def adopt(
    connection: Connection, machine_us: Micros, worker: str, lease_us: Micros, *, own: bool
) -> list[Claim]:
    """Take over leases that have run out, with `own` also all that an earlier process of this name has left.

    They stay `sending`; the caller settles each as a send whose outcome is unknown.
    """
    over = _L.c.until_us < machine_us
    statement = (
        select(_L.c.notice, _L.c.attempt, _L.c.resend)
        .where(_L.c.worker.is_not(None), or_(over, _L.c.worker == worker) if own else over)
        .order_by(_L.c.sequence)
        .with_for_update(skip_locked=True)
    )
    rows = connection.execute(statement).all()
    for row in rows:
        held = {"worker": worker, "until_us": machine_us + lease_us}
        connection.execute(_L.update().where(_L.c.notice == row.notice).values(**held))
    composed = notices_of(connection, [row.notice for row in rows])
    return [Claim(composed[row.notice], row.attempt, row.resend, worker) for row in rows]


def settle(connection: Connection, settlement: Settlement) -> bool:
    """Record what became of a claim.

    Returns
    -------
    bool
        False where the lease was lost and somebody else has taken the notice on.
    """
    claim, state, now_us = settlement.claim, settlement.state, settlement.now_us
    notice = claim.notice.id
    for reference in settlement.references:
        connection.execute(
            insert_new(connection, tables.channel_references),
            {"channel": claim.notice.channel, "reference": reference, "notice": notice},
        )
    lease = connection.execute(
        select(_L.c.worker, _L.c.attempt).where(_L.c.notice == notice).with_for_update()
    ).one_or_none()
    mine = lease is not None and (lease.worker, lease.attempt) == (claim.worker, claim.attempt)
    before = state_of(connection, notice)
    if not mine:
        # Nobody has begun another try: the lease is gone, or free again after the try that this settles.
        untried = lease is None or (lease.worker is None and lease.attempt == claim.attempt)
        return untried and _settle_late(connection, claim, state, before, now_us)
    if before is not NoticeState.SENDING:  # a receipt came first
        _free(connection, notice)
        return True
    words: dict[str, Any] = {"attempt": claim.attempt, "worker": claim.worker, "error": settlement.error}
    move(connection, notice, state, now_us, **words)
    again = state is NoticeState.DUE or (state is NoticeState.UNKNOWN and settlement.ready_us is not None)
    if not again:
        _free(connection, notice)
        owed.owe(connection, claim.notice, claim.attempt, state, settlement.error or "", now_us)
        return True
    if state is NoticeState.UNKNOWN:
        move(connection, notice, NoticeState.DUE, now_us, attempt=claim.attempt)
    if covered(connection, [notice]):
        move(connection, notice, NoticeState.SUPERSEDED, now_us, attempt=claim.attempt)
        _free(connection, notice)
        return True
    freed = {"worker": None, "until_us": None, "ready_us": settlement.ready_us or 0}
    freed["resend"] = claim.resend or settlement.resend
    connection.execute(_L.update().where(_L.c.notice == notice).values(**freed))
    return True


def unpark(connection: Connection, notice: Notice, now_us: Micros) -> bool:
    """Queue a parked notice again, as an operator asks; False where it is not parked or has become pointless."""
    if state_of(connection, notice.id) is not NoticeState.PARKED:
        return False
    if covered(connection, [notice.id]):
        move(connection, notice.id, NoticeState.SUPERSEDED, now_us)
        return False
    move(connection, notice.id, NoticeState.DUE, now_us)
    enqueue(connection, [notice])
    return True


def notices_of_references(
    connection: Connection, names: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], str]:
    """The notices that channels' own names (channel, reference) belong to."""
    table = tables.channel_references
    found: dict[tuple[str, str], str] = {}
    for channel in sorted({channel for channel, _ in names}):
        for part in chunks([reference for one, reference in names if one == channel]):
            rows = select(table.c.reference, table.c.notice).where(
                table.c.channel == channel, table.c.reference.in_(part)
            )
            found.update({(channel, row.reference): row.notice for row in connection.execute(rows)})
    return found


def add_receipt(connection: Connection, receipt: Receipt, reference: str = "") -> bool:
    """Keep a receipt once and move its notice; False, and nothing is kept, where there is no such notice.

    A notice that a channel took in several parts is delivered when each part is.
    """
    being_sent(connection, [receipt.notice])
    before = state_of(connection, receipt.notice)
    if before is None:
        return False
    table = tables.receipts
    at_us = to_micros(receipt.at)
    row = {
        "notice": receipt.notice,
        "state": receipt.state,
        "at_us": at_us,
        "device": receipt.device or "",
        "reference": reference,
        "body": content(receipt),
    }
    added = insert_new(connection, table).values(**row).returning(table.c.sequence)
    if connection.execute(added).first() is None:
        return True
    after = NoticeState.FAILED if receipt.state == "failed" else NoticeState.DELIVERED
    if after not in ALLOWED[before]:
        return True
    if after is NoticeState.DELIVERED and _parts_missing(connection, receipt.notice):
        return True
    error = receipt.detail if after is NoticeState.FAILED else None
    move(connection, receipt.notice, after, at_us, error=error)
    leave(connection, receipt.notice)
    if after is NoticeState.DELIVERED:
        owed.forgive(connection, receipt.notice)
    else:
        notice = notices_of(connection, [receipt.notice])[receipt.notice]
        owed.owe(connection, notice, notice.attempts, after, error or "", at_us)
    return True


def _ready(machine_us: Micros, limit: int, channels: Collection[str] | None) -> Select[Any]:
    statement = (
        select(
            _L.c.notice, _L.c.recipient, _L.c.expires_us, _L.c.attempt, _L.c.resend, tables.notices.c.cancel
        )
        .join(tables.notices, tables.notices.c.id == _L.c.notice)
        .where(_L.c.worker.is_(None), _L.c.ready_us <= machine_us, ~blocked())
        .order_by(_L.c.priority.desc(), _L.c.first_due_us, _L.c.sequence)
        .limit(limit)
        .with_for_update(of=_L, skip_locked=True)
    )
    return statement if channels is None else statement.where(_L.c.channel.in_(channels))


def _nobody_saw(connection: Connection, notice: str) -> bool:
    """Whether earlier versions of what it cancels were for this recipient and channel, but none ever left."""
    older = _A.alias("older")
    earlier = (
        (older.c.recipient == _A.c.recipient)
        & (older.c.channel == _A.c.channel)
        & (older.c.alert == _A.c.alert)
        & (older.c.version < _A.c.version)
    )
    had = select(older.c.notice).select_from(_A.join(older, earlier)).where(_A.c.notice == notice)
    if connection.execute(had.limit(1)).first() is None:
        return False
    left = exists().where(
        _S.c.notice == older.c.notice, _S.c.state.in_([state.value for state in MAY_HAVE_REACHED])
    )
    return connection.execute(had.where(left).limit(1)).first() is None


def _settle_late(
    connection: Connection,
    claim: Claim,
    state: NoticeState,
    before: NoticeState | None,
    now_us: Micros,
) -> bool:
    # Our lease ran out while the channel was slow, or we were asleep. That it went out is still worth knowing: what was
    # certainly sent need not go again.
    good = state in {NoticeState.SENT, NoticeState.DELIVERED}
    if not good or before not in {NoticeState.UNKNOWN, NoticeState.DUE}:
        return False
    move(connection, claim.notice.id, state, now_us, attempt=claim.attempt, worker=claim.worker)
    _free(connection, claim.notice.id)
    owed.forgive(connection, claim.notice.id)
    return True


def _free(connection: Connection, notice: str) -> None:
    connection.execute(_L.delete().where(_L.c.notice == notice))


def _parts_missing(connection: Connection, notice: str) -> bool:
    references, receipts = tables.channel_references, tables.receipts
    confirmed = exists().where(
        receipts.c.notice == references.c.notice,
        receipts.c.reference == references.c.reference,
        receipts.c.state != "failed",
    )
    missing = select(references.c.reference).where(references.c.notice == notice, ~confirmed)
    return connection.execute(missing.limit(1)).first() is not None
