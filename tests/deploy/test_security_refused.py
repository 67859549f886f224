"""What nobody may do in a secured deployment is refused by the server that would do it."""

from __future__ import annotations

import ssl
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import psycopg
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, ScramMechanism, UserScramCredentialUpsertion
from kafka.errors import KafkaError
from paho.mqtt.enums import CallbackAPIVersion

from deploy.security.authority import Authority
from runtime.logs.topics import FINDINGS, LOG, READINGS, alerts_topic
from schemas.alert import Status
from schemas.area import Tier
from tests.deploy.clients import (
    OTHER,
    PLAYER,
    STATION,
    VILLAGE,
    Device,
    dsn,
    security_of,
    station_device,
)
from tests.deploy.secured import INTEGRATOR, SUBSCRIBER, Secured
from tests.runtime.running import until

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("kafka")]


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
