"""Alerts against truth: hand-made cases as files, the scores of the forecasters' table, and the command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from runtime.cli.verify import verify
from runtime.simulate.place import Place
from runtime.verify import Judgement, Scores, Verifier, chains_of
from schemas.alert import Alert
from schemas.hazard import Hazard
from schemas.truth import Truth

CASES = Path("tests/data/verify")
SMALL = Path("tests/data/configurations/small")
PLACE = Place.read(SMALL)


def alerts_of(case: Path) -> list[Alert]:
    return [Alert.model_validate_json(line) for line in (case / "alerts.jsonl").read_text().splitlines()]


def judged(name: str) -> Judgement:
    truth = Truth.model_validate_json((CASES / name / "truth.json").read_bytes())
    return Verifier(truth, alerts_of(CASES / name), PLACE.areas).judge()


def run(case: Path, *more: str) -> tuple[int, str]:
    files = ["--truth", str(case / "truth.json"), "--alerts", str(case / "alerts.jsonl")]
    result = CliRunner().invoke(verify, [*files, "--config", str(SMALL), *more])
    return result.exit_code, result.output


@pytest.mark.parametrize("case", sorted(CASES.iterdir()), ids=lambda path: path.name)
def test_each_case_is_judged_as_it_says(case: Path) -> None:
    expected = json.loads((case / "case.json").read_text())
    code, output = run(case, "--json")
    report = json.loads(output)
    assert code == expected["exit"], expected["why"]
    assert [sentence.split(":")[0].split(",")[0] for sentence in report["wanting"]] == expected["wanting"]
    assert report["holds"] is (code == 0)


def test_scores_of_the_reference_table() -> None:
    scores = Scores(42, 18, 8, 932).named()
    expected = {
        "pod": 0.84,
        "far": 0.3,
        "pofd": 0.0189,
        "csi": 0.6176,
        "bias": 1.2,
        "hss": 0.75,
        "ets": 0.6,
        "pod_minus_pofd": 0.8211,
    }
    assert {name: score and round(score, 4) for name, score in scores.items()} == expected


def test_scores_without_a_denominator_are_undefined() -> None:
    assert set(Scores(0, 0, 0, 0).named().values()) == {None}
    assert Scores(0, 0, 0, 9).named()["pofd"] == 0
    assert Scores(0, 0, 3, 9).named()["far"] is None


counts = st.integers(0, 10_000)


@given(counts, counts, counts, counts)
def test_scores_stay_in_their_ranges(a: int, b: int, c: int, d: int) -> None:
    scores = Scores(a, b, c, d).named()
    for name in ("pod", "far", "pofd", "csi"):
        score = scores[name]
        assert score is None or 0 <= score <= 1
    if scores["hss"] is not None:
        assert -1 <= scores["hss"] <= 1
    if scores["csi"] is not None and scores["pod"] is not None:
        assert scores["csi"] <= scores["pod"]


def test_lead_time_counts_from_the_first_issue_at_that_level() -> None:
    (row,) = judged("early_hit").rows
    assert (row.hazard, row.level, row.leads_s) == (Hazard.RAINSTORM, 3, (1200.0,))
    assert row.lead_s(50) == row.lead_s(10) == 1200


def test_a_lead_time_may_be_negative() -> None:
    (row,) = judged("late_hit").rows
    assert row.leads_s == (-10_740.0,)


def test_a_miss_has_no_lead_time() -> None:
    (row,) = judged("too_low").rows
    assert (row.scores.hits, row.scores.misses, row.lead_s(50)) == (0, 1, None)


def test_an_alert_meets_an_event_that_it_covers_whatever_the_level() -> None:
    # Yellow for an orange event misses it, and is yet no false alarm.
    (row,) = judged("too_low").rows
    assert row.scores.false_alarms == 0
    rows = {row.level: row.scores for row in judged("elsewhere").rows}
    assert rows[2].false_alarms == 1


def test_the_matrix_counts_areas_of_the_hazards_tier() -> None:
    matrix = judged("too_wide").matrix[Hazard.FLASH_FLOOD]
    assert matrix[3][3] == 1
    assert matrix[3][2] == 1
    assert sum(map(sum, matrix)) == 9
    # A county's warning is one for each of its townships.
    assert judged("from_above").matrix[Hazard.FLASH_FLOOD][2][:3] == (1, 0, 1)


def test_a_spell_ends_with_the_next_version_with_its_own_time_or_with_the_cancel() -> None:
    (chain,) = chains_of(alerts_of(CASES / "extended"))
    assert [(spell.begins_at.hour, spell.ends_at.hour) for spell in chain.spells] == [(8, 9), (9, 15)]
    assert chain.spells[0].ends_at == chain.spells[1].begins_at
    (chain,) = chains_of(alerts_of(CASES / "cancelled_before"))
    assert [(spell.begins_at.hour, spell.ends_at.hour, spell.level) for spell in chain.spells] == [(8, 9, 3)]


def test_the_table_names_hazard_level_and_what_is_wanting() -> None:
    code, output = run(CASES / "too_low")
    assert code == 1
    for words in ("暴雨", "橙色（II级）", "missed: rainstorm level 3 in 511902", "found wanting: 1"):
        assert words in output
    code, output = run(CASES / "early_hit")
    assert code == 0
    assert output.endswith("holds\n")


@pytest.mark.parametrize(
    ("truth", "alerts", "words"),
    [
        ('{"events": [{"hazard": "rain"}]}', "", "truth.json: events.0.hazard"),
        ('{"events": []}', '\n{"id": "a-1"}\n', "alerts.jsonl:2: version"),
        ("no json", "", "truth.json"),
    ],
)
def test_a_file_that_is_no_such_file_is_named_with_its_line(
    truth: str, alerts: str, words: str, tmp_path: Path
) -> None:
    (tmp_path / "truth.json").write_text(truth)
    (tmp_path / "alerts.jsonl").write_text(alerts)
    code, output = run(tmp_path)
    assert code != 0
    assert words in output


def test_a_folder_that_is_no_place_is_said_so(tmp_path: Path) -> None:
    code, output = run(CASES / "early_hit", "--config", str(tmp_path))
    assert code != 0
    assert "is not a configuration" in output


@pytest.mark.parametrize(("name", "code"), [("early_hit", 0), ("too_low", 1), ("no_such_case", 2)])
def test_the_exit_code_reaches_the_shell(name: str, code: int) -> None:
    files = ["--truth", CASES / name / "truth.json", "--alerts", CASES / name / "alerts.jsonl"]
    command = [sys.executable, "-m", "runtime.cli", "verify", *map(str, files), "--config", str(SMALL)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == code


def test_without_config_it_is_the_place_that_ships_wherever_it_is_called(tmp_path, monkeypatch):
    case = (CASES / "early_hit").resolve()
    files = ["--truth", str(case / "truth.json"), "--alerts", str(case / "alerts.jsonl")]
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(verify, [*files, "--json"])
    assert result.exit_code == 0, result.output
    counted = json.loads(result.stdout)["areas_by_warned_and_true_level"]["rainstorm"]
    assert sum(map(sum, counted)) == 5  # the counties of Bazhong; the small place has two


def test_another_places_alerts_are_refused_and_a_strange_area_is_told(tmp_path):
    """By another city's areas an event would be missed, or not, by chance."""
    truth, alerts = ((CASES / "early_hit" / name).read_text() for name in ("truth.json", "alerts.jsonl"))
    (tmp_path / "alerts.jsonl").write_text(alerts.replace('"511902', '"991902'))
    (tmp_path / "truth.json").write_text(truth.replace('"511902', '"991902'))
    code, output = run(tmp_path)
    assert code == 1
    assert "has no area that truth or alerts name (such as 991902)" in output

    (tmp_path / "truth.json").write_text(truth)
    code, output = run(tmp_path)
    assert code == 1
    assert "areas that truth and alerts name are not in" in output
    assert "found wanting" in output
