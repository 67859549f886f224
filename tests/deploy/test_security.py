"""A secured deployment on real servers: the chain runs over it, and what nobody may do is refused."""

from __future__ import annotations

import json
import re
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as mqtt
import psycopg
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, ScramMechanism, UserScramCredentialUpsertion
from kafka.errors import KafkaError
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from alerting.ledger import tables
from alerting.ledger.privileges import PRIVILEGES
from deploy.security.authority import Authority
from deploy.security.kafka import TOPICS
from runtime.topics import FINDINGS, LOG, READINGS, alerts_topic
from schemas.alert import Status
from schemas.area import Tier
from tests.chaos.programs import Program
from tests.deploy.secured import INTEGRATOR, RELAY, RELAYED, ROOT, SMALL, SUBSCRIBER, Secured
from tests.runtime.running import until
from tests.servers.base import ServerMissing, refuse_or_skip, spare_port

STATION, OTHER = "RG-020", "RG-021"
PLAYER = "example-511902100001"
VILLAGE = "511902100001"

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("kafka")]


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    made = Secured(tmp_path_factory.mktemp("secured"))
    try:
        made.start()
        yield made
    except ServerMissing as error:
        refuse_or_skip(error)
    finally:
        made.close()


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


class Device:
    """A client of the MQTT broker over an encrypted line."""

    def __init__(
        self, secured: Secured, user: str | None, password: str | None, authority: Path | None = None
    ):
        self.heard: list[tuple[str, bytes]] = []
        self.refused: str | None = None
        self._answered = threading.Event()
        self._told: dict[int, str] = {}
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.tls_set(ca_certs=str(authority or secured.out / "ca.pem"))
        if user is not None:
            self._client.username_pw_set(user, password)
        self._client.on_connect = self._on_connect
        self._client.on_publish = lambda _c, _d, mid, reason, _p: self._told.__setitem__(mid, str(reason))
        self._client.on_message = lambda _c, _d, m: self.heard.append((m.topic, bytes(m.payload)))
        self._client.connect("127.0.0.1", secured.mosquitto.port)
        self._client.loop_start()
        assert self._answered.wait(20)

    def _on_connect(self, client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self.refused = str(reason) if reason.is_failure else None
        if reason.is_failure:
            client.disconnect()
        self._answered.set()

    def publish(self, topic: str, content: Mapping[str, Any] | list[Any]) -> str:
        sent = self._client.publish(topic, json.dumps(content), qos=1)
        sent.wait_for_publish(20)
        return self._told[sent.mid]

    def subscribe(self, topic: str) -> None:
        self._client.subscribe(topic, qos=1)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def station_device(secured: Secured, station: str) -> Device:
    return Device(secured, station, secured.device_password("stations.csv", station))


def rain(
    station: str, now: datetime, sequence: int, minutes_ago: int = 0, rain_mm: float = 12.0
) -> dict[str, Any]:
    at = (now - timedelta(minutes=minutes_ago)).isoformat()
    reading = {"kind": "rain", "station": station, "interval_s": 300, "rain_mm": rain_mm}
    return reading | {"observed_at": at, "sequence": sequence}


def security_of(secured: Secured, user: str, password: str | None = None) -> dict[str, Any]:
    file = f"kafka-{user.removeprefix('fenghuo-')}"
    return {
        "bootstrap_servers": secured.kafka.bootstrap,
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": user,
        "sasl_plain_password": password or secured.password(file),
        "ssl_cafile": str(secured.out / "ca.pem"),
    }


def get(secured: Secured, path: str) -> Any:
    return httpx.get(secured.console + path, timeout=20).json()


def act(secured: Secured, **fields: Any) -> httpx.Response:
    now = datetime.now(UTC).isoformat()
    return httpx.post(
        f"{secured.console}/v1/acts",
        headers={"authorization": "Bearer token"},
        content=json.dumps({"by": "值班员", "at": now, **fields}),
        timeout=40,
    )


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


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "topic",
    [
        f"readings/rain/{OTHER}",
        f"acks/{STATION}",
        f"alerts/village/{VILLAGE}/a-1",
        f"loudspeakers/{PLAYER}/a-1",
        "receipts/n-1",
    ],
)
def test_a_station_speaks_for_itself_only(secured: Secured, topic: str) -> None:
    device = station_device(secured, STATION)
    assert device.publish(topic, {}) == "Not authorized"
    device.close()


