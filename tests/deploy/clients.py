"""Who else is there in a secured deployment: stations, players, integrators, operators, and what they ask."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.deploy.secured import Secured

STATION, OTHER = "RG-020", "RG-021"
PLAYER = "example-511902100001"
VILLAGE = "511902100001"


class Device:
    """A client of the MQTT broker over an encrypted line."""

    def __init__(
        self, secured: Secured, user: str | None, password: str | None, authority: Path | None = None
    ):
        self.heard: list[tuple[str, bytes]] = []
        self.refused: str | None = None
        self._answered = threading.Event()
        self._told: dict[int, str] = {}
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.tls_set(ca_certs=str(authority or secured.out / "ca.pem"))
        if user is not None:
            self._client.username_pw_set(user, password)
        self._client.on_connect = self._on_connect
        self._client.on_publish = lambda _c, _d, mid, reason, _p: self._told.__setitem__(mid, str(reason))
        self._client.on_message = lambda _c, _d, m: self.heard.append((m.topic, bytes(m.payload)))
        self._client.connect("127.0.0.1", secured.mosquitto.port)
        self._client.loop_start()
        assert self._answered.wait(20)

    def _on_connect(self, client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self.refused = str(reason) if reason.is_failure else None
        if reason.is_failure:
            client.disconnect()
        self._answered.set()

    def publish(self, topic: str, content: Mapping[str, Any] | list[Any]) -> str:
        sent = self._client.publish(topic, json.dumps(content), qos=1)
        sent.wait_for_publish(20)
        return self._told[sent.mid]

    def subscribe(self, topic: str) -> None:
        self._client.subscribe(topic, qos=1)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def station_device(secured: Secured, station: str) -> Device:
    return Device(secured, station, secured.device_password("stations.csv", station))


def rain(
    station: str, now: datetime, sequence: int, minutes_ago: int = 0, rain_mm: float = 12.0
) -> dict[str, Any]:
    at = (now - timedelta(minutes=minutes_ago)).isoformat()
    reading = {"kind": "rain", "station": station, "interval_s": 300, "rain_mm": rain_mm}
    return reading | {"observed_at": at, "sequence": sequence}


def security_of(secured: Secured, user: str, password: str | None = None) -> dict[str, Any]:
    file = f"kafka-{user.removeprefix('fenghuo-')}"
    return {
        "bootstrap_servers": secured.kafka.bootstrap,
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": user,
        "sasl_plain_password": password or secured.password(file),
        "ssl_cafile": str(secured.out / "ca.pem"),
    }


def get(secured: Secured, path: str) -> Any:
    return httpx.get(secured.console + path, timeout=20).json()


def act(secured: Secured, **fields: Any) -> httpx.Response:
    now = datetime.now(UTC).isoformat()
    return httpx.post(
        f"{secured.console}/v1/acts",
        headers={"authorization": "Bearer token"},
        content=json.dumps({"by": "值班员", "at": now, **fields}),
        timeout=40,
    )


def dsn(secured: Secured, program: str, password: Callable[[str], str] | None = None) -> str:
    word = (password or secured.password)(f"postgres-{program}")
    authority = secured.out / "ca.pem"
    place = f"127.0.0.1:{secured.postgres.port}/fenghuo?sslmode=verify-full&sslrootcert={authority}"
    return f"postgresql://fenghuo_{program}:{word}@{place}"
