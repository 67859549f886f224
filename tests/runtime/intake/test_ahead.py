"""An intake over a log that takes the next batch before the one before is durable: order, failure, and the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from ingest.arrival import Arrival, Settled
from runtime.clock import HandClock
from runtime.intake import taking as rooms
from runtime.intake.durable import Appending, Records
from runtime.intake.taking import Intake
from runtime.logs.store import LogFull
from schemas.packet import Packet
from tests.runtime.intake.test_taking import Kept, T, rain, small_bundle
from tests.runtime.running import until


class Flight:
    """An append that ends when a test says so."""

    def __init__(self, records: Records, on_end: Callable[[], None]) -> None:
        self.records = records
        self._on_end = on_end
        self._over = threading.Event()
        self._failed = False

    def end(self, *, failed: bool = False) -> None:
        self._failed = failed
        self._over.set()
        self._on_end()

    def done(self) -> bool:
        return self._over.is_set()

    def result(self) -> None:
        assert self._over.wait(30)
        if self._failed:
            raise LogFull("no answer")


class Airport:
    """A log that a test steers."""

    def __init__(self) -> None:
        self.flights: list[Flight] = []
        self.appended: list[float] = []
        self.full = False
        self.closed = False

    def begin(self, records: Records, on_end: Callable[[], None]) -> Appending:
        if self.closed:
            raise LogFull("closed")
        flight = Flight(records, on_end)
        self.flights.append(flight)
        return flight

    def append(self, records: Records) -> None:
        if self.full:
            raise LogFull("full")
        self.appended += amounts(records)


def amounts(records: Records) -> list[float]:
    """What rained, reading by reading."""
    return [um / 1000 for _, _, r in records if isinstance(r, Packet) for um in r.columns["rain_um"].tolist()]


class Bench:
    """An intake, and what was settled, by the amount of its rain."""

    def __init__(self) -> None:
        self.log = Airport()
        self.settled: list[float] = []
        self.intake = Intake(
            self.log,
            Kept(),
            small_bundle(),
            HandClock(T),
            due=lambda _: None,
            on_logged=lambda: None,
            begin=self.log.begin,
        )

    def send(self, rain_mm: float) -> None:
        def settle(_: Settled) -> None:
            self.settled.append(rain_mm)

        self.intake.submit(Arrival(rain(rain_mm=rain_mm, at=T - int(rain_mm) * 10**6), "test", settle))

    def fly(self, *readings: float) -> None:
        """Send readings, each in a batch of its own."""
        for rain_mm in readings:
            before = len(self.log.flights)
            self.send(rain_mm)
            until("the append to begin", lambda before=before: len(self.log.flights) > before, pause_s=0.005)  # type: ignore[misc]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(rooms, "_RETRY_S", (0.01,))
    made = Bench()
    made.intake.start()
    yield made
    for flight in made.log.flights:
        flight.end()
    made.intake.stop()


def test_what_is_acknowledged_first_waits_for_what_was_sent_before(bench: Bench) -> None:
    bench.fly(1, 2, 3)
    bench.log.flights[1].end()
    bench.log.flights[2].end()
    until("a look", bench.intake._queue.empty)
    assert bench.settled == []
    bench.log.flights[0].end()
    until("all", lambda: bench.settled == [1, 2, 3])


def test_behind_a_failure_all_goes_again_in_its_order_before_anything_newer(bench: Bench) -> None:
    bench.fly(1, 2, 3)
    bench.log.full = True
    bench.log.flights[1].end(failed=True)
    bench.log.flights[0].end()
    until("the first", lambda: bench.settled == [1])
    until("the fault", lambda: bench.intake.fault == "full")
    bench.send(4)
    assert bench.settled == [1]
    bench.log.full = False
    until("those that go again", lambda: bench.settled == [1, 2, 3])
    until("the newer", lambda: len(bench.log.flights) == 4)
    assert bench.log.appended == [2, 3]
    assert amounts(bench.log.flights[3].records) == [4]
    bench.log.flights[3].end()
    until("the last", lambda: bench.settled == [1, 2, 3, 4])
    assert bench.intake.fault is None


def test_what_cannot_even_begin_goes_again(bench: Bench) -> None:
    bench.fly(1)
    bench.log.closed = True
    bench.send(2)
    bench.log.flights[0].end()
    until("both", lambda: bench.settled == [1, 2])
    assert bench.log.appended == [2]


def test_only_so_many_are_on_their_way(bench: Bench) -> None:
    most = rooms.MOST_FLYING
    bench.fly(*range(most))
    bench.send(most)
    until("it to be taken", bench.intake._queue.empty)
    assert len(bench.log.flights) == most
    bench.log.flights[0].end()
    until("the next", lambda: len(bench.log.flights) == most + 1)


def test_the_end_waits_for_what_is_on_its_way(bench: Bench) -> None:
    bench.fly(1)
    threading.Timer(0.2, bench.log.flights[0].end).start()
    bench.intake.stop()
    assert bench.settled == [1]
