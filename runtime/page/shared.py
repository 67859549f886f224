"""The console as a program of its own, over a ledger that workers elsewhere write.

    ledger ─▶ page and API        acts ─▶ the topic `log` ─▶ a worker ─▶ ledger

It takes no readings: those go to a gateway, which alone knows when they are in the log.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from alerting.ledger import Ledger
from console.app import create_app
from console.feed import Feed
from console.site import Site, TakesNoReadings
from ingest.arrival import Arrival
from runtime import metrics
from runtime.acts import NOT_IN_THE_LOG, WAIT_S
from runtime.cli.engine import TOKEN_VARIABLE
from runtime.clock import Clock
from runtime.configuration.loading import Configuration
from runtime.configuration.secrets import read_secret
from runtime.logs.acts import KafkaActs
from runtime.logs.store import LogFull
from runtime.page.following import LedgerFollower
from runtime.page.lookout import Lookout
from runtime.page.server import ConsoleServer
from runtime.servers.connections import KafkaAccess
from schemas.act import Act

_ASK_EVERY_S = 0.1


class SharedConsole:
    """Everything that `fenghuo console` runs.

    Parameters
    ----------
    environment
        Where secrets are found.
    """

    def __init__(
        self, configuration: Configuration, ledger: Ledger, clock: Clock, environment: Mapping[str, str]
    ) -> None:
        settings, bundle = configuration.settings, configuration.bundle
        kafka = KafkaAccess.of(settings.brokers.kafka, environment)
        feed = Feed()
        self._follower = LedgerFollower(ledger, feed, bundle.associations)
        self._lookout = Lookout(ledger, bundle, clock, kafka.bootstrap, kafka.security, kafka.explain)
        acts = KafkaActs(ledger, bundle, clock, kafka) if kafka.bootstrap else None
        self._desk = ActDesk(ledger, acts, lambda: self._lookout.kafka_fault)
        site = Site(
            bundle=bundle,
            ledger=ledger,
            feed=feed,
            submit=_refuse,
            act=self._desk.act,
            receive=ledger.add_receipt,
            health=self._lookout.health,
            now_us=clock.now_us,
            posts=configuration.posts,
            outlines=configuration.outlines,
            token=read_secret(settings.ports.token_file, TOKEN_VARIABLE, environment),
            language=settings.page.language,
        )
        self.server = ConsoleServer(create_app(site), settings.ports.address, settings.ports.console)

    def start(self) -> None:
        """Start everything; requests are answered when it returns."""
        self._follower.start()
        self._lookout.start()
        self.server.start()

    def stop(self) -> None:
        """Stop everything; an act that was taken is in the log."""
        self.server.stop()
        self._lookout.stop()
        self._follower.stop()
        self._desk.close()


class ActDesk:
    """Appends acts to the topic `log` and waits for a worker's judgement in the ledger.

    Parameters
    ----------
    acts
        The way to the log; None where there is none.
    fault
        Why Kafka does not answer just now; None while it does. An act is refused at once then, for a producer would
        wait half a minute.
    """

    def __init__(self, ledger: Ledger, acts: KafkaActs | None, fault: Callable[[], str | None]) -> None:
        self._ledger = ledger
        self._acts = acts
        self._fault = fault

    def act(self, act: Act) -> Act | None:
        """Append an act and wait for the judgement.

        Returns
        -------
        Act or None
            The judged act; None where no judgement came within 5 s (it will come: the act is in the log).

        Raises
        ------
        LogFull
            It is not in the log, or nobody knows. The same act may be sent again: it counts once.
        """
        earlier = self._ledger.act(act.id)
        if earlier is not None:
            return earlier
        if self._acts is None:
            raise LogFull("brokers.kafka.bootstrap names no broker; send acts to the engine's own console")
        if self._fault() is not None:
            raise LogFull(NOT_IN_THE_LOG)
        try:
            self._acts.append([act])
        except LogFull as error:
            metrics.log.error("console.act_not_logged reason=%s", error)
            raise LogFull(NOT_IN_THE_LOG) from error
        ends_s = time.monotonic() + WAIT_S
        while (judged := self._ledger.act(act.id)) is None and time.monotonic() < ends_s:
            time.sleep(_ASK_EVERY_S)
        return judged

    def close(self) -> None:
        """Close the connections; what was appended was acknowledged before."""
        if self._acts is not None:
            self._acts.close()


def _refuse(_arrival: Arrival) -> None:
    raise TakesNoReadings(
        "this console takes no readings; send them to a gateway: by MQTT to readings/<kind>/<station>, or to the Kafka"
        " topic readings"
    )
