"""Neighbours: the pipelines of all association areas over one common order of readings, which forward to each other.

In      packets of every area with their rows' places in the common order, and the log time at each place
Out     decisions by area; what one forwards is given to the other behind the record that caused it
State   the pipelines'

Only a replay of readings plays this: an engine's areas have a log each, and meet in no common order (EXACT, rule 18).
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.packing import Placed
from runtime.decisions import Decisions
from runtime.pipeline import Pipeline
from schemas.bundle import Bundle
from schemas.finding import Forward
from schemas.log import FindingRecord
from schemas.times import Micros

Places = NDArray[np.int64]


class Neighbours:
    """Plays all association areas of a configuration side by side.

    Attributes
    ----------
    decisions
        What was decided so far, by association area in order of the code.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._pipelines = {code: Pipeline(bundle, code) for code in bundle.associations}
        self.decisions = {code: Decisions() for code in bundle.associations}
        self._now: Micros = -(2**62)

    def take(self, packets: Mapping[str, Sequence[Placed]], log_us: Sequence[Micros]) -> None:
        """Take readings in pieces of any size; the decisions do not depend on it.

        Parameters
        ----------
        packets
            By association area, of each kind at most one.
        log_us
            Of each reading, in the common order.
        """
        if len(self._pipelines) == 1:
            for code, placed in packets.items():
                _, orders = _dense([p.order for p in placed])
                self._pipelines[code].process_packets(
                    [p.packet for p in placed], orders, self.decisions[code]
                )
            return
        # One clock for all: a log's time must not depend on whether it has heard what came to another.
        moments = np.maximum.accumulate(np.maximum(np.array(log_us, dtype=np.int64), self._now))
        if len(moments):
            self._now = int(moments[-1])
        self._side_by_side(
            {code: self._walk(code, placed, moments) for code, placed in packets.items()}, moments
        )

    def _walk(self, code: str, placed: Sequence[Placed], moments: Places) -> Iterator[int]:
        """One area's steps, each as its place in the common order."""
        places, orders = _dense([p.order for p in placed])
        packets = [replace(p.packet, received_us=moments[p.order]) for p in placed]
        for place in self._pipelines[code].walk(packets, orders, self.decisions[code]):
            yield int(places[place])

    def _side_by_side(self, walks: Mapping[str, Iterator[int]], moments: Places) -> None:
        waiting: list[tuple[int, str]] = []
        for code, walk in walks.items():
            waiting += [(place, code) for place in (next(walk, None),) if place is not None]
        heapq.heapify(waiting)
        caused: list[Forward] = []
        reached = 0
        while waiting:
            place, code = waiting[0]
            if caused and place > reached:
                self._forward(caused, int(moments[reached]))
                caused = []
            reached = place
            known = len(self.decisions[code].forwards)
            following = next(walks[code], None)
            caused += self.decisions[code].forwards[known:]
            if following is None:
                heapq.heappop(waiting)
            else:
                heapq.heapreplace(waiting, (following, code))
        self._forward(caused, int(moments[reached]) if caused else 0)

    def _forward(self, caused: Sequence[Forward], now: Micros) -> None:
        """Give findings to those whom they concern, and to others what that led to."""
        given = deque(caused)
        while given:
            forward = given.popleft()
            record = FindingRecord.of(forward._replace(at_us=now))
            decided = self._pipelines[forward.area].process([record])
            self.decisions[forward.area].add(decided)
            given += decided.forwards


def _dense(orders: Sequence[NDArray[Any]]) -> tuple[Places, list[NDArray[Any]]]:
    """Places in the common order of an area's own readings, and the orders counted without those of others."""
    places = np.sort(np.concatenate(orders))
    return places, [np.searchsorted(places, order) for order in orders]
