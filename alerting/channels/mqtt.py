"""One connection to the broker for what goes out: paho's thread inside, futures outside.

A message is published only while the connection stands, so that an outcome belongs to a try and nothing leaves
later, behind the back of whoever has given it up.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
from collections.abc import Callable
from typing import Any, Literal

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from alerting.channels.base import Outcome, Reason, Refused, Retry, Sent, Unknown

log = logging.getLogger("fenghuo")

OnMessage = Callable[[str, bytes], None]

_REFUSED = {0x87: Reason.LOGIN, 0x90: Reason.ADDRESS, 0x95: Reason.CONTENT, 0x99: Reason.CONTENT}
_QUOTA = 0x97


class MqttConnection:
    """Publishes with QoS 1 and tells what became of it.

    Parameters
    ----------
    client_id
        Of its own: a broker drops the older of two connections with one id.
    version
        5, or 3.1.1, which cannot tell that the broker forbade a message.
    tls
        Encrypts the line; None for an open one.
    explain
        Why the broker cannot be reached just now, in one line.
    answer_s
        How long to wait for the broker's acknowledgement.
    """

    def __init__(
        self,
        host: str,
        port: int,
        client_id: str,
        *,
        version: Literal["5", "3.1.1"] = "5",
        username: str | None = None,
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
        explain: Callable[[], str] = lambda: "no connection",
        answer_s: float = 10.0,
    ) -> None:
        self._host, self._port, self._answer_s = host, port, answer_s
        self.version = version
        protocol = MQTTProtocolVersion.MQTTv5 if version == "5" else MQTTProtocolVersion.MQTTv311
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=protocol)
        if username is not None:
            self._client.username_pw_set(username, password)
        if tls is not None:
            self._client.tls_set_context(tls)
        self._client.reconnect_delay_set(min_delay=1, max_delay=30)
        self._client.max_inflight_messages_set(200)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._client.on_message = self._on_message
        self._lock = threading.Lock()
        self._waiting: dict[int, tuple[asyncio.AbstractEventLoop, asyncio.Future[int]]] = {}
        self._early: dict[int, int] = {}
        self._listeners: dict[str, OnMessage] = {}
        self._username = username
        self._explain = explain
        self._refusal: str | None = None
        self._unreachable: str | None = None
        self.connected = threading.Event()
        self.reconnects = 0
        """How often the connection was made; what is retained may be gone from a broker that was restarted."""

    def start(self) -> None:
        """Connect, and keep connecting, in a thread of paho's."""
        self._client.connect_async(self._host, self._port, keepalive=30)
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnect in order."""
        self._client.disconnect()
        self._client.loop_stop()

    def listen(self, topic: str, on_message: OnMessage) -> None:
        """Subscribe with QoS 1, now and after each reconnect; `on_message` is called in paho's thread."""
        self._listeners[topic] = on_message
        if self.connected.is_set():
            self._client.subscribe(topic, qos=1)

    def link(self) -> Outcome:
        """Whether the connection stands."""
        if self.connected.is_set():
            return Sent()
        if self._refusal is not None:
            return Retry(Reason.LOGIN, self._refusal)
        return Retry(Reason.UNREACHABLE, self._unreachable or "no connection")

    async def publish(
        self, topic: str, payload: bytes, *, retain: bool, expires_in_s: float | None = None
    ) -> Outcome:
        """Publish with QoS 1 and wait for the acknowledgement."""
        if not self.connected.is_set():
            return self.link()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[int] = loop.create_future()
        info = self._client.publish(
            topic, payload, qos=1, retain=retain, properties=self._expiry(expires_in_s)
        )
        with self._lock:
            if info.mid in self._early:
                done.set_result(self._early.pop(info.mid))
            else:
                self._waiting[info.mid] = (loop, done)
        if info.rc is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            # paho keeps it and sends it when it is back: that it goes twice then is harmless with QoS 1 receivers.
            self._forget(info.mid)
            return Unknown(Reason.NO_ANSWER, "the connection was lost")
        try:
            code = await asyncio.wait_for(done, self._answer_s)
        except TimeoutError:
            return Unknown(Reason.NO_ANSWER, f"no acknowledgement within {self._answer_s:g} s")
        finally:
            self._forget(info.mid)
        return outcome_of(code)

    def _expiry(self, expires_in_s: float | None) -> Properties | None:
        if self.version != "5" or expires_in_s is None:
            return None
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.MessageExpiryInterval = max(1, min(int(expires_in_s), 0xFFFFFFFF))
        return properties

    def _forget(self, mid: int) -> None:
        with self._lock:
            self._waiting.pop(mid, None)

    # --- paho's thread ----------------------------------------------------------------------------------------------

    def _on_connect(
        self, client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        if reason.is_failure:
            refusal = f"{reason}: user {self._username or '(none)'}, wrong name or password?"
            if refusal != self._refusal:
                log.error(
                    "mqtt.refused host=%s port=%d reason=%s; trying again", self._host, self._port, refusal
                )
            self._refusal = refusal
            return
        self._refusal = self._unreachable = None
        for topic in self._listeners:
            client.subscribe(topic, qos=1)
        self.reconnects += 1
        self.connected.set()

    def _on_connect_fail(self, _client: mqtt.Client, _data: Any) -> None:
        reason = self._explain()
        if reason != self._unreachable:
            log.error(
                "mqtt.unreachable host=%s port=%d reason=%s; trying again", self._host, self._port, reason
            )
        self._refusal, self._unreachable = None, reason

    def _on_disconnect(
        self, _client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        if self.connected.is_set() and reason.is_failure:
            log.warning("mqtt.lost host=%s reason=%s", self._host, reason)
        self.connected.clear()

    def _on_publish(self, _client: mqtt.Client, _data: Any, mid: int, reason: Any, _properties: Any) -> None:
        with self._lock:
            waiting = self._waiting.pop(mid, None)
            if waiting is None:
                # The acknowledgement can overtake `publish`, which has not yet said who waits.
                self._early[mid] = reason.value
                while len(self._early) > 1000:
                    self._early.pop(next(iter(self._early)))
                return
        loop, done = waiting
        loop.call_soon_threadsafe(_settle, done, reason.value)

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        for topic, listener in self._listeners.items():
            if mqtt.topic_matches_sub(topic, message.topic):
                listener(message.topic, bytes(message.payload))


def outcome_of(code: int) -> Outcome:
    """The outcome that a PUBACK's reason code means (MQTT 5.0, 3.4.2.1)."""
    if code < 0x80:
        return Sent()
    detail = f"reason code 0x{code:02x}"
    if code == _QUOTA:
        return Retry(Reason.THROTTLED, detail)
    if code in _REFUSED:
        return Refused(_REFUSED[code], detail)
    return Retry(Reason.BUSY, detail)


def _settle(done: asyncio.Future[int], code: int) -> None:
    if not done.done():
        done.set_result(code)
