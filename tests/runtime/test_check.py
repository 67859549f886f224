"""`fenghuo check`: every kind of fault by a bad sample configuration, with its exact message."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from runtime.cli import fenghuo

CONFIGURATIONS = Path(__file__).parent.parent / "data" / "configurations"
BAD = sorted(path for path in (CONFIGURATIONS / "faults").iterdir() if path.is_dir())


@pytest.mark.parametrize("folder", BAD, ids=lambda path: path.name)
def test_a_fault_is_named_with_file_line_and_how_to_mend_it(folder, golden):
    result = CliRunner().invoke(fenghuo, ["check", str(folder)])

    assert result.exit_code == 1, result.output
    golden(folder / "expected.txt", result.stdout)
    count = len(result.stdout.splitlines())
    assert result.stderr == f"{folder}: {count} fault{'s' if count > 1 else ''}\n"


@pytest.mark.parametrize(
    "folder", [CONFIGURATIONS / "small", Path("deploy/bazhong")], ids=lambda path: path.name
)
def test_a_whole_configuration_is_told_in_one_line(folder):
    result = CliRunner().invoke(fenghuo, ["check", str(folder)])

    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"{folder}: no fault. Areas: 1 city, ")
    assert result.stdout.count("\n") == 1


def test_what_may_be_meant_is_remarked_and_is_no_fault(tmp_path):
    place = shutil.copytree(CONFIGURATIONS / "small", tmp_path / "place")
    broker = CliRunner().invoke(fenghuo, ["check", str(place)])
    (place / "fenghuo.yaml").write_text(
        "brokers: {mqtt: {host: broker.example}}\nchannels: {sms: {host: smsc.example, system_id: fenghuo}}\n",
        encoding="utf-8",
    )
    complete = CliRunner().invoke(fenghuo, ["check", str(place)])

    assert broker.exit_code == complete.exit_code == 0
    assert broker.stderr.splitlines() == [
        f"{place}: 51 recipients have sms, and fenghuo.yaml names no server at channels.sms: such notices would be "
        "parked. At county and township nobody has another channel.",
        f"{place}: brokers.mqtt names no broker: one runs inside the process, and it can lose messages.",
    ]
    assert complete.stderr == ""


def test_default_routes_and_tiers_that_find_nobody_are_remarked(tmp_path):
    place = shutil.copytree(CONFIGURATIONS / "small", tmp_path / "place")
    (place / "fenghuo.yaml").write_text("brokers: {mqtt: {host: broker.example}}\n", encoding="utf-8")
    header, *rows = (place / "recipients.csv").read_text(encoding="utf-8").splitlines()
    kept = [row for row in rows if ",village,responsible," in row or ",city,duty," in row]
    (place / "recipients.csv").write_text("\n".join([header, *kept]) + "\n", encoding="utf-8")
    few = CliRunner().invoke(fenghuo, ["check", str(place)])
    (place / "policy.yaml").write_text(
        "routing: {routes: [{name: all, audience: responsible, roles: [duty, responsible], tiers: [city, village]}]}",
        encoding="utf-8",
    )
    meant = CliRunner().invoke(fenghuo, ["check", str(place)])

    assert few.exit_code == meant.exit_code == 0
    remarks = [line.removeprefix(f"{place}: recipients.csv has nobody ") for line in few.stderr.splitlines()]
    assert [remark.partition(",")[0] for remark in remarks[:4]] == [
        "for the default route public (role public): it tells nobody; add a recipient",
        "for the default route maintenance (role maintenance): it tells nobody; add a recipient",
        "at tier county whom a route tells",
        "at tier township whom a route tells",
    ]
    assert "recipients.csv" not in meant.stderr


def test_areas_and_stations_alone_are_valid_and_nobody_misses_a_recipient(tmp_path):
    place = shutil.copytree(CONFIGURATIONS / "small", tmp_path / "place")
    (place / "recipients.csv").unlink()
    result = CliRunner().invoke(fenghuo, ["check", str(place)])

    assert result.exit_code == 0, result.output
    assert "Recipients: 0." in result.stdout
    assert "recipient" not in result.stderr


@pytest.mark.parametrize("words", [["check"], ["check", "no-such-folder"], ["check", ".", "--colour"]])
def test_wrong_use_exits_with_2(words):
    assert CliRunner().invoke(fenghuo, words).exit_code == 2
