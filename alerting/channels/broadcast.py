"""Broadcast: speech for village loudspeakers, by MQTT.

Channel   `broadcast`
Topics    `loudspeakers/<address>/<chain>`, QoS 1, retained, so that a player that was off speaks when it is back;
          below `exercise/` unless the notice is actual
Repeat    safe: a player ignores a notice that it has played, so `Unknown` simply goes again
Receipts  the player's, on `receipts/<notice id>`: {`state`: `played` or `failed`, `at`, `device`}
"""

from __future__ import annotations

import json
import logging

import msgspec

from alerting.channels.base import ChannelReceipt, Message, Outcome, Reason, Receive, Refused, Sent
from alerting.channels.mqtt import MqttConnection
from schemas.alert import Status
from schemas.notice import Receipt
from schemas.times import to_micros

log = logging.getLogger("fenghuo")

RECEIPTS = "receipts"
_TOPIC_CHARACTERS = frozenset("/+#\0")


class BroadcastChannel:
    """Publishes what loudspeakers are to say, and takes the players' receipts.

    Parameters
    ----------
    connection
        Started and stopped by whoever made it.
    """

    name = "broadcast"
    repeatable = True

    def __init__(self, connection: MqttConnection, receive: Receive) -> None:
        self._connection = connection
        self._receive = receive
        connection.listen(f"{RECEIPTS}/+", self._on_receipt)

    async def send(self, message: Message) -> Outcome:
        """Publish the notice once for each of its chains, so that a newer version replaces the older."""
        if not message.address or _TOPIC_CHARACTERS & set(message.address):
            return Refused(Reason.ADDRESS, "a loudspeaker's address is one level of a topic")
        body = body_of(message)
        for topic in topics_of(message):
            outcome = await self._connection.publish(
                topic, body, retain=True, expires_in_s=message.expires_in_s
            )
            if not isinstance(outcome, Sent):
                return outcome
        return Sent()

    async def probe(self) -> Outcome:
        """Whether the broker is there."""
        return self._connection.link()

    async def close(self) -> None:
        """Nothing of its own to close: the connection is its maker's."""

    def _on_receipt(self, topic: str, payload: bytes) -> None:
        notice = topic.removeprefix(f"{RECEIPTS}/")
        try:
            fields = msgspec.json.decode(payload, type=dict[str, object])
            receipt = Receipt.model_validate({**fields, "notice": notice})
        except (msgspec.MsgspecError, ValueError) as error:
            log.warning("receipt.unreadable channel=broadcast notice=%.60s error=%.200s", notice, error)
            return
        self._receive(
            ChannelReceipt(
                self.name,
                receipt.state,
                notice=notice,
                at_us=to_micros(receipt.at),
                device=receipt.device,
                detail=receipt.detail,
            )
        )


def topics_of(message: Message) -> list[str]:
    """Where a notice is published: one topic for each chain, sorted."""
    prefix = "" if message.notice.status is Status.ACTUAL else "exercise/"
    chains = sorted({alert.id for alert in message.notice.alerts})
    return [f"{prefix}loudspeakers/{message.address}/{chain}" for chain in chains]


def body_of(message: Message) -> bytes:
    """The JSON that a player gets."""
    notice = message.notice
    fields = {
        "notice": notice.id,
        "alerts": [{"id": alert.id, "version": alert.version} for alert in notice.alerts],
        "status": notice.status.value,
        "hazard": notice.hazard.value,
        "level": notice.level,
        "cancel": notice.cancel,
        "speech": message.text,
        "repeat": notice.repeat,
        "expires_at": notice.expires_at.isoformat(),
        "receipts": f"{RECEIPTS}/{notice.id}",
    }
    return json.dumps(fields, ensure_ascii=False, sort_keys=True).encode()
