"""`fenghuo route test`: it asks the routing itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from runtime.cli import fenghuo

SMALL = Path(__file__).parent.parent / "data" / "configurations" / "small"
VILLAGE = "511902100001"


def route(hazard: str, level: str, area: str = VILLAGE, *more: str) -> Result:
    words = ["route", "test", str(SMALL), "--hazard", hazard, "--level", level, "--area", area, *more]
    return CliRunner().invoke(fenghuo, words)


def test_it_says_who_by_what_when_and_why():
    result = route("landslide", "red")
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0] == "发布巴州区大茅坪镇明星社区滑坡红色预警（I级）"
    assert (
        "county 巴州区 511902-duty sms responsible: at once route duty, role duty; contains 511902100001"
        in lines
    )
    assert (
        "village 明星社区 511902100001-officer sms responsible: at once route duty, role responsible; in the area"
        in lines
    )
    assert any(
        "511902100001-loudspeaker broadcast public: held until one person releases it" in line
        for line in lines
    )
    assert "route maintenance: not for this hazard, colour or origin" in lines
    assert "7 notices" in lines[-1]


def test_a_number_is_as_good_as_a_colour():
    assert route("landslide", "4").stdout == route("landslide", "red").stdout


def test_a_long_list_is_cut_unless_all_are_asked_for():
    assert "more" in route("rainstorm", "orange", "511922").stdout
    assert "more" not in route("rainstorm", "orange", "511922", "--all").stdout


def test_what_never_reaches_the_public_says_so():
    result = route("rainstorm", "red")
    assert "public" not in result.stdout.split("route public")[0]
    assert "policy never gives this to the public" in result.stdout


def test_a_departments_rainstorm_does():
    assert (
        "public: held until one person" in route("rainstorm", "red", VILLAGE, "--origin", "department").stdout
    )


def test_a_sick_station_goes_to_those_who_mend():
    result = route("station", "yellow")
    assert "maintenance" in result.stdout
    assert "-duty" not in result.stdout


def test_where_nobody_would_be_told_it_exits_with_1(tmp_path):
    for name in ("areas.csv", "stations.csv"):
        (tmp_path / name).write_bytes((SMALL / name).read_bytes())
    words = ["route", "test", str(tmp_path), "--hazard", "landslide", "--level", "red", "--area", VILLAGE]
    result = CliRunner().invoke(fenghuo, words)
    assert result.exit_code == 1, result.output
    assert "Nobody would be told." in result.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("dragon", "red"), "dragon"),
        (("landslide", "pink"), "pink"),
        (("landslide", "red", "999"), "areas.csv has no area 999"),
    ],
)
def test_wrong_use_exits_with_2(words, says):
    result = route(*words)
    assert result.exit_code == 2
    assert says in result.stderr
