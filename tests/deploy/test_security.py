"""A secured deployment on real servers: the chain runs over it, and what nobody may do is refused."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from kafka import KafkaConsumer, KafkaProducer

from alerting.ledger import tables
from alerting.ledger.privileges import PRIVILEGES
from deploy.security.kafka import TOPICS
from runtime.logs.topics import READINGS, alerts_topic
from schemas.alert import Status
from schemas.area import Tier
from tests.chaos.programs import Program
from tests.deploy.clients import (
    OTHER,
    PLAYER,
    STATION,
    VILLAGE,
    Device,
    act,
    get,
    rain,
    security_of,
    station_device,
)
from tests.deploy.secured import INTEGRATOR, RELAY, RELAYED, ROOT, SMALL, SUBSCRIBER, Secured
from tests.runtime.running import until
from tests.servers.base import ServerMissing, refuse_or_skip, spare_port

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("kafka")]


# --- the files ------------------------------------------------------------------------------------------------------


def test_secrets_are_their_owners_only_and_a_second_run_changes_none(tmp_path: Path) -> None:
    place, out = tmp_path / "place", tmp_path / "out"
    place.mkdir()
    for name in ("areas.csv", "recipients.csv"):
        (place / name).write_bytes((SMALL / name).read_bytes())
    lines = (SMALL / "stations.csv").read_text().splitlines(keepends=True)
    (place / "stations.csv").write_text("".join(lines[:-1]))
    words = [sys.executable, "-m", "deploy.security", "make", "--config", str(place), "--integrator", "them"]

    def make(folder: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*words, "--out", str(folder)], cwd=ROOT, capture_output=True, text=True, check=False
        )

    refused = make(ROOT / "deploy" / "secrets-of-a-test")
    assert refused.returncode == 2
    assert "lies in the checkout" in refused.stderr
    assert make(out).returncode == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    public = {
        "ca.pem",
        "deployment.json",
        "fenghuo.yaml",
        "server.crt",
        "pg_hba.conf",
        "secure.properties",
        "acl",
        "mosquitto.conf",
    }
    for path in before:
        readable = path.name in public or path.relative_to(out) == Path("mosquitto/server.pem")
        assert path.stat().st_mode & 0o777 == (0o644 if readable else 0o600), path
    assert out.stat().st_mode & 0o777 == 0o700
    secrets = [content.strip() for path, content in before.items() if path.parent.name == "passwords"]
    shown = b"".join(content for path, content in before.items() if path.parent.name != "passwords")
    assert len(set(secrets)) == len(secrets) > 15
    assert not [secret for secret in secrets if secret in shown], "a password stands beside its file"

    (place / "stations.csv").write_text("".join(lines))
    assert make(out).returncode == 0
    after = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    changed = {str(path.relative_to(out)) for path in after if after[path] != before.get(path)}
    # PostgreSQL's verifiers are salted anew; they are of the same passwords.
    assert changed == {"stations.csv", "mosquitto/passwords", "deployment.json", "postgres/roles.sql"}
    assert (out / "stations.csv").read_bytes().startswith(before[out / "stations.csv"])
    assert (out / "mosquitto/passwords").read_text().count("\n") == (
        before[out / "mosquitto/passwords"].count(b"\n") + 1
    )


def test_every_table_is_some_programs_and_every_row_of_the_ledger_stays() -> None:
    there = set(tables.metadata.tables)
    given = {
        (program, table): letters for program, some in PRIVILEGES.items() for table, letters in some.items()
    }
    assert {table for _, table in given} == there
    only_added = there - {"leases", "owed_acts", "checkpoint_rows", "checkpoint_heads"}
    assert not [key for key, letters in given.items() if key[1] in only_added and set(letters) & {"U", "D"}]


# --- the chain ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def programs(secured: Secured) -> Iterator[Secured]:
    """The four programs, each with a user of its own on each server."""
    names = ("gateway", "worker", "dispatch", "console")
    started = [secured.program(name) for name in names]
    for one in started:
        until(f"{one.name} ready", one.is_ready, 180)
    yield secured
    codes = {one.name: one.stop() for one in started}
    for one in started:
        print(one.name, one.log.read_text())
        assert "permission denied" not in one.log.read_text()
        assert "Traceback" not in one.log.read_text()
    assert set(codes.values()) == {0}, codes


def test_a_reading_goes_all_the_way_to_a_loudspeaker_and_its_answer_back(programs: Secured) -> None:
    player = Device(programs, PLAYER, programs.device_password("players.csv", PLAYER))
    player.subscribe(f"exercise/loudspeakers/{PLAYER}/+")
    now = datetime.now(UTC).replace(microsecond=0)
    for station in (STATION, OTHER):
        device = station_device(programs, station)
        device.subscribe(f"acks/{station}")
        readings = [rain(station, now, 12 - ago, 5 * ago) for ago in range(11, -1, -1)]
        assert device.publish(f"readings/rain/{station}", readings) == "Success"
        until("the acknowledgement", lambda: device.heard, 60)  # noqa: B023
        assert json.loads(device.heard[-1][1])["sequence"] == 12
        device.close()
    until("an alert from the readings", lambda: get(programs, "/v1/alerts"), 90)
    (alert, *_) = get(programs, "/v1/alerts")
    assert alert["origin"] == "detector"
    # Who brings readings by Kafka comes the same way, and what is none is shown to operators.
    producer = KafkaProducer(**security_of(programs, INTEGRATOR))
    producer.send(READINGS, json.dumps(rain(STATION, now, 13, rain_mm=-1)).encode(), key=STATION.encode())
    producer.flush(30)
    producer.close()
    until("the reject in the console", lambda: get(programs, "/v1/rejects"), 60)

    issued = act(
        programs,
        id="act-secure",
        act="issue",
        reason="演练",
        content={
            "hazard": "landslide",
            "level": 4,
            "area": VILLAGE,
            "headline": "演练",
            "description": "演练",
            "instruction": "演练",
        },
    )
    assert issued.status_code == 200, issued.text
    until("the loudspeaker to hear", lambda: player.heard, 90)
    chain = json.loads(issued.text)["alert"]
    topic = f"exercise/loudspeakers/{PLAYER}/{chain}"
    until("the act to be heard", lambda: topic in dict(player.heard), 60)
    notice = json.loads(dict(player.heard)[topic])["notice"]
    answer = {"state": "played", "at": datetime.now(UTC).isoformat(), "device": PLAYER}
    assert player.publish(f"receipts/{notice}", answer) == "Success"

    def delivered() -> bool:
        notices = get(programs, f"/v1/alerts/{chain}")["notices"]
        return any(one["id"] == notice and one["state"] == "delivered" for one in notices)

    until("the notice delivered", delivered, 60)
    player.close()
    # Machines hear of it, too, and of nothing else.
    consumer = KafkaConsumer(
        alerts_topic(Status.EXERCISE, Tier.VILLAGE),
        group_id=f"{SUBSCRIBER}-1",
        auto_offset_reset="earliest",
        **security_of(programs, SUBSCRIBER),
    )
    heard: list[dict[str, Any]] = []

    def machines_heard() -> bool:
        for batch in consumer.poll(timeout_ms=1000).values():
            heard.extend(json.loads(one.value) for one in batch)
        return any(one["hazard"] == "landslide" for one in heard)

    until("the alert on its topic", machines_heard, 60)
    consumer.close()


def test_the_log_is_exported_over_the_secured_lines_and_the_ledger_agrees(
    programs: Secured, tmp_path: Path
) -> None:
    def log(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "runtime.cli", "log", *words, "--config", str(programs.place)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=180)

    def agrees() -> bool:
        exported = log("export", "--out", str(tmp_path))
        assert exported.returncode == 0, exported.stderr
        compared = log("compare", *(str(path) for path in tmp_path.glob("*.fhlog")))
        # What was logged a moment ago may not be decided yet.
        return compared.returncode == 0 and "0 alerts" not in compared.stderr

    until("the ledger to agree with the log", agrees, 120)


def test_a_relay_brings_its_stations_readings_and_forgets_what_is_in_the_log(
    programs: Secured, tmp_path: Path
) -> None:
    port = spare_port()
    settings = {
        "engine": {
            "host": "127.0.0.1",
            "port": programs.mosquitto.port,
            "username": RELAY,
            "password_file": str(programs.out / "passwords" / f"mqtt-{RELAY}"),
            "ca_file": str(programs.out / "ca.pem"),
        },
        "ports": {"http": port},
        "folder": str(tmp_path / "relay"),
    }
    (tmp_path / "relay.yaml").write_text(json.dumps(settings))
    relay = Program(
        "relay", ["relay", "--config", str(tmp_path / "relay.yaml")], tmp_path, {"FENGHUO_TOKEN": "token"}
    )
    relay.start()
    try:
        until("the relay ready", relay.is_ready, 60)
        reading = rain(RELAYED, datetime.now(UTC).replace(microsecond=0), 1, rain_mm=0)
        del reading["sequence"]
        url = f"http://127.0.0.1:{port}"
        sent = httpx.post(
            f"{url}/v1/readings",
            headers={"authorization": "Bearer token"},
            content=json.dumps(reading),
            timeout=20,
        )
        assert sent.status_code < 300, sent.text

        def forgotten() -> float:
            lines = httpx.get(f"{url}/metrics", timeout=20).text.splitlines()
            return sum(
                float(line.split()[-1])
                for line in lines
                if line.startswith("fenghuo_relay_acknowledged_total ")
            )

        until("the reading forgotten", lambda: forgotten() == 1, 60)
    finally:
        assert relay.stop() == 0
    assert "relay.forbidden" not in relay.log.read_text()


def test_what_operators_run_by_hand_has_its_rights_too(programs: Secured, tmp_path: Path) -> None:
    until("a reading in the log", lambda: get(programs, "/health")["positions"], 60)
    programs.run("log", "export", "--out", str(tmp_path / "out"))
    (exported,) = (tmp_path / "out").glob("*.fhlog")
    programs.run("log", "compare", str(exported))
    programs.run("rejects", "list")


def test_kafka_may_ask_for_certificates_too(tmp_path: Path) -> None:
    made = Secured(tmp_path, client_certificates=True)
    try:
        with made.kafka:
            made.script("kafka")
            assert made.run("topics").count(": made") == len(TOPICS)
            del made.settings["brokers"]["kafka"]["cert_file"], made.settings["brokers"]["kafka"]["key_file"]
            made.write_settings(made.settings)
            said = made.run("topics", status=2).strip().splitlines()[-1]
            assert re.search(r"Kafka at 127.0.0.1:\d+: .*certificate", said), said
    except ServerMissing as error:
        refuse_or_skip(error)
