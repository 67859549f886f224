"""A loudspeaker's player: speaks each notice once, never an older version after a newer, and says that it did.

This is the behaviour that the broadcast channel asks of a real player, in 100 lines.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from schemas.times import Micros, rfc3339, to_micros

log = logging.getLogger("fenghuo")


class _Named(msgspec.Struct):
    id: str
    version: int


class Speech(msgspec.Struct):
    """What `alerting/channels/broadcast.py` publishes."""

    notice: str
    alerts: list[_Named]
    level: int
    cancel: bool
    speech: str
    repeat: int
    expires_at: datetime
    receipts: str


@dataclass(frozen=True)
class Played:
    """One notice that a loudspeaker has spoken."""

    address: str
    notice: str
    text: str
    repeat: int


class Loudspeakers:
    """Players of all addresses below one prefix, on one connection.

    Parameters
    ----------
    now_us
        The clock by which notices expire and receipts are dated.
    prefix
        ``exercise/`` in exercises, else empty.
    address
        One loudspeaker's; ``+`` plays for all.
    version
        Version of MQTT; the broker inside the process speaks 3.1.1 only.
    """

    def __init__(
        self,
        host: str,
        port: int,
        now_us: Callable[[], Micros],
        *,
        prefix: str = "exercise/",
        address: str = "+",
        device: str = "loudspeaker",
        version: Literal["5", "3.1.1"] = "3.1.1",
        username: str | None = None,
        password: str | None = None,
        on_played: Callable[[Played], None] = lambda _: None,
    ) -> None:
        self.played: list[Played] = []
        self.repeats = 0
        """How often a notice came that was played already."""
        self._now_us = now_us
        self._device = device
        self._on_played = on_played
        self._topic = f"{prefix}loudspeakers/{address}/+"
        self._notices: set[tuple[str, str]] = set()
        self._versions: dict[tuple[str, str], int] = {}
        self._host, self._port = host, port
        protocol = MQTTProtocolVersion.MQTTv5 if version == "5" else MQTTProtocolVersion.MQTTv311
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=device, protocol=protocol)
        if username is not None:
            self._client.username_pw_set(username, password)
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message

    def start(self) -> None:
        """Connect and listen, in a thread of paho's."""
        self._client.connect(self._host, self._port, keepalive=30)
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(
        self, client: mqtt.Client, _data: Any, _flags: Any, _reason: Any, _properties: Any
    ) -> None:
        client.subscribe(self._topic, qos=1)

    def _on_message(self, client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        if not message.payload:
            return
        try:
            speech = msgspec.json.decode(message.payload, type=Speech)
        except msgspec.MsgspecError as error:
            log.warning("loudspeaker.unreadable topic=%s error=%s", message.topic, error)
            return
        address = message.topic.split("/")[-2]
        now_us = self._now_us()
        if (address, speech.notice) in self._notices:
            self.repeats += 1
            return
        if to_micros(speech.expires_at) <= now_us:
            return
        self._notices.add((address, speech.notice))
        known = [self._versions.get((address, named.id), 0) for named in speech.alerts]
        if all(named.version <= version for named, version in zip(speech.alerts, known, strict=True)):
            return
        for named, version in zip(speech.alerts, known, strict=True):
            self._versions[(address, named.id)] = max(version, named.version)
        played = Played(address, speech.notice, speech.speech, speech.repeat)
        self.played.append(played)
        self._on_played(played)
        receipt = {"state": "played", "at": rfc3339(now_us), "device": f"{self._device}/{address}"}
        client.publish(speech.receipts, json.dumps(receipt), qos=1)
