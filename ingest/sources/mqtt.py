"""MQTT: readings from a broker, acknowledged only after they are in the log.

In      QoS 1 messages on `readings/<kind>/<station>`
Out     arrivals; a PUBACK for each when it is settled, in the order of arrival

MQTT 5 with a persistent session, so that the broker keeps what comes while we are away; 3.1.1 by a setting.
Receive Maximum bounds what the broker sends ahead of our acknowledgements: that is the back-pressure.

Source  MQTT 5.0 (OASIS 2019), 3.1.2.11 session expiry and receive maximum, 4.6 order of acknowledgements
"""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MessageType, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ingest.arrival import Arrival, Settled, Submit

log = logging.getLogger("fenghuo")

TOPIC_ROOT = "readings"
SESSION_EXPIRY_S = 14 * 24 * 3600
_LOGIN = {0x86, 0x87}
_PUBACK = b"\x40\x02"
"""PUBACK with two bytes behind it, the message's id: success, in MQTT 3.1.1 and 5."""


class MqttSettings(BaseModel):
    """The MQTT broker. A password stands in a file or in the environment, never here."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    host: str = "127.0.0.1"
    """Its name or address."""
    port: int = Field(default=1883, ge=1, le=65535)
    """Its port; 8883 is usual where the line is encrypted."""
    version: Literal["5", "3.1.1"] = "5"
    """Of MQTT. 3.1.1 cannot tell that the broker forbids a message."""
    client_id: str = Field(default="fenghuo", min_length=1, max_length=64)
    """One for each process: a broker drops the older of two connections with one id, and keeps a session by it."""
    username: str | None = None
    """Left out where the broker lets everybody in; `{program}` in it stands for the command that runs, such as gateway."""
    password_file: Path | None = None
    """A file that holds the password, may name `{program}`; left out, FENGHUO_MQTT_PASSWORD does."""
    tls: bool = False
    """Encrypt the line; a broker whose certificate does not hold is not talked to. A `ca_file` asks for it too."""
    ca_file: Path | None = None
    """The authority that signed the broker's certificate, PEM; left out, those that the machine trusts."""
    cert_file: Path | None = None
    """A certificate of our own, PEM, where the broker asks for one; may name `{program}`."""
    key_file: Path | None = None
    """The key of `cert_file`, PEM; left out, it stands in the same file."""
    topic: str = f"{TOPIC_ROOT}/#"
    """What is subscribed to."""
    share: str | None = Field(default=None, pattern=r"^[^/+#$\x00-\x1f]+$", max_length=64)
    """The group of a shared subscription: each message goes to one of the gateways that name it (MQTT 5). Left out, each
    gateway gets all, and what comes over two counts once."""
    window: int = Field(default=4000, ge=1, le=65535)
    """Messages that the broker may send ahead of our acknowledgements, if its own limit is no lower (Mosquitto:
    max_inflight_messages): eight batches on their way into the log."""

    @model_validator(mode="after")
    def _only_mqtt_5_shares(self) -> Self:
        if self.share is not None and self.version != "5":
            raise ValueError("share is for MQTT 5; take it out, or set version: '5'")
        return self

    @property
    def subscription(self) -> str:
        """The topic filter that is subscribed to."""
        return self.topic if self.share is None else f"$share/{self.share}/{self.topic}"

    @model_validator(mode="after")
    def _certificates_go_with_encryption(self) -> Self:
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("key_file is the key of a cert_file; name that too")
        if self.cert_file is not None and not (self.tls or self.ca_file):
            raise ValueError("cert_file is for an encrypted line; set tls: true, or name a ca_file")
        return self


