"""What is acknowledged was noted, whatever the order, and what was noted within the window is acknowledged."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.acknowledgement import (
    Acknowledgements,
    NumbersRow,
    acknowledgement_of,
    durable_of,
    is_level,
)
from schemas.acknowledgement import WINDOW, Acknowledgement

T = 1_784_300_000_000_000


def told(noted: Acknowledgements, now_s: float = 0.0) -> dict[str, Acknowledgement]:
    return {row.station: acknowledgement_of(row) for row in noted.due(now_s)}


def noted(*numbers: int) -> Acknowledgements:
    made = Acknowledgements()
    for number in numbers:
        made.note("R-1", number, T + number)
    return made


NUMBERS = st.lists(st.integers(0, 60) | st.integers(900, 1100) | st.integers(1990, 3300), min_size=1)


@given(NUMBERS)
@settings(deadline=None)
def test_whatever_is_claimed_was_noted_since_the_counter_began(numbers: list[int]) -> None:
    highest, seen = numbers[0], {numbers[0]}
    for number in numbers[1:]:
        if number < highest - WINDOW:  # a restarted counter knows nothing of what was before
            highest, seen = number, {number}
        else:
            seen.add(number)
            highest = max(highest, number)
    (acknowledgement,) = told(noted(*numbers)).values()
    window = range(max(0, highest - WINDOW), highest)
    assert acknowledgement.sequence == highest
    assert acknowledgement.missing == tuple(number for number in window if number not in seen)
    assert {n for n in range(highest + 2) if acknowledgement.covers(n)} == {
        n for n in seen if n >= highest - WINDOW
    }


@given(st.permutations(list(range(5, 40))))
def test_the_order_of_arrival_does_not_matter(numbers: list[int]) -> None:
    (acknowledgement,) = told(noted(*numbers)).values()
    assert (acknowledgement.sequence, acknowledgement.missing) == (39, (0, 1, 2, 3, 4))


def test_the_time_is_that_of_the_highest_number() -> None:
    (acknowledgement,) = told(noted(7, 9, 8)).values()
    assert acknowledgement.observed_at is not None
    assert acknowledgement.observed_at.microsecond == 9


def test_a_thousand_lower_is_late_and_one_more_is_a_restart() -> None:
    assert told(noted(5000, 4000))["R-1"].sequence == 5000
    assert 4000 not in told(noted(5000, 4000))["R-1"].missing
    assert told(noted(5000, 3999))["R-1"].sequence == 3999


def test_a_station_is_told_once_a_second_and_only_when_there_is_news() -> None:
    numbers = noted(1)
    assert set(told(numbers, 10.0)) == {"R-1"}
    assert not told(numbers, 11.5)
    numbers.note("R-1", 2, T)
    assert told(numbers, 11.5)["R-1"].sequence == 2
    numbers.note("R-1", 3, T)
    assert not told(numbers, 12.4)
    assert told(numbers, 12.5)["R-1"].sequence == 3
    numbers.note("R-1", 3, T)  # a repeat: its sender has not heard
    assert told(numbers, 14.0)["R-1"].sequence == 3
    numbers.not_told("R-1")
    assert not told(numbers, 14.5)
    assert told(numbers, 15.0)["R-1"].sequence == 3


@given(NUMBERS, NUMBERS)
@settings(deadline=None)
def test_a_restart_forgets_nothing_that_was_stored(before: list[int], after: list[int]) -> None:
    whole, first = noted(*before, *after), noted(*before)
    again = Acknowledgements()
    again.restore([NumbersRow(*row) for row in first.changed()])
    assert not first.changed()
    assert not told(again)
    for number in after:
        again.note("R-1", number, T + number)
    assert told(again) == told(whole)


def test_memory_is_bounded_and_what_is_forgotten_is_missing_not_claimed() -> None:
    numbers = Acknowledgements(most_stations=2)
    numbers.note("A", 1, T)
    numbers.note("B", 1, T)
    told(numbers)
    numbers.note("A", 2, T)
    told(numbers, 2.0)
    numbers.note("C", 1, T)  # B was told least recently
    numbers.note("B", 2, T)
    assert told(numbers, 4.0)["B"].missing == (0, 1)
    assert len(numbers.changed()) == 2


@pytest.mark.parametrize("name", ["a/b", "a+", "#", "a\x01", "a\x7f", "\ud800", ""])
def test_a_name_that_is_no_level_of_a_topic_is_told_nothing(name: str) -> None:
    if name:
        assert not is_level(name)
    numbers = Acknowledgements()
    numbers.note(name, 1, T)
    assert name == "" or not numbers.due(0.0)
    assert not list(durable_of(json.dumps({"station": name, "sequence": 1}).encode()))


def test_rejects_speak_as_far_as_they_can_be_read() -> None:
    def station_and_number(payload: bytes) -> list[tuple[str, int]]:
        return [(one.station, one.number) for one in durable_of(payload)]

    assert station_and_number(b'{"kind":"rain","station":"R-1","sequence":7,"rain_mm":-1}') == [("R-1", 7)]
    assert station_and_number(b' [{"station":"R-1","sequence":7}, 3, {"station":"R-2","sequence":0}]') == [
        ("R-1", 7),
        ("R-2", 0),
    ]
    assert station_and_number(b'{"kind":"forecast","area":"5119","sequence":2}') == [("5119", 2)]
    for nothing in (
        b"",
        b"garbage",
        b'{"station":"R-1","sequence":"7"}',
        b'{"station":"R-1","sequence":true}',
        b'{"station":"R-1","sequence":-1}',
        b'{"station":"R-1","sequence":9223372036854775808}',
        b'{"station":7,"sequence":1}',
        b'{"station":"R-1"}',
        b"[" * 100_000,
        b'{"station":"R-1","sequence":1,"x":' + b"[" * 100_000,
    ):
        assert station_and_number(nothing) == []
    (one,) = durable_of(b'{"station":"R-1","sequence":1,"observed_at":"yesterday"}')
    assert one.observed_us is None
    (one,) = durable_of(b'{"station":"R-1","sequence":1,"observed_at":"2026-07-18T08:00:00+08:00"}')
    assert one.observed_us == 1_784_332_800_000_000


def test_an_acknowledgement_reads_as_the_contract_says() -> None:
    (acknowledgement,) = told(noted(0, 1, 3)).values()
    assert json.loads(acknowledgement.model_dump_json()) == {
        "sequence": 3,
        "observed_at": "2026-07-17T14:53:20.000003Z",
        "missing": [2],
    }


SOME = st.lists(st.integers(0, 60) | st.integers(940, 1000), max_size=40)


@given(SOME, SOME, st.booleans())
@settings(deadline=None)
def test_two_that_tell_each_other_know_what_one_would_know(
    first: list[int], second: list[int], turn: bool
) -> None:
    one, other = noted(*first), noted(*second)
    pair = [(one, other), (other, one)] if turn else [(other, one), (one, other)]
    newest = None
    for second_s in range(4):
        for speaker, hearer in pair:
            for station, word in told(speaker, 10.0 * second_s).items():
                newest = word
                hearer.merge(station, word)
    assert told(one, 100.0) == told(other, 100.0) == {}, "they come to rest"
    every = first + second
    if not every:
        assert newest is None
        return
    (together,) = told(noted(*every)).values()
    assert newest is not None
    assert (newest.sequence, newest.missing) == (together.sequence, together.missing)
    for knower in (one, other):
        (row,) = knower.changed()
        assert acknowledgement_of(row).missing == together.missing


def test_a_word_from_far_away_is_no_burden() -> None:
    made = noted(5)
    made.merge("R-1", Acknowledgement(sequence=2**62, observed_at=None))
    assert told(made)["R-1"].sequence == 2**62
    made.merge("R-1", Acknowledgement(sequence=7, observed_at=None))
    assert told(made, 10.0) == {}
    made.merge("no/name", Acknowledgement(sequence=7, observed_at=None))
    assert told(made, 20.0) == {}
    made.note("R-1", 8, T)
    assert told(made, 30.0)["R-1"].missing == tuple(range(8)), "its counter has begun again"
