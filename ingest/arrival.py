"""Arrivals: payloads on their way into the log, and what a source is told when they are durable there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from schemas.errors import PlainError
from schemas.reject import Reject

log = logging.getLogger("fenghuo")


class NoRoom(PlainError):
    """The intake takes nothing just now; whoever is told so keeps the payload and comes again."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a payload. `unknown_fields`: names that no reading has, left out."""

    accepted: int
    rejects: tuple[Reject, ...]
    unknown_fields: tuple[str, ...]


@dataclass(slots=True)
class Arrival:
    """A payload that a source hands on; made for each message, so it is not frozen, which would cost as much again.

    Attributes
    ----------
    source
        Where it came from, for people: ``mqtt:readings/rain/R-1``, ``http:127.0.0.1``.
    settle
        Called once, from another thread, when the readings are in the log and the rejects are kept; never before.
        The source acknowledges then, or when `settled_all` is called: use `settle_all`.
    expected
        The (kind, station) that the topic names; None where it names none.
    settled_all
        Called once behind the `settle` of all arrivals of a batch that name it: a source may acknowledge them together.
    """

    payload: bytes
    source: str
    settle: Callable[[Settled], None]
    expected: tuple[str, str] | None = None
    settled_all: Callable[[], None] | None = None


def settle_all(arrivals: Sequence[Arrival], outcomes: Sequence[Settled]) -> None:
    """Tell the sources of arrivals that these are durable, and what became of each.

    What a source raises is logged: the payload is durable, and a source that cannot hear so brings it again.
    """
    together: dict[Callable[[], None], str] = {}
    for arrival, outcome in zip(arrivals, outcomes, strict=True):
        try:
            arrival.settle(outcome)
        except Exception:
            log.exception("intake.unheard source=%s", arrival.source)
        if arrival.settled_all is not None:
            together[arrival.settled_all] = arrival.source
    for settled_all, source in together.items():
        try:
            settled_all()
        except Exception:
            log.exception("intake.unheard source=%s", source)


Submit = Callable[[Arrival], None]
"""Takes an arrival; blocks while the intake is full, which is the back-pressure that a source hands on."""
