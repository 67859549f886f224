"""kill -9 at any instant under load: nothing acknowledged is lost, and the warnings are those of an uninterrupted run.

`make test` kills 10 times; `make acceptance` as often as KILLS says (50).
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from alerting.ledger import Ledger
from runtime.association import Association
from runtime.configuration.loading import load
from runtime.dispatcher import RESENT
from runtime.logs.store import LogStore
from runtime.receivers.message_centre import MessageCentre
from runtime.receivers.webhook import WebhookReceiver
from schemas.log import Positioned
from schemas.notice import Notice, NoticeState
from schemas.packet import Packet
from tests.runtime.running import WEBHOOK_SECRET, Running, settings_of, spare_port, until
from tests.runtime.valley import CITY, failing_slope, heavy_rain, write_valley
from tests.servers.mosquitto import Mosquitto

SLOPES_A_LIFE = 20
Key = tuple[str, str]


class Phones:
    """A message centre in a thread of its own; it outlives the engine."""

    def __init__(self) -> None:
        self.port = spare_port()
        self.centre: MessageCentre | None = None
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    def __enter__(self) -> Phones:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._loop.close()

    def texts(self) -> Counter[tuple[str, str]]:
        """How often each phone got each text."""
        assert self.centre is not None
        return Counter((sms.address, sms.text) for sms in self.centre.inbox)

    async def _serve(self) -> None:
        self._stopping = asyncio.Event()
        self.centre = MessageCentre(self.port)
        await self.centre.start()
        self._ready.set()
        await self._stopping.wait()
        await self.centre.stop()


class Sensors:
    """What the valley's instruments send: slopes by MQTT with QoS 1, gauges by HTTP until they are told 200."""

    def __init__(self, broker: Mosquitto, engine: Running, slopes: int) -> None:
        self.engine = engine
        self.published: set[Key] = set()
        self.accepted: set[Key] = set()
        self.acts: dict[str, str] = {}
        self._broker = broker
        self._slopes = slopes
        self._allowed = 0
        self._more = threading.Condition()
        self._ended = False
        self.until = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
        self._threads = [threading.Thread(target=work) for work in (self._publish, self._post)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def allow(self, slopes: int) -> None:
        """Let so many more slopes speak."""
        with self._more:
            self._allowed += slopes
            self._more.notify_all()

    def finish(self) -> None:
        """Send all that is left, and wait until it is with the broker and answered."""
        with self._more:
            self._allowed, self._ended = self._slopes, True
            self._more.notify_all()
        for thread in self._threads:
            thread.join()

    def _turns(self) -> Iterator[int]:
        for number in range(self._slopes):
            with self._more:
                self._more.wait_for(lambda number=number: number < self._allowed)  # type: ignore[misc]
            yield number

    def _publish(self) -> None:
        client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        client.connect(self._broker.host, self._broker.port)
        client.loop_start()
        for number in self._turns():
            sent = []
            for reading in failing_slope(number, self.until):
                topic = f"readings/landslide/{reading['station']}"
                sent.append(client.publish(topic, json.dumps(reading), qos=1))
                self.published.add((reading["station"], reading["observed_at"]))
            for one in sent:
                one.wait_for_publish(60)
                assert one.is_published()
            time.sleep(0 if self._ended else 0.03)
        client.disconnect()
        client.loop_stop()

    def _post(self) -> None:
        for number in self._turns():
            if number % 20 == 0:
                for reading in heavy_rain(number // 20, self.until):
                    self._insist("/v1/readings", reading)
                    self.accepted.add((reading["station"], reading["observed_at"]))
            if number % 7 == 0:
                self._acknowledge(number)

    def _acknowledge(self, number: int) -> None:
        """Somebody acknowledges the newest alert; whatever is answered must be what the ledger says."""
        alerts: list[dict[str, Any]] = []

        def ask() -> None:
            alerts.extend(self.engine.get("/v1/alerts").json())

        self._again(ask)
        if not alerts:
            return
        act = {"id": f"act-{number}", "act": "acknowledge", "by": "值班员甲", "at": self.until.isoformat()}
        act |= {"alert": alerts[-1]["id"], "version": alerts[-1]["version"]}
        self.acts[str(act["id"])] = self._insist("/v1/acts", act)["outcome"]

    def _insist(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answers: list[dict[str, Any]] = []

        def send() -> None:
            answer = self.engine.post(path, json.dumps(body).encode())
            if answer.status_code in (503, 202):
                raise httpx.ConnectError("again")
            assert answer.status_code in (200, 409), answer.text
            answers.append(answer.json())

        self._again(send)
        return answers[0]

    def _again(self, work: Callable[[], None]) -> None:
        while True:
            try:
                return work()
            except httpx.TransportError:
                time.sleep(0.1)


def kills() -> int:
    return int(os.environ.get("KILLS", "10"))


def logged(path: Path) -> list[Positioned]:
    log = LogStore(path)
    records: list[Positioned] = []
    while more := log.read(CITY, records[-1].position if records else 0):
        records += more
    log.close()
    return records


def count(path: Path) -> int:
    """How far the log goes; read without disturbing its writer."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    (end,) = connection.execute("SELECT max(position) FROM records").fetchone()
    connection.close()
    return int(end or 0)


def keys_of(records: list[Positioned], stations: list[str]) -> Counter[Key]:
    """How often each reading stands in the log."""
    found: Counter[Key] = Counter()
    for _, record in records:
        if isinstance(record, Packet) and record.kind in ("rain", "landslide"):
            for row, at in zip(record.row.tolist(), record.observed_us.tolist(), strict=True):
                found[stations[row], datetime.fromtimestamp(at / 1e6, UTC).isoformat()] += 1
    return found


def from_the_log(notices: list[Notice]) -> list[tuple[object, ...]]:
    """What of notices follows from the log alone."""
    return sorted(
        (n.id, n.recipient, n.channel, n.text, n.level, n.first_due_at, n.supersedes, n.expires_at)
        for n in notices
    )


@pytest.mark.timeout(3600)
def test_kills_lose_nothing_and_tell_nobody_twice(mosquitto: Mosquitto, tmp_path: Path) -> None:
    chance, console = random.Random(20260718), spare_port()
    receiver = WebhookReceiver(WEBHOOK_SECRET)
    receiver.start()
    data, slopes = tmp_path / "data", SLOPES_A_LIFE * (kills() + 2)
    with Phones() as phones:
        channels = {
            "sms": {"host": "127.0.0.1", "port": phones.port, "system_id": "fenghuo"},
            "webhook": {"exercise_receiver": receiver.url},
        }
        settings = settings_of(mosquitto.port, console, channels=channels)
        place = write_valley(tmp_path / "config", slopes, settings)
        with Running(place, data, console) as engine:
            # Once there, the broker keeps the session: from here on nothing that is published may be lost.
            until("the subscription", lambda: "MQTT source" not in str(engine.health()["faults"]))
            sensors = Sensors(mosquitto, engine, slopes)
            sensors.start()
            for kill in range(kills()):
                sensors.allow(SLOPES_A_LIFE)
                if kill % 5 == 4:  # also while it starts
                    engine.kill()
                    engine.start(wait_s=None)
                    time.sleep(chance.uniform(0.5, 4))
                else:
                    time.sleep(chance.uniform(0.1, 2))
                engine.kill()
                engine.start()
            sensors.finish()
            until("the log to rest", lambda: rests(data / "log.db"), wait_s=120)
            with Ledger.open(str(data / "state.db")) as ledger:
                until("all notices to be sent", lambda: nothing_due(ledger), wait_s=180, pause_s=0.5)
                until("the log to rest again", lambda: rests(data / "log.db"), wait_s=120)
                until("what that led to", lambda: nothing_due(ledger), wait_s=180, pause_s=0.5)
            assert engine.stop() == 0
        compare(place, data, tmp_path / "again.db", sensors, receiver, phones)
    receiver.stop()


def rests(path: Path) -> bool:
    """Whether the log has not grown for a while (the probe writes one record in ten seconds)."""
    before = count(path)
    time.sleep(3)
    return count(path) <= before + 1


def nothing_due(ledger: Ledger) -> bool:
    """Whether all are sent, and whoever could not be told is known to the log."""
    open_states = {NoticeState.DUE, NoticeState.SENDING}
    return not ledger.owed_acts() and not any(
        n for (_, state), n in ledger.notice_counts().items() if state in open_states
    )


def compare(
    place: Path, data: Path, again: Path, sensors: Sensors, receiver: WebhookReceiver, phones: Phones
) -> None:
    bundle, records = load(place).bundle, logged(data / "log.db")
    assert [record.position for record in records] == list(range(1, len(records) + 1))
    kept = keys_of(records, [station.id for station in bundle.stations])
    assert sensors.published - set(kept) == set(), "MQTT readings are lost"
    assert sensors.accepted - set(kept) == set(), "HTTP readings are lost that were answered with 200"

    with Ledger.open(str(again)) as whole, Ledger.open(str(data / "state.db")) as ledger:
        whole.store_bundle(bundle.hash, bundle.canonical)
        association = Association(
            CITY,
            bundle,
            whole,
            on_decisions=lambda _: None,
            on_dead=lambda *dead: pytest.fail(f"a record that no pipeline can process: {dead}"),
        )
        association.take(records)
        everything = 10**6
        assert told(ledger.newest_findings(everything)) == told(whole.newest_findings(everything))
        alerts = whole.newest_alerts(everything)
        assert told(ledger.newest_alerts(everything)) == told(alerts)
        assert told(ledger.acts(limit=everything)) == told(whole.acts(limit=everything))
        chains = {alert.id for alert in alerts}
        assert len(chains) > SLOPES_A_LIFE
        notices: dict[str, Notice] = {}
        for chain in chains:
            mine, theirs = ledger.notices_of_alert(chain), whole.notices_of_alert(chain)
            assert from_the_log(mine) == from_the_log(theirs)
            assert told(ledger.releases_of(chain)) == told(whole.releases_of(chain))
            notices |= {notice.id: notice for notice in mine}
        for act, outcome in sensors.acts.items():
            judged = ledger.act(act)
            assert judged is not None
            assert judged.outcome == outcome
        webhooks_once(notices, receiver)
        left = sms_as_rule_11_says(ledger, notices, phones)
        print(
            f"{kills()} kills: {len(sensors.published)} readings by MQTT, {len(sensors.accepted)} by HTTP, "
            f"{len(records)} records, {len(alerts)} alert versions, {len(notices)} notices, "
            f"{len(sensors.acts)} acts, {left} SMS left in sending by a kill"
        )


def told(models: list[Any]) -> list[str]:
    return sorted(model.model_dump_json() for model in models)


def webhooks_once(notices: dict[str, Notice], receiver: WebhookReceiver) -> None:
    arrived = Counter(body["id"] for body in receiver.notices)
    assert set(arrived.values()) == {1}
    due = {
        id for id, one in notices.items() if one.channel == "webhook" and one.state is NoticeState.DELIVERED
    }
    assert due == set(arrived)
    assert len(due) > SLOPES_A_LIFE


def sms_as_rule_11_says(ledger: Ledger, notices: dict[str, Notice], phones: Phones) -> int:
    texts = phones.texts()
    changes = ledger.state_changes(limit=10**7)
    unknown = Counter(
        one.notice for one in changes if one.channel == "sms" and one.state is NoticeState.UNKNOWN
    )
    passed_on = {act.content["notice"] for act in ledger.acts(limit=10**6) if act.act == "undelivered"}
    for notice in notices.values():
        if notice.channel != "sms" or notice.state in (NoticeState.HELD, NoticeState.SUPERSEDED):
            continue
        address = f"example-{notice.recipient.removeprefix('v-')}"
        plain, marked = texts[address, notice.text], texts[address, RESENT + notice.text]
        assert plain <= 1, "an SMS went twice without saying so"
        if notice.id not in unknown:
            assert (plain, marked) == (1, 0)
        elif notice.level >= 3 and unknown[notice.id] == 1:
            assert marked == 1, "an orange or red notice rests"
        elif notice.level >= 3:
            # A kill in the first try and another in the second: nobody knows, so the next contact is told.
            assert marked <= 1
            assert notice.id in passed_on, (
                "nobody knows whether an orange or red notice arrived, and nobody is told"
            )
        else:
            assert marked == 0
            assert notice.state in (NoticeState.UNKNOWN, NoticeState.DELIVERED)
    return len(unknown)
