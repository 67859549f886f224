"""Notices as people read them: what the log decided, with what the dispatchers made of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from alerting.ledger import tables
from alerting.ledger.rows import chunks
from schemas.notice import Notice, NoticeState
from schemas.times import from_micros

_RANK = {NoticeState.HELD.value: 0, NoticeState.DUE.value: 1}


def notices_of(connection: Connection, ids: Sequence[str]) -> dict[str, Notice]:
    """Notices by id, as they stand; those that the ledger has."""
    decisions, states = tables.notice_decisions, tables.notice_states
    bodies: dict[str, tuple[int, str]] = {}
    history: dict[str, list[Any]] = {}
    for part in chunks(ids):
        for row in connection.execute(select(decisions).where(decisions.c.notice.in_(part))):
            rank = _RANK.get(row.state, 0)
            if row.notice not in bodies or rank > bodies[row.notice][0]:
                bodies[row.notice] = (rank, row.body)
        moves = select(states).where(states.c.notice.in_(part)).order_by(states.c.sequence)
        for row in connection.execute(moves):
            history.setdefault(row.notice, []).append(row)
    return {
        notice: _compose(bodies[notice][1], history.get(notice, [])) for notice in ids if notice in bodies
    }


def _compose(body: str, history: Sequence[Any]) -> Notice:
    fields = msgspec.json.decode(body)
    fields["state"] = history[-1].state if history else NoticeState.HELD.value
    fields["attempts"] = max((row.attempt for row in history), default=0)
    for row in history:
        if row.state == NoticeState.SENT.value:
            fields["sent_at"] = from_micros(row.at_us)
        if row.state == NoticeState.DELIVERED.value:
            fields["delivered_at"] = from_micros(row.at_us)
        # An error is told until a later step went well.
        if row.error is not None or row.state in {NoticeState.SENT.value, NoticeState.DELIVERED.value}:
            fields["error"] = row.error
    return Notice.model_validate(fields)
