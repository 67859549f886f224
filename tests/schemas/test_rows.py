"""Rows of state: what changed, what is saved, what is restored."""

from __future__ import annotations

import numpy as np
import pytest

from schemas.rows import PARTS, Marks, StationRows
from schemas.stage import UnknownState

TYPE = np.dtype([("value", "<i8")])


def rows(ids: tuple[str, ...] = ("a", "b", "c"), version: int = 1) -> StationRows:
    return StationRows("stage", version, ids, np.zeros(len(ids), dtype=TYPE))


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if three stations were very many."""
    monkeypatch.setattr("schemas.rows.BLOCKS_FROM", 3)


def test_only_what_was_touched_has_a_row():
    state = rows()
    state.array["value"][1] = 7
    state.touch(1)
    assert state.state() == {"b": b"\x01" + (7).to_bytes(8, "little")}
    assert state.changed() == state.state()
    state.saved()
    assert state.changed() == {}
    assert len(state.state()) == 1


def test_a_checkpoint_that_was_not_saved_is_handed_out_again_with_what_came_since():
    state = rows()
    state.touch(0)
    assert set(state.changed()) == {"a"}
    state.touch(2)
    assert set(state.changed()) == {"a", "c"}
    state.touch(np.array([0]))
    state.saved()
    assert set(state.changed()) == {"a"}, "touched after it was handed out"


def test_rows_are_found_by_id_whatever_the_place():
    state = rows()
    state.array["value"] = [1, 2, 3]
    state.touch(np.arange(3))
    other = rows(("c", "x", "a"))
    other.restore(state.state())
    assert other.array["value"].tolist() == [3, 0, 1]
    assert set(other.state()) == {"a", "c"}
    assert other.changed() == {}


@pytest.mark.parametrize("value", [b"\x02" + bytes(8), b""])
def test_another_version_stops_with_a_plain_error(value):
    with pytest.raises(UnknownState, match=r"stage: state of version (2|None), this release reads 1"):
        rows().restore({"a": value})


def test_marks_keep_what_is_touched_while_it_is_saved():
    marks = Marks()
    marks.touch("b")
    marks.touch("a")
    assert marks.take() == ["a", "b"]
    marks.touch("a")
    marks.saved()
    assert marks.take() == ["a"]


IDS = tuple(f"RG-{number:03}" for number in range(200))


@pytest.mark.usefixtures("blocks")
def test_of_very_many_stations_those_of_a_part_share_a_row():
    state = rows(IDS)
    state.array["value"] = np.arange(200)
    state.touch(np.arange(0, 200, 2))
    assert 1 < len(state.state()) <= PARTS
    assert state.changed() == state.state()
    state.saved()
    state.touch(7)
    (key,) = state.changed()
    assert state.changed()[key] == state.state()[key] != b""


@pytest.mark.usefixtures("blocks")
def test_rows_of_parts_are_found_by_id_whatever_the_place():
    state = rows(IDS)
    state.array["value"] = np.arange(200)
    state.touch(np.arange(0, 200, 2))
    other = rows(("RG-900", *reversed(IDS[:100])))
    other.restore(state.state())
    expected = [0, *(number if number % 2 == 0 else 0 for number in reversed(range(100)))]
    assert other.array["value"].tolist() == expected
    assert other.changed() == {}


def test_rows_of_either_form_are_read_whatever_the_number_of_stations(monkeypatch: pytest.MonkeyPatch):
    single = rows(IDS)
    single.array["value"] = np.arange(200)
    single.touch(np.arange(200))
    monkeypatch.setattr("schemas.rows.BLOCKS_FROM", 3)
    grown = rows(IDS)
    grown.restore(single.state())
    assert len(grown.state()) <= PARTS
    assert (grown.array == single.array).all()
    monkeypatch.undo()
    shrunk = rows(IDS)
    shrunk.restore(grown.state())
    assert shrunk.state() == single.state()


@pytest.mark.usefixtures("blocks")
def test_a_part_of_another_version_stops_with_a_plain_error():
    state = rows(IDS, version=2)
    state.touch(np.arange(200))
    with pytest.raises(UnknownState, match="stage: state of version 2, this release reads 1"):
        rows(IDS).restore(state.state())
