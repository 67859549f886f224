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
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from alerting.ledger import Ledger
from runtime.clock import MachineClock
from runtime.configuration.loading import load
from runtime.configure import configure
from runtime.topics import LOG, PARTITIONS, partition_of
from schemas.log import decode_record
from schemas.packet import Packet
from tests.runtime.running import until
from tests.runtime.valley import CITY, write_valley
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
    """A gateway process."""

    def __init__(self, place: Path) -> None:
        self.health = f"127.0.0.1:{spare_port()}"
        words = ["gateway", "--config", str(place), "--name", "edge", "--health", self.health]
        self.said: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "runtime.cli", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"PYTHONPATH": ".", "PYTHONUNBUFFERED": "1"},
            preexec_fn=die_with_parent,  # noqa: PLW1509  (one system call, no lock)
        )
        threading.Thread(target=self._listen, daemon=True).start()
        until("the gateway", lambda: any("gateway ready" in line for line in self.said), 60)

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)

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
