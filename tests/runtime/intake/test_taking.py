"""The intake acknowledges what is durable, and only that."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from ingest.arrival import Arrival, NoRoom, Settled
from ingest.packing import Packer
from runtime.clock import HandClock
from runtime.intake import admission
from runtime.intake import taking as rooms
from runtime.intake.taking import Intake
from runtime.logs.store import LogFull, LogStore
from schemas.alert import Status
from schemas.area import Area, Tier
from schemas.bundle import Bundle
from schemas.log import Broken, ConfigurationRecord, Record, Tick, encode_record
from schemas.packet import Packet, make_packet, merged
from schemas.reject import Reject
from schemas.station import Station
from schemas.times import Micros, from_micros, to_micros

T = 1_784_300_000_000_000


def small_bundle() -> Bundle:
    areas = [
        Area("5119", "市", Tier.CITY, None, 106.7, 31.9),
        Area("511902", "区", Tier.COUNTY, "5119", 106.7, 31.9),
    ]
    stations = [
        Station("R-1", "rain", "r", 106.7, 31.9, None, "511902"),
        Station("L-1", "landslide", "l", 106.7, 31.9, None, "511902"),
    ]
    return Bundle.of(areas=areas, stations=stations, policy={}, status=Status.TEST)


class Kept:
    """Stands for the ledger: what it was given, and whether it can be written."""

    def __init__(self) -> None:
        self.rejects: list[Reject] = []

    def add_rejects(self, rejects: Sequence[Reject]) -> None:
        self.rejects += rejects


class Bench:
    """An intake over a real log in a folder."""

    def __init__(self, folder: Path) -> None:
        self.log = LogStore(folder / "log.db")
        self.kept = Kept()
        self.clock = HandClock(T)
        self.due: Micros | None = None
        self.bundle = small_bundle()
        self.intake = Intake(
            self.log, self.kept, self.bundle, self.clock, due=lambda _: self.due, on_logged=lambda: None
        )

    def send(self, *payloads: bytes, expected: tuple[str, str] | None = None) -> list[Settled]:
        """Submit payloads and wait for what became of each."""
        settled: list[Settled] = []
        all_settled = threading.Event()

        def settle(one: Settled) -> None:
            settled.append(one)
            if len(settled) == len(payloads):
                all_settled.set()

        for payload in payloads:
            self.intake.submit(Arrival(payload, "test", settle, expected))
        assert all_settled.wait(10)
        return settled

    def records(self) -> list[Record]:
        return [record for _, record in self.log.read("5119", 0) if not isinstance(record, Broken)]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    bench.intake.start()
    yield bench
    bench.intake.stop()
    bench.log.close()


def rain(station: str = "R-1", at: Micros = T, rain_mm: float = 1.2, **more: object) -> bytes:
    fields = {
        "kind": "rain",
        "station": station,
        "observed_at": from_micros(at).isoformat(),
        "interval_s": 300,
        "rain_mm": rain_mm,
    }
    return json.dumps(fields | more).encode()


def test_a_settled_reading_is_in_the_log(bench: Bench) -> None:
    assert bench.send(rain()) == [Settled(1, (), ())]
    (packet,) = bench.records()
    assert isinstance(packet, Packet)
    assert packet.bundle == bench.bundle.hash
    assert packet.columns["rain_um"].tolist() == [1200]
    assert packet.received_us.tolist() == [T]


def test_an_array_succeeds_and_fails_member_by_member(bench: Bench) -> None:
    body = b"[" + b",".join([rain(), rain("R-9"), b"7", rain(rain_mm=-1), rain(at=T + 10**6)]) + b"]"
    (settled,) = bench.send(body)
    assert settled.accepted == 2
    assert [reject.reason.value for reject in bench.kept.rejects] == ["invalid", "invalid", "unknown_station"]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (rain("L-1"), "wrong_kind"),
        (rain(at=T + 6 * 60 * 10**6), "clock_ahead"),
        (b"", "blank"),
        (b"\xff\xfe", "not_text"),
        (b"[" * 5000, "too_deep"),
        (b'"' + b"x" * (4 * 1024 * 1024) + b'"', "too_large"),
    ],
)
def test_what_cannot_be_a_reading_is_kept_with_its_reason(bench: Bench, payload: bytes, reason: str) -> None:
    (settled,) = bench.send(payload)
    assert settled.accepted == 0
    assert [reject.reason.value for reject in bench.kept.rejects] == [reason]
    assert bench.send(rain()) == [Settled(1, (), ())]


def test_a_topic_that_names_another_station_is_a_reject(bench: Bench) -> None:
    (settled,) = bench.send(rain(), expected=("rain", "R-2"))
    assert [reject.reason.value for reject in settled.rejects] == ["wrong_topic"]


def test_unknown_fields_are_left_out_and_named(bench: Bench) -> None:
    (settled,) = bench.send(rain(colour="blue"))
    assert settled == Settled(1, (), ("colour",))


def test_a_reading_of_1970_is_kept(bench: Bench) -> None:
    assert bench.send(rain(at=0)) == [Settled(1, (), ())]


def test_while_the_log_is_full_nothing_is_acknowledged_and_then_everything(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, full = bench.log.append, threading.Event()
    full.set()

    def sometimes(records: Sequence[tuple[str, Micros, Record]]) -> None:
        if full.is_set():
            raise LogFull("log.db cannot be written: database or disk is full")
        append(records)

    monkeypatch.setattr(bench.log, "append", sometimes)
    done = threading.Event()
    bench.intake.submit(Arrival(rain(), "test", lambda _: done.set()))
    assert not done.wait(0.7)
    assert bench.intake.fault is not None
    assert "full" in bench.intake.fault
    full.clear()
    assert done.wait(10)
    assert len(bench.records()) == 1
    assert bench.intake.fault is None


def test_one_tick_is_written_for_a_due_that_has_come(bench: Bench) -> None:
    bench.due = T + 5
    bench.clock.move_to(T + 7)
    deadline = threading.Event()
    for _ in range(50):
        if bench.records():
            break
        deadline.wait(0.05)
    deadline.wait(0.6)
    assert bench.records() == [Tick(T + 7)]


def test_a_configuration_stands_before_the_packets_that_it_decodes(bench: Bench) -> None:
    other = Bundle.of(
        areas=bench.bundle.areas,
        stations=[*bench.bundle.stations, Station("R-2", "rain", "r", 106.7, 31.9, None, "511902")],
        policy={},
        status=Status.TEST,
    )
    for written in bench.intake.configure(other):
        written.result(10)
    assert bench.send(rain("R-2")) == [Settled(1, (), ())]
    first, second = bench.records()
    assert first == ConfigurationRecord(T, other.hash)
    assert isinstance(second, Packet)
    assert second.bundle == other.hash
    assert to_micros(from_micros(T)) == T


def full(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the log cannot be written."""

    def refuse(_: object) -> None:
        raise LogFull("log.db cannot be written: database or disk is full")

    monkeypatch.setattr(bench.log, "append", refuse)
    bench.intake.submit(Arrival(rain(), "test", lambda _: None))
    until(lambda: bench.intake.fault is not None)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_source_that_cannot_hear_its_acknowledgement_stops_nobody_else(bench: Bench) -> None:
    def closed(_: Settled) -> None:
        raise RuntimeError("Event loop is closed")

    bench.intake.submit(Arrival(rain(), "http:gone", closed))
    assert bench.send(rain(at=T + 1)) == [Settled(1, (), ())]
    assert bench.intake.failure is None


