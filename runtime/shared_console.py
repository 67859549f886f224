"""The console as a program of its own, over a ledger that workers elsewhere write.

    ledger ─▶ page and API        acts ─▶ the topic `log` ─▶ a worker ─▶ ledger

It takes no readings: those go to a gateway, which alone knows when they are in the log.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from kafka.errors import KafkaError

from alerting.ledger import Ledger
from console.app import create_app
from console.feed import Feed
from console.site import Site, TakesNoReadings
from ingest.arrival import Arrival
from runtime import metrics
from runtime.acts import NOT_IN_THE_LOG, WAIT_S, association_of
from runtime.cli.engine import TOKEN_VARIABLE
from runtime.clock import Clock
from runtime.configuration.loading import Configuration
from runtime.configuration.secrets import read_secret
from runtime.following import LedgerFollower
from runtime.kafkalog import KafkaLog
from runtime.logstore import LogFull
from runtime.lookout import Lookout
from runtime.server import ConsoleServer
from schemas.act import Act
from schemas.bundle import Bundle
from schemas.log import ActRecord

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
        bootstrap = settings.brokers.kafka.bootstrap
        feed = Feed()
        self._follower = LedgerFollower(ledger, feed, bundle.associations)
        self._lookout = Lookout(ledger, bundle, clock, bootstrap)
        self._desk = ActDesk(ledger, bundle, clock, bootstrap, lambda: self._lookout.kafka_fault)
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
    bootstrap
        Brokers of Kafka.
    fault
        Why Kafka does not answer just now; None while it does. An act is refused at once then, for a producer would
        wait half a minute.
    """

    def __init__(
        self,
        ledger: Ledger,
        bundle: Bundle,
        clock: Clock,
        bootstrap: Sequence[str],
        fault: Callable[[], str | None],
    ) -> None:
        self._ledger = ledger
        self._bundle = bundle
        self._clock = clock
        self._bootstrap = bootstrap
        self._fault = fault
        self._log: KafkaLog | None = None
        self._opening = threading.Lock()

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
        if not self._bootstrap:
            raise LogFull("brokers.kafka.bootstrap names no broker; send acts to the engine's own console")
        if self._fault() is not None:
            raise LogFull(NOT_IN_THE_LOG)
        now_us = self._clock.now_us()
        record = ActRecord(now_us, act.model_dump_json().encode())
        area = association_of(act, self._ledger, self._bundle)
        try:
            self._opened().append([(area, now_us, record)])
        except LogFull as error:
            metrics.log.error("console.act_not_logged reason=%s", error)
            raise LogFull(NOT_IN_THE_LOG) from error
        ends_s = time.monotonic() + WAIT_S
        while (judged := self._ledger.act(act.id)) is None and time.monotonic() < ends_s:
            time.sleep(_ASK_EVERY_S)
        return judged

    def close(self) -> None:
        """Close the connections; what was appended was acknowledged before."""
        if self._log is not None:
            self._log.close()

    def _opened(self) -> KafkaLog:
        with self._opening:
            if self._log is None:
                if not self._bootstrap:
                    raise LogFull(
                        "brokers.kafka.bootstrap names no broker; send acts to the engine's own console"
                    )
                try:
                    self._log = KafkaLog(self._bootstrap)
                except KafkaError as error:
                    raise LogFull(NOT_IN_THE_LOG) from error
            return self._log


def _refuse(_arrival: Arrival) -> None:
    raise TakesNoReadings(
        "this console takes no readings; send them to a gateway: by MQTT to readings/<kind>/<station>, or to the Kafka"
        " topic readings"
    )
