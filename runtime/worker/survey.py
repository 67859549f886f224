"""Where the partitions of the log stand, asked of the brokers once a second.

A client and a thread of its own: what it says is true also while the worker's client hangs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from kafka import TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec
from kafka.errors import KafkaError

from runtime.logs.topics import ASKED_MS, LOG, RECONNECT_MS
from runtime.servers.connections import KafkaAccess
from runtime.worker.progress import Place

EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the brokers said last.

    Attributes
    ----------
    asked_s
        When they were asked, by the machine's running time.
    fault
        Why they did not answer; None where they did.
    """

    asked_s: float
    places: Mapping[int, Place] = field(default_factory=dict)
    fault: str | None = None


class Survey:
    """Asks for ever what a group has committed of the log, and where its partitions begin and end.

    Parameters
    ----------
    partitions
        Which to ask for; called in the survey's thread.
    """

    def __init__(self, kafka: KafkaAccess, group: str, partitions: Callable[[], Collection[int]]) -> None:
        self._kafka = kafka
        self._group = group
        self._partitions = partitions
        self._admin: KafkaAdminClient | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="survey", daemon=True)
        self.answer: Answer | None = None
        """The newest; None while none has come."""

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more."""
        self._stopping.set()

    def _run(self) -> None:
        while True:
            asked_s = time.monotonic()
            try:
                self.answer = Answer(asked_s, self._ask())
            except (KafkaError, OSError) as error:
                self.answer = Answer(asked_s, fault=f"Kafka does not answer: {self._kafka.explain(error)}")
            if self._stopping.wait(EVERY_S):
                break
        if self._admin is not None:
            self._admin.close()

    def _ask(self) -> dict[int, Place]:
        if self._admin is None:
            self._admin = KafkaAdminClient(
                bootstrap_servers=list(self._kafka.bootstrap),
                bootstrap_timeout_ms=ASKED_MS,
                request_timeout_ms=ASKED_MS,
                reconnect_backoff_max_ms=RECONNECT_MS,
                **self._kafka.security,
            )
        asked = [TopicPartition(LOG, number) for number in sorted(self._partitions())]
        if not asked:
            return {}
        ends = self._admin.list_partition_offsets(dict.fromkeys(asked, OffsetSpec.LATEST))
        firsts = self._admin.list_partition_offsets(dict.fromkeys(asked, OffsetSpec.EARLIEST))
        committed = self._admin.list_group_offsets({self._group: asked})[self._group]
        return {
            one.partition: Place(
                firsts[one].offset,
                committed[one].offset if one in committed and committed[one].offset >= 0 else None,
                ends[one].offset,
            )
            for one in asked
        }