class MqttSource:
    """Subscribes with a persistent session and hands on what comes.

    Parameters
    ----------
    submit
        Takes arrivals; must not drop any.
    password
        None where the broker asks for none.
    tls
        Encrypts the line; None for an open one.
    explain
        Why the broker cannot be reached just now, in one line.
    """

    def __init__(
        self,
        settings: MqttSettings,
        submit: Submit,
        password: str | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        explain: Callable[[], str] = lambda: "no connection",
    ) -> None:
        self._settings = settings
        self._submit = submit
        self._explain = explain
        self._said: str | None = None
        """The last reason told for its absence, so that each is told once."""
        self._beside: str | None = None
        self._connection = 0
        self._to_acknowledge: list[tuple[int, int]] = []
        self._acknowledging = threading.Lock()
        self._acknowledge_settled = self._acknowledge
        """One object for all arrivals, by which the intake knows that they are acknowledged together."""
        self.connected = threading.Event()
        """Set while the broker has granted the subscription."""
        version = MQTTProtocolVersion.MQTTv5 if settings.version == "5" else MQTTProtocolVersion.MQTTv311
        options: dict[str, Any] = {} if settings.version == "5" else {"clean_session": False}
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.client_id,
            protocol=version,
            manual_ack=True,
            **options,
        )
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.reconnect_delay_set(min_delay=1, max_delay=30)
        if settings.username is not None:
            self._client.username_pw_set(settings.username, password)
        if tls is not None:
            self._client.tls_set_context(tls)

    def start(self) -> None:
        """Connect, and go on trying with growing pauses until it succeeds and whenever it is lost."""
        options: dict[str, Any] = {}
        if self._settings.version == "5":
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = SESSION_EXPIRY_S
            properties.ReceiveMaximum = self._settings.window
            options = {"clean_start": False, "properties": properties}
        self._client.connect_async(self._settings.host, self._settings.port, keepalive=30, **options)
        self._client.loop_start()

    def stop(self) -> None:
        """Leave the broker; it keeps the session, and with it whatever was not acknowledged."""
        self.connected.clear()  # what follows is no loss
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def is_shared(self) -> bool:
        """Whether other clients take some of the messages."""
        return self._settings.share is not None

    def listen(self, topic: str, hear: Callable[[str, bytes], None]) -> None:
        """Hear also what other clients say on a topic, at most once (MQTT 5); call it before the start."""
        self._beside = topic
        self._client.message_callback_add(
            topic, lambda _client, _data, message: hear(message.topic, bytes(message.payload))
        )

    def publish_retained(self, topic: str, body: bytes) -> bool:
        """Send a message at most once, retained; False where it cannot go just now."""
        if not self.connected.is_set():
            return False
        sent = self._client.publish(topic, body, qos=0, retain=True)
        return sent.rc is MQTTErrorCode.MQTT_ERR_SUCCESS

    def _on_connect(self, client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._tell_away("mqtt.refused", _refusal(reason, self._settings.username))
            return
        self._said = None
        client.subscribe(self._settings.subscription, qos=1)
        if self._beside is not None:
            client.subscribe(self._beside, options=SubscribeOptions(qos=0, noLocal=True))

    def _on_connect_fail(self, _client: Any, _data: Any) -> None:
        self._tell_away("mqtt.unreachable", self._explain())

    def _tell_away(self, event: str, reason: str) -> None:
        if reason != self._said:
            log.error(
                "%s host=%s port=%d reason=%s; trying again, nothing is lost",
                event,
                self._settings.host,
                self._settings.port,
                reason,
            )
        self._said = reason

    def _on_subscribe(self, _client: Any, _data: Any, _mid: int, reasons: Any, _properties: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            log.error("mqtt.subscription_refused topic=%s reason=%s", self._settings.subscription, reasons[0])
            return
        log.info(
            "mqtt.connected host=%s port=%d topic=%s",
            self._settings.host,
            self._settings.port,
            self._settings.topic,
        )
        self.connected.set()

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if self.connected.is_set():
            log.warning(
                "mqtt.lost host=%s port=%d reason=%s", self._settings.host, self._settings.port, reason
            )
        self.connected.clear()
        # Message ids belong to a connection: what it delivered unacknowledged comes again, maybe under other ids.
        with self._acknowledging:
            self._connection += 1

    def _on_message(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:  # it would end the client's thread: let the payload be judged by itself
            topic = "?"
        settle = partial(self._settle, message.mid, message.qos, self._connection)
        self._submit(
            Arrival(
                bytes(message.payload), f"mqtt:{topic}", settle, named_by(topic), self._acknowledge_settled
            )
        )

    def _settle(self, mid: int, qos: int, connection: int, _settled: Settled) -> None:
        if qos == 1:
            self._to_acknowledge.append((connection, mid))
        elif connection == self._connection:
            self._client.ack(mid, qos)

    def _acknowledge(self) -> None:
        """Acknowledge what was settled, in its order.

        paho takes one acknowledgement at a time and wakes its thread for each, which costs as much as receiving the
        message does; in one piece they cost nothing.
        """
        with self._acknowledging:
            settled, self._to_acknowledge = self._to_acknowledge, []
            packets = [
                _PUBACK + mid.to_bytes(2) for connection, mid in settled if connection == self._connection
            ]
            if packets:
                self._client._packet_queue(MessageType.PUBACK, b"".join(packets), 0, 1)


def named_by(topic: str) -> tuple[str, str] | None:
    """The (kind, station) that a topic names; None where it is not `readings/<kind>/<station>`."""
    parts = topic.split("/")
    return (parts[1], parts[2]) if len(parts) == 3 and parts[0] == TOPIC_ROOT else None


def _refusal(reason: Any, username: str | None) -> str:
    """What the broker's refusal of a connection means for whoever mends it (MQTT 5.0, 3.2.2.2; 3.1.1, 3.2.2.3)."""
    if reason.value not in _LOGIN:
        return str(reason)
    return f"{reason}: wrong name or password of user {username or '(none)'}"
