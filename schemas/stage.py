"""Stages: what a pipeline is made of, and the promises that every stage keeps.

A *station stage* takes packets and keeps one row of state a station. A *network stage* takes what station
stages found, one by one in the order of the log. Neither reads a clock, a socket, a file or a random
number; `now` is the log's. The pipeline gives each stage `tick(d)` for each of its dues d at or before the
log time of what it hands on next, earliest first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from schemas.errors import PlainError
from schemas.packet import Packet
from schemas.times import Micros


class Emitted(NamedTuple):
    """What a station stage found, and at which row of the packet."""

    row: int
    item: Any


class Kept(Protocol):
    """State that survives a restart, in rows: the smallest parts that change together.

    Keys are stable across configuration bundles (station ids, area codes, never row numbers). The bytes
    begin with the state's version as one byte; `restore` of another version than its own or the one before
    raises `UnknownState`.
    """

    name: str
    state_version: int

    def changed(self) -> Mapping[str, bytes | None]:
        """Rows changed since the last *saved* checkpoint; None for a row that is gone."""
        ...

    def saved(self, token: Any) -> None:
        """The checkpoint that was taken at the last `changed()` is durable: forget those changes."""
        ...

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Take up the rows of earlier checkpoints, into a stage that is new; unknown keys are ignored."""
        ...

    def state(self) -> Mapping[str, bytes]:
        """All rows, as one would restore them."""
        ...


class StationStage(Kept, Protocol):
    """Takes packets of its kinds; its dues lie on a grid that its findings do not move.

    The pipeline cuts packets at full minutes of log time and at `next_due` as it was before the rows, so a
    due that a row makes must lie at a later full minute than the row, or no earlier than the due before it.
    """

    kinds: frozenset[str]

    def process(self, packet: Packet, now: Micros) -> list[Emitted]:
        """Take readings that are assessed; return what they show, in order of their rows.

        Use `packet.log_us[i]` as `now` of row i; `now` is that of the last row.
        """
        ...

    def tick(self, now: Micros) -> list[Any]:
        """A due of this stage has come."""
        ...

    def next_due(self) -> Micros | None:
        """When this stage wants its next tick; None for never."""
        ...


class NetworkStage(Kept, Protocol):
    """Takes items of the classes `takes`, one by one; any due is allowed."""

    @property
    def takes(self) -> tuple[type, ...]:
        """Classes of the items that it is given."""
        ...

    def process(self, item: Any, now: Micros) -> list[Any]:
        """Take one item; return findings or items for the stages behind."""
        ...

    def tick(self, now: Micros) -> list[Any]:
        """A due of this stage has come."""
        ...

    def next_due(self) -> Micros | None:
        """When this stage wants its next tick; None for never."""
        ...


class UnknownState(PlainError):
    """State was written by a release that this one does not know: stop, and say which is needed."""
