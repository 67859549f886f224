"""Acts that the log is owed: that an orange or red notice did not reach its recipient.

What a later decision rests on enters the log: the routing judges it there and tells the next contact (EXACT, rules 10
and 11). Such an act is written in the transaction that records the state which calls for it, and stays here until
whoever appends it says that the log has it, so that no crash between the two loses it. Appended twice, it counts once.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from alerting.ledger import tables
from alerting.ledger.rows import chunks, content, insert_new
from schemas.act import Act
from schemas.ids import hashed
from schemas.level import Level
from schemas.notice import Notice, NoticeState
from schemas.times import Micros, from_micros

NOT_REACHED = frozenset({NoticeState.FAILED, NoticeState.UNKNOWN, NoticeState.PARKED})
"""Where a notice that is tried no more stands in one of these, nobody knows that its recipient was told."""

_O = tables.owed_acts
_REASON = 2000
"""An act's reason is no longer."""


def undelivered(notice: Notice, attempt: int, state: NoticeState, reason: str, at_us: Micros) -> Act:
    """The act; the same attempt and state give the same id, so that a repeat counts once."""
    first = notice.alerts[0]
    return Act(
        id=hashed("x", "undelivered", notice.id, attempt, state.value),
        act="undelivered",
        by="system",
        at=from_micros(at_us),
        alert=first.id,
        version=first.version,
        reason=reason[:_REASON],
        content={
            "notice": notice.id,
            "recipient": notice.recipient,
            "channel": notice.channel,
            "state": state.value,
            "alerts": [one.model_dump() for one in notice.alerts],
        },
    )


def owe(
    connection: Connection, notice: Notice, attempt: int, state: NoticeState, reason: str, at_us: Micros
) -> None:
    """Owe the log that a notice which is tried no more has not reached its recipient; below orange it rests."""
    if state not in NOT_REACHED or notice.level < Level.ORANGE:
        return
    act = undelivered(notice, attempt, state, reason, at_us)
    row = {"id": act.id, "notice": notice.id, "until_us": 0, "body": content(act)}
    connection.execute(insert_new(connection, _O), row)


def forgive(connection: Connection, notice: str) -> None:
    """Owe nothing for a notice any more: it has reached its recipient after all."""
    connection.execute(_O.delete().where(_O.c.notice == notice))


def count(connection: Connection) -> int:
    """How many acts the log does not have yet."""
    return int(connection.execute(select(func.count()).select_from(_O)).scalar_one())


def claim(connection: Connection, machine_us: Micros, lease_us: Micros, limit: int) -> list[Act]:
    """Take acts to append that nobody else has in hand; those that the log has had already are owed no more."""
    statement = select(_O.c.id, _O.c.body).where(_O.c.until_us <= machine_us).order_by(_O.c.id)
    rows = connection.execute(statement.limit(limit).with_for_update(skip_locked=True)).all()
    ids = [row.id for row in rows]
    judged = select(tables.acts.c.id).where(tables.acts.c.id.in_(ids))
    had = set(connection.execute(judged).scalars())
    paid(connection, sorted(had))
    taken = [row for row in rows if row.id not in had]
    for part in chunks([row.id for row in taken]):
        connection.execute(_O.update().where(_O.c.id.in_(part)).values(until_us=machine_us + lease_us))
    return [Act.model_validate_json(row.body) for row in taken]


def give_back(connection: Connection, acts: Sequence[str]) -> None:
    """The log took none of these acts: anybody may try again at once."""
    for part in chunks(acts):
        connection.execute(_O.update().where(_O.c.id.in_(part)).values(until_us=0))


def paid(connection: Connection, acts: Sequence[str]) -> None:
    """The log has these acts."""
    for part in chunks(acts):
        connection.execute(_O.delete().where(_O.c.id.in_(part)))
