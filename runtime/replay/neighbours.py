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

import numpy as np
from numpy.typing import NDArray

from ingest.packing import Placed
from runtime.decisions import Decisions
from runtime.pipeline import Pipeline
from schemas.bundle import Bundle
from schemas.finding import Forward
from schemas.log import FindingRecord
from schemas.times import Micros

Times = NDArray[np.int64]


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
        if not log_us:
            return
        # One clock for all, as engines have one: what is due comes also while a log is quiet, and no log's time depends
        # on whether it has heard what came to another.
        clock_us = np.maximum.accumulate(np.maximum(np.array(log_us, dtype=np.int64), self._now))
        self._now = int(clock_us[-1])
        walks = {code: self._walk(code, packets.get(code, ()), clock_us) for code in self._pipelines}
        self._side_by_side(walks, clock_us)

    def _walk(self, code: str, placed: Sequence[Placed], clock_us: Times) -> Iterator[int]:
        packets = [replace(p.packet, received_us=clock_us[p.order]) for p in placed]
        orders = [p.order for p in placed]
        return self._pipelines[code].walk(packets, orders, self.decisions[code], clock_us)

    def _side_by_side(self, walks: Mapping[str, Iterator[int]], clock_us: Times) -> None:
        waiting: list[tuple[int, str]] = []
        for code, walk in walks.items():
            waiting += [(place, code) for place in (next(walk, None),) if place is not None]
        heapq.heapify(waiting)
        caused: list[Forward] = []
        reached = 0
        while waiting:
            place, code = waiting[0]  # of several at one place the lowest code is first
            if caused and place > reached:
                self._forward(caused, int(clock_us[reached]))
                caused = []
            reached = place
            known = len(self.decisions[code].forwards)
            following = next(walks[code], None)
            caused += self.decisions[code].forwards[known:]
            if following is None:
                heapq.heappop(waiting)
            else:
                heapq.heapreplace(waiting, (following, code))
        self._forward(caused, int(clock_us[reached]))

    def _forward(self, caused: Sequence[Forward], now: Micros) -> None:
        """Give findings to those whom they concern, and to others what that led to."""
        given = deque(caused)
        while given:
            forward = given.popleft()
            record = FindingRecord.of(forward._replace(at_us=now))
            decided = self._pipelines[forward.area].process([record])
            self.decisions[forward.area].add(decided)
            given += decided.forwards
