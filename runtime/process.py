"""The embedded deployment: engine, sources, dispatcher and console, put together and started in order.

    sources ─▶ intake ─▶ log.db ─▶ pipelines ─▶ state.db ─▶ dispatcher ─▶ channels
                                        └──────────▶ feed ─▶ console

Sources start last and stop first, so that nothing arrives that nobody would take.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from console.app import create_app
from console.feed import Feed
from console.site import Site
from ingest.sources.mqtt import MqttSettings, MqttSource
from runtime.cli.engine import TOKEN_VARIABLE
from runtime.clock import Clock
from runtime.configuration.loading import Configuration
from runtime.configuration.secrets import read_secret
from runtime.dispatch.dispatching import Dispatching
from runtime.embedded import EmbeddedEngine
from runtime.intake.acknowledging import Acknowledger
from runtime.page.probe import Prober
from runtime.page.server import ConsoleServer
from runtime.pipeline import Decisions
from runtime.servers.broker import InProcessBroker
from runtime.servers.connections import mqtt_explained, mqtt_tls
from runtime.servers.surroundings import clock_of, mqtt_password


class EmbeddedProcess:
    """Everything that `fenghuo run` runs.

    Parameters
    ----------
    folder
        Holds the two database files.
    environment
        Where secrets are found.
    """

    def __init__(
        self,
        configuration: Configuration,
        folder: Path,
        environment: Mapping[str, str],
        clock: Clock | None = None,
    ) -> None:
        settings = configuration.settings
        self.configuration = configuration
        self.clock = clock or clock_of(settings)
        self.feed = Feed()
        self.engine = EmbeddedEngine(
            configuration.bundle,
            folder,
            self.clock,
            retention_days=settings.database.log_days,
            on_decisions=self._publish,
        )
        mqtt, password = settings.brokers.mqtt, mqtt_password(settings, environment)
        self.broker: InProcessBroker | None = None
        if mqtt is None:
            self.broker = InProcessBroker("127.0.0.1", settings.ports.broker)
            mqtt = MqttSettings(port=settings.ports.broker, version="3.1.1")
        self.mqtt_settings = mqtt
        tls = mqtt_tls(mqtt)
        self.source = MqttSource(
            mqtt, self.engine.intake.submit, password, tls=tls, explain=mqtt_explained(mqtt, tls)
        )
        self.acknowledger = Acknowledger(self.source, self.engine.log)
        self.engine.intake.on_durable = self.acknowledger.note
        self.dispatching = Dispatching(
            configuration,
            self.engine.ledger,
            self.clock,
            mqtt,
            password,
            environment,
            worker="dispatch",
            append_acts=self.engine.append_acts,
        )
        self.prober = Prober(
            self.engine,
            lambda: {
                "the MQTT source": self.source.connected.is_set(),
                "the dispatcher": self.dispatching.failure is None,
            },
        )
        token = read_secret(settings.ports.token_file, TOKEN_VARIABLE, environment)
        site = Site(
            bundle=configuration.bundle,
            ledger=self.engine.ledger,
            feed=self.feed,
            submit=self.engine.intake.offer,
            act=self.engine.act,
            receive=self.engine.ledger.add_receipt,
            health=self.prober.health,
            now_us=self.clock.now_us,
            posts=configuration.posts,
            outlines=configuration.outlines,
            token=token,
            language=settings.page.language,
        )
        self.console = ConsoleServer(create_app(site), settings.ports.address, settings.ports.console)

    def start(self) -> None:
        """Start everything, sources last."""
        if self.broker is not None:
            self.broker.start()
        self.acknowledger.start()
        self.engine.start()
        self.dispatching.start()
        self.console.start()
        self.prober.start()
        self.source.start()

    def stop(self) -> None:
        """Stop everything, sources first; what was taken is processed and saved."""
        self.engine.intake.close_door()
        self.acknowledger.stop()
        self.source.stop()
        self.prober.stop()
        self.console.stop()
        self.dispatching.stop()
        self.engine.stop()
        if self.broker is not None:
            self.broker.stop()

    def _publish(self, decisions: Decisions) -> None:
        for alert in decisions.alerts:
            self.feed.publish("alert", alert.model_dump(mode="json"))
        for release in decisions.releases:
            self.feed.publish("release", release.model_dump(mode="json"))
        for act in decisions.acts:
            self.feed.publish("act", act.model_dump(mode="json"))
        self.dispatching.wake()
