"""Topics for machines: what is released stands there, a cancel for a day, and exercises stand apart."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from alerting.channels.mqtt import MqttConnection
from alerting.channels.topics import AlertTopics, topics_of
from schemas.area import Area, AreaIndex, Tier
from schemas.times import DAY, HOUR, from_micros
from tests.alerting.ledger.making import NOW, an_alert

AREAS = AreaIndex(
    [
        Area("5119", "巴中市", Tier.CITY, None, 106.7, 31.8),
        Area("511921", "通江县", Tier.COUNTY, "5119", 107.2, 31.9),
        Area("511921100", "诺江镇", Tier.TOWNSHIP, "511921", 107.2, 31.9),
        Area("511921100201", "一村", Tier.VILLAGE, "511921100", 107.2, 31.9),
        Area("511921100202", "二村", Tier.VILLAGE, "511921100", 107.2, 31.9),
        Area("511922", "南江县", Tier.COUNTY, "5119", 106.8, 32.3),
    ]
)


def test_a_topic_for_each_area_that_is_contains_or_lies_within():
    alert = an_alert(areas=("511921100",), tiers=("county", "township", "village"), status="actual")
    assert topics_of(alert, AREAS) == [
        "alerts/county/511921/a-1",
        "alerts/township/511921100/a-1",
        "alerts/village/511921100201/a-1",
        "alerts/village/511921100202/a-1",
    ]


def test_exercises_and_sick_stations_stay_away_from_live_topics():
    assert {topic.split("/")[0] for topic in topics_of(an_alert(status="exercise"), AREAS)} == {"exercise"}
    assert {topic.split("/")[0] for topic in topics_of(an_alert(status="test"), AREAS)} == {"exercise"}
    assert topics_of(an_alert(hazard="station"), AREAS) == []


class Retained:
    """What a newcomer finds on the broker below one chain."""

    def __init__(self, server):
        self.server = server

    async def now(self, chain) -> dict[str, Any]:
        found: dict[str, Any] = {}
        client = mqtt.Client(CallbackAPIVersion.VERSION2)
        client.on_message = lambda _c, _d, message: found.__setitem__(
            message.topic, json.loads(message.payload)
        )
        client.connect(self.server.host, self.server.port)
        client.subscribe([(f"exercise/alerts/+/+/{chain}", 1), (f"alerts/+/+/{chain}", 1)])
        client.loop_start()
        await asyncio.sleep(0.3)
        client.disconnect()
        client.loop_stop()
        return found


@pytest.fixture
def connection(mosquitto, request):
    made = MqttConnection(mosquitto.host, mosquitto.port, f"topics-{request.node.name[:40]}", answer_s=2)
    made.start()
    assert made.connected.wait(5)
    yield made
    made.stop()


async def test_in_force_then_cancelled_then_cleared(mosquitto, connection):
    topics, retained = AlertTopics(connection, AREAS), Retained(mosquitto)
    first = an_alert("a-one", 1, areas=("511921100",), tiers=("township",))
    topic = "exercise/alerts/township/511921100/a-one"
    assert await topics.sync([first], NOW) == 0
    assert (await retained.now("a-one"))[topic] == json.loads(first.model_dump_json())
    cancel = an_alert("a-one", 2, areas=("511921100",), tiers=("township",), type="cancel", level=0)
    await topics.sync([cancel], NOW + HOUR)
    assert (await retained.now("a-one"))[topic]["type"] == "cancel"
    await topics.sync([cancel], NOW + DAY + HOUR)
    assert await retained.now("a-one") == {}


async def test_what_has_run_out_is_cleared_also_by_a_process_that_did_not_publish_it(mosquitto, connection):
    retained = Retained(mosquitto)
    alert = an_alert("a-two", expires_at=from_micros(NOW + HOUR))
    await AlertTopics(connection, AREAS).sync([alert], NOW)
    assert await retained.now("a-two") != {}
    await AlertTopics(connection, AREAS).sync([alert], NOW + HOUR)
    assert await retained.now("a-two") == {}


async def test_a_broker_that_forgot_is_told_again(mosquitto, connection):
    topics, retained = AlertTopics(connection, AREAS), Retained(mosquitto)
    alert = an_alert("a-three")
    await topics.sync([alert], NOW)
    mosquitto.stop()
    for _ in range(300):
        if not connection.connected.is_set():
            break
        await asyncio.sleep(0.01)
    assert await topics.sync([an_alert("a-four")], NOW) > 0
    (mosquitto.folder / "data" / "mosquitto.db").unlink(missing_ok=True)
    mosquitto.start()
    for _ in range(500):
        if connection.connected.is_set():
            break
        await asyncio.sleep(0.01)
    assert await topics.sync([alert, an_alert("a-four")], NOW) == 0
    assert await retained.now("a-three") != {}
    assert await retained.now("a-four") != {}
