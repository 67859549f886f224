"""The worker beneath Faust: what it acknowledges, and what a rebalance, a fence or an absent ledger does to it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from sqlalchemy.exc import OperationalError

from alerting.ledger import Ledger
from runtime.clock import HandClock
from runtime.logs.topics import DEAD
from runtime.worker import areas as worker_module
from runtime.worker.areas import Worker
from runtime.worker.progress import Progress
from schemas.act import Act
from schemas.alert import Status
from schemas.area import Area, Tier
from schemas.bundle import Bundle
from schemas.log import ActRecord, ConfigurationRecord, Dead, Record, Tick, encode_record
from schemas.times import from_micros
from tests.runtime.test_translation import T, rain, station

A, B, C = "5119", "5120", "5121"
CITIES = [Area(code, "市", Tier.CITY, None, 106.7, 31.9) for code in (A, B, C)]
OLD = Bundle.of(
    areas=[*CITIES, Area("511902", "区", Tier.COUNTY, A, 106.7, 31.9)],
    stations=[station("R-1")],
    policy={},
    status=Status.TEST,
)


class Bench:
    """A worker over a real ledger; the test plays Faust."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.generation = 1
        self.acked: list[int] = []
        self.published: list[str] = []
        self.dead: list[Dead] = []
        self.kafka_is_away = False
        self.progress = Progress()
        self.worker = self.new_worker()

    def new_worker(self) -> Worker:
        configuration: Any = SimpleNamespace(bundle=OLD)
        return Worker(
            configuration,
            self.ledger,
            self.publish,
            lambda: self.generation,
            HandClock(T),
            self.progress,
        )

    async def publish(self, topic: str, _key: str, value: bytes) -> None:
        if self.kafka_is_away:
            raise TimeoutError
        self.published.append(topic)
        if topic == DEAD:
            self.dead.append(msgspec.json.decode(value, type=Dead))

    def event(self, offset: int, area: str = A, record: Record | None = None) -> Any:
        value = encode_record(rain(OLD, "R-1", at=T + offset) if record is None else record)
        message = SimpleNamespace(
            partition=0,
            offset=offset,
            key=area.encode(),
            value=value,
            generation_id=self.generation,
            timestamp=None,
        )
        return SimpleNamespace(message=message, ack=lambda: self.acked.append(offset))

    def act(self, offset: int) -> Any:
        """An act that any pipeline refuses: a decision that is easy to come by."""
        act = Act(id=f"x-{offset}", act="cancel", by="duty", at=from_micros(T), alert="a-none", version=1)
        return self.event(offset, record=ActRecord(T + offset, act.model_dump_json().encode()))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Ledger.open(str(tmp_path / "state.db")) as ledger:
        yield Bench(ledger)


async def test_only_what_a_checkpoint_includes_is_acknowledged(bench: Bench) -> None:
    await bench.worker.take([bench.event(0), bench.event(1)])
    assert bench.acked == []
    await bench.worker.checkpoint(now=True)
    assert bench.acked == [0, 1]
    assert bench.ledger.load_checkpoint(A)[1] == 2


async def test_one_areas_event_is_never_acknowledged_before_anothers_earlier_one(bench: Bench) -> None:
    await bench.worker.take([bench.event(0, A), bench.event(1, B), bench.event(2, A)])
    bench.ledger.draw_epoch(A)  # area A cannot save
    await bench.worker.checkpoint(now=True)
    assert bench.ledger.load_checkpoint(B)[1] == 2
    assert bench.acked == []


async def test_events_of_an_earlier_assignment_neither_fence_nor_run_ahead(bench: Bench) -> None:
    stale = [bench.event(5), bench.event(6)]
    await bench.worker.take([bench.event(0)])
    await bench.worker.checkpoint(now=True)
    await bench.worker.let_go()
    await bench.worker.take(stale[:1])
    bench.generation = 2
    await bench.worker.begin(set(), 4)
    await bench.worker.take(stale[1:])
    epoch = bench.ledger.draw_epoch(A)
    assert epoch == 2  # one was the worker's, when the area was its own
    assert bench.ledger.load_checkpoint(A)[1] == 1
    await bench.worker.take([bench.event(1)])
    await bench.worker.checkpoint(now=True)
    assert bench.ledger.load_checkpoint(A)[1] == 2


async def test_an_area_that_was_fenced_and_is_still_ours_takes_again_what_it_had(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "FENCED_S", 0.1)
    monkeypatch.setattr(worker_module, "_AWAY_S", 0.05)
    await bench.worker.take([bench.event(0), bench.act(1)])
    bench.ledger.draw_epoch(A)
    await bench.worker.take([bench.act(2)])
    await bench.worker.checkpoint(now=True)
    assert bench.acked == [0, 1, 2]
    assert bench.ledger.load_checkpoint(A)[1] == 3
    assert bench.ledger.act("x-2") is not None


