"""Arrivals: payloads on their way into the log, and what a source is told when they are durable there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from schemas.errors import PlainError
from schemas.reject import Reject


class NoRoom(PlainError):
    """The intake takes nothing just now; whoever is told so keeps the payload and comes again."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a payload. `unknown_fields`: names that no reading has, left out."""

    accepted: int
    rejects: tuple[Reject, ...]
    unknown_fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A payload that a source hands on.

    Attributes
    ----------
    source
        Where it came from, for people: ``mqtt:readings/rain/R-1``, ``http:127.0.0.1``.
    settle
        Called once, from another thread, when the readings are in the log and the rejects are kept; never before.
        The source acknowledges then.
    expected
        The (kind, station) that the topic names; None where it names none.
    """

    payload: bytes
    source: str
    settle: Callable[[Settled], None]
    expected: tuple[str, str] | None = None


Submit = Callable[[Arrival], None]
"""Takes an arrival; blocks while the intake is full, which is the back-pressure that a source hands on."""
