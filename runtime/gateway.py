"""The gateway: readings from MQTT and from the Kafka topic `readings` into the topic `log`.

The intake is the embedded engine's; only the log that it writes is another. It writes a tick for each association
area that has been quiet for a second of the machine's, however fast the log's clock runs, so that the workers' time
goes on.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from alerting.ledger import Ledger
from ingest.sources.kafka import KafkaSource
from ingest.sources.mqtt import MqttSource
from runtime.acknowledging import Acknowledger
from runtime.clock import Clock
from runtime.configuration.loading import Configuration
from runtime.intake import Intake
from runtime.kafkalog import KafkaLog
from runtime.topics import make_topics
from schemas.log import Record
from schemas.reject import Reject
from schemas.times import Micros

TICK_AFTER_S = 1.0


class Gateway:
    """Sources, intake and the producer of `log`.

    Parameters
    ----------
    ledger
        Shared with the workers: holds the bundle by whose hash packets are stamped, and the rejects.
    password
        Of the MQTT broker; None where it asks for none.
    """

    def __init__(
        self, configuration: Configuration, ledger: Ledger, clock: Clock, password: str | None = None
    ) -> None:
        settings = configuration.settings
        bootstrap = settings.brokers.kafka.bootstrap
        make_topics(",".join(bootstrap))
        self._bundle = configuration.bundle
        self._ledger = ledger
        self.log = KafkaLog(bootstrap)
        self._written = _LastWritten(self.log, clock)
        self.intake = Intake(
            self._written,
            _KeptTwice(ledger, self.log),
            self._bundle,
            clock,
            due=self._written.due,
            on_logged=lambda: None,
        )
        self.kafka = KafkaSource(bootstrap, self.intake.submit)
        mqtt = settings.brokers.mqtt
        self.mqtt = None if mqtt is None else MqttSource(mqtt, self.intake.submit, password)
        self.acknowledger = None if self.mqtt is None else Acknowledger(self.mqtt)
        if self.acknowledger is not None:
            self.intake.on_durable = self.acknowledger.note

    def start(self) -> None:
        """Name the configuration in every area's log, then begin to take readings."""
        self._ledger.store_bundle(self._bundle.hash, self._bundle.canonical)
        self.intake.start()
        for written in self.intake.configure(self._bundle):
            written.result()
        self.kafka.start()
        if self.mqtt is not None and self.acknowledger is not None:
            self.acknowledger.start()
            self.mqtt.start()

    def stop(self) -> None:
        """Take no more, write what was taken, end."""
        self.intake.close_door()
        if self.mqtt is not None and self.acknowledger is not None:
            self.acknowledger.stop()
            self.mqtt.stop()
        self.kafka.stop()
        self.intake.stop()
        self.log.close()


class _LastWritten:
    """Remembers when each area's log was written, so that a quiet one gets its ticks."""

    def __init__(self, log: KafkaLog, clock: Clock) -> None:
        self._log = log
        self._began = (time.monotonic(), clock.now_us())
        self._last: dict[str, tuple[float, Micros]] = {}

    def append(self, records: Sequence[tuple[str, Micros, Record]]) -> None:
        self._log.append(records)
        self._last.update({area: (time.monotonic(), at_us) for area, at_us, _ in records})

    def due(self, area: str) -> Micros | None:
        """A time of the log that has passed, another after each write, where the area has been quiet for long enough."""
        last_s, last_us = self._last.get(area, self._began)
        return last_us if time.monotonic() - last_s >= TICK_AFTER_S else None


class _KeptTwice:
    """Rejects go to the ledger, where operators see them, and to their topic."""

    def __init__(self, ledger: Ledger, log: KafkaLog) -> None:
        self._ledger = ledger
        self._log = log

    def add_rejects(self, rejects: Sequence[Reject]) -> None:
        self._ledger.add_rejects(rejects)
        self._log.add_rejects(rejects)
