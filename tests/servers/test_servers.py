"""Each server for real: it answers, it dies by SIGKILL, it comes back on the same port with what it had."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import prometheus_client
import psycopg
import pytest
import sqlalchemy
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import TopicAlreadyExistsError
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.servers.base import Server, ServerMissing, program, refuse_or_skip
from tests.servers.chromium import Chromium
from tests.servers.fixtures import running
from tests.servers.kafka import Kafka
from tests.servers.mosquitto import Mosquitto
from tests.servers.postgres import Postgres
from tests.servers.prometheus import Prometheus
from tests.servers.tansu import Tansu


class Listener:
    """An MQTT 5 client with a durable session that keeps what it hears."""

    def __init__(self, client_id: str, user: str | None = None, password: str | None = None) -> None:
        self.heard: list[bytes] = []
        self.refused: list[str] = []
        self.ready = threading.Event()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5)
        if user is not None:
            self.client.username_pw_set(user, password)
        self.client.on_message = lambda _c, _u, message: self.heard.append(bytes(message.payload))
        self.client.on_connect = self._connected
        self.client.on_subscribe = lambda *_: self.ready.set()

    def _connected(self, client: mqtt.Client, _u: Any, _f: Any, reason: Any, _p: Any) -> None:
        if reason.is_failure:
            self.refused.append(str(reason))
            self.ready.set()
        else:
            client.subscribe("readings/#", qos=1)

    def listen(self, broker: Mosquitto) -> None:
        self.ready.clear()
        session = Properties(PacketTypes.CONNECT)
        session.SessionExpiryInterval = 3600
        self.client.connect(broker.host, broker.port, clean_start=False, properties=session)
        self.client.loop_start()
        assert self.ready.wait(5)

    def leave(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def publish(
    broker: Mosquitto, *payloads: bytes, user: str | None = None, password: str | None = None
) -> None:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    if user is not None:
        client.username_pw_set(user, password)
    client.connect(broker.host, broker.port)
    client.loop_start()
    for payload in payloads:
        client.publish("readings/rain/R-1", payload, qos=1).wait_for_publish(5)
    client.disconnect()
    client.loop_stop()


def wait_for(happened: Any, timeout_s: float = 5) -> bool:
    deadline = time.monotonic() + timeout_s
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(happened())


def test_mosquitto_keeps_a_durable_session_across_a_kill(mosquitto: Mosquitto) -> None:
    listener = Listener("keeps")
    listener.listen(mosquitto)
    publish(mosquitto, b"one")
    assert wait_for(lambda: listener.heard == [b"one"])
    listener.leave()
    publish(mosquitto, b"two")
    mosquitto.wait_saved()  # what is younger than the last save would be lost by the kill
    mosquitto.kill()
    assert not mosquitto.listens()
    mosquitto.restart()
    listener.listen(mosquitto)
    assert wait_for(lambda: listener.heard == [b"one", b"two"])
    listener.leave()


def test_mosquitto_with_users_refuses_a_stranger_and_keeps_to_its_access_list() -> None:
    try:
        program("mosquitto")
    except ServerMissing as error:
        refuse_or_skip(error)
    users = {"engine": "right", "sensor": "also-right"}
    acl = "user engine\ntopic readwrite #\n\nuser sensor\ntopic write readings/#\n"
    with Mosquitto(users=users, acl=acl) as broker:
        stranger = Listener("stranger", "engine", "wrong")
        stranger.listen(broker)
        assert stranger.refused == ["Not authorized"]
        stranger.leave()
        engine, sensor = Listener("engine", "engine", "right"), Listener("sensor", "sensor", "also-right")
        engine.listen(broker)
        sensor.listen(broker)  # a forbidden subscription is granted, and hears nothing
        publish(broker, b"x", user="sensor", password="also-right")
        assert wait_for(lambda: engine.heard == [b"x"])
        assert sensor.heard == []
        engine.leave()
        sensor.leave()


def test_postgres_gives_each_test_an_empty_database(postgres_url: str) -> None:
    engine = sqlalchemy.create_engine(postgres_url)
    with engine.begin() as session:
        session.execute(sqlalchemy.text("create table seen (place text)"))
        session.execute(sqlalchemy.text("insert into seen values ('巴中市')"))
        assert session.scalar(sqlalchemy.text("select place from seen")) == "巴中市"
    engine.dispose()


def test_postgres_keeps_what_was_committed_across_a_kill(postgres: Postgres) -> None:
    database = postgres.new_database("kill")
    with psycopg.connect(postgres.dsn(database)) as session:
        session.execute("create table kept as select generate_series(1, 1000) as n")
    postgres.kill()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(postgres.dsn(database), connect_timeout=1)
    postgres.restart()
    with psycopg.connect(postgres.dsn(database)) as session:
        assert session.execute("select count(*) from kept").fetchone() == (1000,)
    postgres.drop_database(database)


def consume(broker: Kafka, topic: str, group: str, count: int) -> list[bytes]:
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=broker.bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    values: list[bytes] = []
    deadline = time.monotonic() + 30
    while len(values) < count and time.monotonic() < deadline:
        for records in consumer.poll(timeout_ms=500).values():
            values += [record.value for record in records]
    consumer.commit()
    consumer.close()
    return values


def produce(broker: Kafka | Tansu, topic: str, values: list[bytes]) -> None:
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap, acks="all")
    sent = [producer.send(topic, value, key=b"k%d" % (number % 7)) for number, value in enumerate(values)]
    producer.flush(30)
    for future in sent:
        future.get(5)
    producer.close()


def test_kafka_keeps_records_and_commits_across_a_kill(kafka: Kafka) -> None:
    kafka.create_topic("kept", partitions=4)
    before = [b"a%d" % number for number in range(500)]
    produce(kafka, "kept", before)
    assert sorted(consume(kafka, "kept", "readers", 500)) == sorted(before)
    kafka.kill()
    assert not kafka.listens()
    kafka.restart()
    after = [b"b%d" % number for number in range(100)]
    produce(kafka, "kept", after)
    assert sorted(consume(kafka, "kept", "readers", 100)) == sorted(after), "the group's commits were lost"
    assert sorted(consume(kafka, "kept", "others", 600)) == sorted(before + after)


def test_kafka_says_what_is_wrong_with_a_topic(kafka: Kafka) -> None:
    kafka.create_topic("twice", partitions=1, configs={"retention.ms": "-1"})
    with pytest.raises(TopicAlreadyExistsError):
        kafka.create_topic("twice", partitions=1)


async def test_kafka_serves_the_idempotent_producer_and_groups_of_aiokafka(kafka: Kafka) -> None:
    """aiokafka's own tests stop at Kafka 2.8: what Faust needs of it is tried here on the broker that we name."""
    kafka.create_topic("aio", partitions=2)
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, enable_idempotence=True) as producer:
        for number in range(50):
            await producer.send_and_wait("aio", b"%d" % number)
    heard: list[bytes] = []
    async with AIOKafkaConsumer(
        "aio",
        bootstrap_servers=kafka.bootstrap,
        group_id="aio",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    ) as consumer:
        while len(heard) < 50:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                heard += [record.value for record in records]
        await consumer.commit()
    assert sorted(map(int, heard)) == list(range(50))


