"""Both ends of an acknowledgement on a real broker: the intake that gives it, and a client that hears it."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from ingest.sources.mqtt import MqttSettings, MqttSource
from runtime.intake.acknowledging import Acknowledger
from schemas.times import DAY
from tests.runtime.intake.test_taking import Bench, T
from tests.servers.mosquitto import Mosquitto


class Engine:
    """The intake over a log, with its acknowledger; its session on the broker outlives it."""

    def __init__(self, folder: Path, broker: Mosquitto) -> None:
        self.bench = Bench(folder)
        self.bench.clock.move_to(T + DAY)
        settings = MqttSettings(port=broker.port, client_id="engine", topic="readings/#")
        self.source = MqttSource(settings, self.bench.intake.submit)
        self.acknowledger = Acknowledger(self.source, self.bench.log)
        self.bench.intake.on_durable = self.acknowledger.note
        self.acknowledger.start()
        self.bench.intake.start()
        self.source.start()
        assert self.source.connected.wait(10)

    def stop(self) -> None:
        """End in order."""
        self.acknowledger.stop()
        self.source.stop()
        self.bench.intake.stop()
        self.bench.log.close()


class Listener:
    """Subscribed to `acks/+`."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.heard: list[tuple[float, str, bool, dict[str, Any]]] = []
        """(when in seconds, station, whether retained, the acknowledgement)."""
        self._ready = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._on_message

    def __enter__(self) -> Self:
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 1 and wait for the broker's word."""
        self._client.publish(topic, payload, qos=1).wait_for_publish(10)

    def newest(self, station: str) -> dict[str, Any]:
        """The newest acknowledgement of a station; {} where there is none."""
        return next((ack for _, name, _, ack in reversed(self.heard) if name == station), {})

    def _on_connect(self, client: mqtt.Client, *_: Any) -> None:
        client.subscribe("acks/+", qos=1)

    def _on_message(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        station = message.topic.removeprefix("acks/")
        self.heard.append((time.monotonic(), station, message.retain, json.loads(message.payload)))
