"""The relay as a user runs it, between devices and the intake, over brokers that are killed: all arrives, and counts once."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from click.testing import CliRunner

from ingest.acknowledgement import NumbersRow, acknowledgement_of
from ingest.quality import Quality, QualityParameters
from runtime.cli.relay import relay as relay_command
from runtime.clock import MachineClock
from runtime.logs.store import LogStore
from schemas.log import Broken, Record
from schemas.packet import Packet
from schemas.times import MINUTE
from tests.runtime.acks import Engine, Listener
from tests.runtime.intake.test_taking import T, rain
from tests.runtime.running import Running, settings_of, until
from tests.runtime.valley import CITY, write_valley
from tests.servers.base import die_with_parent, spare_port
from tests.servers.mosquitto import Mosquitto

TOKEN = "edge-token"


class Relay:
    """`fenghuo relay` in a folder, on HTTP and, where `devices` is given, on a local broker."""

    def __init__(
        self, folder: Path, engine: Mosquitto, devices: Mosquitto | None = None, **more: Any
    ) -> None:
        self.folder = folder
        self.port = spare_port()
        self.file = folder / "relay.yaml"
        folder.mkdir(exist_ok=True)
        settings: dict[str, Any] = {
            "engine": {"host": "127.0.0.1", "port": engine.port, "client_id": f"relay-{self.port}"},
            "ports": {"http": self.port},
            "folder": str(folder / "data"),
            "resend_s": 1,
            **more,
        }
        if devices is not None:
            settings["devices"] = {"port": devices.port, "client_id": f"relay-{self.port}"}
        self.file.write_text(yaml.safe_dump(settings))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "runtime.cli", "relay", "--config", str(self.file)],
            env=os.environ | {"FENGHUO_TOKEN": TOKEN, "PYTHONPATH": "."},
            preexec_fn=die_with_parent,  # noqa: PLW1509  (one system call, no lock)
        )
        until("the relay", self._answers, 30)

    def is_healthy(self) -> bool:
        """It has subscribed at both ends: what a device publishes before that reaches nobody."""
        return httpx.get(f"http://127.0.0.1:{self.port}/health").status_code == 200

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/health").status_code in (200, 503)
        except httpx.TransportError:
            return False

    def end(self, how: signal.Signals) -> int:
        if self.process is None:
            return 0
        process, self.process = self.process, None
        process.send_signal(how)
        return process.wait(20)

    def post(self, payload: bytes, token: str = TOKEN) -> httpx.Response:
        headers = {"authorization": f"Bearer {token}"}
        return httpx.post(
            f"http://127.0.0.1:{self.port}/v1/readings", content=payload, headers=headers, timeout=30
        )

    def metric(self, name: str) -> float:
        text = httpx.get(f"http://127.0.0.1:{self.port}/metrics").text
        found = re.search(rf"^fenghuo_relay_{re.escape(name)} (.*)$", text, re.MULTILINE)
        return 0.0 if found is None else float(found[1])

    def healthy(self) -> bool:
        return httpx.get(f"http://127.0.0.1:{self.port}/health").status_code == 200


@pytest.fixture
def core() -> Iterator[Mosquitto]:
    """The engine's broker; it saves nothing, so that a kill loses all that it has acknowledged."""
    with Mosquitto(autosave_s=3600) as broker:
        yield broker


@pytest.fixture
def relays() -> Iterator[list[Relay]]:
    made: list[Relay] = []
    yield made
    for one in made:
        one.end(signal.SIGKILL)


def readings(begin: int, end: int, station: str = "R-1") -> bytes:
    """One reading a minute; the rain tells them apart."""
    each = (rain(station, at=T + i * MINUTE, interval_s=60, rain_mm=i / 1000) for i in range(begin, end))
    return b"[" + b",".join(each) + b"]"


def stored(folder: Path) -> list[NumbersRow]:
    """What an engine that has ended knows of its stations' numbers."""
    log = LogStore(folder / "log.db")
    rows = log.numbers()
    log.close()
    return rows