def test_a_bug_behind_one_payload_is_told_and_stops_nobody_else(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = Packer.take

    def sometimes(packer: Packer) -> object:
        monkeypatch.setattr(Packer, "take", take)
        raise OverflowError("a number that no column takes")

    monkeypatch.setattr(Packer, "take", sometimes)
    bench.intake.submit(Arrival(rain(), "test", lambda _: pytest.fail("acknowledged and not durable")))
    until(lambda: bench.intake.failure is not None)
    assert bench.send(rain(at=T + 1)) == [Settled(1, (), ())]
    assert len(bench.records()) == 1


def test_who_can_come_again_is_told_so_at_once_while_the_log_is_full(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    full(bench, monkeypatch)
    with pytest.raises(NoRoom):
        bench.intake.offer(Arrival(rain(), "http", lambda _: None))


def test_a_source_that_waits_for_room_is_let_go_at_the_end(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "HELD_BYTES", 2 * len(rain()))
    full(bench, monkeypatch)

    def send() -> None:
        for _ in range(5):
            bench.intake.submit(Arrival(rain(), "mqtt", lambda _: None))

    sender = threading.Thread(target=send)
    sender.start()
    sender.join(0.3)
    assert sender.is_alive()
    bench.intake.close_door()
    sender.join(5)
    assert not sender.is_alive()
    began = time.monotonic()
    bench.intake.stop()
    assert time.monotonic() - began < 5


def test_many_samples_are_cut_into_records_that_every_log_takes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make_packet(
        "seismic",
        bench.bundle.hash,
        [0, 1, 0, 1],
        [T] * 4,
        [T] * 4,
        {"unit": [0] * 4},
        lengths=[3, 9, 2, 4],
        parts={"samples": list(range(18))},
    )
    monkeypatch.setattr(admission, "PACKET_PARTS", 6)
    pieces = admission._pieces(whole)
    assert [len(piece.parts["samples"]) for piece in pieces] == [3, 9, 6]
    assert encode_record(merged(pieces)) == encode_record(whole)


@pytest.mark.parametrize("odd", [b"1e999", b'"\xff"'])
def test_what_stands_in_an_unknown_field_refuses_nothing(bench: Bench, odd: bytes) -> None:
    payload = b"[" + rain()[:-1] + b', "odd": ' + odd + b"}," + rain(at=T + 1) + b"]"
    assert bench.send(payload) == [Settled(2, (), ("odd",))]
