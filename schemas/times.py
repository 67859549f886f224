"""Times: one clock word inside (`Micros`), aware datetimes at the edges.

In columns, state and stages a time is an integer count of microseconds since 1970-01-01 UTC, so that
comparison and arithmetic are exact; models carry aware datetimes, and JSON carries RFC 3339.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Any

import msgspec
from pydantic import BeforeValidator, WithJsonSchema

Micros = int

SECOND: Micros = 1_000_000
MINUTE: Micros = 60 * SECOND
HOUR: Micros = 3600 * SECOND
DAY: Micros = 24 * HOUR

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CHINA = timezone(timedelta(hours=8), "UTC+8")
EARLIEST: Micros = -62_135_596_800_000_000
LATEST: Micros = 221_845_392_000_000_000
"""The years 1 to 8999 in UTC: what a calendar can write, with room above for all that is added to a time."""
_aware = Annotated[datetime, msgspec.Meta(tz=True)]


def to_micros(moment: datetime) -> Micros:
    """Microseconds since 1970 of an aware datetime; exact, no float in between."""
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def from_micros(micros: Micros) -> datetime:
    """The aware UTC datetime of a count of microseconds."""
    return EPOCH + timedelta(microseconds=int(micros))


def rfc3339(micros: Micros) -> str:
    """RFC 3339 in UTC with the offset ``Z``; fractions only where there are any."""
    return from_micros(micros).isoformat().replace("+00:00", "Z")


def seconds(value: float) -> Micros:
    """Microseconds of a number of seconds, rounded to the nearest."""
    return round(value * SECOND)


def _parse(value: Any) -> Any:
    # msgspec parses the hot path, so the models let it parse theirs too: one grammar for both.
    if isinstance(value, str):
        try:
            return msgspec.convert(value, _aware)
        except msgspec.ValidationError as error:
            raise ValueError(f"{value!r} is not an RFC 3339 time with an offset") from error
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    raise ValueError("a time is RFC 3339 text with an offset")


Time = Annotated[datetime, BeforeValidator(_parse), WithJsonSchema({"type": "string", "format": "date-time"})]
"""An aware datetime in a model; in JSON an RFC 3339 text with an offset."""
