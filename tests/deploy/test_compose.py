"""The compose file is valid and closed to the outside, and every program of ours in it runs as it says there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import compose_spec
import httpx
import psycopg
import pytest
import yaml
from kafka import KafkaConsumer, TopicPartition

from runtime.logs.topics import LOG, partition_of
from schemas.log import Record, decode_record
from schemas.packet import Packet
from tests.deploy.deployed import (
    DEPLOY,
    SECRETS,
    DeployedKafka,
    DeployedMosquitto,
    compose,
    make_credentials,
    programs,
)
from tests.deploy.test_mosquitto import Client
from tests.runtime.running import until
from tests.servers.base import ServerMissing, die_with_parent, refuse_or_skip, spare_port
from tests.servers.fixtures import running
from tests.servers.kafka import Kafka
from tests.servers.postgres import Postgres

CITY, STATION = "5119", "RG-001"
CONFIG = "/etc/fenghuo"
ONCE = ("topics", "configure")
"""Programs that do their part and end."""


# --- the file -------------------------------------------------------------------------------------------------------


def test_it_is_a_valid_compose_file() -> None:
    """The validator knows no YAML merges, so it reads the file with them resolved."""
    spec = compose_spec.PyCompose.from_yaml(yaml.safe_dump(compose()))
    spec.validate()
    assert set(spec.service_names()) == {
        *("topics", "configure", "gateway", "worker", "dispatch", "console"),
        *("kafka", "mosquitto", "postgres", "prometheus", "grafana"),
    }


def test_the_validator_finds_a_slip_of_the_pen() -> None:
    wrong = compose() | {"services": {"console": {"image": "fenghuo", "prots": ["8080:8080"]}}}
    with pytest.raises(ValueError, match="prots"):
        compose_spec.PyCompose.from_yaml(yaml.safe_dump(wrong))


def test_everything_that_is_published_is_on_loopback() -> None:
    published = [port for one in compose()["services"].values() for port in one.get("ports", [])]
    assert len(published) == 5
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_every_server_that_stays_is_looked_after_and_keeps_its_data() -> None:
    services = compose()["services"]
    assert [name for name, one in services.items() if "healthcheck" not in one] == ["topics", "configure"]
    kept = {word.partition(":")[0] for one in services.values() for word in one.get("volumes", [])}
    assert {name for name in kept if not name.startswith("./")} == set(compose()["volumes"])
    for path in (name for name in kept if name.startswith("./")):
        assert (DEPLOY / path).exists(), path


def test_no_program_of_ours_can_take_the_machine() -> None:
    for name, one in programs().items():
        assert (one["mem_limit"], one["pids_limit"]) == ("1g", 200), name
        assert one["cap_drop"] == ["ALL"], name
        assert one["read_only"], name
    assert programs()["worker"]["deploy"]["replicas"] == 2


def test_secrets_are_files_and_each_goes_only_where_it_is_read(tmp_path: Path) -> None:
    make_credentials(tmp_path / "secrets")
    for secret in compose()["secrets"].values():
        assert (tmp_path / secret["file"]).is_file(), secret
    text = (DEPLOY / "compose" / "fenghuo.yaml").read_text()
    wanted = {line.split(f"{SECRETS}/")[1].strip(" }\n") for line in text.splitlines() if SECRETS in line}
    assert wanted - {"smpp_password"} == {
        "mqtt_password",
        "postgres_password",
        "console_token",
        "webhook_secret",
    }
    given = {name: set(one.get("secrets", [])) for name, one in compose()["services"].items()}
    assert set().union(*given.values()) == set(compose()["secrets"])
    assert {name for name, secrets in given.items() if "console_token" in secrets} == {"console"}
    ignored = subprocess.run(
        ["git", "check-ignore", "-q", "deploy/secrets/x"], cwd=DEPLOY.parent, check=False
    )
    assert ignored.returncode == 0


def test_prometheus_looks_where_the_programs_tell() -> None:
    (job,) = yaml.safe_load((DEPLOY / "compose" / "prometheus.yml").read_text())["scrape_configs"]
    told = {(name, found["port"]) for found in job["dns_sd_configs"] for name in found["names"]}
    assert told == {
        (name, int(one["command"][-1].rpartition(":")[2]) if "--health" in one["command"] else 8080)
        for name, one in programs().items()
        if name not in ONCE
    }


# --- the programs ---------------------------------------------------------------------------------------------------


class Program:
    """One of our processes as its container would run it, with the addresses of this machine."""

    def __init__(self, name: str, service: Mapping[str, Any], swap: Mapping[str, str]) -> None:
        self.name = name
        self.said: list[str] = []
        self.health = f"127.0.0.1:{spare_port()}"
        own = {**swap, "0.0.0.0:8081": self.health, "http://127.0.0.1:8081": f"http://{self.health}"}
        self._swap = own
        self._check: Sequence[str] = service.get("healthcheck", {}).get("test", [])
        self.process = subprocess.Popen(
            [
                str(Path(sys.executable).parent / "fenghuo"),
                *(swapped(word, own) for word in service["command"]),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Nothing of this machine's environment: what a program needs stands in its files.
            env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", **service.get("environment", {})},
            preexec_fn=die_with_parent,  # noqa: PLW1509  (one system call, no lock)
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)

    def is_ready(self) -> bool:
        """Whether it has said so."""
        assert self.process.poll() is None, f"{self.name} ended: {''.join(self.said[-30:])}"
        return any(line.endswith(f"{self.name} ready\n") for line in self.said)

    def is_healthy(self) -> bool:
        """What the health check of its container says."""
        assert self._check[:2] == ["CMD", "python"]
        words = [swapped(word, self._swap) for word in self._check[2:]]
        return subprocess.run([sys.executable, *words], capture_output=True, check=False).returncode == 0

    def ask_to_stop(self) -> None:
        """As `docker compose stop` does, to all at once."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def wait_stopped(self) -> int:
        """Its exit status."""
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


