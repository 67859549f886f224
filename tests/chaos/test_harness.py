"""The harness itself: a schedule is a function of its seed, and what is planted is found."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from runtime.configuration.loading import load
from runtime.logs.topics import PARTITIONS, partition_of
from schemas.times import to_micros
from tests.chaos import results
from tests.chaos.configuration import Surroundings, make_configuration
from tests.chaos.faults import FIRST_S, PAUSE_S, schedule
from tests.chaos.judging import (
    Chain,
    Decided,
    Told,
    chain_differences,
    differences,
    lost,
    sent_twice,
    told_nobody,
)
from tests.chaos.results import Result
from tests.chaos.storm import BEGINS, ENDS, make_storm

AROUND = Surroundings(
    "127.0.0.1:9092",
    ("127.0.0.1", 1883),
    "postgresql+psycopg://postgres@127.0.0.1/chaos",
    ("127.0.0.1", 2775),
    "http://127.0.0.1:8080/notices",
)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chaos") / "config"
    return make_configuration(folder, AROUND, to_micros(BEGINS), BEGINS)


# --- what is played --------------------------------------------------------------------------------------------------


def test_a_schedule_is_a_function_of_its_seed() -> None:
    assert schedule(3) == schedule(3)
    assert len({tuple(schedule(seed)) for seed in range(30)}) == 30


@pytest.mark.parametrize("seed", range(30))
def test_every_seed_plays_every_fault_while_the_storm_plays(seed: int) -> None:
    faults = schedule(seed)
    assert Counter(fault.kind for fault in faults) == {"kill": 4, "crash": 3, "pause": 1, "cut": 1, "add": 1}
    assert {fault.target for fault in faults if fault.kind == "crash"} == {"kafka", "mosquitto", "postgres"}
    killed = {fault.target for fault in faults if fault.kind == "kill"}
    assert {"worker-1", "worker-2"} < killed
    assert [fault.lasts_s for fault in faults if fault.kind == "pause"] == [PAUSE_S]
    assert all(fault.at_s >= FIRST_S and fault.at_s + fault.lasts_s < 200 for fault in faults)


def test_each_county_is_an_area_of_its_own_and_quakes_are_watched_by_all(config: Path) -> None:
    bundle = load(config).bundle
    assert len(bundle.associations) == 5
    assert len({partition_of(area, PARTITIONS) for area in bundle.associations}) > 1
    for station, areas in zip(bundle.stations, bundle.associations_of_station, strict=True):
        expected = {"seismic": {5}, "camera": {1, 2, 3}}.get(
            station.kind, {1}
        )  # a camera sees over the border
        assert len(areas) in expected


def test_the_storm_and_the_quake_in_it_are_one_stream_by_time(config: Path, tmp_path: Path) -> None:
    storm = make_storm(tmp_path, config, 1)
    times = [line.at_us for line in storm.lines]
    assert times == sorted(times)
    assert times[0] >= to_micros(BEGINS)
    assert times[-1] < to_micros(ENDS + timedelta(minutes=1))
    kinds = Counter(json.loads(line.body)["kind"] for line in storm.lines)
    assert kinds["seismic"] > 5000
    assert kinds["rain"] > 10_000
    numbers: dict[str, list[int]] = {}
    for line in storm.lines:
        assert json.loads(line.body)["sequence"] == line.number
        numbers.setdefault(line.station, []).append(line.number)
    assert all(given == list(range(1, len(given) + 1)) for given in numbers.values())


# --- judging ---------------------------------------------------------------------------------------------------------

NOTICE = {
    "id": "n-1",
    "recipient": "duty",
    "channel": "webhook",
    "area": "5119",
    "alerts": [{"id": "a-1", "version": 1}],
    "text": "暴雨",
    "state": "due",
    "attempts": 3,
}
ALERT = {"id": "a-1", "version": 1, "hazard": "rainstorm", "area": "511902", "level": 2}
DECIDED = Decided.of([{"id": "f-1", "level": 2}], [ALERT], [NOTICE])


def test_a_lost_reading_is_found_in_each_log_that_should_have_it() -> None:
    acknowledged = {("SM-01", 1), ("SM-01", 2), ("RG-001", 1)}
    areas_of = {"SM-01": ("511902", "511903"), "RG-001": ("511902",)}
    logged = {"511902": acknowledged, "511903": {("SM-01", 1), ("SM-01", 2)}}
    assert lost(acknowledged, logged, areas_of) == []
    logged["511903"].remove(("SM-01", 2))
    assert lost(acknowledged, logged, areas_of) == [
        "reading 2 of SM-01 was acknowledged and is not in the log of 511903"
    ]
    assert lost(acknowledged, logged, areas_of, {("SM-01", 2)}) == []


def test_what_follows_from_the_log_is_compared_and_what_the_dispatchers_did_is_not() -> None:
    sent = Decided.of([{"id": "f-1", "level": 2}], [ALERT], [NOTICE | {"attempts": 1, "error": "busy"}])
    assert differences(DECIDED, sent) == []
    held = Decided.of([{"id": "f-1", "level": 2}], [ALERT], [NOTICE | {"state": "held"}])
    assert differences(DECIDED, held) == ["notice n-1 differs: state 'held', replayed 'due'"]


def test_a_planted_difference_is_found() -> None:
    assert differences(DECIDED, replace(DECIDED, findings={})) == ["finding f-1 is missing"]
    more = Decided.of([], [ALERT, ALERT | {"version": 2}], [])
    assert differences(replace(DECIDED, findings={}, notices={}), more) == ["alert a-1 v2 is in no replay"]
    other = Decided.of([{"id": "f-1", "level": 2}], [ALERT | {"level": 3}], [NOTICE])
    assert differences(DECIDED, other) == ["alert a-1 v1 differs: level 3, replayed 2"]


def test_chains_are_compared_by_hazard_area_and_highest_level() -> None:
    fell = [ALERT, ALERT | {"version": 2, "level": 4}, ALERT | {"version": 3, "level": 1}]
    chains = Decided.of([], fell, []).chains()
    assert chains == Counter([Chain("rainstorm", "511902", 4)])
    renamed = Decided.of([], [one | {"id": "a-9"} for one in fell], []).chains()
    assert chain_differences(chains, renamed) == []
    assert chain_differences(chains, DECIDED.chains()) == [
        "chain rainstorm 511902 level 4 is missing",
        "chain rainstorm 511902 level 2 is in no replay of the readings",
    ]


def test_a_planted_second_sending_is_found() -> None:
    once = Told("webhook", "duty", "n-1")
    assert sent_twice([once], DECIDED.notices) == []
    assert sent_twice([once, once], DECIDED.notices) == ["webhook told duty notice n-1 2 times"]
    both = Decided.of([], [], [NOTICE, NOTICE | {"id": "n-2"}])
    assert sent_twice([once, Told("webhook", "duty", "n-2")], both.notices) == [
        "webhook told duty the same as notices n-1, n-2"
    ]
    assert sent_twice([Told("webhook", "duty", "n-3")], DECIDED.notices) == [
        "webhook told duty notice n-3, which nobody decided"
    ]


def test_what_was_delivered_to_nobody_is_found() -> None:
    one = Told("webhook", "duty", "n-1")
    assert told_nobody([one], [one]) == []
    assert told_nobody([one], []) == ["webhook delivered notice n-1 to duty, who never had it"]


# --- results ---------------------------------------------------------------------------------------------------------


def _result(seed: int, code: str, lost_: tuple[str, ...] = ()) -> Result:
    return Result(
        seed=seed,
        code=code,
        commit="abc",
        faults=("1.0 s kill gateway-1",),
        readings=10,
        sent=12,
        acknowledged=10,
        logged=10,
        findings=3,
        alerts=2,
        notices=2,
        told=2,
        repeats=1,
        messages=0,
        lost=lost_,
        different=(),
        twice=(),
        died=(),
        latest_s=0.4,
        seconds=1.0,
    )


def test_results_are_gathered_by_seed_and_code(tmp_path: Path) -> None:
    for result in (_result(1, "old"), _result(2, "new"), _result(3, "new", ("one",))):
        results.write(result, tmp_path)
    (tmp_path / "seed-009.json").write_text('{"seed": 9}')  # an earlier harness's
    kept = results.read_all(tmp_path)
    assert results.missing(range(1, 5), kept, "new") == [1, 4]
    text = results.table(kept, "new")
    assert "(other code)" in text.splitlines()[1]
    assert text.endswith("1 of 2 seeds of this code passed")


def test_code_is_named_by_what_a_result_depends_on(tmp_path: Path) -> None:
    (tmp_path / "runtime").mkdir()
    (tmp_path / "docs").mkdir()
    file = tmp_path / "runtime" / "gateway.py"
    file.write_text("a = 1\n")
    before = results.code_id(tmp_path)
    (tmp_path / "docs" / "page.md").write_text("words")
    assert results.code_id(tmp_path) == before
    file.write_text("a = 2\n")
    assert results.code_id(tmp_path) != before
