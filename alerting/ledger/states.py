"""How a notice may move, and its newest state.

A notice's state is its newest row; rows are never changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from alerting.ledger import tables
from alerting.ledger.errors import IllegalTransition
from alerting.ledger.rows import chunks
from schemas.notice import NoticeState
from schemas.times import Micros

_S = NoticeState

ALLOWED: dict[NoticeState | None, frozenset[NoticeState]] = {
    None: frozenset({_S.HELD, _S.DUE, _S.SUPERSEDED, _S.EXPIRED}),
    _S.HELD: frozenset({_S.DUE, _S.SUPERSEDED, _S.EXPIRED}),
    # Due to sent or delivered: what became of a try that was given up is known before the next try begins.
    _S.DUE: frozenset({_S.SENDING, _S.SUPERSEDED, _S.EXPIRED, _S.PARKED, _S.SENT, _S.DELIVERED}),
    _S.SENDING: frozenset({_S.DUE, _S.SENT, _S.DELIVERED, _S.FAILED, _S.UNKNOWN, _S.PARKED}),
    _S.SENT: frozenset({_S.DELIVERED, _S.FAILED}),
    # What was unknown may turn out to have arrived, or goes again.
    _S.UNKNOWN: frozenset({_S.DUE, _S.SENT, _S.DELIVERED, _S.FAILED, _S.SUPERSEDED, _S.PARKED}),
    _S.PARKED: frozenset({_S.DUE, _S.SUPERSEDED, _S.EXPIRED, _S.DELIVERED}),
    # A receipt of one try may come after another try failed; nothing takes a delivery back.
    _S.FAILED: frozenset({_S.DELIVERED}),
    _S.DELIVERED: frozenset(),
    _S.SUPERSEDED: frozenset(),
    _S.EXPIRED: frozenset(),
}
"""From each state, the states that may follow."""

MAY_HAVE_REACHED: frozenset[NoticeState] = frozenset({_S.SENT, _S.DELIVERED, _S.UNKNOWN})
"""A notice that ever stood here may have been before somebody's eyes."""


def state_of(connection: Connection, notice: str) -> NoticeState | None:
    """The newest state of a notice; None where the ledger has none."""
    statement = (
        select(tables.notice_states.c.state)
        .where(tables.notice_states.c.notice == notice)
        .order_by(tables.notice_states.c.sequence.desc())
        .limit(1)
    )
    state = connection.execute(statement).scalar_one_or_none()
    return None if state is None else NoticeState(state)


def states_of(connection: Connection, notices: Sequence[str]) -> dict[str, NoticeState]:
    """The newest state of each of several notices."""
    table = tables.notice_states
    found: dict[str, NoticeState] = {}
    for part in chunks(notices):
        newest = select(func.max(table.c.sequence)).where(table.c.notice.in_(part)).group_by(table.c.notice)
        for row in connection.execute(
            select(table.c.notice, table.c.state).where(table.c.sequence.in_(newest))
        ):
            found[row.notice] = NoticeState(row.state)
    return found


def move(
    connection: Connection,
    notice: str,
    state: NoticeState,
    at_us: Micros | None,
    *,
    attempt: int = 0,
    worker: str | None = None,
    error: str | None = None,
) -> None:
    """Add a row with the next state of a notice.

    Raises
    ------
    IllegalTransition
        The state cannot follow the one that the notice has.
    """
    step = Step(notice, state, at_us, attempt, worker, error)
    move_all(connection, [step], {notice: state_of(connection, notice)})


class Step(NamedTuple):
    """The next state of one notice."""

    notice: str
    state: NoticeState
    at_us: Micros | None
    attempt: int = 0
    worker: str | None = None
    error: str | None = None


def move_all(connection: Connection, steps: Sequence[Step], before: Mapping[str, NoticeState | None]) -> None:
    """Add rows with the next states of several notices, in order.

    Parameters
    ----------
    before
        The states that they have now; those that have none may be missing.

    Raises
    ------
    IllegalTransition
        A state cannot follow the one that its notice has.
    """
    for step in steps:
        now = before.get(step.notice)
        if step.state not in ALLOWED[now]:
            raise IllegalTransition(step.notice, "not there" if now is None else now.value, step.state.value)
    for part in chunks([step._asdict() | {"state": step.state.value} for step in steps]):
        connection.execute(tables.notice_states.insert(), list(part))
