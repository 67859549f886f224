"""Several gateways on one broker and one log: what comes twice counts once, and no old one turns anything back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kafka import KafkaConsumer, TopicPartition
from paho.mqtt import publish, subscribe
from paho.mqtt.enums import MQTTProtocolVersion

from alerting.ledger import Ledger
from runtime import gateway as rooms
from runtime.association import Association
from runtime.clock import HandClock
from runtime.configuration.loading import Configuration, load
from runtime.configure import NotInForce, configure
from runtime.gateway import Gateway
from runtime.logs.topics import LOG, PARTITIONS, partition_of
from schemas.log import Broken, ConfigurationRecord, Positioned, Record, Tick, decode_record
from schemas.packet import Packet
from schemas.times import HOUR, Micros, to_micros
from tests.runtime.engines import UNTIL, slope
from tests.runtime.running import until
from tests.runtime.valley import CITY, write_valley
from tests.servers.fixtures import running
from tests.servers.kafka import Kafka
from tests.servers.mosquitto import Mosquitto

pytestmark = [pytest.mark.xdist_group("kafka"), pytest.mark.timeout(240)]
NOW = to_micros(UNTIL)


class Site:
    """Servers of a site, its ledger, and gateways beside each other."""

    def __init__(self, folder: Path, kafka: Kafka, mosquitto: Mosquitto) -> None:
        self.folder = folder
        self.kafka = kafka
        self.mosquitto = mosquitto
        self.ledger = Ledger.open(str(folder / "state.db"))

    def configuration(self, villages: int = 20, **mqtt: object) -> Configuration:
        """A configuration of so many villages; `mqtt`: more of brokers.mqtt."""
        settings = {
            "status": "exercise",
            "brokers": {
                "kafka": {"bootstrap": [self.kafka.bootstrap]},
                "mqtt": {"host": self.mosquitto.host, "port": self.mosquitto.port, **mqtt},
            },
        }
        return load(write_valley(self.folder / f"config-{villages}", villages, settings))

    @contextmanager
    def gateway(self, configuration: Configuration, name: str, now_us: Micros = NOW) -> Iterator[Gateway]:
        """A running gateway whose MQTT session stands."""
        made = Gateway(configuration, self.ledger, HandClock(now_us), name=name)
        made.start()
        assert made.mqtt is not None
        until(f"gateway {name}", made.mqtt.connected.is_set)
        yield made
        made.stop()

    def publish(self, payloads: Sequence[bytes]) -> None:
        """As stations do, at least once."""
        messages: list[Any] = [
            {"topic": f"readings/landslide/{json.loads(one)['station']}", "payload": one, "qos": 1}
            for one in payloads
        ]
        publish.multiple(
            messages, self.mosquitto.host, self.mosquitto.port, protocol=MQTTProtocolVersion.MQTTv5
        )

    def acknowledged(self, station: str) -> tuple[int, list[int]]:
        """The number that is acknowledged last, and which below it are not."""
        word = subscribe.simple(f"acks/{station}", hostname=self.mosquitto.host, port=self.mosquitto.port)
        fields = json.loads(word.payload)
        return fields["sequence"], fields["missing"]

    def log(self) -> list[Positioned]:
        """The city's log as far as it goes."""
        consumer = KafkaConsumer(bootstrap_servers=self.kafka.bootstrap)
        partition = TopicPartition(LOG, partition_of(CITY, PARTITIONS))
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        end = consumer.end_offsets([partition])[partition]
        found: list[Positioned] = []
        while consumer.position(partition) < end:
            for batch in consumer.poll(timeout_ms=500).values():
                found += [Positioned(one.offset + 1, decode_record(one.value)) for one in batch]
        consumer.close()
        return found

    def rows(self) -> list[tuple[int, int]]:
        """Station row and time of each reading in the log, in its order."""
        return [row for _, record in self.log() for row in rows_of(record)]


def rows_of(record: Record | Broken) -> list[tuple[int, int]]:
    if not isinstance(record, Packet):
        return []
    return list(zip(record.row.tolist(), record.observed_us.tolist(), strict=True))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    # Brokers of its own: sessions and the topic `log` are this test's.
    with running(Kafka) as kafka, running(Mosquitto) as mosquitto:
        made = Site(tmp_path, kafka, mosquitto)
        yield made
        made.ledger.close()


@contextmanager
def city(configuration: Configuration, file: Path) -> Iterator[tuple[Association, Ledger]]:
    """The city's pipeline over a ledger of its own."""
    with Ledger.open(str(file)) as ledger:
        ledger.store_bundle(configuration.bundle.hash, configuration.bundle.canonical)
        association = Association(
            CITY,
            configuration.bundle,
            ledger,
            on_decisions=lambda _: None,
            on_dead=lambda *dead: pytest.fail(str(dead)),
        )
        yield association, ledger


def decided(configuration: Configuration, records: Sequence[Positioned], file: Path) -> list[str]:
    """The alerts of a log."""
    with city(configuration, file) as (association, ledger):
        association.take(records)
        return [alert.model_dump_json() for alert in ledger.newest_alerts(10_000)]


