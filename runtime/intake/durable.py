"""What the intake needs of a log and of a ledger: appends that are durable when they say so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from schemas.bundle import Bundle
from schemas.log import Record
from schemas.reject import Reject
from schemas.times import Micros

Records = Sequence[tuple[str, Micros, Record]]
"""Records, each with its association area and the time of writing."""

OnDurable = Callable[[Bundle, Records, Sequence[Reject]], None]
"""Takes the bundle in whose rows the packets are, records with their areas, and rejects."""


class LogWriter(Protocol):
    """The part of a log that the intake needs."""

    def append(self, records: Records) -> None:
        """Write records, each with its area and the time of writing; durable when it returns."""
        ...


class RejectKeeper(Protocol):
    """The part of the ledger that the intake needs."""

    def add_rejects(self, rejects: Sequence[Reject]) -> None:
        """Keep rejects; a repeat by id is kept once. Durable when it returns."""
        ...


class Appending(Protocol):
    """An append that has begun."""

    def done(self) -> bool:
        """Whether it has succeeded or failed."""
        ...

    def result(self) -> None:
        """Wait for its end; raises what the append would have raised."""
        ...


Begin = Callable[[Records, Callable[[], None]], Appending]
"""Begins an append, and calls back from any thread when it may have ended. Appends end in the order of their beginnings."""
