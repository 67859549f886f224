"""Expired certificates and wrong passwords: one clear line each, nothing acknowledged, nothing lost, and on by itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.programs import Program
from tests.deploy.clients import STATION, get, rain, station_device
from tests.deploy.secured import Secured
from tests.runtime.running import until
from tests.servers.base import ServerMissing, refuse_or_skip

pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("kafka")]

NAMES = ("gateway", "worker", "dispatch", "console")
EXPIRED = "its certificate has expired; renew it on that server"


class Running:
    """A secured deployment with its four programs."""

    def __init__(self, secured: Secured) -> None:
        self.secured = secured
        self.programs: dict[str, Program] = {}
        self._sequence = 0

    def start(self) -> None:
        self.programs = {name: self.secured.program(name) for name in NAMES}
        for one in self.programs.values():
            until(f"{one.name} ready", one.is_ready, 180)

    def said(self, name: str) -> str:
        """What a program has said, without the breaks of its lines."""
        return re.sub(r"\s+", " ", self.programs[name].log.read_text())

    def renew(self, server: str, *words: str) -> None:
        """Give a server another certificate and start it with that."""
        here = {
            "kafka": self.secured.kafka,
            "mosquitto": self.secured.mosquitto,
            "postgres": self.secured.postgres,
        }[server]
        self.secured.script("renew", server, *words)
        here.stop()
        if server == "postgres":
            self.secured.postgres.take_certificate()
        here.start()

    def expire(self, server: str) -> None:
        self.renew(server, "--from", "2020-01-01", "--days", "30")

    def publish(self) -> Callable[[], object]:
        """Publish a reading; says whether the log has it."""
        self._sequence += 1
        sequence = self._sequence
        device = station_device(self.secured, STATION)
        device.subscribe(f"acks/{STATION}")
        now = datetime.now(UTC).replace(microsecond=0)
        assert (
            device.publish(f"readings/rain/{STATION}", rain(STATION, now, sequence, rain_mm=0)) == "Success"
        )
        return lambda: any(json.loads(body)["sequence"] >= sequence for _, body in device.heard)

    def well(self) -> object:
        return get(self.secured, "/health")["healthy"]

    def still_run(self) -> None:
        assert [name for name, one in self.programs.items() if one.deaths or not one.is_ready()] == []


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    secured = Secured(tmp_path_factory.mktemp("faults"))
    try:
        secured.start()
        made = Running(secured)
        made.start()
        until("all well", made.well, 120)
        yield made
    except ServerMissing as error:
        refuse_or_skip(error)
    finally:
        secured.close()


def test_an_expired_certificate_of_kafka(running: Running) -> None:
    place = f"Kafka at {running.secured.kafka.bootstrap}: {EXPIRED}"
    running.expire("kafka")
    in_the_log = running.publish()
    for name in ("gateway", "worker", "console"):
        until(f"{name} to say so", lambda: place in running.said(name), 120)  # noqa: B023
    assert not in_the_log(), "acknowledged without a log"
    refused = running.secured.run("topics", "--check", status=2)
    assert refused.strip().splitlines()[-1] == f"fenghuo: {place}"
    running.renew("kafka")
    until("the reading in the log", in_the_log, 120)
    until("all well", running.well, 120)
    running.still_run()


def test_an_expired_certificate_of_postgresql(running: Running) -> None:
    place = f"PostgreSQL at 127.0.0.1:{running.secured.postgres.port}: {EXPIRED}"
    running.expire("postgres")
    for name in NAMES:
        until(f"{name} to say so", lambda: place in running.said(name), 120)  # noqa: B023
    in_the_log = running.publish()
    refused = running.secured.run("gateway", status=2)
    assert refused.strip().splitlines()[-1] == f"fenghuo: {place}"
    running.renew("postgres")
    until("the reading in the log", in_the_log, 120)
    until("all well", running.well, 120)
    running.still_run()


def test_an_expired_certificate_of_mosquitto(running: Running) -> None:
    place = f"mqtt.unreachable host=127.0.0.1 port={running.secured.mosquitto.port} reason={EXPIRED}"
    running.expire("mosquitto")
    for name in ("gateway", "dispatch"):
        until(f"{name} to say so", lambda: place in running.said(name), 120)  # noqa: B023
    running.renew("mosquitto")
    in_the_log = running.publish()
    until("the reading in the log", in_the_log, 120)
    running.still_run()


def test_a_wrong_password_at_the_start_is_one_line_and_the_end(running: Running, tmp_path: Path) -> None:
    secured, wrong = running.secured, tmp_path / "wrong"
    wrong.write_text("guessed\n")
    kafka, postgres = secured.kafka.bootstrap, f"127.0.0.1:{secured.postgres.port}"

    def with_wrong(section: str, server: str | None, key: str) -> dict[str, Any]:
        settings: dict[str, Any] = json.loads(json.dumps(secured.settings))
        target = settings[section] if server is None else settings[section][server]
        target[key] = str(wrong)
        return settings

    def last_line(command: str) -> str:
        return secured.run(command, status=2).strip().splitlines()[-1]

    try:
        secured.write_settings(with_wrong("brokers", "kafka", "sasl_password_file"))
        for command in ("gateway", "worker", "topics"):
            assert last_line(command) == (
                f"fenghuo: Kafka at {kafka} refuses user fenghuo-{command}: wrong name or password; mend"
                " brokers.kafka.sasl_password_file (FENGHUO_KAFKA_PASSWORD), or the user on the brokers"
            )
        secured.write_settings(with_wrong("database", None, "password_file"))
        for command in ("gateway", "worker", "dispatch", "console", "migrate"):
            assert last_line(command) == (
                f"fenghuo: PostgreSQL at {postgres} refuses user fenghuo_{command}: wrong name or password; mend"
                " database.url and database.password_file, or the role there"
            )
        # The MQTT broker's refusal ends nothing: readings wait with whoever has them.
        secured.write_settings(with_wrong("brokers", "mqtt", "password_file"))
        with_it = secured.program("dispatch", "--name", "other")
        line = r"mqtt\.refused host=127\.0\.0\.1 port=\d+ reason=Not authorized: user fenghuo-dispatch, wrong name"

        def said() -> bool:
            return re.search(line, re.sub(r"\s+", " ", with_it.log.read_text())) is not None

        until("dispatch to say so", said, 60)
        assert with_it.is_ready()
        assert with_it.stop() == 0
    finally:
        secured.write_settings(secured.settings)
    running.still_run()


def test_a_password_that_is_changed_under_a_running_program(running: Running) -> None:
    """A new password on the server only: the program waits, says so, and goes on when the old one holds again."""
    secured = running.secured
    refused = "refuses user fenghuo_worker: wrong name or password"
    secured.postgres.run_sql("alter role fenghuo_worker password 'another'")
    secured.postgres.restart()
    until("the worker to say so", lambda: refused in running.said("worker"), 120)
    in_the_log = running.publish()
    secured.postgres.make_roles()
    until("the reading in the log", in_the_log, 120)
    until("all well", running.well, 120)
    running.still_run()
