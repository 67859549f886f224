"""The gateway: readings from MQTT and from the Kafka topic `readings` into the topic `log`.

The intake is the embedded engine's; only the log that it writes is another. It writes a tick for each association
area that it has written nothing to for a second of the machine's, however fast the log's clock runs, so that the
workers' time goes on. Any number of gateways may do so beside each other: `now` of a log is the greatest time in it.

A gateway decodes by the configuration in force and follows when another is put in force; it never does that itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from sqlalchemy.exc import SQLAlchemyError

from alerting.ledger import Ledger
from ingest.sources.kafka import KafkaSource
from ingest.sources.mqtt import MqttSource
from runtime import metrics
from runtime.clock import Clock
from runtime.configuration.loading import Configuration
from runtime.configuration.settings import OfflineSettings, Settings
from runtime.configure import check_in_force
from runtime.intake.acknowledging import TOPIC, Acknowledger
from runtime.intake.durable import Appending, Records
from runtime.intake.taking import Intake
from runtime.logs.kafka import ACKNOWLEDGED_S, KafkaLog
from runtime.logs.topics import make_topics
from runtime.offline.buffer import DiskBuffer
from runtime.offline.cut_off import OfflineLog, Warner
from runtime.servers.connections import KafkaAccess, mqtt_explained, mqtt_tls
from runtime.servers.diagnosis import why_no_line
from runtime.servers.surroundings import mqtt_password
from schemas.bundle import Bundle
from schemas.errors import plain
from schemas.reject import Reject
from schemas.times import Micros

TICK_AFTER_S = 1.0
LOOK_EVERY_S = 5.0
"""How often it asks the ledger which configuration is in force."""
_IN_FORCE = "configuration"


class Gateway:
    """Sources, intake and the producer of `log`.

    Parameters
    ----------
    ledger
        Shared with the workers: says which configuration is in force, and holds the rejects.
    environment
        Where secrets are found.
    name
        Another for each gateway that runs beside this one, the same over restarts: the MQTT broker keeps a session by it.
    """

    def __init__(
        self,
        configuration: Configuration,
        ledger: Ledger,
        clock: Clock,
        environment: Mapping[str, str] = MappingProxyType({}),
        *,
        name: str | None = None,
    ) -> None:
        settings = configuration.settings
        access = KafkaAccess.of(settings.brokers.kafka, environment)
        offline = settings.gateway.offline
        self._bundle = configuration.bundle
        self._ledger = ledger
        self.log = KafkaLog(
            access.bootstrap,
            access.security,
            access.explain,
            patience_s=ACKNOWLEDGED_S if offline is None else offline.after_s,
        )
        rejects = _KeptTwice(ledger, self.log)
        self._buffer = None if offline is None else _buffer(offline, name)
        self.offline: OfflineLog | None = None
        """What is done while Kafka is away; None where nothing is taken then."""
        if self._buffer is None:
            with access.plainly():
                make_topics(",".join(access.bootstrap), security=access.security)
        else:
            local = self._local_warnings(configuration, self._buffer, clock, environment, name)
            self.offline = OfflineLog(self.log, rejects, self._buffer, clock, _Kafka(access), local)
        self._written = _LastWritten(self.offline or self.log, clock)
        self.intake = Intake(
            self._written,
            self.offline or rejects,
            self._bundle,
            clock,
            due=self._written.due,
            on_logged=lambda: None,
            begin=self._written.begin,
        )
        self.kafka = KafkaSource(
            access.bootstrap, self.intake.submit, security=access.security, explain=access.explain
        )
        self.mqtt = self._mqtt_source(settings, environment, name)
        self.acknowledger = None if self.mqtt is None else Acknowledger(self.mqtt)
        if self.acknowledger is not None:
            self.intake.on_durable = self.acknowledger.note
            if self.mqtt is not None and self.mqtt.is_shared:
                self.mqtt.listen(f"{TOPIC}/+", self.acknowledger.hear)
        self._following = _Following(ledger, self._bundle, self.intake, self._buffer)

    def _local_warnings(
        self,
        configuration: Configuration,
        buffer: DiskBuffer,
        clock: Clock,
        environment: Mapping[str, str],
        name: str | None,
    ) -> Warner | None:
        offline = configuration.settings.gateway.offline
        if offline is None or not offline.local_warnings:
            return None
        # Here, so that a gateway that does not warn starts without the detectors.
        from runtime.offline.local import LocalWarnings

        named = name or "gateway"
        return LocalWarnings(
            configuration,
            lambda: self.intake.bundle,
            self._ledger,
            buffer,
            clock,
            environment,
            folder=offline.folder / f"local-{named}",
            name=named,
        )

    def _mqtt_source(
        self, settings: Settings, environment: Mapping[str, str], name: str | None
    ) -> MqttSource | None:
        mqtt = settings.brokers.mqtt
        if mqtt is None:
            return None
        if name is not None:
            mqtt = mqtt.model_copy(update={"client_id": f"{mqtt.client_id}-{name}"})
        tls = mqtt_tls(mqtt)
        return MqttSource(
            mqtt,
            self.intake.submit,
            mqtt_password(settings, environment),
            tls=tls,
            explain=mqtt_explained(mqtt, tls),
        )

    def start(self) -> None:
        """Begin to take readings.

        Raises
        ------
        NotInForce
            The logs follow another configuration, or none yet.
        """
        self._following.check()
        if self.offline is not None:
            self.offline.start()
        self.intake.start()
        self._following.start()
        self.kafka.start()
        if self.mqtt is not None and self.acknowledger is not None:
            self.acknowledger.start()
            self.mqtt.start()

    def stop(self) -> None:
        """Take no more, write what was taken, end."""
        self.intake.close_door()
        self._following.stop()
        if self.mqtt is not None and self.acknowledger is not None:
            self.acknowledger.stop()
            self.mqtt.stop()
        self.kafka.stop()
        self.intake.stop()
        if self.offline is not None:
            self.offline.stop()
        self.log.close()
        if self._buffer is not None:
            self._buffer.close()


def _buffer(settings: OfflineSettings, name: str | None) -> DiskBuffer:
    file = "gateway.db" if name is None else f"gateway-{name}.db"
    return DiskBuffer(settings.folder / file, int(settings.most_mb * 1024 * 1024))


class _Kafka:
    """Whether the brokers can be reached, and their topics."""

    def __init__(self, access: KafkaAccess) -> None:
        self._access = access

    def answers(self) -> bool:
        places = (address.rpartition(":") for address in self._access.bootstrap)
        return any(why_no_line(host, int(port), self._access.tls) is None for host, _, port in places)

    def prepare(self) -> None:
        make_topics(",".join(self._access.bootstrap), security=self._access.security)


class _Following:
    """Has the intake decode by the configuration in force, when another has been put in force.

    A gateway with a disk of its own remembers there which one that is, so that it starts while the ledger is away, too.
    """

    def __init__(self, ledger: Ledger, bundle: Bundle, intake: Intake, buffer: DiskBuffer | None) -> None:
        self._ledger = ledger
        self._bundle = bundle
        self._hash = bundle.hash
        self._intake = intake
        self._buffer = buffer
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="configuration", daemon=True)

    def check(self) -> None:
        try:
            configured = self._ledger.configuration()
        except SQLAlchemyError as error:
            if self._buffer is None or self._buffer.noted(_IN_FORCE) != self._bundle.hash:
                raise
            metrics.log.error(
                "ledger.away reason=%s; starting with the configuration of last time", plain(error)
            )
            return
        check_in_force(self._bundle, configured)
        self._remember()

    def _remember(self) -> None:
        if self._buffer is not None:
            self._buffer.note(_IN_FORCE, self._hash)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        away: str | None = None
        while not self._stopping.wait(LOOK_EVERY_S):
            try:
                self._look()
                away = None
            except SQLAlchemyError as error:
                # Nothing is lost by it: workers translate what was decoded by the configuration before.
                if plain(error) != away:
                    metrics.log.warning("configuration.unknown reason=%s; asking again", plain(error))
                away = plain(error)

    def _look(self) -> None:
        configured = self._ledger.configuration()
        if configured is None or configured.hash == self._hash:
            return
        self._intake.decode_by(Bundle(self._ledger.load_bundle(configured.hash)))
        self._hash = configured.hash
        self._remember()
        metrics.log.warning(
            "configuration.changed to=%s; this gateway follows, and starts again only with the folder of that one",
            configured.hash[:12],
        )


class _LastWritten:
    """Remembers when each area's log was written, so that a quiet one gets its ticks."""

    def __init__(self, log: KafkaLog | OfflineLog, clock: Clock) -> None:
        self._log = log
        self._began = (time.monotonic(), clock.now_us())
        self._last: dict[str, tuple[float, Micros]] = {}

    def append(self, records: Records) -> None:
        self._log.append(records)
        self._note(records)

    def begin(self, records: Records, on_end: Callable[[], None]) -> Appending:
        appending = self._log.begin(records, on_end)
        self._note(records)
        return appending

    def _note(self, records: Records) -> None:
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
