"""The shipped broker: started on its own files, it lets a station publish its own readings and nothing else."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.deploy.deployed import DeployedMosquitto, make_credentials
from tests.servers.base import ServerMissing, refuse_or_skip


class Client:
    """One user of the broker."""

    def __init__(self, port: int, user: str | None, password: str | None) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.refused: str | None = None
        self._answered = threading.Event()
        self._told: dict[int, str] = {}
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        if user is not None:
            self._client.username_pw_set(user, password)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._answered.set()
        self._client.on_publish = self._on_publish
        self._client.on_message = lambda _c, _d, m: self.heard.append((m.topic, bytes(m.payload)))
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._answered.wait(10)

    def _on_connect(self, _client, _data, _flags, reason, _properties) -> None:
        self.refused = str(reason) if reason.is_failure else None
        if reason.is_failure:
            self._client.disconnect()
        self._answered.set()

    def _on_publish(self, _client, _data, mid, reason, _properties) -> None:
        self._told[mid] = str(reason)

    def publish(self, topic: str, content: Mapping[str, Any] = {}) -> str:
        """What the broker says of a message; a forbidden one is `Not authorized`."""
        sent = self._client.publish(topic, json.dumps(content), qos=1)
        sent.wait_for_publish(10)
        return self._told[sent.mid]

    def subscribe(self, topic: str) -> None:
        """The broker grants what it then does not deliver: only what is heard tells."""
        self._answered.clear()
        self._client.subscribe(topic, qos=1)
        assert self._answered.wait(10)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("secrets")
    return folder, make_credentials(folder, "RG-001", "RG-002")


@pytest.fixture(scope="module")
def broker(secrets: tuple[Path, dict[str, str]]) -> Iterator[DeployedMosquitto]:
    try:
        with DeployedMosquitto(secrets[0]) as server:
            yield server
    except ServerMissing as error:
        refuse_or_skip(error)


def test_credentials_are_kept_and_added_to(secrets, tmp_path) -> None:
    folder, passwords = tmp_path / "secrets", make_credentials(tmp_path / "secrets", "RG-001")
    before = {path.name: path.read_text() for path in folder.iterdir()}
    files = {path.name: path.stat().st_ino for path in folder.iterdir()}
    more = make_credentials(folder, "RG-002")
    after = {path.name: path.read_text() for path in folder.iterdir()}
    assert set(passwords) == {"RG-001"}
    assert set(more) == {"RG-002"}
    hashes = (before.pop("mosquitto_passwords"), after.pop("mosquitto_passwords"))
    assert before == after
    users = [[line.partition(":")[0] for line in one.splitlines()] for one in hashes]
    assert users == [["fenghuo", "RG-001"], ["fenghuo", "RG-001", "RG-002"]]
    assert hashes[0].splitlines()[1] == hashes[1].splitlines()[1]
    assert {path.name: path.stat().st_ino for path in folder.iterdir()} == files, (
        "mounts would show the old ones"
    )
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o444}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert not [word for word in passwords.values() if word in "".join(after.values()) + hashes[1]]


@pytest.mark.parametrize(("user", "password"), [(None, None), ("RG-001", "guessed"), ("RG-009", "guessed")])
def test_nobody_comes_in_without_a_password(broker, user, password) -> None:
    client = Client(broker.port, user, password)
    assert client.refused == "Not authorized"
    client.close()


def test_a_station_publishes_its_own_topics_only(broker, secrets) -> None:
    folder, passwords = secrets
    engine = Client(broker.port, "fenghuo", (folder / "mqtt_password").read_text().strip())
    station = Client(broker.port, "RG-001", passwords["RG-001"])
    other = Client(broker.port, "RG-002", passwords["RG-002"])
    assert engine.refused is station.refused is other.refused is None
    engine.subscribe("readings/#")
    engine.subscribe("receipts/+")
    for topic in ("#", "readings/#", "acks/#"):
        other.subscribe(topic)
    station.subscribe("acks/RG-001")

    forbidden = (
        "readings/rain/RG-002",
        "readings/rain/RG-001/more",
        "acks/RG-001",
        "alerts/county/511902/a-1",
        "exercise/alerts/county/511902/a-1",
        "loudspeakers/horn-1/a-1",
        "receipts/n-1",
    )
    for topic in forbidden:
        # This broker hangs up behind a refusal, so each is asked on a line of its own.
        line = Client(broker.port, "RG-001", passwords["RG-001"])
        assert line.publish(topic) == "Not authorized", topic
        line.close()
    assert station.publish("readings/rain/RG-001") in ("Success", "No matching subscribers")
    for topic in ("acks/RG-001", "alerts/county/511902/a-1", "exercise/loudspeakers/horn-1/a-1"):
        assert engine.publish(topic) in ("Success", "No matching subscribers"), topic
    # What the broker has delivered before this last message was delivered before it.
    assert other.publish("readings/rain/RG-002") == "Success"
    broker.wait_until(lambda: len(engine.heard) == 2 and len(station.heard) == 1, 10)
    assert [topic for topic, _ in engine.heard] == ["readings/rain/RG-001", "readings/rain/RG-002"]
    assert [topic for topic, _ in station.heard] == ["acks/RG-001"]
    assert other.heard == []
    for client in (engine, station, other):
        client.close()


def test_a_new_station_is_let_in_without_a_restart(broker, secrets) -> None:
    password = make_credentials(secrets[0], "RG-003")["RG-003"]
    os.kill(broker.pid, signal.SIGHUP)
    broker.wait_until(lambda: "Reloading config" in broker.log(), 10)
    client = Client(broker.port, "RG-003", password)
    assert client.refused is None
    client.close()