def packets(records: Iterable[Record]) -> list[Packet]:
    """The rain in a log."""
    return [record for record in records if isinstance(record, Packet) and record.kind == "rain"]


def rain_um(records: Iterable[Record]) -> set[int]:
    """Which readings are in a log, by their rain."""
    return {um for packet in packets(records) for um in packet.columns["rain_um"].tolist()}


def arrived(engine: Engine) -> set[int]:
    """Which readings are in an engine's log."""
    return rain_um(engine.bench.records())


def counted(engine: Engine) -> list[int]:
    """Which readings of the log count once the first stage has looked for repeats, in ascending order."""
    quality = Quality(QualityParameters(), engine.bench.bundle)
    assessed = [
        quality.process(packet, engine.bench.clock.now_us())[0] for packet in packets(engine.bench.records())
    ]
    return sorted(um for packet in assessed for um in packet.columns["rain_um"][packet.counts].tolist())


def test_a_broker_killed_after_its_word_loses_messages_and_the_log_misses_none(
    core: Mosquitto, mosquitto: Mosquitto, relays: list[Relay], tmp_path: Path
) -> None:
    engine = Engine(tmp_path / "engine", core)
    relay = Relay(tmp_path / "relay", core, mosquitto)
    relays.append(relay)
    relay.start()
    until("the relay's subscriptions", relay.is_healthy, 30)
    with Listener(mosquitto.port) as device:
        for i in range(0, 100, 10):
            device.publish("readings/rain/R-1", readings(i, i + 10))
    until("the first hundred", lambda: len(arrived(engine)) == 100, 20)
    until("their acknowledgement", lambda: relay.metric("held") == 0, 20)

    engine.source.stop()  # away; the broker keeps its session, and all that comes, in memory
    assert relay.post(readings(100, 400)).json() == {"accepted": 300}
    until("all to be sent", lambda: relay.metric('forwarded_total{try="first"}') == 400, 20)
    until("the broker's word on all", lambda: relay.metric("untaken") == 0, 20)
    core.kill()
    assert relay.post(readings(400, 500)).status_code == 202
    core.start()
    engine.stop()
    engine = Engine(tmp_path / "engine", core)
    until("all in the log", lambda: len(arrived(engine)) == 500, 40)
    until("all forgotten", lambda: relay.metric("held") == 0, 20)
    assert relay.metric('forwarded_total{try="again"}') >= 300  # what the broker had acknowledged and lost
    assert relay.metric("acknowledged_total") == 500
    until("health", relay.healthy, 20)
    assert counted(engine) == list(range(500))
    assert relay.end(signal.SIGTERM) == 0
    engine.stop()


def test_a_relay_killed_while_the_engine_is_away_loses_nothing_and_numbers_on(
    core: Mosquitto, relays: list[Relay], tmp_path: Path
) -> None:
    relay = Relay(tmp_path / "relay", core)
    relays.append(relay)
    relay.start()
    for begin in range(0, 60, 20):
        assert relay.post(readings(begin, begin + 20)).status_code == 202
    relay.end(signal.SIGKILL)
    relay.start()
    assert relay.metric("held") == 60
    relay.post(readings(60, 80))
    relay.post(b"garbage")
    relay.post(rain("R-9", rain_mm=-5))  # an unknown station, impossible rain: a reject that is acknowledged
    core.kill()
    relay.post(readings(80, 100))
    core.start()
    engine = Engine(tmp_path / "engine", core)
    relay.end(signal.SIGKILL)
    relay.start()
    until("all in the log", lambda: len(arrived(engine)) == 100, 40)
    until("all forgotten", lambda: relay.metric("held") == 0, 20)
    assert counted(engine) == list(range(100))
    assert {reject.reason.value for reject in engine.bench.kept.rejects} == {"not_json", "invalid"}
    numbers = {
        number for packet in packets(engine.bench.records()) for number in packet.columns["sequence"].tolist()
    }
    assert max(numbers) - min(numbers) == 99
    engine.stop()
    assert {row.station: row.highest for row in stored(tmp_path / "engine")}["R-1"] == max(numbers)


