"""The stations of the demo: publishes a simulated day's readings by MQTT, each when the clock comes to it."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from runtime.clock import Clock
from runtime.simulate.place import Place
from runtime.simulate.scenarios import Scenario, storm
from runtime.simulate.writing import write_readings
from schemas.times import Micros, to_micros
from schemas.wire import ONE


class Spoken(NamedTuple):
    """One reading on its way: when it is due, its topic, its bytes."""

    at_us: Micros
    topic: str
    body: bytes


def simulated_storm(folder: Path, seed: int) -> Scenario:
    """The storm over the place of a configuration."""
    return storm(Place.read(folder), seed)


def spoken(scenario: Scenario, start_us: Micros, stop_us: Micros) -> list[Spoken]:
    """A stretch of a scenario's readings, in order."""
    buffer = io.BytesIO()
    write_readings(buffer, scenario.sources, start_us, stop_us, scenario.delivery)
    readings = []
    for body in buffer.getvalue().splitlines():
        said = ONE.decode(body)
        kind = msgspec.structs.asdict(said).get("kind", said.__struct_config__.tag)
        readings.append(Spoken(to_micros(said.observed_at), f"readings/{kind}/{said.station}", body))
    return readings


def in_arrays(readings: list[Spoken], size: int = 500) -> Iterator[bytes]:
    """The same readings as JSON arrays, for a log that has to catch up."""
    for start in range(0, len(readings), size):
        yield b"[" + b",".join(one.body for one in readings[start : start + size]) + b"]"


class Feeder:
    """Publishes readings as their time comes, in a thread of its own."""

    def __init__(self, host: str, port: int, readings: list[Spoken], clock: Clock) -> None:
        self._host, self._port = host, port
        self._readings = readings
        self._clock = clock
        self._ended = threading.Event()
        self._stopping = threading.Event()
        self.published = 0
        """How many readings have gone out."""
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id="fenghuo-demo-stations",
            protocol=MQTTProtocolVersion.MQTTv311,
        )
        self._client.max_inflight_messages_set(200)
        self._client.max_queued_messages_set(0)
        self._thread = threading.Thread(target=self._run, name="stations", daemon=True)

    def start(self) -> None:
        """Connect and begin."""
        self._client.connect(self._host, self._port)
        self._client.loop_start()
        self._thread.start()

    def wait(self, stopped: threading.Event) -> None:
        """Return when the last reading has been published, or `stopped` is set."""
        while not self._ended.wait(0.2) and not stopped.is_set():
            pass

    def stop(self) -> None:
        """Publish no more."""
        self._stopping.set()
        self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()

    def _run(self) -> None:
        last: mqtt.MQTTMessageInfo | None = None
        for at_us, topic, body in self._readings:
            wait_s = self._clock.seconds_until(at_us)
            if self._stopping.wait(wait_s) if wait_s > 0.005 else self._stopping.is_set():
                return
            last = self._client.publish(topic, body, qos=1)
            self.published += 1
        # The broker inside the process drops what it has not routed when a publisher leaves: wait for the last.
        if last is not None:
            last.wait_for_publish(timeout=10)
        self._ended.set()
