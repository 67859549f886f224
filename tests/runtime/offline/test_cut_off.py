"""A gateway's log while Kafka comes and goes: what waits is in its order before anything newer, and nothing is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from runtime.clock import HandClock
from runtime.intake.durable import Appending, Records
from runtime.logs.store import LogFull
from runtime.offline import cut_off as rooms
from runtime.offline.buffer import DiskBuffer
from runtime.offline.cut_off import OfflineLog
from schemas.log import ActRecord, Tick, decode_record
from schemas.reject import Reject, RejectReason, make_reject
from tests.runtime.running import until

MUCH = 1024 * 1024


class Done:
    """An append that has ended."""

    def __init__(self, *, failed: bool) -> None:
        self.failed = failed

    def done(self) -> bool:
        return True

    def result(self) -> None:
        if self.failed:
            raise LogFull("no answer")


class Kafka:
    """The brokers, the log on them, and the ledger, which a test takes away and brings back."""

    def __init__(self) -> None:
        self.log: list[int] = []
        self.rejects: list[Reject] = []
        self.away = False
        self.fails_after: int | None = None
        """So many records more, then it fails in the middle of an append."""
        self.looked = threading.Event()

    def answers(self) -> bool:
        self.looked.set()
        return not self.away

    def prepare(self) -> None:
        return None

    def _take(self, times: Sequence[int]) -> None:
        for time in times:
            if self.away or self.fails_after == 0:
                raise LogFull("no answer")
            if self.fails_after is not None:
                self.fails_after -= 1
            self.log.append(time)

    def append(self, records: Records) -> None:
        self._take([at_us for _, at_us, _ in records])

    def append_bytes(self, rows: Sequence[tuple[str, bytes]]) -> None:
        self._take([decode_record(body).at_us for _, body in rows])  # type: ignore[union-attr]

    def begin(self, records: Records, on_end: Callable[[], None]) -> Appending:
        try:
            self.append(records)
        except LogFull:
            return Done(failed=True)
        on_end()
        return Done(failed=False)

    def add_rejects(self, rejects: Sequence[Reject]) -> None:
        if self.away:
            raise LogFull("no answer")
        self.rejects += rejects


class Bench:
    """A gateway's log over brokers of a test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kafka = Kafka()
        self.buffer = DiskBuffer(folder / "gateway.db", MUCH)
        self.clock = HandClock(1000)
        self.log = self.made()

    def made(self) -> OfflineLog:
        kafka: Any = self.kafka
        log = OfflineLog(kafka, kafka, self.buffer, self.clock, kafka)
        log.start()
        return log

    def restart(self) -> None:
        """As after a crash: only what is on the disk is known."""
        self.log.stop()
        self.buffer.close()
        self.buffer = DiskBuffer(self.folder / "gateway.db", MUCH)
        self.log = self.made()

    def write(self, at_us: int) -> None:
        """As the intake does: begin, and where that fails append."""
        records = [("5119", at_us, ActRecord(at_us, b"{}"))]
        try:
            self.log.begin(records, lambda: None).result()
        except LogFull:
            self.log.append(records)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(rooms, "LOOK_EVERY_S", 0.02)
    made = Bench(tmp_path)
    yield made
    made.log.stop()
    made.buffer.close()


def test_what_came_while_kafka_was_away_is_there_in_its_order_before_anything_newer(bench: Bench) -> None:
    bench.write(1)
    bench.kafka.away = True
    for at_us in (2, 3):
        bench.write(at_us)
    assert bench.kafka.log == [1]
    assert bench.buffer.records == 2
    assert "2 records wait on the disk" in (bench.log.fault or "")
    bench.kafka.away = False
    for at_us in range(4, 200):
        bench.write(at_us)
    until("all", lambda: bench.log.fault is None, pause_s=0.01)
    bench.write(200)
    assert bench.kafka.log == list(range(1, 201))
    assert bench.buffer.records == 0


def test_a_crash_in_the_middle_of_bringing_it_in_loses_nothing_and_keeps_the_order(bench: Bench) -> None:
    bench.kafka.away = True
    for at_us in range(1, 6):
        bench.write(at_us)
    bench.kafka.fails_after = 3
    bench.kafka.away = False
    until("the failure", lambda: bench.kafka.fails_after == 0, pause_s=0.005)
    assert bench.kafka.log == [1, 2, 3]
    bench.restart()
    assert bench.log.fault is not None
    bench.write(6)
    bench.kafka.fails_after = None
    until("the rest", lambda: bench.log.fault is None, pause_s=0.01)
    first = [bench.kafka.log.index(at_us) for at_us in range(1, 7)]
    assert first == sorted(first), "each for the first time in its order; some came twice"
    assert set(bench.kafka.log) == set(range(1, 7))


def test_a_start_without_kafka_takes_what_comes(bench: Bench) -> None:
    bench.kafka.away = True
    bench.restart()
    assert "does not answer at the start" in (bench.log.fault or "")
    bench.write(1)
    bench.kafka.away = False
    until("it", lambda: bench.kafka.log == [1], pause_s=0.01)


def test_a_full_disk_refuses_what_is_new_and_says_so(bench: Bench) -> None:
    bench.kafka.away = True
    bench.write(1)
    bench.buffer._most = bench.buffer.size
    with pytest.raises(LogFull, match="is full"):
        bench.write(2)
    bench.kafka.away = False
    until("room", lambda: bench.log.fault is None, pause_s=0.01)
    bench.write(3)
    assert bench.kafka.log == [1, 3]


def test_ticks_do_not_wait(bench: Bench) -> None:
    bench.kafka.away = True
    bench.write(1)
    bench.log.append([("5119", 2, Tick(2))])
    assert bench.buffer.records == 1


def test_rejects_wait_too_and_come_once(bench: Bench) -> None:
    rejects = [make_reject(n, "test", RejectReason.BLANK, "empty", b"") for n in range(3)]
    bench.kafka.away = True
    bench.log.add_rejects(rejects[:1])
    bench.kafka.looked.clear()
    assert bench.kafka.looked.wait(10)
    bench.log.add_rejects(rejects[1:2])
    bench.kafka.away = False
    until("both", lambda: bench.kafka.rejects == rejects[:2], pause_s=0.01)
    until("none to wait", lambda: bench.buffer.rejects == 0, pause_s=0.01)
    bench.log.add_rejects(rejects[2:])
    assert bench.kafka.rejects == rejects