def test_tansu_hands_on_messages_and_forgets_them_at_its_end() -> None:
    """What the demo without Java rests on, and why it proves no recovery."""
    said = [b"a%d" % number for number in range(20)]
    with running(Tansu) as broker:
        admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
        admin.create_topics({"ours": {"num_partitions": 1, "replication_factor": 1}})
        produce(broker, "ours", said)
        reader = KafkaConsumer(bootstrap_servers=broker.bootstrap)
        reader.assign([TopicPartition("ours", 0)])
        reader.seek_to_beginning()
        heard: list[bytes] = []
        while len(heard) < len(said):
            heard += [record.value for records in reader.poll(500).values() for record in records]
        reader.close()
        assert heard == said
        admin.close()
        broker.restart()
        admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
        assert "ours" not in admin.list_topics()
        admin.close()


def test_prometheus_scrapes_and_answers(prometheus: Prometheus) -> None:
    registry = prometheus_client.CollectorRegistry()
    prometheus_client.Gauge("fenghuo_test_level", "A level", ["county"], registry=registry).labels(
        "511921"
    ).set(3)
    httpd, thread = prometheus_client.start_http_server(0, addr="127.0.0.1", registry=registry)
    try:
        prometheus.scrape("house", f"127.0.0.1:{httpd.server_port}")
        found = prometheus.query("max by (county) (fenghuo_test_level)")
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()
    assert [(row["metric"], row["value"][1]) for row in found] == [({"county": "511921"}, "3")]
    with pytest.raises(ValueError, match="parse error"):
        prometheus.query("sum by (")
    prometheus.kill()
    assert prometheus.restart().ready()


PAGE = """<!doctype html><meta charset="utf-8"><title>烽火</title>
<p id="level" style="background:#d00;color:#fff;font-size:60px">红色（I级）</p>"""


class Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = PAGE.encode()
        if self.path == "/broken":
            body += b"<script>notDefined()</script>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def pages() -> Any:
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def test_chromium_sees_chinese_text_and_takes_a_picture(
    chromium: Chromium, pages: str, tmp_path: Path
) -> None:
    picture = chromium.screenshot(
        pages, tmp_path / "page.png", wait_for="#level", width_px=390, height_px=300
    )
    assert picture.read_bytes().startswith(b"\x89PNG")
    text, width = chromium.visit(
        pages,
        lambda page: (
            page.inner_text("#level"),
            page.evaluate("document.fonts.check('60px WenQuanYi Micro Hei')"),
        ),
    )
    assert text == "红色（I级）"
    assert width is True


def test_chromium_fails_a_page_whose_script_fails(chromium: Chromium, pages: str) -> None:
    with pytest.raises(AssertionError, match="notDefined"):
        chromium.visit(f"{pages}/broken", lambda page: page.wait_for_timeout(200))
    chromium.restart()
    assert chromium.visit(pages, lambda page: page.title()) == "烽火"


async def test_asyncio_still_runs_beside_the_browser(chromium: Chromium, pages: str) -> None:
    assert chromium.visit(pages, lambda page: page.title()) == "烽火"


class Sleeper(Server):
    name = "sleeper"
    start_timeout_s = 0.2

    def command(self) -> list[str]:
        return ["sleep", "30"]


class Failing(Server):
    name = "failing"

    def command(self) -> list[str]:
        return ["sh", "-c", "echo no such setting; exit 3"]


def test_a_server_that_never_answers_is_named_and_left_dead() -> None:
    server = Sleeper()
    with pytest.raises(TimeoutError, match="sleeper did not answer"):
        server.__enter__()
    assert server.process is None
    server.remove()
    assert not server.folder.exists()


def test_a_server_that_fails_says_its_last_words() -> None:
    server = Failing()
    with pytest.raises(RuntimeError, match="no such setting"):
        server.start()
    server.remove()


def test_a_missing_server_fails_in_ci_and_skips_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="carrier-pigeon"):
        refuse_or_skip(ServerMissing("carrier-pigeon is not installed"))
    monkeypatch.setenv("CI", "")
    with pytest.raises(pytest.skip.Exception, match="carrier-pigeon"):
        refuse_or_skip(ServerMissing("carrier-pigeon is not installed"))
