"""The demo as a stranger runs it: a process of its own, its whole output, its ledger and its report."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from alerting.ledger import Ledger
from runtime.clock import MachineClock
from runtime.demo.pace import PacedClock, SharedClock
from runtime.demo.screen import coloured
from runtime.demo.told import MEANS, Said
from schemas.area import Tier
from schemas.level import Level
from schemas.notice import NoticeState
from schemas.times import CHINA, SECOND
from tests.house.tree import ROOT

SECONDS = 20
MARKS = ("演练", "模拟数据")


@dataclass(frozen=True)
class Run:
    """What one demo left behind."""

    code: int
    out: str
    err: str
    data: Path


def command(data: Path, seconds: int) -> list[str]:
    words = ["demo", "--no-browser", "--seconds", str(seconds), "--data", str(data)]
    return [sys.executable, "-m", "runtime.cli", *words]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    data = tmp_path_factory.mktemp("demo") / "data"
    environment = {name: value for name, value in os.environ.items() if name != "FORCE_COLOR"}
    done = subprocess.run(
        command(data, SECONDS),
        check=False,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
    )
    return Run(done.returncode, done.stdout, done.stderr, data)


def received(run: Run) -> list[str]:
    return re.findall(r"^\d\d:\d\d [市县乡村] (?:短信|广播|接口) .+$", run.out, re.MULTILINE)


def found(pattern: str, text: str) -> re.Match[str]:
    match = re.search(pattern, text)
    assert match is not None, pattern
    return match


def test_it_ends_by_itself_and_says_nothing_that_is_wrong(run):
    assert run.code == 0, run.err
    assert run.err == ""


def test_phones_loudspeakers_and_the_dispatch_system_received_the_exercise(run):
    lines = received(run)
    assert {line[8:10] for line in lines} == {"短信", "广播", "接口"}
    assert all(mark in line for line in lines for mark in MARKS)
    assert {line[6] for line in lines} == set("市县乡村")
    assert (run.data / "received.txt").read_text(encoding="utf-8").splitlines() == lines


def test_alerts_of_all_four_tiers_and_colours_are_in_the_ledger(run):
    ledger = Ledger.open(str(run.data / "state.db"))
    versions = [one for one in ledger.newest_alerts(100_000) if one.hazard != "station"]
    counts = ledger.notice_counts()
    ledger.close()
    assert {tier for alert in versions for tier in alert.tiers} == set(Tier)
    assert {alert.level for alert in versions if alert.level} == {1, 2, 3, 4}
    assert all(alert.status == "exercise" for alert in versions)
    for channel in MEANS:
        assert counts[channel, NoticeState.DELIVERED] > 0


def test_it_sums_up(run):
    summary = run.out[run.out.index("演练小结") :]
    assert "模拟数据" in summary
    assert int(found(r"读数 readings ([\d,]+)", summary)[1].replace(",", "")) > 50_000
    for level in (Level.RED, Level.ORANGE, Level.YELLOW, Level.BLUE):
        row = found(rf"{level.words_zh} .*", summary)[0]
        assert all(int(figure) > 0 for figure in re.findall(r"\b\d+\b", row)), row
    assert "← 最慢" in summary


def test_the_report_says_what_it_is(run):
    page = (run.data / "report.html").read_text(encoding="utf-8")
    assert "演练 · 模拟数据" in page
    assert "红色（I级）" in page
    assert "【演练·模拟数据】" in page
    assert not re.search(r"(?:src|href)=", page)  # it needs nothing beside it


def test_it_can_be_ended_at_any_time_in_order(tmp_path):
    process = subprocess.Popen(
        command(tmp_path / "data", 600), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 60
    while not (tmp_path / "data" / "received.txt").exists() and time.monotonic() < until:
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "演练小结" in out


SMS = "【巴中市·演练·模拟数据】巴中市应急指挥中心7月18日8时35分变更暴雨红色预警（I级）：巴州区，过去3小时雨量101毫米。请停工。"
SPEECH = (
    "演练，演练，以下是模拟数据。巴中市应急指挥中心发布通江县广纳镇山洪灾害橙色预警，二级。请做好转移准备。"
)
SICK = "【巴中市·演练·模拟数据】铁炉坝村监测设备失联：铁炉坝滑坡点（LS-1）"


@pytest.mark.parametrize(
    ("text", "level", "gist"),
    [
        (SMS, Level.RED, "变更暴雨 巴州区，过去3小时雨量101毫米。请停工。"),
        (SPEECH, Level.ORANGE, "发布通江县广纳镇山洪灾害 请做好转移准备。"),
        (SICK, Level.NONE, "铁炉坝村监测设备失联：铁炉坝滑坡点（LS-1）"),
    ],
)
def test_a_line_begins_with_what_matters_and_fits(text, level, gist):
    said = Said(datetime(2026, 7, 18, 8, 35, tzinfo=CHINA), "村", "sms", "铁炉坝村灾害信息员", text)
    assert (said.level, said.gist) == (level, gist)
    for width in (60, 80, 120):
        line = coloured(said, width)
        assert line.cell_len <= width
        assert line.plain.startswith("08:35 村 短信 铁炉坝村灾害信息员 ")
        assert gist[:4] in line.plain


def test_the_clock_stands_until_it_is_given_a_pace_and_knows_what_a_moment_took():
    clock = PacedClock(1_000 * SECOND)
    assert clock.now_us() == clock.now_us() == 1_000 * SECOND
    clock.pace(1_000.0)
    time.sleep(0.05)
    clock.pace(1.0)
    turned = clock.now_us()
    assert turned >= 1_050 * SECOND
    assert clock.machine_s(1_050 * SECOND) - clock.machine_s(1_000 * SECOND) == pytest.approx(0.05, abs=1e-3)
    assert clock.machine_s(turned + SECOND) - clock.machine_s(turned) == pytest.approx(1.0, abs=1e-3)


def test_a_clock_that_processes_share_knows_what_a_moment_took_since_it_was_set():
    clock = SharedClock(1_000 * SECOND, 60.0, MachineClock().now_us() + SECOND)
    assert clock.now_us() < 1_000 * SECOND
    assert clock.machine_s(clock.now_us()) == clock.machine_s(1_000 * SECOND) == 0
    assert clock.machine_s(1_060 * SECOND) == pytest.approx(1.0)
