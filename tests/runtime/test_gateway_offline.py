"""A gateway process whose Kafka goes away, which is killed meanwhile, and to which Kafka comes back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as mqtt
import pytest
from kafka import KafkaConsumer, TopicPartition
from paho.mqtt import publish as mqtt_publish
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from alerting.ledger import Ledger
from runtime.clock import MachineClock
from runtime.configuration.loading import load
from runtime.configure import configure
from runtime.logs.topics import LOG, PARTITIONS, partition_of
from runtime.receivers.webhook import WebhookReceiver
from schemas.alert import Alert
from schemas.log import decode_record
from schemas.notice import NoticeState
from schemas.packet import Packet
from tests.runtime.running import WEBHOOK_SECRET, until
from tests.runtime.valley import CITY, failing_slope, write_valley
from tests.servers.base import die_with_parent, spare_port
from tests.servers.fixtures import running
from tests.servers.kafka import Kafka
from tests.servers.mosquitto import Mosquitto

pytestmark = [pytest.mark.xdist_group("kafka"), pytest.mark.timeout(400)]
STATIONS = ("LS-0", "LS-1")


class Sensors:
    """Devices that number what they send, and hear what of it is safe."""

    def __init__(self, broker: Mosquitto) -> None:
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_message = self._heard
        self._client.connect(broker.host, broker.port)
        self._client.subscribe("acks/+")
        self._client.loop_start()
        self._began = datetime.now(UTC) - timedelta(hours=1)
        self.sent = 0
        self.acknowledged: dict[str, dict[str, Any]] = {}

    def _heard(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        self.acknowledged[message.topic.rpartition("/")[2]] = json.loads(message.payload)

    def send(self, count: int) -> None:
        """So many readings of each station, one by one."""
        for number in range(self.sent, self.sent + count):
            for station in STATIONS:
                reading = {
                    "kind": "landslide",
                    "station": station,
                    "observed_at": (self._began + timedelta(seconds=number)).isoformat(),
                    "displacement_mm": 1.0,
                    "sequence": number,
                }
                self._client.publish(
                    f"readings/landslide/{station}", json.dumps(reading), qos=1
                ).wait_for_publish(30)
        self.sent += count

    def bad(self) -> None:
        """A payload that is no reading."""
        self._client.publish("readings/landslide/LS-0", b"nonsense", qos=1).wait_for_publish(30)

    def all_acknowledged(self) -> bool:
        """Whether the newest of each station is."""
        return all(self.acknowledged.get(one, {}).get("sequence") == self.sent - 1 for one in STATIONS)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Running:
    """One of our processes with a health page."""

    def __init__(self, place: Path, command: str = "gateway", *more: str) -> None:
        self.health = f"127.0.0.1:{spare_port()}"
        named = () if command == "worker" else ("--name", "edge")
        words = [command, "--config", str(place), *named, "--health", self.health, *more]
        self.said: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "runtime.cli", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ
            | {"PYTHONPATH": ".", "PYTHONUNBUFFERED": "1", "FENGHUO_WEBHOOK_SECRET": WEBHOOK_SECRET},
            preexec_fn=die_with_parent,  # noqa: PLW1509  (one system call, no lock)
        )
        threading.Thread(target=self._listen, daemon=True).start()
        until(command, lambda: any(f"{command} ready" in line for line in self.said), 90)

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)

    def wait_subscribed(self) -> None:
        """Until the broker keeps what comes for it: before its first session, what comes is nobody's."""
        until("the MQTT session", lambda: "MQTT" not in self.faults(), 60)

    def faults(self) -> str:
        return " ".join(httpx.get(f"http://{self.health}/health", timeout=20).json()["faults"])

    def metric(self, name: str) -> float:
        text = httpx.get(f"http://{self.health}/metrics", timeout=20).text
        return float(next(line for line in text.splitlines() if line.startswith(f"{name} ")).split()[1])

    def end(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        return self.process.wait(60)


def numbers_in(kafka: Kafka) -> dict[int, list[int]]:
    """By station's row, the numbers of its readings in the city's log, in its order."""
    consumer = KafkaConsumer(bootstrap_servers=kafka.bootstrap)
    partition = TopicPartition(LOG, partition_of(CITY, PARTITIONS))
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    end = consumer.end_offsets([partition])[partition]
    found: dict[int, list[int]] = {}
    while consumer.position(partition) < end:
        for batch in consumer.poll(timeout_ms=500).values():
            for record in (decode_record(one.value) for one in batch):
                if isinstance(record, Packet):
                    rows = zip(record.row.tolist(), record.columns["sequence"].tolist(), strict=True)
                    for row, number in rows:
                        found.setdefault(row, []).append(number)
    consumer.close()
    return found


@pytest.fixture
def servers() -> Iterator[tuple[Kafka, Mosquitto]]:
    with running(Kafka) as kafka, running(Mosquitto) as mosquitto:
        yield kafka, mosquitto


def test_what_was_acknowledged_is_in_the_log_when_kafka_is_back(
    servers: tuple[Kafka, Mosquitto], tmp_path: Path
) -> None:
    kafka, mosquitto = servers
    settings = {
        "status": "exercise",
        "brokers": {
            "kafka": {"bootstrap": [kafka.bootstrap]},
            "mqtt": {"host": mosquitto.host, "port": mosquitto.port},
        },
        "database": {"folder": str(tmp_path)},
        "gateway": {"offline": {"folder": str(tmp_path / "edge"), "after_s": 2.0}},
    }
    place = write_valley(tmp_path / "config", 2, settings)
    with Ledger.open(str(tmp_path / "state.db")) as ledger:
        configure(load(place), ledger, MachineClock())
    sensors = Sensors(mosquitto)
    gateway = Running(place)
    try:
        gateway.wait_subscribed()
        sensors.send(20)
        until("the first to be acknowledged", sensors.all_acknowledged, 60)
        kafka.kill()
        sensors.send(20)
        sensors.bad()
        until("the disk to have them", sensors.all_acknowledged, 90)
        assert "cut off from Kafka" in gateway.faults()
        assert gateway.metric("fenghuo_gateway_cut_off") == 1
        assert gateway.metric("fenghuo_gateway_waiting") > 0
        gateway.end(signal.SIGKILL)
        gateway = Running(place)
        sensors.send(20)
        until("those of the next process too", sensors.all_acknowledged, 90)
        assert "what was taken before the start waits on the disk" in gateway.faults()
        waited = gateway.metric("fenghuo_gateway_waiting")
        kafka.start()
        sensors.send(20)
        until("all to be in the log", lambda: gateway.metric("fenghuo_gateway_cut_off") == 0, 120)
        assert gateway.metric("fenghuo_gateway_drained_total") >= waited
        assert gateway.metric("fenghuo_gateway_waiting") == 0
        sensors.send(20)
        until("the last", sensors.all_acknowledged, 60)
        until("health", lambda: gateway.faults() == "", 60)
        found = numbers_in(kafka)
        assert len(found) == len(STATIONS)
        for numbers in found.values():
            assert set(numbers) == set(range(sensors.sent))
            first = [numbers.index(number) for number in range(sensors.sent)]
            assert first == sorted(first), "each for the first time in its order"
        with Ledger.open(str(tmp_path / "state.db")) as ledger:
            assert [reject.payload for reject in ledger.rejects()] == ["nonsense"]
        assert gateway.end(signal.SIGTERM) == 0
    finally:
        sensors.close()
        if gateway.process.poll() is None:
            gateway.end(signal.SIGKILL)
        print("".join(gateway.said))


def publish(mosquitto: Mosquitto, number: int) -> None:
    """A slope's readings that fail by now."""
    messages: list[Any] = [
        {"topic": f"readings/landslide/LS-{number}", "payload": json.dumps(reading), "qos": 1}
        for reading in failing_slope(number, datetime.now(UTC).replace(microsecond=0))
    ]
    mqtt_publish.multiple(messages, mosquitto.host, mosquitto.port, protocol=MQTTProtocolVersion.MQTTv5)


def test_local_notices_are_not_sent_again_and_what_comes_later_is(
    servers: tuple[Kafka, Mosquitto], tmp_path: Path
) -> None:
    kafka, mosquitto = servers
    receiver = WebhookReceiver(WEBHOOK_SECRET)
    receiver.start()
    settings = {
        "status": "exercise",
        "brokers": {
            "kafka": {"bootstrap": [kafka.bootstrap]},
            "mqtt": {"host": mosquitto.host, "port": mosquitto.port},
        },
        "database": {"folder": str(tmp_path)},
        "gateway": {"offline": {"folder": str(tmp_path / "edge"), "after_s": 2.0, "local_warnings": True}},
        "channels": {"webhook": {"exercise_receiver": receiver.url}},
    }
    place = write_valley(tmp_path / "config", 6, settings)
    shared = Ledger.open(str(tmp_path / "state.db"))
    configure(load(place), shared, MachineClock())
    running_now = [Running(place, "worker"), Running(place, "dispatch")]
    gateway = Running(place)

    def heard(number: int) -> list[tuple[str, str, str]]:
        """Who was told of a slope's village by webhook, and by which id, in order."""
        village = f"第{number}村"
        return [
            (one["recipient"], one["text"], one["id"])
            for one in list(receiver.notices)
            if village in one["text"]
        ]

    try:
        gateway.wait_subscribed()
        kafka.kill()
        publish(mosquitto, 1)
        until("the gateway to tell people", lambda: len(heard(1)) >= 2, 120)
        assert gateway.metric("fenghuo_gateway_local_warnings") == 1
        assert shared.newest_alerts(10) == []
        gateway.end(signal.SIGKILL)  # the next process goes on, and tells nobody again
        gateway = Running(place)
        until("it to warn again", lambda: gateway.metric("fenghuo_gateway_local_warnings") == 1, 60)
        locally = heard(1)
        kafka.start()
        until("all to be in the log", lambda: gateway.metric("fenghuo_gateway_cut_off") == 0, 120)
        assert gateway.metric("fenghuo_gateway_local_warnings") == 0
        until("the worker's alert", lambda: landslides(shared), 120)
        (alert,) = landslides(shared)
        assert alert.level == 4
        until("the shared notices to be settled", lambda: settled(shared, alert.id), 60)
        told = [one for one in shared.notices_of_alert(alert.id) if one.channel == "webhook"]
        assert {(one.recipient, one.state.value, one.error) for one in told} == {
            (recipient, "sent", "told by gateway edge, which was cut off") for recipient, _, _ in locally
        }
        publish(mosquitto, 4)
        until("who is told of what comes later", lambda: len(heard(4)) >= len(locally), 120)
        assert all(shared.notice(id) is not None for _, _, id in heard(4)), (
            "it is the deployment that told them"
        )
        assert heard(1) == locally, "nobody was told twice"
        assert not (tmp_path / "edge" / "local-edge").exists()
    finally:
        for one in (gateway, *running_now):
            if one.process.poll() is None:
                one.end(signal.SIGTERM)
            print("".join(one.said))
        receiver.stop()
        shared.close()


def landslides(ledger: Ledger) -> list[Alert]:
    """The landslides in force."""
    return [alert for alert in ledger.alerts_in_force() if alert.hazard == "landslide"]


def settled(ledger: Ledger, alert: str) -> bool:
    """Whether no webhook's notice of an alert waits any more."""
    notices = [one for one in ledger.notices_of_alert(alert) if one.channel == "webhook"]
    return bool(notices) and all(one.state not in {NoticeState.DUE, NoticeState.SENDING} for one in notices)
