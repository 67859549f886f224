"""`make demo-kafka` as a stranger runs it: on Apache Kafka, and where there is none on the broker from the package index."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.house.tree import ROOT
from tests.servers.base import ServerMissing, program, refuse_or_skip
from tests.servers.kafka import kafka_jars
from tests.servers.postgres import postgres_programs

MINUTES, SECONDS = 65, 40
"""Until loudspeakers tell of the first flash floods too."""
PARTS = (
    *("gateway-1", "gateway-2", "worker-1", "worker-2"),
    *("dispatch-1", "dispatch-2", "console"),
)

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("kafka")]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the demo keeps everything; PostgreSQL's user has to come through."""
    for there in (postgres_programs, lambda: program("mosquitto")):
        try:
            there()
        except ServerMissing as error:
            refuse_or_skip(error)
    made = Path(tempfile.mkdtemp(prefix="demo-kafka-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@contextmanager
def begun(folder: Path, broker: str, seconds: int) -> Iterator[subprocess.Popen[str]]:
    """A demo; one that a failed test leaves behind is killed, and its servers go with it."""
    (folder / "tmp").mkdir()
    words = ["--broker", broker, "--seconds", str(seconds), "--minutes", str(MINUTES)]
    demo = subprocess.Popen(
        [sys.executable, "-m", "deploy.demo", *words, "--data", str(folder / "data")],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "FORCE_COLOR"}
        | {"TMPDIR": str(folder / "tmp")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield demo
    finally:
        if demo.poll() is None:
            demo.kill()
            demo.wait()


def left_over(folder: Path) -> list[str]:
    """What of a demo is still there: files, and processes that work in its folder."""
    found = [str(path) for path in (folder / "tmp").iterdir()]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            where = os.readlink(process / "cwd")
        except OSError:  # it has ended, or is another user's
            continue
        if where.startswith(str(folder)):
            found.append(f"{process.name} in {where}")
    return found


def until(what: str, holds: Callable[[], bool], demo: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 400
    while not holds():
        assert demo.poll() is None, f"{what}: it has ended: {demo.communicate()}"
        assert time.monotonic() < deadline, f"{what}: not within 400 s"
        time.sleep(0.2)


def test_the_storm_on_apache_kafka_tells_all_tiers_by_all_means(folder: Path) -> None:
    try:
        kafka_jars()
        program("java")
    except ServerMissing as error:
        refuse_or_skip(error)
    with begun(folder, "kafka", SECONDS) as demo:
        out, err = demo.communicate(timeout=570)
    assert (demo.returncode, err) == (0, "")
    for part in PARTS:
        assert re.search(rf"{part} \d+", out), part
    assert "recovery" not in out
    lines = (folder / "data" / "received.txt").read_text(encoding="utf-8").splitlines()
    assert all("演练" in line and "模拟数据" in line for line in lines)
    assert {line[6] for line in lines} == set("市县乡村")
    assert {line[8:10] for line in lines} == {"短信", "广播", "接口"}
    # Yellow waits for its bundle, which closes by the log's time: here perhaps after the last reading.
    assert all(any(f"{colour}色预警" in line for line in lines) for colour in "蓝橙")
    summary = out[out.index("演练小结") :]
    for name in ("短信 SMS", "广播 loudspeaker", "接口 webhook"):
        row = next(line for line in summary.splitlines() if name in line)
        assert any(int(figure.replace(",", "")) for figure in re.findall(r"[\d,]+", row)), row
    assert "演练 · 模拟数据" in (folder / "data" / "report.html").read_text(encoding="utf-8")
    assert left_over(folder) == []


def test_without_java_it_runs_on_the_broker_from_the_package_index_and_says_what_that_proves(
    folder: Path,
) -> None:
    """A smoke test, ended by a signal as soon as somebody has been told of something."""
    received = folder / "data" / "received.txt"
    with begun(folder, "tansu", 3 * SECONDS) as demo:
        until("a message", lambda: received.exists() and bool(received.read_text(encoding="utf-8")), demo)
        demo.send_signal(signal.SIGINT)
        out, err = demo.communicate(timeout=200)
    assert (demo.returncode, err) == (0, "")
    assert out.count("it proves no recovery") == 2
    assert "演练小结" in out
    assert left_over(folder) == []


def test_a_signal_while_it_sets_up_ends_all_that_it_started(folder: Path) -> None:
    with begun(folder, "tansu", 600) as demo:
        until("PostgreSQL", lambda: any((folder / "tmp").glob("*/fenghuo-postgres*")), demo)
        demo.send_signal(signal.SIGINT)
        _, err = demo.communicate(timeout=120)
    assert (demo.returncode, err.strip()) == (
        130,
        "demo-kafka: stopped; everything that it started has ended",
    )
    assert left_over(folder) == []
