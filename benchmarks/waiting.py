"""Readings that wait in a real Mosquitto for a durable session, so that no publisher's speed is measured."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, Literal

import msgspec
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from benchmarks.ratio import Work
from schemas.log import Record
from schemas.packet import Packet
from schemas.times import SECOND, Micros, rfc3339
from tests.servers.mosquitto import Mosquitto

Version = Literal["5", "3.1.1"]
Records = Sequence[tuple[str, Micros, Record]]
READINGS = 20_000
BEGIN_US: Micros = 1_784_300_000 * SECOND
EVERY_S = 300
END_US: Micros = BEGIN_US + READINGS // 100 * EVERY_S * SECOND
"""Behind the last reading, if there are a hundred stations or more."""
WAIT_S = 120
WINDOW = 4000

_number = count(1)


def clocks(name: str) -> dict[str, Callable[[], float]]:
    """Return a comparison's two clocks: the wall's, and this process's processor time, all threads together."""
    return {f"{name} by bare paho": time.perf_counter, f"{name} by bare paho, processor": time.process_time}


def fresh(name: str) -> str:
    """Return the name of a session that nobody has had."""
    return f"{name}-{next(_number)}"


def rows(records: Records) -> int:
    """Return how many readings records hold."""
    return sum(len(record) for _, _, record in records if isinstance(record, Packet))


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


def broker() -> Mosquitto:
    """Return a Mosquitto that lets a whole window fly, and does not stop to save."""
    return Mosquitto(autosave_s=3600, inflight=WINDOW)


def session(name: str, version: Version) -> mqtt.Client:
    """Return a client with a durable session."""
    if version == "5":
        return mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=MQTTProtocolVersion.MQTTv5)
    return mqtt.Client(
        CallbackAPIVersion.VERSION2,
        client_id=name,
        protocol=MQTTProtocolVersion.MQTTv311,
        clean_session=False,
    )


def connect(client: mqtt.Client, server: Mosquitto, version: Version) -> None:
    """Connect with the window that ours uses."""
    options: dict[str, Any] = {}
    if version == "5":
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 3600
        properties.ReceiveMaximum = WINDOW
        options = {"clean_start": False, "properties": properties}
    client.connect(server.host, server.port, **options)
    client.loop_start()


def leave(client: mqtt.Client) -> None:
    """End the connection and its thread."""
    client.disconnect()
    client.loop_stop()


def fill(server: Mosquitto, name: str, version: Version, messages: list[tuple[str, bytes]]) -> None:
    """Leave messages waiting in the broker for the durable session `name`."""
    subscribed = threading.Event()
    reader = session(name, version)
    reader.on_connect = lambda client, *_: client.subscribe("readings/#", qos=1)
    reader.on_subscribe = lambda *_: subscribed.set()
    connect(reader, server, version)
    assert subscribed.wait(WAIT_S)
    leave(reader)
    writer = session(f"{name}-writer", version)
    writer.max_inflight_messages_set(100)
    connect(writer, server, version)
    sent = [writer.publish(topic, payload, qos=1) for topic, payload in messages]
    for info in sent:
        info.wait_for_publish(WAIT_S)
    leave(writer)


@contextmanager
def bare(server: Mosquitto, version: Version, messages: list[tuple[str, bytes]]) -> Iterator[Work]:
    """Make ready a paho subscriber that counts what it gets and lets paho acknowledge."""
    name = fresh("bare")
    fill(server, name, version, messages)
    done = threading.Event()
    left = count(len(messages) - 1, -1)
    client = session(name, version)

    def heard(*_: object) -> None:
        if next(left) == 0:
            done.set()

    client.on_message = heard

    def work() -> None:
        connect(client, server, version)
        assert done.wait(WAIT_S)

    yield work
    leave(client)
