"""`fenghuo cap`: one line of alerts.jsonl as CAP 1.2."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from runtime.cli import fenghuo
from tests.alerting.town import Core, finding, silence

SMALL = Path(__file__).parent.parent / "data" / "configurations" / "small"


@pytest.fixture
def alert(tmp_path: Path) -> Path:
    path = tmp_path / "alert.json"
    path.write_text(Core().find(finding(3, area="511922106007"))[0].model_dump_json(), encoding="utf-8")
    return path


def test_it_writes_xml(alert):
    result = CliRunner().invoke(fenghuo, ["cap", str(alert)])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("<?xml")
    assert "<areaDesc>511922106007</areaDesc>" in result.stdout


def test_a_configuration_gives_the_names(alert):
    result = CliRunner().invoke(fenghuo, ["cap", str(alert), "--config", str(SMALL)])
    assert "<areaDesc>南江县光雾山镇秋池社区</areaDesc>" in result.stdout


def test_standard_input_will_do(alert):
    result = CliRunner().invoke(fenghuo, ["cap", "-"], input=alert.read_bytes())
    assert result.exit_code == 0, result.output


def test_what_is_no_alert_is_one_plain_line(tmp_path):
    path = tmp_path / "wrong.json"
    path.write_text('{"id": "a-1", "version": 0}', encoding="utf-8")
    result = CliRunner().invoke(fenghuo, ["cap", str(path)])
    assert result.exit_code == 1
    assert "version: Input should be greater than or equal to 1" in result.stderr


def test_a_fault_of_a_station_is_refused(tmp_path):
    path = tmp_path / "station.json"
    path.write_text(Core().find(silence(2))[0].model_dump_json(), encoding="utf-8")
    result = CliRunner().invoke(fenghuo, ["cap", str(path)])
    assert result.exit_code == 1
    assert "goes to those who mend it" in result.stderr