async def test_a_ledger_that_is_away_is_waited_for_and_a_rebalance_meanwhile_is_not(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "_AWAY_S", 0.02)

    def away(*_: object, **__: object) -> None:
        raise OperationalError("select", {}, Exception("away"))

    with monkeypatch.context() as patched:
        patched.setattr(bench.ledger, "load_checkpoint", away)
        taking = asyncio.create_task(bench.worker.take([bench.act(0)]))
        await asyncio.sleep(0.1)
        assert not taking.done()
        await asyncio.wait_for(bench.worker.let_go(), 5)
        await asyncio.wait_for(taking, 5)
    bench.generation = 2
    await bench.worker.begin(set(), 4)
    await bench.worker.take([bench.act(0)])
    await bench.worker.checkpoint(now=True)
    assert bench.acked == [0]


async def test_an_area_that_stops_acknowledges_nothing_and_holds_up_no_other(bench: Bench) -> None:
    of_a_later_release = bench.event(1)
    of_a_later_release.message.value = b"\x02"
    await bench.worker.take([bench.event(0, B), of_a_later_release, bench.event(2, B)])
    await bench.worker.take([bench.event(3, C), bench.event(4, B)])
    await bench.worker.checkpoint(now=True)
    assert bench.acked == [0]
    assert bench.ledger.load_checkpoint(B)[1] == 5
    assert bench.ledger.load_checkpoint(C)[1] == 4


async def test_what_is_no_record_is_buried_acknowledged_and_changes_nothing(bench: Bench) -> None:
    nothing, foreign = bench.event(1), bench.event(3)
    nothing.message.value, foreign.message.value = None, b'{"kind":"rain"}'
    await bench.worker.take([bench.event(0), nothing, bench.act(2), foreign])
    await bench.worker.checkpoint(now=True)
    assert bench.acked == [0, 1, 2, 3]
    assert [(one.area, one.position) for one in bench.dead] == [(A, 2), (A, 4)]
    assert bench.ledger.load_checkpoint(A)[1] == 4


async def test_a_key_that_is_no_area_is_buried_and_holds_up_no_area(bench: Bench) -> None:
    broken = bench.event(4, "")
    broken.message.key, broken.message.value = None, b"x"
    await bench.worker.take([bench.event(0), bench.event(1, "9999"), bench.act(2), bench.event(3), broken])
    await bench.worker.checkpoint(now=True)
    assert bench.acked == [0, 1, 2, 3, 4]
    assert [(one.area, one.position) for one in bench.dead] == [("9999", 2), ("", 5)]
    assert bench.dead[0].reason == "'9999' is no association area of the configuration"
    assert "no log record: b'x'" in bench.dead[1].reason
    assert bench.ledger.checkpoint_position("9999") == 0


async def test_what_is_buried_is_acknowledged_when_its_reason_is_on_its_topic(bench: Bench) -> None:
    bench.kafka_is_away = True
    await bench.worker.take([bench.event(0, "9999")])
    await bench.worker.checkpoint(now=True)
    assert bench.acked == []
    bench.kafka_is_away = False
    await bench.worker.checkpoint()
    assert bench.acked == [0]


async def test_an_area_of_a_newer_configuration_begins_with_the_record_that_names_it(bench: Bench) -> None:
    wider = Bundle.of(
        areas=[*OLD.areas, Area("5122", "市", Tier.CITY, None, 106.7, 31.9)],
        stations=list(OLD.stations),
        policy={},
        status=Status.TEST,
    )
    bench.ledger.store_bundle(wider.hash, wider.canonical)
    naming = bench.event(1, "5122", ConfigurationRecord(T, wider.hash))
    await bench.worker.take([bench.event(0, "5122", Tick(T)), naming, bench.event(2, "5122", Tick(T + 1))])
    await bench.worker.checkpoint(now=True)
    assert bench.acked == [0, 1, 2]
    assert [one.position for one in bench.dead] == [1]
    rows, position = bench.ledger.load_checkpoint("5122")
    assert (rows["bundle"].decode(), position) == (wider.hash, 3)
    bench.worker = bench.new_worker()  # one that knows only its own configuration, and the checkpoint
    await bench.worker.take([bench.event(3, "5122", Tick(T + 2))])
    await bench.worker.checkpoint(now=True)
    assert bench.ledger.checkpoint_position("5122") == 4


async def test_a_checkpoint_waits_for_the_topics(bench: Bench) -> None:
    bench.kafka_is_away = True
    bench.worker._publishing.bury(A, 1, "unreadable")
    await bench.worker.take([bench.event(0)])
    await bench.worker.checkpoint(now=True)
    assert bench.ledger.load_checkpoint(A)[1] == 0
    assert bench.acked == []
    bench.kafka_is_away = False
    await bench.worker.checkpoint(now=True)
    assert bench.published == ["log.dead"]
    assert bench.acked == [0]