def test_a_running_engine_that_is_killed_gets_everything_after_all(
    mosquitto: Mosquitto, relays: list[Relay], tmp_path: Path
) -> None:
    console = spare_port()
    config = write_valley(tmp_path / "config", 1, settings_of(mosquitto.port, console))
    relay = Relay(tmp_path / "relay", mosquitto)
    relays.append(relay)
    now = MachineClock().now_us()

    def post(begin: int, end: int) -> None:
        each = (rain("RG-0", at=now - i * MINUTE, interval_s=60, rain_mm=i / 1000) for i in range(begin, end))
        assert relay.post(b"[" + b",".join(each) + b"]").status_code == 202

    with Running(config, tmp_path / "data", console) as engine:
        relay.start()
        post(0, 50)
        until("a first acknowledgement", lambda: relay.metric("acknowledged_total") > 0, 30)
        engine.kill()
        post(50, 100)
        engine.start()
        until("all forgotten", lambda: relay.metric("held") == 0, 30)
        post(100, 120)
        until("all forgotten again", lambda: relay.metric("acknowledged_total") == 120, 30)
        assert engine.stop() == 0
    log = LogStore(tmp_path / "data" / "log.db")
    records = [record for _, record in log.read(CITY, 0, 10_000) if not isinstance(record, Broken)]
    assert rain_um(records) == set(range(120))
    log.close()
    (numbers,) = (row for row in stored(tmp_path / "data") if row.station == "RG-0")
    assert not [n for n in acknowledgement_of(numbers).missing if n > numbers.highest - 20]


def test_a_full_disk_keeps_the_oldest_refuses_the_new_and_goes_on_when_there_is_room(
    core: Mosquitto, mosquitto: Mosquitto, relays: list[Relay], tmp_path: Path
) -> None:
    relay = Relay(tmp_path / "relay", core, mosquitto, most_mb=0.02)
    relays.append(relay)
    relay.start()
    assert relay.post(rain(), token="other").status_code == 401
    assert relay.post(b"x" * (4 * 1024 * 1024 + 1)).status_code == 413
    assert relay.metric("held") == 0
    posted = 0
    while relay.post(readings(posted, posted + 20)).status_code == 202:
        posted += 20
        assert posted < 400
    assert posted >= 60
    with Listener(mosquitto.port) as device:
        for i in range(1000, 1100, 10):  # the local broker holds these
            device.publish("readings/rain/R-1", readings(i, i + 10))
    until("it says so", lambda: relay.metric("full") == 1, 10)
    assert relay.metric("held") == posted
    assert not relay.healthy()
    answer = relay.post(rain())
    assert answer.status_code == 503
    assert "send them again" in answer.json()["error"]
    engine = Engine(tmp_path / "engine", core)
    wanted = {*range(posted), *range(1000, 1100)}
    until("all in the log", lambda: wanted <= arrived(engine), 40)
    until("all forgotten", lambda: relay.metric("held") == 0, 20)
    until("room again", lambda: relay.healthy() and relay.metric("full") == 0, 20)
    assert relay.post(readings(0, 1)).status_code == 202
    assert counted(engine) == sorted(wanted)
    engine.stop()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("engine: {}", "relay.yaml:1:1: engine.host is missing; add it."),
        ("engine: {host: a}\nmost_md: 3", "relay.yaml:2:1: most_md is no setting (did you mean most_mb?)"),
        (
            "engine: {host: 127.0.0.1}\ndevices: {}",
            "devices and engine are one broker: what is forwarded would come back; name two.",
        ),
    ],
)
def test_a_fault_of_the_settings_is_one_plain_line(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "relay.yaml").write_text(text)
    result = CliRunner().invoke(relay_command, ["--config", str(tmp_path / "relay.yaml")])
    assert result.exit_code != 0
    assert sentence in str(result.exception) + result.output
