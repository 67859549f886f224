"""The relay's decisions, without clock or socket: numbers only grow, nothing unacknowledged is forgotten, little goes twice."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.acknowledgement import Acknowledgements, acknowledgement_of
from ingest.decoders.canonical import MAX_BYTES
from runtime.relay.forwarding import Forwarding
from runtime.relay.numbering import UNNUMBERED_TOPIC, Held, Message, Numbering
from schemas.acknowledgement import Acknowledgement
from tests.runtime.intake.test_taking import rain

FIRST = 1_784_300_000_000


def numbering(last: dict[str, int] | None = None) -> Numbering:
    return Numbering(last or {}, lambda: FIRST)


def one(numbers: Numbering, payload: bytes, named: tuple[str, str] | None = None) -> Message:
    (message,) = numbers.take(payload, named)
    return message


# --- numbering ------------------------------------------------------------------------------------------------------


@given(st.lists(st.one_of(st.none(), st.integers(0, 50), st.integers(2**61, 2**63 - 1)), min_size=1))
def test_a_stations_numbers_only_grow_and_its_own_is_kept_while_it_does(own: list[int | None]) -> None:
    numbers, last = numbering(), None
    for sequence in own:
        payload = rain() if sequence is None else rain(sequence=sequence)
        message = one(numbers, payload)
        assert message.number is not None
        assert json.loads(message.body)["sequence"] == message.number
        assert last is None or message.number > last
        if sequence is not None and sequence < 2**62 and (last is None or sequence > last):
            assert (message.number, message.body) == (sequence, payload)
        last = message.number
    assert numbers.changed() == {"R-1": last}
    assert not numbers.changed()


def test_numbers_go_on_where_they_were_and_begin_at_the_clock() -> None:
    assert one(numbering({"R-1": 41}), rain()).number == 42
    assert one(numbering(), rain()).number == FIRST


def test_the_content_is_untouched_but_for_the_number() -> None:
    text = (
        b'{"kind":"rain","station":"R-1","big":123456789012345678901234567890,"rain_mm":1.10,"sequence":"x"}'
    )
    message = one(numbering({"R-1": 6}), text)
    assert message.topic == "readings/rain/R-1"
    assert message.body == text.replace(b'"x"', b"7")


def test_an_array_is_one_message_a_reading_and_a_topic_that_lies_stays_as_it_is() -> None:
    numbers = numbering({"R-1": 0, "R-2": 0})
    array = b"[" + b",".join([rain(), rain("R-2"), rain(), b"7"]) + b"]"
    assert [(m.station, m.number, m.topic) for m in numbers.take(array, ("rain", "R-1"))] == [
        ("R-1", 1, "readings/rain/R-1"),
        ("R-2", 1, "readings/rain/R-1"),
        ("R-1", 2, "readings/rain/R-1"),
        (None, None, "readings/rain/R-1"),
    ]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"garbage",
        b"[1",
        b"\xff",
        b'{"kind":"rain"}',
        b'{"station":7}',
        b'{"station":"a/b"}',
        b'{"station":"R-1","x":' + b"[" * 100_000,
        b'{"station":"R-1","x":"' + b"x" * MAX_BYTES + b'"}',
    ],
    ids=range(10),
)
def test_what_the_engine_could_not_acknowledge_gets_no_number(payload: bytes) -> None:
    message = one(numbering(), payload)
    assert (message.station, message.number, message.topic) == (None, None, UNNUMBERED_TOPIC)


@pytest.mark.parametrize("named", [("rain", "a\x01"), ("ra+in", "R-1"), ("", "R-1")])
def test_a_topic_that_a_broker_might_refuse_is_not_used(named: tuple[str, str]) -> None:
    assert one(numbering(), rain(), named).topic == UNNUMBERED_TOPIC


# --- forwarding -----------------------------------------------------------------------------------------------------


def hand(*numbers: int, station: str = "R-1", first_id: int = 1) -> list[Held]:
    return [Held(first_id + i, station, number) for i, number in enumerate(numbers)]


def durable(sequence: int, *missing: int) -> Acknowledgement:
    return Acknowledgement(sequence=sequence, observed_at=None, missing=missing)


def test_what_is_acknowledged_is_forgotten_and_only_that() -> None:
    forwarding = Forwarding(10)
    forwarding.add(hand(5, 6, 7, 8))
    assert forwarding.to_send(0, 100) == [1, 2, 3, 4]
    assert forwarding.acknowledged("R-2", durable(8)) == []
    assert forwarding.acknowledged("R-1", durable(7, 6)) == [1, 3]
    assert len(forwarding) == 2
    assert forwarding.acknowledged("R-1", durable(7, 6)) == []
    assert forwarding.acknowledged("R-1", durable(5000)) == []  # it says nothing of numbers so far below
    assert forwarding.acknowledged("R-1", durable(8)) == [2, 4]
    assert len(forwarding) == 0


def test_one_sent_before_what_is_acknowledged_was_lost_and_goes_again() -> None:
    forwarding = Forwarding(10)
    forwarding.add(hand(1, 2, 3, 4))
    forwarding.to_send(0, 100)
    forwarding.acknowledged("R-1", durable(3, 1, 2))
    assert forwarding.to_send(9, 100) == []
    assert forwarding.to_send(10, 100) == [1, 2]  # 4 may still be on its way
    assert forwarding.tries(1) == 2


def test_while_nothing_is_acknowledged_only_the_oldest_goes_again_less_and_less_often() -> None:
    forwarding = Forwarding(10)
    forwarding.add(hand(*range(1, 101)))
    assert len(forwarding.to_send(0, 1000)) == 100
    again = [(s, id) for s in range(1, 24 * 3600) for id in forwarding.to_send(s, 1000)]
    assert again[:4] == [(10, 1), (30, 2), (70, 3), (150, 4)]
    assert len(again) < 300
    forwarding.reconnected()
    assert len([id for s in range(40) for id in forwarding.to_send(24 * 3600 + s, 1000)]) == 2


def test_a_broker_that_lost_all_gets_all_again_after_one_probe() -> None:
    forwarding = Forwarding(10)
    forwarding.add(hand(*range(1, 101)))
    forwarding.to_send(0, 1000)
    assert forwarding.to_send(20, 1000) == [1]
    assert forwarding.acknowledged("R-1", durable(1, 0)) == [1]
    assert forwarding.to_send(21, 30) == list(range(2, 32))
    assert forwarding.to_send(21.1, 1000) == list(range(32, 101))


def test_a_station_stays_within_the_window_that_an_acknowledgement_speaks_of() -> None:
    forwarding = Forwarding(10)
    forwarding.add([*hand(*range(3000)), *hand(7, station="R-2", first_id=9001)])
    assert forwarding.to_send(0, 5000) == [*range(1, 1002), 9001]
    assert len(forwarding.acknowledged("R-1", durable(1000, 0, 500))) == 999
    assert forwarding.to_send(1, 5000) == []
    assert forwarding.acknowledged("R-1", durable(1000, 500)) == [1]
    assert forwarding.to_send(2, 5000) == list(range(1002, 1502))


def test_one_whose_number_the_engine_cannot_read_holds_its_station_up_only_for_a_while() -> None:
    forwarding, highest, gone = Forwarding(10), 0, set[int]()
    forwarding.add(hand(*range(3000)))
    for second in range(0, 3600, 5):
        beat = 10_000 + second  # another station, whose acknowledgements show that the engine is there
        forwarding.add(hand(beat, station="R-2", first_id=beat))
        sent = forwarding.to_send(second, 5000)
        highest = max([highest, *(id - 1 for id in sent if id < 10_000)])
        missing = [0] if highest <= 1000 else []
        gone |= {*forwarding.acknowledged("R-1", durable(highest, *missing))}
        assert forwarding.acknowledged("R-2", durable(beat)) == [beat]
    assert gone == set(range(2, 3001))
    assert len(forwarding) == 1
    assert forwarding.tries(1) > 10  # it is not given up


def test_a_station_that_the_broker_forbids_sends_one_trial_now_and_then_and_all_when_it_is_allowed() -> None:
    forwarding = Forwarding(10)
    forwarding.add([*hand(*range(5)), Held(9, None, None)])
    assert forwarding.to_send(0, 3) == [1, 2, 3]
    for id in (1, 2, 3):
        forwarding.refused(id)
    assert forwarding.to_send(1, 10) == [9]
    forwarding.refused(9)
    assert forwarding.forbidden == 2
    tried = []
    for second in range(2, 3600):
        for id in forwarding.to_send(second, 10):
            tried.append(id)
            forwarding.refused(id)
    assert set(tried) == {1, 9}
    assert len(tried) < 40
    assert not forwarding.taken(1)  # allowed from now on
    assert set(forwarding.to_send(3600, 10)) >= {2, 3, 4, 5}
    assert forwarding.acknowledged("R-1", durable(4)) == [1, 2, 3, 4, 5]
    assert forwarding.taken(9)
    assert (forwarding.forbidden, len(forwarding)) == (0, 0)


def test_what_has_no_number_is_forgotten_at_the_brokers_word() -> None:
    forwarding = Forwarding(10)
    forwarding.add([Held(1, None, None), *hand(5, first_id=2)])
    assert forwarding.to_send(0, 10) == [1, 2]
    assert forwarding.taken(1)
    assert not forwarding.taken(1)
    assert not forwarding.taken(2)
    assert len(forwarding) == 1


@given(st.integers(0, 2**32), st.floats(0, 0.5), st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_over_a_broker_that_loses_everything_arrives_and_nothing_is_forgotten_before(
    seed: int, loss: float, stations: int
) -> None:
    """Five seconds a step: sends, losses of messages and of acknowledgements, a crash of the relay, until all is there."""
    chance = random.Random(seed)
    numbers, held, log = numbering({f"S{i}": 0 for i in range(stations)}), dict[int, Message](), set[Any]()
    for id in range(1, 1 + chance.randrange(1, 1500)):
        held[id] = one(numbers, rain(f"S{chance.randrange(stations)}"))
    whole = {(m.station, m.number) for m in held.values()}
    engine, forwarding = Acknowledgements(), Forwarding(2)
    forwarding.add(Held(id, m.station, m.number) for id, m in held.items())
    crash = 5 * chance.randrange(1, 10)
    for second in range(0, 20_000, 5):
        for id in forwarding.to_send(second, 400):
            message = held[id]
            assert message.station is not None
            assert message.number is not None
            if chance.random() >= loss:
                log.add((message.station, message.number))
                engine.note(message.station, message.number, None)
        for row in engine.due(second):
            if chance.random() >= loss:
                for id in forwarding.acknowledged(row.station, acknowledgement_of(row)):
                    message = held.pop(id)
                    assert (message.station, message.number) in log
        if second == crash:
            forwarding = Forwarding(2)
            forwarding.add(Held(id, m.station, m.number) for id, m in held.items())
        if not held:
            break
    assert not held
    assert len(forwarding) == 0
    assert log == whole