def test_a_station_hears_its_own_acknowledgements_only(secured: Secured) -> None:
    listener = station_device(secured, OTHER)
    for topic in ("#", "readings/#", "acks/#", f"acks/{STATION}"):
        listener.subscribe(topic)
    gateway = Device(secured, "fenghuo-gateway", secured.password("mqtt-gateway"))
    for station in (STATION, OTHER):
        assert gateway.publish(f"acks/{station}", {}) in ("Success", "No matching subscribers")
    until("its own", lambda: listener.heard, 20)
    assert {topic for topic, _ in listener.heard} == {f"acks/{OTHER}"}
    for one in (listener, gateway):
        one.close()


@pytest.mark.parametrize("user", [None, STATION, "fenghuo-gateway"])
def test_nobody_comes_to_the_mqtt_broker_without_a_password(secured: Secured, user: str | None) -> None:
    device = Device(secured, user, None if user is None else "guessed")
    assert device.refused == "Not authorized"
    device.close()


def test_the_mqtt_broker_talks_to_nobody_in_clear(secured: Secured) -> None:
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    told = threading.Event()
    client.on_connect = lambda *_: told.set()
    client.connect("127.0.0.1", secured.mosquitto.port)
    client.loop_start()
    assert not told.wait(2)
    client.loop_stop()


def test_a_broker_of_another_authority_is_not_talked_to(secured: Secured, tmp_path: Path) -> None:
    Authority.of(tmp_path, datetime.now(UTC))
    with pytest.raises(ssl.SSLCertVerificationError):
        Device(secured, STATION, "any", authority=tmp_path / "ca.pem")
    with pytest.raises(KafkaError):
        KafkaAdminClient(
            bootstrap_timeout_ms=4000,
            **security_of(secured, INTEGRATOR) | {"ssl_cafile": str(tmp_path / "ca.pem")},
        )


def test_kafka_talks_to_nobody_in_clear_or_with_another_password(secured: Secured) -> None:
    with pytest.raises(KafkaError):
        KafkaAdminClient(bootstrap_servers=secured.kafka.bootstrap, bootstrap_timeout_ms=4000)
    with pytest.raises(KafkaError):
        KafkaAdminClient(bootstrap_timeout_ms=4000, **security_of(secured, INTEGRATOR, "guessed"))


@pytest.mark.parametrize(
    ("user", "topic"),
    [
        (INTEGRATOR, LOG),
        (INTEGRATOR, FINDINGS),
        (INTEGRATOR, alerts_topic(Status.ACTUAL, Tier.CITY)),
        (SUBSCRIBER, READINGS),
        (SUBSCRIBER, alerts_topic(Status.ACTUAL, Tier.CITY)),
        ("fenghuo-gateway", READINGS),
        ("fenghuo-gateway", alerts_topic(Status.ACTUAL, Tier.CITY)),
        ("fenghuo-worker", READINGS),
        ("fenghuo-dispatch", FINDINGS),
        ("fenghuo-console", alerts_topic(Status.ACTUAL, Tier.CITY)),
    ],
)
def test_who_may_not_write_a_topic_does_not(secured: Secured, user: str, topic: str) -> None:
    producer = KafkaProducer(**security_of(secured, user), max_block_ms=8000, retries=0)
    try:
        with pytest.raises(KafkaError):
            producer.send(topic, b"{}").get(20)
    finally:
        producer.close(timeout=2)


