"""`fenghuo rejects` and plain errors: what a person can mend is one line, never a traceback."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from kafka.errors import KafkaTimeoutError
from sqlalchemy.exc import OperationalError

import runtime.cli
from alerting.ledger import Ledger
from runtime.cli import fenghuo, main
from schemas.reject import RejectReason, make_reject
from schemas.times import HOUR

STATIONS = "id,kind,name,lon,lat,elevation_m,area,watches,parameters\n"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "areas.csv").write_text("code,name,tier,parent,lon,lat\n5119,巴中市,city,,106.7,31.9\n")
    (folder / "stations.csv").write_text(STATIONS)
    (folder / "fenghuo.yaml").write_text(f"database: {{folder: {tmp_path / 'data'}}}\n")
    return folder


def test_without_a_data_folder_it_says_so_and_makes_none(config: Path, tmp_path: Path) -> None:
    for command in ("list", "replay"):
        result = CliRunner().invoke(fenghuo, ["rejects", command, "--config", str(config)])
        assert isinstance(result.exception, SystemExit), result.exception
        assert "state.db is not there: no engine has run" in result.output
    assert not (tmp_path / "data").exists()


def test_of_many_the_newest_are_listed_oldest_first(config: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with Ledger.open(str(tmp_path / "data" / "state.db")) as ledger:
        ledger.add_rejects(
            [make_reject(n * HOUR, f"s-{n}", RejectReason.BLANK, "nothing", b"") for n in (2, 1, 3)]
        )
    result = CliRunner().invoke(fenghuo, ["rejects", "list", "--config", str(config), "--limit", "2"])
    assert result.exit_code == 0, result.output
    assert [line.split()[2] for line in result.output.splitlines()[:2]] == ["s-2", "s-3"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            OperationalError("SELECT secret", {"p": "hunter2"}, Exception("connection refused\nmore")),
            "connection refused",
        ),
        (KafkaTimeoutError(), "KafkaTimeoutError"),
    ],
)
def test_a_server_that_does_not_answer_is_one_plain_line(
    error: Exception, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(runtime.cli, "fenghuo", fail)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert told in said
    assert "secret" not in said
    assert "hunter2" not in said


def test_a_mistake_of_ours_is_no_plain_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(runtime.cli, "fenghuo", fail)
    with pytest.raises(ZeroDivisionError):
        main()
    assert sys.modules["runtime.cli"] is runtime.cli
