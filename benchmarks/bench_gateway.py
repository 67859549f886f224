"""A gateway: readings by MQTT, QoS 1, into the topic `log` of Kafka, acknowledged from there, against a bare paho subscriber."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from alerting.ledger import Ledger
from benchmarks.ratio import Ratio, Work, compare_by
from benchmarks.waiting import (
    END_US,
    READINGS,
    WAIT_S,
    WINDOW,
    Records,
    Version,
    bare,
    broker,
    clocks,
    fill,
    fresh,
    payloads,
    rows,
)
from ingest.sources.mqtt import MqttSettings
from runtime.clock import SetClock
from runtime.configuration.loading import Configuration, load
from runtime.configuration.settings import Brokers, KafkaSettings
from runtime.configure import configure
from runtime.gateway import Gateway
from schemas.bundle import Bundle
from schemas.reject import Reject
from tests.servers.kafka import Kafka
from tests.servers.mosquitto import Mosquitto

BAZHONG = Path(__file__).resolve().parents[1] / "deploy" / "bazhong"


@contextmanager
def gateway(
    server: Mosquitto, kafka: Kafka, version: Version, messages: list[tuple[str, bytes]], place: Configuration
) -> Iterator[Work]:
    """Make ready a gateway; its work is done when Kafka has acknowledged all readings."""
    name = fresh("gateway")
    fill(server, name, version, messages)
    mqtt = MqttSettings(host=server.host, port=server.port, client_id=name, version=version, window=WINDOW)
    brokers = Brokers(mqtt=mqtt, kafka=KafkaSettings(bootstrap=(kafka.bootstrap,)))
    here = replace(place, settings=place.settings.model_copy(update={"brokers": brokers}))
    with tempfile.TemporaryDirectory() as folder, Ledger.open(str(Path(folder) / "state.db")) as ledger:
        clock = SetClock(END_US)
        configure(here, ledger, clock)
        running = Gateway(here, ledger, clock)
        assert running.mqtt is not None
        start_mqtt, running.mqtt.start = running.mqtt.start, lambda: None  # type: ignore[method-assign]
        running.start()
        done, left = threading.Event(), len(messages)
        tell = running.intake.on_durable

        def logged(bundle: Bundle, records: Records, rejects: Sequence[Reject]) -> None:
            nonlocal left
            tell(bundle, records, rejects)
            left -= rows(records)
            if left <= 0:
                done.set()

        running.intake.on_durable = logged

        def work() -> None:
            start_mqtt()
            assert done.wait(WAIT_S)

        yield work
        running.stop()


def ratios() -> Iterator[Ratio]:
    """Yield two ratios for each version of MQTT, by the wall's clock and the processor's: readings in Kafka's log by paho's."""
    place = load(BAZHONG)
    messages = payloads([station.id for station in place.bundle.stations if station.kind == "rain"])
    with broker() as server, Kafka() as kafka:
        for version in ("5", "3.1.1"):
            yield from compare_by(
                clocks(f"gateway, MQTT {version}, QoS 1,"),
                "readings",
                READINGS,
                lambda version=version: gateway(server, kafka, version, messages, place),  # type: ignore[misc]
                lambda version=version: bare(server, version, messages),  # type: ignore[misc]
                rounds=5,
            )
