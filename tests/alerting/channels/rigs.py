"""A rig is a channel with a real receiver behind it that can be told to misbehave. A new channel joins by a line in RIGS."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from alerting.channels.base import Channel, ChannelReceipt, Message
from alerting.channels.broadcast import BroadcastChannel
from alerting.channels.mqtt import MqttConnection
from alerting.channels.smpp import SmppSettings, SmsChannel
from alerting.channels.webhook import WebhookChannel, WebhookSettings
from runtime.receivers.loudspeaker import Loudspeakers
from runtime.receivers.message_centre import MessageCentre
from runtime.receivers.webhook import WebhookReceiver
from tests.alerting.ledger.making import NOW, a_notice
from tests.servers.base import spare_port
from tests.servers.fixtures import running
from tests.servers.mosquitto import Mosquitto

SECRET = "tiger-and-lantern"
ANSWER_S = 0.6


def a_message(
    *chains: tuple[str, int], address: str = "example-1", resend: bool = False, **more: Any
) -> Message:
    text = more.pop("text", "南江县发布山洪灾害橙色预警，请立即转移。")
    notice = a_notice(*chains, text=text, **more)
    return Message(notice, address, text, resend, sent_us=NOW, expires_in_s=3600)


@dataclass
class Rig:
    """`address` reaches the receiver; `arrived` are the texts that people saw or heard, in order."""

    channel: Channel
    address: str
    arrived: Callable[[], list[str]]
    receipts: list[ChannelReceipt]
    busy: Callable[[], None] | None
    refuse: Callable[[], str]
    silent: Callable[[], None]
    heal: Callable[[], None] = lambda: None
    secrets: list[str] = field(default_factory=lambda: [SECRET])

    async def until(self, what: Callable[[], bool]) -> None:
        for _ in range(300):
            if what():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("what should have happened did not, within 3 s")


@asynccontextmanager
async def sms() -> AsyncIterator[Rig]:
    centre = MessageCentre(spare_port())
    await centre.start()
    receipts: list[ChannelReceipt] = []
    settings = SmppSettings(host="127.0.0.1", port=centre.port, system_id="fenghuo", answer_s=ANSWER_S)
    channel = SmsChannel(settings, SECRET[:8], receipts.append)

    def refuse() -> str:
        centre.faults.reject_address = 1
        return "example-1"

    yield Rig(
        channel,
        "example-1",
        lambda: [sms.text for sms in centre.inbox],
        receipts,
        busy=lambda: setattr(centre.faults, "throttle", 1),
        refuse=refuse,
        silent=lambda: setattr(centre.faults, "swallow", 1),
        secrets=[SECRET[:8]],
    )
    await channel.close()
    await centre.stop()


@asynccontextmanager
async def webhook() -> AsyncIterator[Rig]:
    receiver = WebhookReceiver(SECRET)
    receiver.start()
    held: list[asyncio.StreamWriter] = []

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    mute = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    mute_port = mute.sockets[0].getsockname()[1]
    channel = WebhookChannel(WebhookSettings(answer_s=ANSWER_S), SECRET)
    token = f"{receiver.url}?token={SECRET}-too"

    def refuse() -> str:
        receiver.answers.append((422, {}))
        return token

    rig = Rig(
        channel,
        token,
        lambda: [notice["text"] for notice in receiver.notices],
        [],
        busy=lambda: receiver.answers.append((503, {})),
        refuse=refuse,
        silent=lambda: setattr(rig, "address", f"http://127.0.0.1:{mute_port}/?token={SECRET}-too"),
        heal=lambda: setattr(rig, "address", token),
    )
    yield rig
    await channel.close()
    for writer in held:
        writer.close()
    mute.close()
    receiver.stop()


_ACL = "user engine\ntopic write exercise/loudspeakers/example-1/#\ntopic read receipts/#\n\nuser horn\ntopic readwrite #\n"


@asynccontextmanager
async def broadcast() -> AsyncIterator[Rig]:
    with running(lambda: Mosquitto(users={"engine": SECRET, "horn": "horn"}, acl=_ACL)) as broker:  # type: ignore[arg-type]
        receipts: list[ChannelReceipt] = []
        connection = MqttConnection(
            broker.host, broker.port, "out", username="engine", password=SECRET, answer_s=ANSWER_S
        )
        channel = BroadcastChannel(connection, receipts.append)
        connection.start()
        horn = Loudspeakers(
            broker.host, broker.port, lambda: NOW, version="5", username="horn", password="horn"
        )
        horn.start()
        connection.connected.wait(5)
        yield Rig(
            channel,
            "example-1",
            lambda: [played.text for played in horn.played],
            receipts,
            busy=None,  # Mosquitto sends no such answer
            refuse=lambda: "example-2",  # forbidden by the access list
            silent=lambda: os.kill(broker.pid, signal.SIGSTOP),
            heal=lambda: os.kill(broker.pid, signal.SIGCONT),
        )
        os.kill(broker.pid, signal.SIGCONT)
        horn.stop()
        connection.stop()


RIGS: dict[str, Callable[[], AbstractAsyncContextManager[Rig]]] = {
    "sms": sms,
    "webhook": webhook,
    "broadcast": broadcast,
}
