"""What every source must keep; a source joins by a rig and one line in `RIGS` of `test_every_source.py`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from ingest.arrival import Arrival, Settled, settle_all
from tests.runtime.running import until

OK = Settled(1, (), ())


class Rig(Protocol):
    """A source, and the server behind it."""

    def start(self, submit: Callable[[Arrival], None]) -> None:
        """Connect the source under its usual name, and wait until it would miss nothing."""
        ...

    def stop(self) -> None:
        """End the source as a restart of the process would."""
        ...

    def send(self, station: str, payload: bytes) -> None:
        """As a sensor would; returns when the server has it."""
        ...


class Taken:
    """What a source has handed on."""

    def __init__(self, *, settles: bool) -> None:
        self.arrivals: list[Arrival] = []
        self._settles = settles
        self._lock = threading.Lock()

    def __call__(self, arrival: Arrival) -> None:
        with self._lock:
            self.arrivals.append(arrival)
        if self._settles:
            settle_all([arrival], [OK])

    def payloads(self) -> list[bytes]:
        with self._lock:
            return [arrival.payload for arrival in self.arrivals]


def hands_on_bytes_as_they_are(rig: Rig) -> None:
    odd = [b"", b"\x00\xff\xfe", "雨".encode(), b"x" * 300_000]
    taken = Taken(settles=True)
    rig.start(taken)
    for payload in odd:
        rig.send("R-1", payload)
    until("arrivals", lambda: taken.payloads() == odd)
    assert all(arrival.expected and arrival.expected[1] == "R-1" for arrival in taken.arrivals)
    assert all(arrival.source for arrival in taken.arrivals)
    rig.stop()


def brings_again_what_was_not_settled(rig: Rig) -> None:
    first = Taken(settles=False)
    rig.start(first)
    for n in range(5):
        rig.send("R-1", b"%d" % n)
    until("arrivals", lambda: len(first.payloads()) == 5)
    # Out of order, and with a hole: nothing behind the hole may be lost.
    settle_all([first.arrivals[0], first.arrivals[3]], [OK, OK])
    rig.stop()
    again = Taken(settles=True)
    rig.start(again)
    until("what was not settled", lambda: {b"1", b"2", b"4"} <= set(again.payloads()))
    rig.stop()


def does_not_bring_again_what_was_settled(rig: Rig) -> None:
    taken = Taken(settles=True)
    rig.start(taken)
    for n in range(5):
        rig.send("R-1", b"%d" % n)
    until("arrivals", lambda: len(taken.payloads()) == 5)
    rig.stop()
    later = Taken(settles=True)
    rig.start(later)
    rig.send("R-1", b"last")
    until("the last", lambda: b"last" in later.payloads())
    assert later.payloads() == [b"last"]
    rig.stop()


def misses_nothing_that_came_while_it_was_away(rig: Rig) -> None:
    taken = Taken(settles=True)
    rig.start(taken)
    rig.stop()
    for n in range(3):
        rig.send("R-1", b"%d" % n)
    rig.start(taken)
    until("what came meanwhile", lambda: taken.payloads() == [b"0", b"1", b"2"])
    rig.stop()


every_source_passes = [
    hands_on_bytes_as_they_are,
    brings_again_what_was_not_settled,
    does_not_bring_again_what_was_settled,
    misses_nothing_that_came_while_it_was_away,
]
