"""Dues: when each of many rows wants its next tick; shared by lifecycle and routing."""

from __future__ import annotations

import heapq

from schemas.times import Micros


class Dues:
    """The next due of many keys. What it answers depends on the dues that hold now, not on how they came."""

    def __init__(self) -> None:
        self._at: dict[str, Micros] = {}
        self._heap: list[tuple[Micros, str]] = []

    def set(self, key: str, due: Micros | None) -> None:
        """The key's due from now on; None for never."""
        if self._at.get(key) == due:
            return
        if due is None:
            del self._at[key]
        else:
            self._at[key] = due
            heapq.heappush(self._heap, (due, key))

    def first(self) -> Micros | None:
        """The earliest due."""
        while self._heap and self._at.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def until(self, now: Micros) -> list[str]:
        """Keys that are due at `now`, earliest first, then by key."""
        found: dict[str, None] = {}
        while (due := self.first()) is not None and due <= now:
            found[heapq.heappop(self._heap)[1]] = None
        # Still theirs until their owner sets another.
        for key in found:
            heapq.heappush(self._heap, (self._at[key], key))
        return list(found)
