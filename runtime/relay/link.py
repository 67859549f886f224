"""The link to the engine's broker: messages out with QoS 1, acknowledgements in on `acks/+`.

paho's thread only fills a queue, so that all that is decided is decided in the relay's one forwarding thread.
"""

from __future__ import annotations

import queue
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from pydantic import ValidationError

from runtime import metrics
from runtime.intake.acknowledging import TOPIC
from runtime.relay.settings import EngineBroker
from schemas.acknowledgement import Acknowledgement

_NOBODY_LISTENS = 0x10


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The engine's word on one station."""

    station: str
    acknowledgement: Acknowledgement


@dataclass(frozen=True, slots=True)
class Published:
    """The broker's word on one publication; `good` where it took it for somebody, `refused` where it forbids it."""

    mid: int
    good: bool
    refused: bool


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker is there, for the first time or again."""


Heard = Acknowledged | Published | Connected


class EngineLink:
    """One connection, made again whenever it is lost; what the broker has not taken by then goes again.

    Parameters
    ----------
    password
        None where the broker asks for none.
    tls
        Encrypts the line; None for an open one.
    explain
        Why the broker cannot be reached just now, in one line.
    """

    def __init__(
        self,
        settings: EngineBroker,
        password: str | None,
        tls: ssl.SSLContext | None = None,
        explain: Callable[[], str] = lambda: "no connection",
    ) -> None:
        self._settings = settings
        self._explain = explain
        self._said: str | None = None
        self.heard: queue.SimpleQueue[Heard] = queue.SimpleQueue()
        """What came, in order."""
        self.connected = threading.Event()
        """Set while acknowledgements are subscribed to."""
        version = MQTTProtocolVersion.MQTTv5 if settings.version == "5" else MQTTProtocolVersion.MQTTv311
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=settings.client_id, protocol=version
        )
        self._client.max_inflight_messages_set(100)
        self._client.reconnect_delay_set(min_delay=1, max_delay=30)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish
        if settings.username is not None:
            self._client.username_pw_set(settings.username, password)
        if tls is not None:
            self._client.tls_set_context(tls)

    def start(self) -> None:
        """Connect, and go on trying."""
        self._client.connect_async(self._settings.host, self._settings.port, keepalive=30)
        self._client.loop_start()

    def stop(self) -> None:
        """Leave the broker."""
        self.connected.clear()
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, body: bytes) -> int:
        """Send with QoS 1; a `Published` of the number returned comes when the broker has taken it."""
        return int(self._client.publish(topic, body, qos=1).mid)

    # --- paho's thread ----------------------------------------------------------------------------------------------

    def _on_connect(self, client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            user = self._settings.username or "(none)"
            self._tell_away("relay.refused", f"{reason}: user {user}, wrong name or password?")
            return
        self._said = None
        client.subscribe(f"{TOPIC}/+", qos=1)

    def _on_connect_fail(self, _client: Any, _data: Any) -> None:
        self._tell_away("relay.unreachable", self._explain())

    def _tell_away(self, event: str, reason: str) -> None:
        if reason != self._said:
            metrics.log.error(
                "%s host=%s port=%d reason=%s; readings are held",
                event,
                self._settings.host,
                self._settings.port,
                reason,
            )
        self._said = reason

    def _on_subscribe(self, _client: Any, _data: Any, _mid: int, reasons: Any, _properties: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            metrics.log.error("relay.subscription_refused topic=%s/+ reason=%s", TOPIC, reasons[0])
            return
        metrics.log.info("relay.connected host=%s port=%d", self._settings.host, self._settings.port)
        self.connected.set()
        self.heard.put(Connected())

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if self.connected.is_set():
            metrics.log.warning(
                "relay.lost host=%s port=%d reason=%s; readings are held",
                self._settings.host,
                self._settings.port,
                reason,
            )
        self.connected.clear()

    def _on_publish(self, _client: Any, _data: Any, mid: int, reason: Any, _properties: Any) -> None:
        good = not reason.is_failure and reason.value != _NOBODY_LISTENS
        if reason.is_failure:
            metrics.log.error("relay.forbidden reason=%s; readings are held", reason)
        self.heard.put(Published(mid, good, bool(reason.is_failure)))

    def _on_message(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        station = message.topic.removeprefix(f"{TOPIC}/")
        try:
            acknowledgement = Acknowledgement.model_validate_json(message.payload)
        except ValidationError as error:
            metrics.log.warning("relay.unreadable topic=%s error=%.200s", message.topic, error)
            return
        self.heard.put(Acknowledged(station, acknowledgement))
