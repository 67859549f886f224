"""Findings that concern another association area: one chain a quake, one finding a border station, whatever crashes."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from alerting.ledger import Ledger
from runtime.acts import association_of
from runtime.replay.readings import replay
from schemas.act import Act
from schemas.wire import Seismic
from tests.runtime.counties import Counties, five_counties, quake, seismic_of, told

TONGJIANG = "511921"


@pytest.fixture(scope="module")
def readings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quake(tmp_path_factory.mktemp("quake"))


@pytest.fixture(scope="module")
def said(readings: Path) -> list[Seismic]:
    return seismic_of(readings)


def quakes(counties: Counties) -> dict[str, set[str]]:
    """By association area the chains of quakes that it keeps."""
    return {
        code: {
            alert["id"]
            for body in books.kept["alerts"].values()
            if (alert := json.loads(body))["hazard"] == "earthquake"
        }
        for code, books in counties.books.items()
    }


@pytest.mark.parametrize("seed", range(3))
def test_a_quake_in_five_logs_of_different_order_is_one_chain_where_it_lies(
    said: list[Seismic], seed: int
) -> None:
    counties = Counties(five_counties(), random.Random(seed))
    counties.hear(said, apart=40)
    kept = quakes(counties)
    assert {code: len(chains) for code, chains in kept.items() if chains} == {TONGJIANG: 1}
    found = [code for code, books in counties.books.items() if "seismic.event" in str(books.kept["findings"])]
    assert found == list(five_counties().associations)
    # Each log by itself gives what was decided between all the crashes, id by id.
    for code, books in counties.books.items():
        assert counties.replayed(code).kept == books.kept, code


def test_no_id_stands_in_two_logs_and_a_stations_findings_only_in_its_own(said: list[Seismic]) -> None:
    counties = Counties(five_counties(), random.Random(1), spoil=False)
    counties.hear(said, apart=5)
    seen: set[str] = set()
    for code, books in counties.books.items():
        assert not seen & set(books.kept["findings"])
        seen |= set(books.kept["findings"])
        for body in books.kept["findings"].values():
            finding = json.loads(body)
            if finding["detector"] != "seismic.event":
                assert {five_counties().home_of(station) for station in finding["stations"]} == {code}
    assert len(seen) > 20


@pytest.fixture(scope="module")
def played(readings: Path) -> dict[str, dict[str, list[str]]]:
    return {code: told(decided) for code, decided in replay([readings], five_counties()).decisions.items()}


def test_a_replay_of_readings_forwards_by_itself(played: dict[str, dict[str, list[str]]]) -> None:
    assert [code for code, lists in played.items() if lists["alerts"]] == [TONGJIANG]
    assert len({json.loads(alert)["id"] for alert in played[TONGJIANG]["alerts"]}) == 1


@pytest.mark.parametrize("batch", [1, 13, 51, 400])
def test_a_replay_is_the_same_whatever_the_batch(
    readings: Path, played: dict[str, dict[str, list[str]]], batch: int
) -> None:
    again = replay([readings], five_counties(), batch=batch).decisions
    assert {code: told(decided) for code, decided in again.items()} == played


def test_an_act_goes_to_the_log_that_keeps_its_alert(readings: Path) -> None:
    decided = replay([readings], five_counties()).decisions[TONGJIANG]
    act = Act(id="x-1", act="acknowledge", by="值班员", at=decided.alerts[0].issued_at)
    with Ledger.open("sqlite://") as ledger:
        ledger.write_decisions(TONGJIANG, 1, findings=decided.findings, alerts=decided.alerts)

        def log_of(**changed: object) -> str:
            return association_of(act.model_copy(update=changed), ledger, five_counties())

        # The chain's own area is the city, of which the first county's log would take it.
        assert decided.alerts[0].area == "5119"
        assert log_of(alert=decided.alerts[0].id, version=1) == TONGJIANG
        assert log_of(alert="a-none") == log_of() == log_of(content={"area": "5119"}) == "511902"
        assert log_of(act="issue", content={"area": "511922"}) == "511922"
        assert log_of(act="silence", content={"station": "SM-03", "until": "…"}) == TONGJIANG
