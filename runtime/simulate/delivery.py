"""Delivery: how readings travel where the network is poor: late, twice, out of order, in conflict.

In      readings in order of time
Out     the same in order of arrival, each with `received_at`; some twice, a few of rain with another value
"""

from __future__ import annotations

import re

import numpy as np

from runtime.simulate.writing import Block, time_text
from schemas.times import HOUR, MINUTE, SECOND, Micros

_RAIN_VALUE = re.compile(rb'"rain_mm":(\d+)\.(\d)$')
_STATION = re.compile(rb'"station":"([^"]+)"')


class Lateness:
    """Most readings arrive within seconds; some minutes late, whole stations hours late, some twice.

    Parameters
    ----------
    start_us, stop_us
        When the scenario plays; outages lie within.
    """

    def __init__(self, chance: np.random.Generator, start_us: Micros, stop_us: Micros) -> None:
        self._chance = chance
        self._start_us, self._stop_us = start_us, stop_us
        self._outages: dict[bytes, tuple[Micros, Micros] | None] = {}

    def arrivals(self, block: Block) -> Block:
        """See `Delivery`."""
        count = len(block.bodies)
        draw = self._chance.random(count)
        prompt_us = (self._chance.uniform(0.2, 4.0, count) * SECOND).astype(np.int64)
        late_us = (self._chance.uniform(20, 25 * 60, count) * SECOND).astype(np.int64)
        times: list[Micros] = []
        bodies: list[bytes] = []
        for k, (observed_us, body) in enumerate(zip(block.observed_us.tolist(), block.bodies, strict=True)):
            quick = body.startswith(b'{"kind":"seismic"')
            # An earthquake's packets come by wire, within a second; the others by mobile network.
            delay_us = int(prompt_us[k]) // 8 if quick else int(prompt_us[k])
            if not quick and draw[k] < 0.01:
                delay_us = int(late_us[k])
            received_us = max(observed_us + delay_us, 0 if quick else self._back_us(body, observed_us))
            times.append(received_us)
            bodies.append(_received(body, received_us))
            if not quick and draw[k] > 0.99:
                again_us = received_us + int(late_us[k])
                times.append(again_us)
                bodies.append(_received(_other(body) if draw[k] > 0.9995 else body, again_us))
        order = np.argsort(np.array(times, dtype=np.int64), kind="stable")
        return Block(np.array(times, dtype=np.int64)[order], [bodies[k] for k in order.tolist()])

    def _back_us(self, body: bytes, observed_us: Micros) -> Micros:
        """When the station of a reading is on line again, if it is not at that time; else 0."""
        found = _STATION.search(body)
        assert found is not None
        station = found[1]
        if station not in self._outages:
            self._outages[station] = self._outage(body)
        outage = self._outages[station]
        if outage is None or not outage[0] <= observed_us < outage[1]:
            return 0
        # A backlog is sent in order, some readings a second.
        return outage[1] + (observed_us - outage[0]) // 600

    def _outage(self, body: bytes) -> tuple[Micros, Micros] | None:
        # Cameras send pictures or nothing; only gauges and points keep what they could not send.
        if body.startswith(b'{"kind":"camera"') or self._chance.random() > 0.03:
            return None
        length_us = int(self._chance.integers(30, 150)) * MINUTE
        begins_us = int(self._chance.integers(self._start_us, self._stop_us - 3 * HOUR))
        return begins_us, begins_us + length_us


def _received(body: bytes, received_us: Micros) -> bytes:
    return body + b',"received_at":"' + time_text(received_us) + b'"'


def _other(body: bytes) -> bytes:
    """A rain reading that says more than it said at first; others as they were."""
    found = _RAIN_VALUE.search(body)
    if found is None:
        return body
    return body[: found.start()] + b'"rain_mm":%d.%d' % (int(found[1]) + 1, int(found[2]))
