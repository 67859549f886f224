"""The sources' contract, on real servers."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import paho.mqtt.client as mqtt
import pytest
from kafka import KafkaProducer
from paho.mqtt.enums import CallbackAPIVersion

from ingest.arrival import Arrival, settle_all
from ingest.sources.kafka import KafkaSource
from ingest.sources.mqtt import MqttSettings, MqttSource
from runtime.logs.topics import make_topics
from tests.ingest.sources.contract import OK, Taken, every_source_passes
from tests.runtime.running import until
from tests.servers.kafka import Kafka
from tests.servers.mosquitto import Mosquitto

_numbers = itertools.count()


class MqttRig:
    """The MQTT source on Mosquitto; a name and a topic of its own for each test."""

    def __init__(self, broker: Mosquitto, version: str, window: int = 1000) -> None:
        number = next(_numbers)
        self.kind = f"kind{number}"
        self.settings = MqttSettings.model_validate(
            {
                "port": broker.port,
                "version": version,
                "client_id": f"source-{number}",
                "topic": f"readings/{self.kind}/#",
                "window": window,
            }
        )
        self.sensor = mqtt.Client(CallbackAPIVersion.VERSION2)
        self.sensor.connect(broker.host, broker.port)
        self.sensor.loop_start()

    def start(self, submit: Callable[[Arrival], None]) -> None:
        self.source = MqttSource(self.settings, submit)
        self.source.start()
        assert self.source.connected.wait(10)

    def stop(self) -> None:
        self.source.stop()

    def send(self, station: str, payload: bytes) -> None:
        sent = self.sensor.publish(f"readings/{self.kind}/{station}", payload, qos=1)
        sent.wait_for_publish(10)

    def close(self) -> None:
        self.sensor.disconnect()
        self.sensor.loop_stop()


class KafkaRig:
    """The Kafka source; the topic `readings` is shared, so each test has a group that begins at its end."""

    def __init__(self, broker: Kafka) -> None:
        make_topics(broker.bootstrap)
        self.bootstrap = broker.bootstrap
        self.group = f"sources-{next(_numbers)}"
        self.producer = KafkaProducer(bootstrap_servers=broker.bootstrap, max_request_size=2**20)
        drained = Taken(settles=True)
        self.start(drained)
        self.send("drain", b"end of what was there")
        until("the end of the topic", lambda: b"end of what was there" in drained.payloads())
        self.stop()

    def start(self, submit: Callable[[Arrival], None]) -> None:
        self.source = KafkaSource([self.bootstrap], submit, self.group)
        self.source.start()
        assert self.source.connected.wait(30)

    def stop(self) -> None:
        self.source.stop()

    def send(self, station: str, payload: bytes) -> None:
        self.producer.send("readings", payload, key=station.encode()).get(10)

    def close(self) -> None:
        self.producer.close()


RIGS = {
    "mqtt 5": lambda request: MqttRig(request.getfixturevalue("mosquitto"), "5"),
    "mqtt 3.1.1": lambda request: MqttRig(request.getfixturevalue("mosquitto"), "3.1.1"),
}


@pytest.mark.parametrize("check", every_source_passes)
@pytest.mark.parametrize("name", RIGS)
def test_every_source_keeps_the_contract(check, name: str, request: pytest.FixtureRequest) -> None:
    rig = RIGS[name](request)
    check(rig)
    rig.close()


@pytest.mark.parametrize("check", every_source_passes)
def test_the_kafka_source_keeps_the_contract(check, kafka: Kafka) -> None:
    rig = KafkaRig(kafka)
    check(rig)
    rig.close()


def test_the_broker_sends_no_more_than_the_window_ahead_of_acknowledgements(mosquitto: Mosquitto) -> None:
    rig, taken = MqttRig(mosquitto, "5", window=7), Taken(settles=False)
    rig.start(taken)
    for n in range(20):
        rig.send("R-1", b"%d" % n)
    until("a full window", lambda: len(taken.payloads()) == 7)
    # Give an eighth the time to come: it must not.
    rig.send("R-1", b"20")
    assert len(taken.payloads()) == 7
    for number in range(21):
        until("the next", lambda number=number: len(taken.arrivals) > number)  # type: ignore[misc]
        settle_all([taken.arrivals[number]], [OK])
    assert taken.payloads() == [b"%d" % n for n in range(21)]
    rig.stop()
    rig.close()


def test_a_broker_that_restarts_is_found_again_and_nothing_is_lost() -> None:
    with Mosquitto() as broker:
        rig, taken = MqttRig(broker, "5"), Taken(settles=True)
        rig.start(taken)
        rig.send("R-1", b"before")
        until("the first", lambda: taken.payloads() == [b"before"])
        broker.wait_saved()
        broker.restart()
        until("the sensor's return", rig.sensor.is_connected)
        rig.send("R-1", b"after")
        until("the second", lambda: b"after" in taken.payloads())
        rig.stop()
        rig.close()
