"""Undelivered: the system's act that an orange or red notice did not reach its recipient.

What a later decision rests on enters the log: the routing judges it there and tells the next contact (EXACT, rules 10 and 11).
"""

from __future__ import annotations

from schemas.act import Act
from schemas.ids import hashed
from schemas.notice import Notice, NoticeState
from schemas.times import Micros, from_micros

_REASON = 2000
"""An act's reason is no longer."""


def undelivered(notice: Notice, attempt: int, state: NoticeState, reason: str, now_us: Micros) -> Act:
    """The act; the same attempt and state give the same id, so that a repeat counts once."""
    first = notice.alerts[0]
    return Act(
        id=hashed("x", "undelivered", notice.id, attempt, state.value),
        act="undelivered",
        by="system",
        at=from_micros(now_us),
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
