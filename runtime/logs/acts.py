"""Acts on their way to the topic `log`: those of people, from the console, and the system's, from dispatchers.

The connection is made when it is first needed, so that neither waits for Kafka to begin its work.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from kafka.errors import KafkaError

from alerting.ledger import Ledger
from runtime.acts import association_of
from runtime.clock import Clock
from runtime.logs.kafka import KafkaLog
from runtime.logs.store import LogFull
from runtime.servers.connections import KafkaAccess
from schemas.act import Act
from schemas.bundle import Bundle
from schemas.log import ActRecord


class KafkaActs:
    """Appends acts, each to the log of its association area. May be used from any thread.

    Parameters
    ----------
    kafka
        How its brokers are reached.
    """

    def __init__(self, ledger: Ledger, bundle: Bundle, clock: Clock, kafka: KafkaAccess) -> None:
        self._ledger = ledger
        self._bundle = bundle
        self._clock = clock
        self._kafka = kafka
        self._log: KafkaLog | None = None
        self._opening = threading.Lock()

    def append(self, acts: Sequence[Act]) -> None:
        """Append acts; they are durable when it returns.

        Raises
        ------
        LogFull
            Not all are in the log, or nobody knows. The same acts may be given again: they count once.
        """
        now_us = self._clock.now_us()
        self._opened().append(
            [
                (
                    association_of(act, self._ledger, self._bundle),
                    now_us,
                    ActRecord(now_us, act.model_dump_json().encode()),
                )
                for act in acts
            ]
        )

    def close(self) -> None:
        """Close the connections; what was appended was acknowledged before."""
        if self._log is not None:
            self._log.close()

    def _opened(self) -> KafkaLog:
        with self._opening:
            if self._log is None:
                try:
                    self._log = KafkaLog(self._kafka.bootstrap, self._kafka.security, self._kafka.explain)
                except KafkaError as error:
                    raise LogFull(f"Kafka does not answer: {self._kafka.explain(error)}") from error
            return self._log