def swapped(word: str, swap: Mapping[str, str]) -> str:
    for shipped, here in swap.items():
        word = word.replace(shipped, here)
    return word


class Machine:
    """The servers of the compose file on this machine, and a folder where the containers would have theirs."""

    def __init__(self, folder: Path, kafka: Kafka, mosquitto: DeployedMosquitto, database: str) -> None:
        self.kafka = kafka
        self.secrets = folder / "secrets"
        self.mosquitto = mosquitto
        self.console = f"http://127.0.0.1:{spare_port()}"
        mounted = dict(word.split(":")[1::-1] for word in programs()["gateway"]["volumes"])
        place = shutil.copytree(DEPLOY / mounted[CONFIG], folder / "place")
        text = (DEPLOY / mounted[f"{CONFIG}/fenghuo.yaml"]).read_text().replace(SECRETS, str(self.secrets))
        settings = yaml.safe_load(text)
        settings["brokers"]["mqtt"] |= self._place(settings["brokers"]["mqtt"], mosquitto.port)
        assert settings["brokers"]["kafka"]["bootstrap"] == ["kafka:9092"]
        settings["brokers"]["kafka"]["bootstrap"] = [kafka.bootstrap]
        assert settings["database"]["url"] == "postgresql+psycopg://fenghuo@postgres/fenghuo"
        settings["database"]["url"] = database
        settings["ports"] |= {"address": "127.0.0.1", "console": int(self.console.rpartition(":")[2])}
        (place / "fenghuo.yaml").write_text(yaml.safe_dump(settings))
        self.swap = {CONFIG: str(place), "http://127.0.0.1:8080": self.console}

    @staticmethod
    def _place(mqtt: Mapping[str, Any], port: int) -> dict[str, Any]:
        assert (mqtt["host"], mqtt["port"]) == ("mosquitto", 1883)
        return {"host": "127.0.0.1", "port": port}

    def log(self) -> Iterator[Record]:
        """The city's log as far as it goes."""
        consumer = KafkaConsumer(bootstrap_servers=self.kafka.bootstrap)
        partition = TopicPartition(LOG, partition_of(CITY, 4))
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        end = consumer.end_offsets([partition])[partition]
        while consumer.position(partition) < end:
            for batch in consumer.poll(timeout_ms=1000).values():
                yield from (decode_record(one.value) for one in batch)
        consumer.close()

    def get(self, path: str) -> Any:
        return httpx.get(self.console + path, timeout=10).json()

    def act(self, **fields: Any) -> httpx.Response:
        token = (self.secrets / "console_token").read_text().strip()
        now = datetime.now(UTC).isoformat()
        return httpx.post(
            f"{self.console}/v1/acts",
            headers={"authorization": f"Bearer {token}"},
            content=json.dumps({"by": "值班员", "at": now, **fields}),
            timeout=20,
        )


