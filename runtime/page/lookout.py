"""The lookout: what a console that runs by itself can see of the deployment around it.

Every few seconds it reads the ledger and asks Kafka. The gateway writes a tick a second into each quiet area and the
worker saves a checkpoint every few seconds, so an area whose checkpoint stands still has lost one of them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError
from sqlalchemy.exc import SQLAlchemyError

from alerting.ledger import Ledger
from console.site import Health
from runtime import metrics
from runtime.clock import Clock
from runtime.logs.topics import ASKED_MS, OPEN, RECONNECT_MS
from schemas.bundle import Bundle
from schemas.errors import plain
from schemas.times import Micros, rfc3339, to_micros

LOOK_EVERY_S = 5.0
STILL_S = 40.0
"""An area's checkpoint that has not moved for so long is a fault: longer than a worker's areas take to change hands."""


class Lookout:
    """Looks at ledger, areas and Kafka in a thread of its own.

    Parameters
    ----------
    bootstrap
        Brokers of Kafka; none where the ledger is an embedded engine's.
    security, explain
        As of `KafkaLog`.
    """

    def __init__(
        self,
        ledger: Ledger,
        bundle: Bundle,
        clock: Clock,
        bootstrap: Sequence[str],
        security: Mapping[str, Any] = OPEN,
        explain: Callable[[BaseException], str] = plain,
    ) -> None:
        self._ledger = ledger
        self._bundle = bundle
        self._clock = clock
        self._bootstrap = list(bootstrap)
        self._security = dict(security)
        self._explain = explain
        self._admin: KafkaAdminClient | None = None
        self._positions: dict[str, int] = {}
        self._moved_s: dict[str, float] = dict.fromkeys(bundle.associations, time.monotonic())
        self._newest_alert_us: Micros | None = None
        self._newest_act_us: Micros | None = None
        self._ledger_fault: str | None = "not read yet"
        self.kafka_fault: str | None = "not asked yet" if bootstrap else None
        """Why no record could be appended just now; None where nothing is known against it."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lookout", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()
        self._thread.join()

    def health(self) -> Health:
        """What was seen at the last look."""
        faults = []
        if self._ledger_fault is not None:
            faults.append(f"the ledger cannot be read: {self._ledger_fault}")
        if self.kafka_fault is not None:
            faults.append(f"Kafka does not answer: {self.kafka_fault}; acts cannot be taken")
        still_s = {code: time.monotonic() - moved_s for code, moved_s in self._moved_s.items()}
        faults += [
            f"association area {code} has stood still for {still:.0f} s: does a gateway write, does a worker run?"
            for code, still in still_s.items()
            if still > STILL_S
        ]
        now_us = self._clock.now_us()
        details = {
            "now": rfc3339(now_us),
            "positions": dict(self._positions),
            "still_s": {code: round(still, 1) for code, still in still_s.items()},
            "newest_alert_age_s": _age_s(self._newest_alert_us, now_us),
            "newest_act_age_s": _age_s(self._newest_act_us, now_us),
            "bundle": self._bundle.hash,
        }
        return Health(not faults, tuple(faults), details)

    def _run(self) -> None:
        while True:
            self._look_at_ledger()
            self._look_at_kafka()
            if self._stopping.wait(LOOK_EVERY_S):
                break
        if self._admin is not None:
            self._admin.close()

    def _look_at_ledger(self) -> None:
        try:
            for code in self._bundle.associations:
                position = self._ledger.checkpoint_position(code)
                if position != self._positions.get(code):
                    self._positions[code] = position
                    self._moved_s[code] = time.monotonic()
            alerts, acts = self._ledger.newest_alerts(1), self._ledger.acts(None, 1)
        except SQLAlchemyError as error:
            self._ledger_fault = plain(error)
            return
        self._newest_alert_us = to_micros(alerts[0].issued_at) if alerts else None
        self._newest_act_us = to_micros(acts[0].at) if acts else None
        self._ledger_fault = None

    def _look_at_kafka(self) -> None:
        if not self._bootstrap:
            return
        try:
            if self._admin is None:
                self._admin = KafkaAdminClient(
                    bootstrap_servers=self._bootstrap,
                    bootstrap_timeout_ms=ASKED_MS,
                    request_timeout_ms=ASKED_MS,
                    reconnect_backoff_max_ms=RECONNECT_MS,
                    **self._security,
                )
            self._admin.describe_cluster()
        except KafkaError as error:
            fault = self._explain(error)
            if fault != self.kafka_fault:
                metrics.log.error("kafka.away reason=%s; acts cannot be taken", fault)
            self.kafka_fault = fault
            if self._admin is not None:
                # A client that was refused once does not ask again, whatever was mended.
                self._admin.close()
                self._admin = None
            return
        self.kafka_fault = None


def _age_s(at_us: Micros | None, now_us: Micros) -> float | None:
    return None if at_us is None else round((now_us - at_us) / 1e6, 1)
