"""Loudspeakers: speech waits for a player that was off, nobody hears an older version, and receipts come back."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from alerting.channels.base import ChannelReceipt, Refused, Retry, Sent
from alerting.channels.broadcast import BroadcastChannel, topics_of
from alerting.channels.mqtt import MqttConnection
from runtime.receivers.loudspeaker import Loudspeakers
from schemas.times import from_micros
from tests.alerting.channels.rigs import a_message
from tests.alerting.ledger.making import NOW
from tests.servers.base import spare_port


async def until(what):
    for _ in range(300):
        if what():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("what should have happened did not, within 3 s")


@pytest.fixture
def connection(mosquitto, request):
    made = MqttConnection(mosquitto.host, mosquitto.port, f"out-{request.node.name[:40]}", answer_s=2)
    made.start()
    assert made.connected.wait(5)
    yield made
    made.stop()


@contextmanager
def a_horn(mosquitto, address, device="horn", **more):
    horn = Loudspeakers(mosquitto.host, mosquitto.port, lambda: NOW, address=address, device=device, **more)
    horn.start()
    yield horn
    horn.stop()


async def test_a_player_answers_for_each_notice(mosquitto, connection):
    receipts: list[ChannelReceipt] = []
    channel = BroadcastChannel(connection, receipts.append)
    message = a_message(address="village-1", repeat=3)
    with a_horn(mosquitto, "village-1") as horn:
        assert await channel.send(message) == Sent()
        await until(lambda: receipts)
    assert [(one.text, one.repeat) for one in horn.played] == [(message.text, 3)]
    (receipt,) = receipts
    assert (receipt.notice, receipt.state, receipt.at_us) == (message.notice.id, "played", NOW)
    assert receipt.device == "horn/village-1"


async def test_a_player_that_was_off_speaks_the_newest_when_it_is_back(mosquitto, connection):
    channel = BroadcastChannel(connection, lambda _: None)
    await channel.send(a_message(("a-1", 1), address="village-2", text="橙色"))
    await channel.send(a_message(("a-1", 2), address="village-2", text="红色"))
    await channel.send(a_message(("a-7", 1), address="village-2", text="过期", expires_at=from_micros(NOW)))
    with a_horn(mosquitto, "village-2") as horn:
        await until(lambda: horn.played)
        await channel.send(a_message(("a-1", 1), address="village-2", text="橙色"))
        await channel.send(a_message(("a-9", 1), address="village-2", text="完"))
        await until(lambda: horn.played[-1].text == "完")
    assert [one.text for one in horn.played] == ["红色", "完"]


async def test_a_bundle_is_spoken_once(mosquitto, connection):
    channel = BroadcastChannel(connection, lambda _: None)
    message = a_message(("a-1", 1), ("a-2", 1), address="village-3")
    assert topics_of(message) == [f"exercise/loudspeakers/village-3/{chain}" for chain in ("a-1", "a-2")]
    with a_horn(mosquitto, "village-3") as horn:
        await channel.send(message)
        await channel.send(a_message(("a-3", 1), address="village-3", text="完"))
        await until(lambda: horn.played and horn.played[-1].text == "完")
    assert [one.text for one in horn.played] == [message.text, "完"]


def test_only_actual_notices_go_to_live_topics():
    assert topics_of(a_message(address="h", status="actual")) == ["loudspeakers/h/a-1"]
    assert topics_of(a_message(address="h", status="test")) == ["exercise/loudspeakers/h/a-1"]


@pytest.mark.parametrize("address", ["", "a/b", "+", "#", "a\0"])
async def test_an_address_is_one_level_of_a_topic(connection, address):
    assert isinstance(
        await BroadcastChannel(connection, lambda _: None).send(a_message(address=address)), Refused
    )


async def test_nonsense_on_the_topic_of_receipts_is_no_receipt(mosquitto, connection, caplog):
    receipts: list[ChannelReceipt] = []
    channel = BroadcastChannel(connection, receipts.append)
    player = mqtt.Client(CallbackAPIVersion.VERSION2)
    player.connect(mosquitto.host, mosquitto.port)
    player.loop_start()
    good = {"state": "failed", "at": "2026-07-18T14:00:00+08:00", "device": "d", "detail": "no power"}
    # The broker grants the subscription some time after it was asked: until one arrives, any could be missed.
    while not receipts:
        player.publish("receipts/n-0", json.dumps(good), qos=1).wait_for_publish(5)
        await asyncio.sleep(0.05)
    for payload in (
        b"",
        b"\xff",
        b"[]",
        b'{"state":"sung"}',
        b'{"state":"played","at":"noon"}',
        b'{"notice":1}',
    ):
        player.publish("receipts/n-1", payload, qos=1).wait_for_publish(5)
    player.publish("receipts/n-2", json.dumps(good), qos=1).wait_for_publish(5)
    await until(lambda: any(receipt.notice == "n-2" for receipt in receipts))
    player.disconnect()
    player.loop_stop()
    (receipt,) = [receipt for receipt in receipts if receipt.notice != "n-0"]
    assert (receipt.notice, receipt.state, receipt.detail) == ("n-2", "failed", "no power")
    assert caplog.text.count("receipt.unreadable") == 6
    await channel.close()


async def test_nobody_there():
    connection = MqttConnection("127.0.0.1", spare_port(), "out")
    connection.start()
    channel = BroadcastChannel(connection, lambda _: None)
    assert isinstance(await channel.send(a_message(address="village-1")), Retry)
    assert isinstance(await channel.probe(), Retry)
    connection.stop()


async def test_a_broker_that_was_restarted_is_found_again(mosquitto, connection):
    channel = BroadcastChannel(connection, lambda _: None)
    mosquitto.restart()
    await until(lambda: connection.reconnects == 2)
    assert await channel.send(a_message(address="village-4")) == Sent()
