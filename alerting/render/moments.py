"""Moments: times as people read them, UTC+8."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from schemas.times import CHINA


def local(moment: datetime) -> datetime:
    """The moment on Chinese clocks."""
    return moment.astimezone(CHINA)


def moment_of(value: Any) -> datetime | None:
    """A time of the evidence (RFC 3339 text or aware datetime); None where there is none or it has no offset."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    return value if isinstance(value, datetime) and value.tzinfo is not None else None


def minute_zh(moment: datetime) -> str:
    """7月18日14时00分."""
    at = local(moment)
    return f"{at.month}月{at.day}日{at.hour}时{at.minute:02d}分"


def until_zh(start: datetime, end: datetime) -> str:
    """The end of a period that begins at `start`: without the day where it is the same."""
    a, b = local(start), local(end)
    return f"{b.hour}时{b.minute:02d}分" if a.date() == b.date() else minute_zh(end)


def second_zh(moment: datetime) -> str:
    """14时03分25秒."""
    at = local(moment)
    return f"{at.hour}时{at.minute:02d}分{at.second:02d}秒"


def minute_en(moment: datetime) -> str:
    """18 Jul 14:00."""
    at = local(moment)
    month = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")[at.month - 1]
    return f"{at.day} {month} {at.hour:02d}:{at.minute:02d}"


def second_en(moment: datetime) -> str:
    """14:03:25."""
    at = local(moment)
    return f"{at.hour:02d}:{at.minute:02d}:{at.second:02d}"


def number(value: float) -> str:
    """A figure of the evidence without a needless `.0`."""
    return f"{value:.10g}"
