"""Readings by MQTT, QoS 1, into the durable log and through the pipelines of one process, against a bare paho subscriber."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
from ingest.sources.mqtt import MqttSettings, MqttSource
from runtime.clock import SetClock
from runtime.configuration.loading import load
from runtime.embedded import EmbeddedEngine
from schemas.bundle import Bundle
from tests.servers.mosquitto import Mosquitto

BAZHONG = Path(__file__).resolve().parents[1] / "deploy" / "bazhong"


@contextmanager
def embedded(
    server: Mosquitto, version: Version, messages: list[tuple[str, bytes]], bundle: Bundle
) -> Iterator[Work]:
    """Make ready an embedded engine; its work is done when all readings are in its log."""
    name = fresh("ours")
    fill(server, name, version, messages)
    with tempfile.TemporaryDirectory() as folder:
        engine = EmbeddedEngine(bundle, Path(folder), SetClock(END_US))
        engine.start()
        done, left = threading.Event(), len(messages)

        def logged(_bundle: object, records: Records, _rejects: object) -> None:
            nonlocal left
            left -= rows(records)
            if left <= 0:
                done.set()

        engine.intake.on_durable = logged
        settings = MqttSettings(
            host=server.host, port=server.port, client_id=name, version=version, window=WINDOW
        )
        source = MqttSource(settings, engine.intake.submit)

        def work() -> None:
            source.start()
            assert done.wait(WAIT_S)

        yield work
        source.stop()
        engine.stop()


def ratios() -> Iterator[Ratio]:
    """Yield two ratios for each version of MQTT, by the wall's clock and the processor's: readings in the log by paho's."""
    bundle = load(BAZHONG).bundle
    messages = payloads([station.id for station in bundle.stations if station.kind == "rain"])
    with broker() as server:
        for version in ("5", "3.1.1"):
            yield from compare_by(
                clocks(f"MQTT {version}, QoS 1, into the log"),
                "readings",
                READINGS,
                lambda version=version: embedded(server, version, messages, bundle),  # type: ignore[misc]
                lambda version=version: bare(server, version, messages),  # type: ignore[misc]
                rounds=3,
            )