@pytest.fixture
def machine(tmp_path: Path, postgres: Postgres) -> Iterator[tuple[Machine, str]]:
    """A broker of Kafka of its own: topics, groups and logs are this deployment's."""
    password = make_credentials(tmp_path / "secrets", STATION)[STATION]
    database = postgres.new_database("compose")
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as session:
        session.execute("drop role if exists fenghuo")
        session.execute("create role fenghuo login")
        session.execute(f'alter database "{database}" owner to fenghuo')
    with ExitStack() as servers:
        kafka = servers.enter_context(running(DeployedKafka))
        try:
            mosquitto = servers.enter_context(DeployedMosquitto(tmp_path / "secrets"))
        except ServerMissing as error:
            refuse_or_skip(error)
        url = postgres.url(database).replace("//postgres@", "//fenghuo@")
        yield Machine(tmp_path, kafka, mosquitto, url), password
    postgres.drop_database(database)
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as session:
        session.execute("drop role fenghuo")


@pytest.mark.timeout(240)
@pytest.mark.xdist_group("kafka")
def test_every_program_runs_as_the_file_says_and_a_reading_goes_all_the_way(
    machine: tuple[Machine, str],
) -> None:
    here, password = machine
    services = programs()
    topics = Program("topics", services["topics"], here.swap)
    assert topics.process.wait(60) == 0, topics.said
    assert sum(": made" in line for line in topics.said) == 13
    configure = Program("configure", services["configure"], here.swap)
    assert configure.process.wait(60) == 0, configure.said
    started = [
        Program(name, service, here.swap)
        for name, service in services.items()
        if name not in ONCE
        for _ in range(service.get("deploy", {}).get("replicas", 1))
    ]
    assert sorted(one.name for one in started) == ["console", "dispatch", "gateway", "worker", "worker"]
    try:
        for one in started:
            until(f"{one.name} ready", one.is_ready, 90)
        for one in started:
            until(f"{one.name} healthy", one.is_healthy, 60, pause_s=1)
        until("the console to see all well", lambda: here.get("/health")["healthy"], 60, pause_s=0.5)

        station = Client(here.mosquitto.port, STATION, password)
        station.subscribe(f"acks/{STATION}")
        reading = {"kind": "rain", "station": STATION, "interval_s": 300, "rain_mm": 1.2, "sequence": 7}
        at = datetime.now(UTC).replace(microsecond=0).isoformat()
        assert station.publish(f"readings/rain/{STATION}", reading | {"observed_at": at}) == "Success"
        # One that is none is as good a sign: the console shows what was refused.
        station.publish(f"readings/rain/{STATION}", reading | {"observed_at": at, "rain_mm": -1})
        until("the reject in the console", lambda: len(here.get("/v1/rejects")) == 1, 30)
        packets = [one for one in here.log() if isinstance(one, Packet)]
        assert [one.columns["rain_um"].tolist() for one in packets] == [[1200]]
        until("the acknowledgement", lambda: station.heard, 20)
        station.close()

        issued = here.act(
            id="act-1",
            act="issue",
            reason="演练",
            content={
                "hazard": "landslide",
                "level": 3,
                "area": "511902",
                "headline": "演练",
                "description": "演练",
                "instruction": "演练",
            },
        )
        assert issued.status_code == 200, issued.text
        (alert,) = here.get("/v1/alerts")
        assert (alert["area"], alert["status"], alert["level"]) == ("511902", "exercise", 3)
        detail = here.get(f"/v1/alerts/{alert['id']}")
        assert [act["id"] for act in detail["acts"]] == ["act-1"]
        assert detail["notices"]
        metrics = "".join(
            httpx.get(f"http://{one.health}/metrics").text for one in started if one.name != "console"
        )
        assert "fenghuo_healthy 0.0" not in metrics
        assert 'fenghuo_readings_total{kind="rain"} 1.0' in metrics
    finally:
        for one in started:
            one.ask_to_stop()
        codes = [(one.name, one.wait_stopped()) for one in started]
        print("".join(f"{one.name}: {line}" for one in started for line in one.said))
    assert [name for name, code in codes if code != 0] == [], codes
    assert not [line for one in started for line in one.said if "Traceback" in line]