@pytest.mark.parametrize(
    ("user", "topic"),
    [(INTEGRATOR, READINGS), (SUBSCRIBER, LOG), (SUBSCRIBER, FINDINGS), ("fenghuo-gateway", LOG)],
)
def test_who_may_not_read_a_topic_does_not(secured: Secured, user: str, topic: str) -> None:
    """A client that may not even see a topic finds no partition; one that may sees is refused when it reads."""
    partition = TopicPartition(topic, 0)
    admin = KafkaProducer(**security_of(secured, "fenghuo-admin"))
    admin.send(topic, b"?", partition=0).get(20)
    admin.close()
    consumer = KafkaConsumer(**security_of(secured, user))
    consumer.assign([partition])
    heard: list[Any] = []

    def read() -> None:
        consumer.seek(partition, 0)
        for _ in range(5):
            heard.append(consumer.poll(timeout_ms=1000))

    try:
        with suppress(KafkaError):
            read()
        assert not any(heard)
        # The same question of whoever may is answered.
        other = KafkaConsumer(**security_of(secured, "fenghuo-admin"))
        other.assign([partition])
        other.seek(partition, 0)
        until("the administrator to read it", lambda: other.poll(timeout_ms=1000), 20)
        other.close()
    finally:
        consumer.close()


def test_nobody_else_makes_topics_or_users(secured: Secured) -> None:
    admin = KafkaAdminClient(**security_of(secured, "fenghuo-worker"))
    with pytest.raises(KafkaError, match="uthorization"):
        admin.create_topics({"mine": {"num_partitions": 1, "replication_factor": 1}})
    upsertion = UserScramCredentialUpsertion("mine", ScramMechanism.SCRAM_SHA_512, "mine", iterations=8192)
    assert "needs ALTER permission" in str(admin.alter_user_scram_credentials([upsertion])["mine"])
    admin.close()


@pytest.mark.parametrize(
    ("program", "statement"),
    [
        ("worker", "drop table findings"),
        ("worker", "create table mine (x int)"),
        ("worker", "delete from notice_states"),
        ("worker", "update alerts set level = 0"),
        ("worker", "truncate acts"),
        ("gateway", "select * from notices"),
        ("gateway", "select * from alerts"),
        ("gateway", "insert into bundles values ('x', '')"),
        ("gateway", "delete from rejects"),
        ("dispatch", "insert into alerts select * from alerts"),
        ("dispatch", "select * from checkpoint_rows"),
        ("dispatch", "select * from rejects"),
        ("console", "insert into acts select * from acts"),
        ("console", "insert into findings select * from findings"),
        ("console", "update notices set level = 0"),
        ("configure", "select * from notices"),
        ("log", "insert into bundles values ('x', '')"),
    ],
)
def test_no_role_does_more_than_its_program(secured: Secured, program: str, statement: str) -> None:
    with (
        psycopg.connect(dsn(secured, program)) as session,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        session.execute(statement.encode())


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("sslmode=disable", "pg_hba.conf rejects connection"),
        ("sslmode=verify-full&sslrootcert={other}", "certificate verify failed"),
    ],
)
def test_postgres_talks_to_nobody_in_clear_and_nobody_to_another(
    secured: Secured, tmp_path: Path, more: str, why: str
) -> None:
    Authority.of(tmp_path, datetime.now(UTC))
    address = dsn(secured, "console").partition("?")[0] + "?" + more.format(other=tmp_path / "ca.pem")
    with pytest.raises(psycopg.OperationalError, match=why):
        psycopg.connect(address, connect_timeout=10)


def dsn(secured: Secured, program: str, password: Callable[[str], str] | None = None) -> str:
    word = (password or secured.password)(f"postgres-{program}")
    authority = secured.out / "ca.pem"
    place = f"127.0.0.1:{secured.postgres.port}/fenghuo?sslmode=verify-full&sslrootcert={authority}"
    return f"postgresql://fenghuo_{program}:{word}@{place}"
