"""Told: how the notices of the last 24 hours stand, by tier and channel; follows the ledger row by row.

Memory holds the notices of a day; what is older is forgotten here and stays in the ledger.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from alerting.ledger.queries import StateChange
from schemas.area import Tier
from schemas.notice import NoticeState
from schemas.times import DAY, Micros

_ROWS = 5000
_OVERLAP = 200
"""Rows read again each time: in PostgreSQL a row of an earlier number may become visible later."""
_RECENT = 100
_LEFT = frozenset(
    {NoticeState.SENT, NoticeState.DELIVERED, NoticeState.FAILED, NoticeState.UNKNOWN, NoticeState.PARKED}
)
"""States that are news: something left, arrived, or did not."""


class Changes(Protocol):
    """A ledger, as far as this follows it."""

    def state_changes(self, after: int = 0, limit: int = 1000) -> list[StateChange]: ...


@dataclass(slots=True)
class _Standing:
    sequence: int
    state: NoticeState
    tier: Tier | None
    channel: str
    first_us: Micros


class Told:
    """The counts and the newest changes, brought up to date by `catch_up`; safe from any thread.

    Parameters
    ----------
    tiers
        Of each recipient its tier.
    """

    def __init__(self, ledger: Changes, tiers: Mapping[str, Tier]) -> None:
        self._ledger = ledger
        self._tiers = tiers
        self._read_to = 0
        self._standing: dict[str, _Standing] = {}
        self._recent: deque[StateChange] = deque(maxlen=_RECENT)
        self._lock = threading.Lock()
        self.revision = 0
        """Grows whenever a notice has moved."""

    def catch_up(self, now_us: Micros) -> None:
        """Read what the ledger has new, and forget what is older than a day."""
        with self._lock:
            changed = self._forget(now_us)
            after = max(0, self._read_to - _OVERLAP)
            while rows := self._ledger.state_changes(after, _ROWS):
                for row in rows:
                    changed |= self._take(row, now_us)
                after = rows[-1].sequence
                if len(rows) < _ROWS:
                    break
            self._read_to = max(self._read_to, after)
            self.revision += changed

    def _take(self, row: StateChange, now_us: Micros) -> bool:
        at_us = now_us if row.at_us is None else row.at_us
        known = self._standing.get(row.notice)
        if known is None:
            if at_us < now_us - DAY:
                return False
            tier = self._tiers.get(row.recipient)
            self._standing[row.notice] = _Standing(row.sequence, row.state, tier, row.channel, at_us)
        elif row.sequence > known.sequence:
            known.sequence, known.state = row.sequence, row.state
        else:
            return False
        if row.state in _LEFT:
            self._recent.append(row)
        return True

    def _forget(self, now_us: Micros) -> bool:
        # What waits for its release, or for an operator, is shown however old it is.
        waits = {NoticeState.HELD, NoticeState.PARKED}
        old = [n for n, s in self._standing.items() if s.first_us < now_us - DAY and s.state not in waits]
        for notice in old:
            del self._standing[notice]
        return bool(old)

    def tier_of(self, recipient: str) -> Tier | None:
        """The tier of a recipient; None for one that the configuration no longer has."""
        return self._tiers.get(recipient)

    def counts(self) -> Counter[tuple[Tier | None, str, NoticeState]]:
        """How many notices stand in each state, by tier and channel."""
        with self._lock:
            return Counter((one.tier, one.channel, one.state) for one in self._standing.values())

    def recent(self, limit: int) -> list[StateChange]:
        """The newest changes that are news, newest first, each notice once."""
        with self._lock:
            newest = {row.notice: row for row in sorted(self._recent, key=lambda row: row.sequence)}
        return sorted(newest.values(), key=lambda row: -row.sequence)[:limit]
