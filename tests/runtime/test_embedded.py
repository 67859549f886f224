"""The embedded engine: the engines' contract, a full disk, retention, and rejects that are mended and replayed."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from alerting.ledger import Ledger
from ingest.arrival import Arrival, Settled
from runtime.clock import HandClock
from runtime.configuration.loading import load
from runtime.embedded import EmbeddedEngine
from schemas.act import Act
from schemas.log import Tick
from schemas.times import DAY, HOUR, to_micros
from tests.runtime.engines import UNTIL, every_engine_passes
from tests.runtime.running import TOKEN, Running, settings_of, spare_port, until
from tests.runtime.test_crash import keys_of, logged
from tests.runtime.valley import COUNTY, add_next_county, failing_slope, heavy_rain, write_valley
from tests.servers.mosquitto import Mosquitto


class Embedded:
    """The embedded engine as the engines' contract drives it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        settings = {"status": "exercise", "association_tier": "county"}
        self.bundle = load(add_next_county(write_valley(folder / "config", 20, settings))).bundle
        self.clock = HandClock(to_micros(UNTIL))
        self.start()

    def start(self) -> None:
        self.engine = EmbeddedEngine(self.bundle, self.folder / "data", self.clock)
        self.ledger = self.engine.ledger
        self.engine.start()

    def send(self, *payloads: bytes) -> list[tuple[int, list[str]]]:
        answers: list[tuple[int, list[str]]] = []
        for payload in payloads:
            done = threading.Event()

            def settle(one: Settled, done: threading.Event = done) -> None:
                answers.append((one.accepted, [reject.reason.value for reject in one.rejects]))
                done.set()

            self.engine.intake.submit(Arrival(payload, "test", settle))
            assert done.wait(10)
        return answers

    def act(self, act: Act) -> Act:
        judged = self.engine.act(act)
        assert judged is not None
        return judged

    def settle(self) -> None:
        def decided() -> bool:
            areas = self.engine.associations.items()
            return all(area.position == self.engine.log.end(code) for code, area in areas)

        until("the logs to be decided", decided)

    def crash(self) -> None:
        # Nothing is saved: what a killed process would leave is what the files hold now.
        for association in self.engine.associations.values():
            association.checkpoint = lambda: False  # type: ignore[method-assign]
        self.engine.stop()
        self.start()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Embedded]:
    made = Embedded(tmp_path)
    yield made
    made.engine.stop()


@pytest.mark.parametrize("check", every_engine_passes)
def test_the_embedded_engine_keeps_the_contract(check, embedded: Embedded) -> None:
    check(embedded)


def test_the_log_is_pruned_behind_the_checkpoint_and_not_before(tmp_path: Path) -> None:
    made = Embedded(tmp_path)
    made.engine.stop()
    made.engine = EmbeddedEngine(made.bundle, tmp_path / "data", made.clock, retention_days=2)
    made.engine.start()
    association = made.engine.associations[COUNTY]
    first = next(iter(failing_slope(1, UNTIL)))
    made.send(json.dumps(first).encode())
    made.settle()
    association.checkpoint_if_due()
    made.clock.move_to(to_micros(UNTIL) + 3 * DAY)
    log = made.engine.log
    before = log.end(COUNTY)
    until("old records to go", lambda: log.read(COUNTY, 0)[0].position > 1, wait_s=20)
    kept = [record.position for record in log.read(COUNTY, 0)]
    # What no checkpoint includes stays, however old it is; positions go on where they were.
    assert kept[0] <= association.saved_position + 1
    log.append([(COUNTY, made.clock.now_us(), Tick(made.clock.now_us()))])
    assert log.end(COUNTY) > before
    made.clock.move_to(made.clock.now_us() + HOUR)
    made.engine.stop()


def test_a_full_disk_stops_acknowledging_and_says_so_and_loses_nothing(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    console, data = spare_port(), tmp_path / "data"
    place = write_valley(tmp_path / "config", 20, settings_of(mosquitto.port, console))
    end = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    sent: set[tuple[str, str]] = set()
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.connect(mosquitto.host, mosquitto.port)
    client.loop_start()

    def publish(numbers: range) -> None:
        for number in numbers:
            for reading in failing_slope(number, end):
                topic = f"readings/landslide/{reading['station']}"
                client.publish(topic, json.dumps(reading), qos=1).wait_for_publish(30)
                sent.add((reading["station"], reading["observed_at"]))

    with Running(place, data, console) as engine:
        until("health", lambda: engine.health()["status_code"] == 200)
        publish(range(5))
        assert engine.process is not None
        # No file of this process may grow beyond what the log's has: to it, the disk is full.
        full = (data / "log.db-wal").stat().st_size
        resource.prlimit(engine.process.pid, resource.RLIMIT_FSIZE, (full, resource.RLIM_INFINITY))
        publish(range(5, 20))
        rain = list(heavy_rain(0, end))
        until("health to say so", lambda: "nothing is acknowledged" in str(engine.health()["faults"]))
        assert engine.health()["status_code"] == 503
        answer = engine.post("/v1/readings", json.dumps(rain).encode())
        assert answer.status_code == 503
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(engine.process.pid, resource.RLIMIT_FSIZE, unlimited)
        until("health to recover", lambda: engine.health()["status_code"] == 200)
        assert engine.post("/v1/readings", json.dumps(rain).encode()).status_code == 200
        bundle = load(place).bundle
        stations = [station.id for station in bundle.stations]
        sent |= {(reading["station"], reading["observed_at"]) for reading in rain}
        until(
            "all readings in the log",
            lambda: sent <= set(keys_of(logged(data / "log.db"), stations)),
            pause_s=1,
        )
        assert engine.stop() == 0
    client.disconnect()
    client.loop_stop()
    with Ledger.open(str(data / "state.db")) as ledger:
        alerts = [alert for alert in ledger.alerts_in_force() if alert.hazard == "landslide"]
    assert len(alerts) == sum(1 for number in range(20) if number % 3)


def test_a_reject_is_listed_and_scored_once_its_station_is_known(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    console, data = spare_port(), tmp_path / "data"
    settings = settings_of(mosquitto.port, console, database={"folder": str(data)})
    place = write_valley(tmp_path / "config", 4, settings)
    stations = place / "stations.csv"
    whole = stations.read_text()
    (row,) = [line for line in whole.splitlines() if line.startswith("LS-1,")]
    stations.write_text(whole.replace(row + "\n", "").replace(row + "\r\n", ""))
    end = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    readings = list(failing_slope(1, end))
    with Running(place, data, console) as engine:
        answer = engine.post("/v1/readings", json.dumps(readings).encode())
        assert answer.status_code == 422
        assert {one["reason"] for one in answer.json()["rejected"]} == {"unknown_station"}
        listed = fenghuo("rejects", "list", "--config", str(place))
        assert listed.stdout.count("unknown_station") == len(readings)
        assert "add it or mend the id" in listed.stdout
        assert engine.stop() == 0
        stations.write_text(whole)
        engine.start()
        replayed = fenghuo("rejects", "replay", "--config", str(place), "--url", engine.url)
        assert replayed.stdout.strip() == f"{len(readings)} accepted"
        with Ledger.open(str(data / "state.db")) as ledger:
            until("an alert", lambda: [a for a in ledger.alerts_in_force() if a.hazard == "landslide"])
        assert "0 rejects" in fenghuo("rejects", "list", "--config", str(place)).stderr
        assert engine.stop() == 0


def fenghuo(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"FENGHUO_TOKEN": TOKEN}
    command = [sys.executable, "-m", "runtime.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done
