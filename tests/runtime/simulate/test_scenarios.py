"""Whole scenarios through the command: same seed same bytes, cuts, limits, and lines that are readings."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from runtime.cli.simulate import simulate
from runtime.simulate.scenarios import SCENARIOS
from runtime.simulate.truth import truth_of
from runtime.simulate.writing import write_readings
from schemas.hazard import Hazard
from schemas.reading import explain
from schemas.times import HOUR, from_micros, rfc3339, to_micros
from schemas.truth import Truth
from schemas.wire import ONE
from tests.runtime.simulate.places import BAZHONG

SHORT = ("storm", "quake", "fire", "mixed")


def run(scenario: str, seed: int, out: Path, *more: str) -> tuple[bytes, Truth]:
    result = CliRunner().invoke(simulate, [scenario, "--seed", str(seed), "--out", str(out), *more])
    assert result.exit_code == 0, result.output
    return (out / "readings.jsonl").read_bytes(), Truth.model_validate_json((out / "truth.json").read_bytes())


@pytest.mark.parametrize("scenario", ["quake", "fire", "mixed"])
def test_the_same_seed_writes_the_same_bytes_and_another_does_not(scenario: str, tmp_path: Path) -> None:
    first, again = run(scenario, 1, tmp_path / "a"), run(scenario, 1, tmp_path / "b")
    assert first == again
    assert run(scenario, 2, tmp_path / "c")[0] != first[0]


@pytest.mark.parametrize("scenario", ["quake", "fire", "mixed"])
def test_lines_are_readings_of_stations_in_order_of_arrival(scenario: str, tmp_path: Path) -> None:
    lines = run(scenario, 3, tmp_path)[0].splitlines()
    assert len(lines) <= 1_000_000
    stations = {station.id: station.kind for station in BAZHONG.stations}
    before: datetime | None = None
    for line in lines:
        reading = ONE.decode(line)
        assert stations[reading.station] == reading.__struct_config__.tag
        arrival = reading.received_at or reading.observed_at
        assert before is None or arrival >= before
        before = arrival
        assert (reading.received_at is not None) is (scenario == "mixed")
    for line in lines[:: max(1, len(lines) // 300)]:
        assert explain(json.loads(line)) is None


def test_what_each_scenario_truly_holds() -> None:
    held = {}
    for name in SHORT:
        scenario = SCENARIOS[name](BAZHONG, 5)
        events = truth_of(scenario.courses, scenario.start_us, scenario.stop_us).events
        held[name] = {(event.hazard, event.level) for event in events}
        assert scenario.start_us <= scenario.worst_us[0] < scenario.worst_us[1] <= scenario.stop_us
    assert held["quake"] == {(Hazard.EARTHQUAKE, 3)}
    assert held["fire"] == {(Hazard.FOREST_FIRE, 3)}
    assert {(Hazard.RAINSTORM, 4), (Hazard.FLASH_FLOOD, 3), (Hazard.LANDSLIDE, 4)} <= held["storm"]
    storm = SCENARIOS["storm"](BAZHONG, 4)
    slides = [course for course in storm.courses if course.hazard is Hazard.LANDSLIDE]
    assert len({course.area for course in slides}) == 2
    assert all(max(course.levels) == 4 and len(course.area) == 12 for course in slides)
    assert {hazard for hazard, _ in held["mixed"]} == {
        Hazard.RAINSTORM,
        Hazard.FLASH_FLOOD,
        Hazard.LANDSLIDE,
        Hazard.EARTHQUAKE,
        Hazard.FOREST_FIRE,
    }


def test_a_cut_holds_the_lines_between_and_the_events_until_then(tmp_path: Path) -> None:
    scenario = SCENARIOS["fire"](BAZHONG, 1)
    start, stop = scenario.start_us + HOUR, scenario.start_us + 3 * HOUR
    whole, _ = run("fire", 1, tmp_path / "whole")
    cut, truth = run("fire", 1, tmp_path / "cut", "--from", rfc3339(start), "--until", rfc3339(stop))
    between = [
        line
        for line in whole.splitlines()
        if start <= to_micros(datetime.fromisoformat(json.loads(line)["observed_at"])) < stop
    ]
    assert cut.splitlines() == between
    (event,) = truth.events
    assert event.ends_at == from_micros(stop)
    _, truth = run("fire", 1, tmp_path / "early", "--until", rfc3339(start))
    assert truth.events == ()


def test_a_calm_month_is_quiet_and_within_its_size() -> None:
    scenario = SCENARIOS["quiet"](BAZHONG, 1)
    assert scenario.courses == ()

    class Counting:
        """A file that keeps nothing."""

        written = 0

        def write(self, part: bytes) -> int:
            self.written += len(part)
            return len(part)

    file = Counting()
    days = 3 * 24 * HOUR
    lines = write_readings(file, scenario.sources, scenario.start_us, scenario.start_us + days)  # type: ignore[arg-type]
    whole = (scenario.stop_us - scenario.start_us) / days
    assert 1_000_000 < lines * whole < 5_000_000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["flood"], "'flood' is not one of"),
        (["storm", "--from", "2026-07-18T07:00:00"], "has no offset"),
        (["storm", "--from", "yesterday"], "is not a time"),
        (["fire", "--from", "2030-01-01T00:00:00Z"], "nothing lies between"),
        (["storm", "--config", "tests"], "is not a configuration"),
        (["fire", "--config", "tests/data/configurations/small", "--seed", "-1"], "-1"),
    ],
)
def test_wrong_use_is_one_plain_sentence(arguments: list[str], words: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(simulate, [*arguments, "--out", str(tmp_path)])
    assert result.exit_code != 0
    assert words in result.output
