"""One association area: what a listener, a dead record, an absent ledger or a missing bundle does to it, and does not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from sqlalchemy.exc import DataError, OperationalError

from alerting.ledger import Ledger, UnknownBundle
from runtime.association import Association
from runtime.pipeline import Decisions, Pipeline
from schemas.act import Act
from schemas.log import ActRecord, Broken, ConfigurationRecord, Positioned, Record, Tick
from schemas.times import MINUTE, from_micros
from tests.runtime.test_translation import CITY, NEW, OLD, T, rain


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(str(tmp_path / "state.db")) as opened:
        opened.store_bundle(OLD.hash, OLD.canonical)
        yield opened


def association(ledger: Ledger, tell: Callable[[Decisions], None] = lambda _: None) -> Association:
    return Association(
        CITY, OLD, ledger, on_decisions=tell, on_dead=lambda *dead: pytest.fail(f"declared dead: {dead}")
    )


def judged(number: int) -> ActRecord:
    """An act that any pipeline refuses: a decision that is easy to come by."""
    act = Act(id=f"x-{number}", act="cancel", by="duty", at=from_micros(T), alert="a-none", version=1)
    return ActRecord(T + number, act.model_dump_json().encode())


def log(*records: Record) -> list[Positioned]:
    return [Positioned(position, record) for position, record in enumerate(records, 1)]


def test_a_listener_that_fails_is_no_fault_of_the_record(ledger: Ledger) -> None:
    def closed(_: Decisions) -> None:
        raise RuntimeError("Event loop is closed")

    area = association(ledger, closed)
    area.take(log(judged(1)))
    area.checkpoint()
    assert ledger.act("x-1") is not None
    assert area.saved_position == 1


def test_what_a_listener_cannot_read_in_the_ledger_comes_to_it_again(ledger: Ledger) -> None:
    heard: list[str] = []

    def away_at_first(decisions: Decisions) -> None:
        heard.extend(act.id for act in decisions.acts)
        if len(heard) == 1:
            raise OperationalError("select", {}, Exception("away"))

    area = association(ledger, away_at_first)
    with pytest.raises(OperationalError):
        area.take(log(judged(1)))
    assert not area.checkpoint()
    area.take(log(judged(1)))
    assert heard == ["x-1", "x-1"]
    assert area.position == 1


def test_a_bundle_that_is_not_stored_yet_is_waited_for(ledger: Ledger) -> None:
    area = association(ledger)
    records = log(rain(OLD, "R-1"), ConfigurationRecord(T + MINUTE, NEW.hash), rain(NEW, "R-3"))
    with pytest.raises(UnknownBundle):
        area.take(records)
    ledger.store_bundle(NEW.hash, NEW.canonical)
    area.take(records)
    assert area.position == 3
    assert area.pipeline.bundle.hash == NEW.hash


def test_a_dead_record_that_cannot_be_kept_is_tried_again(ledger: Ledger) -> None:
    full = [True]
    dead: list[int] = []

    def bury(position: int, _: str) -> None:
        if full[0]:
            raise OSError("database or disk is full")
        dead.append(position)

    area = Association(CITY, OLD, ledger, on_decisions=lambda _: None, on_dead=bury)
    records = log(judged(1), ActRecord(T + 2, b"no act"), judged(3))
    with pytest.raises(OSError, match="full"):
        area.take(records)
    assert not area.checkpoint() or area.saved_position == 1
    full[0] = False
    area.take(records)
    area.checkpoint()
    assert dead == [2]
    assert area.saved_position == 3
    assert ledger.act("x-3") is not None


def test_what_is_no_record_is_passed_over_in_its_place(ledger: Ledger) -> None:
    dead: list[tuple[int, str]] = []
    area = Association(CITY, OLD, ledger, on_decisions=lambda _: None, on_dead=lambda *one: dead.append(one))
    area.take(
        [
            Positioned(1, Broken("no log record: empty")),
            Positioned(2, judged(2)),
            Positioned(3, ActRecord(T + 3, b"no act")),
            Positioned(4, Broken("broken log record: x")),
            Positioned(5, judged(5)),
            Positioned(6, Broken("no log record: b'\\xff'")),
        ]
    )
    assert [position for position, _ in dead] == [1, 3, 4, 6]
    assert dead[1][1].startswith("ValidationError: ")
    assert area.position == 6
    assert {act.id for act in ledger.acts()} == {"x-2", "x-5"}


def test_a_row_that_is_no_stations_is_laid_to_its_packet(ledger: Ledger) -> None:
    dead: list[tuple[int, str]] = []
    area = Association(CITY, OLD, ledger, on_decisions=lambda _: None, on_dead=lambda *one: dead.append(one))
    good = rain(OLD, "R-1")
    area.take(
        log(
            replace(good, row=np.array([-3], dtype=np.int32)),
            replace(good, row=np.array([99], dtype=np.int32)),
        )
    )
    assert [position for position, _ in dead] == [1, 2]
    assert "row -3 is none of the" in dead[0][1]
    assert "row 99 is none of the" in dead[1][1]
    assert area.pipeline.state() == association(ledger).pipeline.state()


def test_the_due_is_that_of_the_last_record(ledger: Ledger) -> None:
    area = association(ledger)
    assert area.next_due() is None
    area.take(log(rain(OLD, "R-1")))
    due = area.next_due()
    assert due is not None
    assert due == area.pipeline.next_due()
    area.checkpoint()
    assert association(ledger).next_due() == due
    area.take([Positioned(2, Tick(due))])
    assert area.next_due() != due


def test_what_a_database_cannot_hold_is_laid_to_its_record(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, dead = ledger.write_decisions, list[int]()

    def no_nul(*given: object, acts: list[Act], **more: object) -> None:
        if any(act.id == "x-2" for act in acts):
            raise DataError("insert", {}, Exception("a string cannot contain NUL"))
        write(*given, acts=acts, **more)  # type: ignore[arg-type,misc]

    monkeypatch.setattr(ledger, "write_decisions", no_nul)
    area = Association(
        CITY, OLD, ledger, on_decisions=lambda _: None, on_dead=lambda position, _: dead.append(position)
    )
    area.take(log(judged(1), judged(2), judged(3)))
    assert dead == [2]
    assert {act.id for act in ledger.acts()} == {"x-1", "x-3"}


def test_records_that_no_checkpoint_holds_do_not_fill_the_memory(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.association._MOST_SINCE", 3)

    def away(*_: object, **__: object) -> None:
        raise OperationalError("insert", {}, Exception("disk is full"))

    area = association(ledger)
    records = log(*[Tick(T + second) for second in range(6)])
    with monkeypatch.context() as patched:
        patched.setattr(ledger, "checkpoint", away)
        area.take(records[:3])
        with pytest.raises(OperationalError):
            area.take(records[3:])
    area.take(records[3:])
    assert area.saved_position == 3
    assert area.position == 6


@contextmanager
def being_saved(area: Association, ledger: Ledger, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """In the block, a checkpoint of the area is being written by another thread; it becomes durable with its end."""
    writing, go_on = threading.Event(), threading.Event()
    write = ledger.checkpoint

    def slowly(*rows: Any, **epoch: Any) -> None:
        writing.set()
        assert go_on.wait(60)
        write(*rows, **epoch)

    with ThreadPoolExecutor(1) as pool, patch.context() as patched:
        patched.setattr(ledger, "checkpoint", slowly)
        saving = pool.submit(area.checkpoint)
        assert writing.wait(60)
        yield
        go_on.set()
        assert saving.result(60)


def test_records_are_taken_while_a_checkpoint_is_being_written(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = log(rain(OLD, "R-1"), judged(1), rain(OLD, "R-2", at=T + MINUTE), judged(2))
    area = association(ledger)
    area.take(records[:2])
    with being_saved(area, ledger, monkeypatch):
        area.take(records[2:])
    assert (area.saved_position, area.position) == (2, 4)
    revived = association(ledger)
    assert revived.position == 2
    revived.take(records)
    assert revived.pipeline.state() == area.pipeline.state()
    assert area.checkpoint(), "what came meanwhile is not saved yet"
    assert association(ledger).pipeline.state() == area.pipeline.state()


@pytest.mark.parametrize("durable_first", [True, False])
def test_going_back_while_a_checkpoint_is_being_written_takes_nothing_twice(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, durable_first: bool
) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError("insert", {}, Exception("away"))

    records = log(rain(OLD, "R-1"), judged(1), rain(OLD, "R-2", at=T + MINUTE), judged(2))
    area = association(ledger)
    area.take(records[:2])
    with being_saved(area, ledger, monkeypatch):
        with monkeypatch.context() as patched:
            patched.setattr(ledger, "write_decisions", away)
            with pytest.raises(OperationalError):
                area.take(records[2:])
        if not durable_first:
            area.take(records[2:])
    area.take(records[2:])
    assert (area.saved_position, area.position) == (2, 4)
    straight = Pipeline(OLD, CITY)
    straight.process([record for _, record in records if not isinstance(record, Broken)])
    assert area.pipeline.state() == straight.state()
    assert area.checkpoint()
    assert association(ledger).pipeline.state() == straight.state()


@pytest.mark.parametrize("name", ["id", "by", "alert"])
def test_no_act_has_a_key_that_a_database_cannot_hold(name: str) -> None:
    act = {"id": "x", "act": "cancel", "by": "duty", "at": from_micros(T), "alert": "a-1"}
    with pytest.raises(ValidationError):
        Act.model_validate(act | {name: "a\x00b"})
