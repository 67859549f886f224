"""A dispatcher with the channels that a configuration names, in a thread of its own.

The embedded engine runs one beside its pipelines; `fenghuo dispatch` runs one or many over the deployment's ledger.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Mapping

from alerting.channels.base import Channel, ChannelReceipt
from alerting.channels.broadcast import BroadcastChannel
from alerting.channels.mqtt import MqttConnection
from alerting.channels.smpp import SmsChannel
from alerting.channels.topics import AlertTopics
from alerting.channels.webhook import SECRET_VARIABLE, WebhookChannel
from alerting.ledger import Ledger
from ingest.sources.mqtt import MqttSettings
from runtime import metrics
from runtime.clock import Clock, MachineClock
from runtime.configuration.loading import Configuration
from runtime.configuration.secrets import read_secret
from runtime.dispatch.owed import AppendActs
from runtime.dispatcher import Dispatcher
from runtime.servers.connections import mqtt_explained, mqtt_tls

SMPP_PASSWORD_VARIABLE = "FENGHUO_SMPP_PASSWORD"


class Dispatching:
    """Sends what is due until it is stopped.

    Parameters
    ----------
    mqtt
        The broker of broadcasts and topics; None where there is none.
    password
        Of that broker.
    worker
        Names this dispatcher: the same over restarts, another for each that runs at the same time.
    append_acts
        Appends acts of the system to the log; None where this process has no way to it.
    keeps_topics
        Whether the broker's topics of alerts follow this ledger.
    """

    def __init__(
        self,
        configuration: Configuration,
        ledger: Ledger,
        clock: Clock,
        mqtt: MqttSettings | None,
        password: str | None,
        environment: Mapping[str, str],
        *,
        worker: str,
        append_acts: AppendActs | None = None,
        keeps_topics: bool = True,
    ) -> None:
        settings = configuration.settings.channels
        addresses = configuration.addresses
        self._dispatcher: Dispatcher | None = None
        self._connection = (
            None if mqtt is None else _connection(mqtt, password, f"{mqtt.client_id}-sender-{worker}")
        )
        self._stopping = threading.Event()
        self._failure: BaseException | None = None

        def make() -> Dispatcher:
            channels: dict[str, Channel] = {}
            topics = None
            if settings.sms is not None:
                secret = read_secret(settings.sms.password_file, SMPP_PASSWORD_VARIABLE, environment) or ""
                channels[SmsChannel.name] = SmsChannel(settings.sms, secret, self._receive)
            if self._connection is not None:
                channels[BroadcastChannel.name] = BroadcastChannel(self._connection, self._receive)
                if keeps_topics:
                    topics = AlertTopics(self._connection, configuration.bundle.areas)
            secret = read_secret(settings.webhook.secret_file, SECRET_VARIABLE, environment) or ""
            if secret:
                channels[WebhookChannel.name] = WebhookChannel(settings.webhook, secret)
            return Dispatcher(
                ledger,
                channels,
                lambda recipient, channel: addresses.get(recipient, {}).get(channel),
                clock,
                MachineClock(),
                worker=worker,
                random=random.Random(),
                append_acts=append_acts,
                topics=topics,
            )

        self._make = make
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)

    @property
    def failure(self) -> str | None:
        """Why the dispatcher has ended by itself; None while it runs."""
        return None if self._failure is None else f"{type(self._failure).__name__}: {self._failure}"

    def faults(self) -> list[str]:
        """One plain sentence for each thing for which notices are late; from any thread."""
        if self.failure is not None:
            return [f"the dispatcher has ended: {self.failure}"]
        return [] if self._dispatcher is None else self._dispatcher.faults()

    def start(self) -> None:
        """Begin to send."""
        if self._connection is not None:
            self._connection.start()
        self._thread.start()

    def stop(self) -> None:
        """Finish and record what is being sent, then end."""
        self._stopping.set()
        if self._dispatcher is not None:
            self._dispatcher.stop()
        self._thread.join()
        if self._connection is not None:
            self._connection.stop()

    def wake(self) -> None:
        """Something may be due; from any thread."""
        if self._dispatcher is not None:
            self._dispatcher.wake()

    def _receive(self, receipt: ChannelReceipt) -> None:
        # Channels are made before the dispatcher that takes their receipts: it is found when one comes.
        if self._dispatcher is not None:
            self._dispatcher.receive(receipt)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as failure:  # noqa: BLE001 - told by health: warnings that nobody sends must not end in silence
            self._failure = failure
            metrics.log.critical("dispatcher.stopped reason=%r", failure)

    async def _serve(self) -> None:
        # Made inside the loop that runs it: channels keep what belongs to one loop.
        self._dispatcher = self._make()
        if self._stopping.is_set():  # before there was a dispatcher to tell
            return
        await self._dispatcher.run()


def _connection(mqtt: MqttSettings, password: str | None, client_id: str) -> MqttConnection:
    tls = mqtt_tls(mqtt)
    return MqttConnection(
        mqtt.host,
        mqtt.port,
        client_id,
        version=mqtt.version,
        username=mqtt.username,
        password=password,
        tls=tls,
        explain=mqtt_explained(mqtt, tls),
    )
