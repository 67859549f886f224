"""The queue of notices: what becomes due is queued, and what it makes pointless leaves.

Order   for one recipient, channel and chain an earlier version goes first; it blocks the later ones until it is settled
Supersede   an unsent notice leaves once newer due ones tell every chain that it tells
Priority    a notice that blocks a higher one goes as if it had the other's level
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, and_, exists, func, select

from alerting.ledger import tables
from alerting.ledger.states import ALLOWED, move, state_of
from schemas.notice import Notice, NoticeState
from schemas.times import to_micros

_L, _A, _D = tables.leases, tables.notice_alerts, tables.notice_decisions


def decide(connection: Connection, notice: Notice) -> None:
    """Take a notice's step that the log has decided for the first time.

    A step that its state no longer allows (a release of what was superseded while it was held) changes nothing.
    """
    before = state_of(connection, notice.id)
    if notice.state not in ALLOWED[before] or notice.state is NoticeState.DELIVERED:
        return
    at_us = None if notice.first_due_at is None else to_micros(notice.first_due_at)
    move(connection, notice.id, notice.state, at_us)
    if notice.state in {NoticeState.HELD, NoticeState.DUE} and covered(connection, notice.id):
        move(connection, notice.id, NoticeState.SUPERSEDED, at_us)
    elif notice.state is NoticeState.DUE:
        _enqueue(connection, notice)
        _make_way(connection, notice)
    elif notice.state is not NoticeState.HELD:
        leave(connection, notice.id)


def covered(connection: Connection, notice: str) -> bool:
    """Whether newer due notices to the same recipient and channel tell every chain of this one."""
    newer = _A.alias("newer")
    told = exists(
        select(1)
        .select_from(newer.join(_D, and_(_D.c.notice == newer.c.notice, _D.c.state == NoticeState.DUE.value)))
        .where(_newer(newer.c, _A.c))
    )
    untold = select(func.count()).select_from(_A).where(_A.c.notice == notice, ~told)
    return connection.execute(untold).scalar_one() == 0


def leave(connection: Connection, notice: str) -> None:
    """Take a notice out of the queue, unless it is being sent just now."""
    connection.execute(_L.delete().where(_L.c.notice == notice, _L.c.worker.is_(None)))


def being_sent(connection: Connection, notice: str) -> bool:
    """Whether a dispatcher holds the notice; locks its place in the queue until the transaction ends."""
    held = select(_L.c.worker).where(_L.c.notice == notice).with_for_update()
    return connection.execute(held).scalar_one_or_none() is not None


def blocked() -> ColumnElement[bool]:
    """SQL: an earlier notice in the queue tells the same person, by the same channel, an earlier version of a chain.

    Earlier in both senses: by version and by its place in the queue, so that no two notices block each other.
    """
    earlier, theirs, ours = _L.alias("earlier"), _A.alias("theirs"), _A.alias("ours")
    return exists(
        select(1)
        .select_from(
            earlier.join(theirs, theirs.c.notice == earlier.c.notice).join(
                ours, ours.c.alert == theirs.c.alert
            )
        )
        .where(
            earlier.c.recipient == _L.c.recipient,
            earlier.c.channel == _L.c.channel,
            earlier.c.sequence < _L.c.sequence,
            ours.c.notice == _L.c.notice,
            theirs.c.version < ours.c.version,
        )
    )


def _newer(newer: object, older: object) -> ColumnElement[bool]:
    return and_(
        newer.recipient == older.recipient,  # type: ignore[attr-defined]
        newer.channel == older.channel,  # type: ignore[attr-defined]
        newer.alert == older.alert,  # type: ignore[attr-defined]
        newer.version > older.version,  # type: ignore[attr-defined]
    )


def _enqueue(connection: Connection, notice: Notice) -> None:
    expires_us = to_micros(notice.expires_at)
    due_us = expires_us if notice.first_due_at is None else to_micros(notice.first_due_at)
    connection.execute(
        _L.insert().values(
            notice=notice.id,
            recipient=notice.recipient,
            channel=notice.channel,
            priority=notice.level,
            first_due_us=due_us,
            expires_us=expires_us,
            ready_us=0,
            attempt=0,
            resend=False,
        )
    )


def _make_way(connection: Connection, notice: Notice) -> None:
    """Supersede what the new notice makes pointless; what still goes first goes at the new one's level."""
    waiting, seen = [notice.id], {notice.id}
    while waiting:
        for older in _older(connection, waiting.pop()):
            if older in seen:
                continue
            seen.add(older)
            state = state_of(connection, older)
            unsent = state is not None and NoticeState.SUPERSEDED in ALLOWED[state]
            if not unsent or being_sent(connection, older):
                continue
            if covered(connection, older):
                move(
                    connection,
                    older,
                    NoticeState.SUPERSEDED,
                    to_micros(notice.first_due_at or notice.expires_at),
                )
                leave(connection, older)
            elif state is NoticeState.DUE:
                _hurry(connection, older, notice.level)
                waiting.append(older)


def _older(connection: Connection, notice: str) -> list[str]:
    older = _A.alias("older")
    statement = (
        select(older.c.notice)
        .select_from(_A.join(older, _newer(_A.c, older.c)))
        .where(_A.c.notice == notice)
        .distinct()
    )
    return list(connection.execute(statement.order_by(older.c.notice)).scalars())


def _hurry(connection: Connection, notice: str, level: int) -> None:
    # It also need not wait out its back-off: what it blocks is more urgent than a polite pause.
    connection.execute(
        _L.update()
        .where(_L.c.notice == notice, _L.c.worker.is_(None), _L.c.priority < level)
        .values(priority=level, ready_us=0)
    )