def once(records: Sequence[Positioned]) -> list[Positioned]:
    """The records with each reading only where it came first."""
    seen: set[tuple[int, int]] = set()
    found = []
    for position, record in records:
        kept: Record | Broken = record
        if isinstance(record, Packet):
            fresh = [row not in seen for row in rows_of(record)]
            seen.update(rows_of(record))
            kept = record.only(np.array(fresh))
            if not len(kept):
                continue
        found.append(Positioned(position, kept))
    return found


def test_what_comes_over_two_gateways_counts_once(site: Site, tmp_path: Path) -> None:
    configuration = site.configuration()
    configure(configuration, site.ledger, HandClock(NOW))
    readings = slope()
    with site.gateway(configuration, "a"), site.gateway(configuration, "b"):
        site.publish(readings)
        until("both to have logged all", lambda: len(site.rows()) >= 2 * len(readings))
    rows = site.rows()
    assert len(rows) == 2 * len(readings)
    assert len(set(rows)) == len(readings)
    log = site.log()
    alerts = decided(configuration, log, tmp_path / "twice.db")
    assert any('"landslide"' in alert and '"level":4' in alert for alert in alerts)
    assert alerts == decided(configuration, once(log), tmp_path / "once.db")


def test_gateways_that_share_take_each_message_once_and_one_that_comes_back_finds_its_own(site: Site) -> None:
    configuration = site.configuration(share="gateways")
    configure(configuration, site.ledger, HandClock(NOW))
    readings = [json.dumps(json.loads(one) | {"sequence": n}).encode() for n, one in enumerate(slope())]
    with site.gateway(configuration, "a") as first:
        with site.gateway(configuration, "b") as second:
            taken: dict[str, int] = {"a": 0, "b": 0}
            for name, one in (("a", first), ("b", second)):
                one.intake.on_durable = _counting(taken, name, one.intake.on_durable)
            site.publish(readings)
            until("all to be logged", lambda: len(site.rows()) >= len(readings))
            # Each has a part of the numbers; what they tell each other makes one word of it.
            until("a word that says all", lambda: site.acknowledged("LS-1") == (len(readings) - 1, []))
        assert len(site.rows()) == len(set(site.rows())) == len(readings)
        assert min(taken.values()) > 0
        assert sum(taken.values()) == len(readings)
        more = slope(2)
        site.publish(more)  # while b is away
    with site.gateway(configuration, "a"), site.gateway(configuration, "b"):
        until("what was kept for b too", lambda: len(set(site.rows())) >= len(readings) + len(more))
    assert len(set(site.rows())) == len(readings) + len(more)


def _counting(taken: dict[str, int], name: str, tell: Callable[..., None]) -> Callable[..., None]:
    def on_durable(bundle: object, records: Sequence[tuple[str, Micros, Record]], rejects: object) -> None:
        taken[name] += sum(len(rows_of(record)) for _, _, record in records)
        tell(bundle, records, rejects)

    return on_durable


def test_a_gateway_whose_clock_is_behind_turns_no_time_back(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "TICK_AFTER_S", 0.2)
    configuration = site.configuration()
    configure(configuration, site.ledger, HandClock(NOW))
    with site.gateway(configuration, "ahead"), site.gateway(configuration, "behind", NOW - HOUR):
        until(
            "ticks of both",
            lambda: {r.at_us for _, r in site.log() if isinstance(r, Tick)} == {NOW, NOW - HOUR},
        )
    log = site.log()
    times = []
    with city(configuration, tmp_path / "one.db") as (association, _):
        for record in log:
            association.take([record])
            times.append(association.now)
    assert times == [NOW] * len(log)


def test_only_what_is_in_force_starts_and_a_running_gateway_follows(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rooms, "LOOK_EVERY_S", 0.1)
    old, new = site.configuration(20), site.configuration(40)
    clock = HandClock(NOW)
    with pytest.raises(NotInForce, match=r"no configuration is in force yet.*fenghuo configure DIR"):
        Gateway(old, site.ledger, clock, name="early").start()
    assert configure(old, site.ledger, clock).told == (CITY,)
    with site.gateway(old, "a"):
        assert configure(new, site.ledger, clock).told == (CITY,)
        assert configure(new, site.ledger, clock).told == ()
        new_station = [json.dumps(json.loads(one) | {"station": "LS-39"}).encode() for one in slope()][:1]

        def taken() -> bool:
            site.publish(new_station)
            return any(isinstance(r, Packet) and r.bundle == new.bundle.hash for _, r in site.log())

        until("the gateway to know the new station", taken, pause_s=0.3)
    with pytest.raises(NotInForce, match=r"is not the one in force.*fenghuo configure DIR"):
        Gateway(old, site.ledger, clock, name="late").start()
    told = [record.bundle for _, record in site.log() if isinstance(record, ConfigurationRecord)]
    assert told == [old.bundle.hash, new.bundle.hash]
