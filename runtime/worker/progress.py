"""How far a worker is in the partitions that it was given: what it has taken, what is committed, where the log ends.

In      what the brokers and the worker say, once a second; the machine's running time
Out     metrics of lag and recovery, and plain sentences for health

Recovered is who has taken everything that stood in the log when the partitions were given: before that, warnings of
those areas are late.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from runtime import metrics


class Place(NamedTuple):
    """Where one partition of the log stands, as offsets of the next record.

    Attributes
    ----------
    first
        Of the oldest record that is still there.
    committed
        Where the group would begin again; None where it has never committed.
    end
        Behind the newest record.
    """

    first: int
    committed: int | None
    end: int


@dataclass(slots=True)
class _Partition:
    taken: int = 0
    place: Place | None = None
    wanted: int | None = None
    """The end when it was given; None while the brokers have not said."""

    @property
    def recovered(self) -> bool:
        return self.wanted is not None and self.reached >= self.wanted

    @property
    def reached(self) -> int:
        """Up to where everything is taken, by this process or by one before it."""
        if self.place is None:
            return self.taken
        return max(self.taken, self.place.first, self.place.committed or 0)


class Progress:
    """Follows the partitions of one worker. To be used in one event loop."""

    def __init__(self) -> None:
        self._partitions: dict[int, _Partition] = {}
        self._given_s: float | None = None
        """When what is not recovered yet was given."""

    def given(self, partitions: Collection[int], now_s: float) -> None:
        """These partitions are ours from now on."""
        self._partitions = {number: _Partition() for number in partitions}
        self._given_s = now_s
        metrics.partitions_recovering.set(len(self._partitions))

    def gone(self) -> None:
        """No partition is ours."""
        for number, partition in self._partitions.items():
            if partition.place is not None:
                metrics.lag_records.remove(str(number))
                metrics.uncommitted_records.remove(str(number))
        self._partitions = {}
        self._given_s = None
        metrics.partitions_recovering.set(0)

    def took(self, partition: int, position: int) -> None:
        """Everything before `position` is taken."""
        if partition in self._partitions:
            self._partitions[partition].taken = max(self._partitions[partition].taken, position)

    def stands(self, places: Mapping[int, Place], asked_s: float, now_s: float) -> None:
        """What the brokers said of partitions when they were asked; of what was given since that says nothing."""
        if self._given_s is not None and asked_s < self._given_s:
            return
        for number, place in places.items():
            if number not in self._partitions:
                continue
            partition = self._partitions[number]
            partition.place = place
            if partition.wanted is None:
                partition.wanted = place.end
            metrics.lag_records.labels(str(number)).set(max(0, place.end - partition.reached))
            metrics.uncommitted_records.labels(str(number)).set(0)
        for number, committed in self.uncommitted().items():
            metrics.uncommitted_records.labels(str(number)).set(places[number].end - committed)
        left = sum(not one.recovered for one in self._partitions.values())
        metrics.partitions_recovering.set(left)
        if not left and self._given_s is not None:
            metrics.recovery_seconds.set(now_s - self._given_s)
            self._given_s = None

    def partitions(self) -> frozenset[int]:
        """What was given to us; from any thread."""
        return frozenset(self._partitions)

    def uncommitted(self) -> dict[int, int]:
        """Committed offsets of the partitions that go on behind them, as far as is known."""
        found = {}
        for number, one in self._partitions.items():
            if one.place is not None:
                committed = max(one.place.first, one.place.committed or 0)
                if committed < one.place.end:
                    found[number] = committed
        return found

    def behind(self, partition: int) -> bool:
        """Whether records of a partition wait for us, as far as is known."""
        one = self._partitions.get(partition)
        return one is not None and one.place is not None and one.reached < one.place.end

    @property
    def recovered(self) -> bool:
        """Whether all that stood in the log when partitions were given has been taken; without partitions it has."""
        return all(one.recovered for one in self._partitions.values())

    def faults(self) -> list[str]:
        """One sentence for each partition whose areas are not up to date yet."""
        return [
            f"partition {number} of the log: the brokers have not said yet where it ends"
            if one.wanted is None
            else f"partition {number} of the log is being recovered: {one.wanted - one.reached} records are left;"
            " warnings of its areas are late"
            for number, one in sorted(self._partitions.items())
            if not one.recovered
        ]
