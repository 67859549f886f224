"""Readings by MQTT 5, QoS 1, into the durable log and through the pipelines, against a bare paho subscriber.

The messages wait in a real Mosquitto for a durable session, so that no publisher's speed is measured.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

import msgspec
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from benchmarks.ratio import Ratio, Work, compare
from ingest.arrival import Arrival, Settled
from ingest.sources.mqtt import MqttSettings, MqttSource
from runtime.clock import SetClock
from runtime.configuration.loading import load
from runtime.embedded import EmbeddedEngine
from schemas.times import SECOND, Micros, rfc3339
from tests.servers.mosquitto import Mosquitto

BAZHONG = Path(__file__).resolve().parents[1] / "deploy" / "bazhong"
READINGS = 20_000
BEGIN_US: Micros = 1_784_300_000 * SECOND
EVERY_S = 300
WAIT_S = 120
WINDOW = 1000

_number = count(1)


def payloads(stations: list[str]) -> list[tuple[str, bytes]]:
    """Topic and payload of rain readings, in order of time, no two of one station and time."""
    made = []
    for number in range(READINGS):
        turn, row = divmod(number, len(stations))
        reading = {
            "kind": "rain",
            "station": stations[row],
            "observed_at": rfc3339(BEGIN_US + turn * EVERY_S * SECOND),
            "interval_s": EVERY_S,
            "rain_mm": (number % 7) / 10,
            "sequence": turn,
        }
        made.append((f"readings/rain/{stations[row]}", msgspec.json.encode(reading)))
    return made


def session(name: str) -> mqtt.Client:
    """Return a client of MQTT 5."""
    return mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=MQTTProtocolVersion.MQTTv5)


def connect(client: mqtt.Client, broker: Mosquitto) -> None:
    """Connect to a durable session with the window that ours uses."""
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = 3600
    properties.ReceiveMaximum = WINDOW
    client.connect(broker.host, broker.port, clean_start=False, properties=properties)
    client.loop_start()


def leave(client: mqtt.Client) -> None:
    """End the connection and its thread."""
    client.disconnect()
    client.loop_stop()


def fill(broker: Mosquitto, name: str, messages: list[tuple[str, bytes]]) -> None:
    """Leave messages waiting in the broker for the durable session `name`."""
    subscribed = threading.Event()
    reader = session(name)
    reader.on_connect = lambda client, *_: client.subscribe("readings/#", qos=1)
    reader.on_subscribe = lambda *_: subscribed.set()
    connect(reader, broker)
    assert subscribed.wait(WAIT_S)
    leave(reader)
    writer = session(f"{name}-writer")
    writer.max_inflight_messages_set(100)
    connect(writer, broker)
    sent = [writer.publish(topic, payload, qos=1) for topic, payload in messages]
    for info in sent:
        info.wait_for_publish(WAIT_S)
    leave(writer)


def ratios() -> Iterator[Ratio]:
    """Yield one ratio: readings that are settled (in the log, acknowledged) by messages that paho hands over."""
    bundle = load(BAZHONG).bundle
    messages = payloads([station.id for station in bundle.stations if station.kind == "rain"])

    with Mosquitto(autosave_s=3600) as broker:

        @contextmanager
        def ours() -> Iterator[Work]:
            name = f"ours-{next(_number)}"
            fill(broker, name, messages)
            with tempfile.TemporaryDirectory() as folder:
                clock = SetClock(BEGIN_US + READINGS // 100 * EVERY_S * SECOND)
                engine = EmbeddedEngine(bundle, Path(folder), clock)
                engine.start()
                done = threading.Event()
                left = count(READINGS - 1, -1)

                def submit(arrival: Arrival) -> None:
                    def settle(settled: Settled) -> None:
                        arrival.settle(settled)
                        if next(left) == 0:
                            done.set()

                    engine.intake.submit(replace(arrival, settle=settle))

                settings = MqttSettings(host=broker.host, port=broker.port, client_id=name, window=WINDOW)
                source = MqttSource(settings, submit)

                def work() -> None:
                    source.start()
                    assert done.wait(WAIT_S)

                yield work
                source.stop()
                engine.stop()

        @contextmanager
        def bare() -> Iterator[Work]:
            name = f"bare-{next(_number)}"
            fill(broker, name, messages)
            done = threading.Event()
            left = count(READINGS - 1, -1)
            client = session(name)

            def heard(*_: object) -> None:
                if next(left) == 0:
                    done.set()

            client.on_message = heard

            def work() -> None:
                connect(client, broker)
                assert done.wait(WAIT_S)

            yield work
            leave(client)

        yield compare("MQTT 5, QoS 1, into the log by bare paho", "readings", READINGS, ours, bare, rounds=3)
