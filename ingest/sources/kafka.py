"""Kafka: readings from the topic `readings`, committed only after they are in the log.

In      records, key = station (of a forecast its area), value = one reading or an array
Out     arrivals; the offset of each partition up to which all are settled

Source  Kafka's at-least-once pattern: commit behind processing; a repeat counts once
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata

from ingest.arrival import Arrival, Settled, Submit
from schemas.errors import plain

log = logging.getLogger("fenghuo")

TOPIC = "readings"
GROUP = "fenghuo-gateway"
_POLL_MS = 200
_LOOK_AGAIN_MS = 5_000
_RETRY_S = 1.0


class KafkaSource:
    """A member of the group of all gateways, in a thread of its own.

    Parameters
    ----------
    submit
        Takes arrivals; blocks while the intake is full, and with it the consumer.
    security
        Keyword arguments of kafka-python for a line that is not open to all.
    explain
        What an error of Kafka's means for whoever mends it.
    """

    def __init__(
        self,
        bootstrap: Sequence[str],
        submit: Submit,
        group: str = GROUP,
        *,
        security: Mapping[str, Any] | None = None,
        explain: Callable[[BaseException], str] = plain,
    ) -> None:
        self._bootstrap = list(bootstrap)
        self._security = dict(security or {})
        self._explain = explain
        self._submit = submit
        self._group = group
        self._stopping = threading.Event()
        self._handed: dict[TopicPartition, deque[int]] = {}
        """Offsets handed on and not yet committed, in order; they may have holes."""
        self._settled: dict[TopicPartition, set[int]] = {}
        self._lock = threading.Lock()
        self.connected = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kafka-source", daemon=True)

    def start(self) -> None:
        """Begin to consume."""
        self._thread.start()

    def stop(self) -> None:
        """Leave the group; what is not settled is not committed and comes again."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._consume()
            except Exception as error:  # noqa: BLE001 - a source that ended in silence would be missed by nobody
                self.connected.clear()
                log.error("kafka.lost reason=%s; trying again", self._explain(error))
                self._stopping.wait(_RETRY_S)

    def _consume(self) -> None:
        consumer = KafkaConsumer(
            TOPIC,
            bootstrap_servers=self._bootstrap,
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=10_000,
            heartbeat_interval_ms=3_000,
            # A member that joins before it has the topic's metadata is assigned nothing until it looks again.
            metadata_max_age_ms=_LOOK_AGAIN_MS,
            **self._security,
        )
        try:
            with self._lock:
                self._handed, self._settled = {}, {}
            while not self._stopping.is_set():
                for partition, records in consumer.poll(timeout_ms=_POLL_MS, max_records=500).items():
                    with self._lock:
                        self._settled.setdefault(partition, set())
                        self._handed.setdefault(partition, deque()).extend(
                            record.offset for record in records
                        )
                    for record in records:
                        self._hand_on(partition, record)
                self.connected.set()
                self._commit(consumer)
            self._commit(consumer)
        finally:
            consumer.close()

    def _hand_on(self, partition: TopicPartition, record: Any) -> None:
        key = None if record.key is None else record.key.decode(errors="replace")
        source = f"kafka:{TOPIC}/{partition.partition}@{record.offset}"
        self._submit(
            Arrival(
                record.value or b"",
                source,
                self._settle(partition, record.offset),
                None if key is None else ("", key),
            )
        )

    def _settle(self, partition: TopicPartition, offset: int) -> Callable[[Settled], None]:
        def settle(_settled: Settled) -> None:
            with self._lock:
                if partition in self._settled:
                    self._settled[partition].add(offset)

        return settle

    def _commit(self, consumer: KafkaConsumer) -> None:
        """Commit each partition up to the first offset that is not settled."""
        ready: dict[TopicPartition, OffsetAndMetadata] = {}
        assigned = consumer.assignment()
        with self._lock:
            for partition, handed in list(self._handed.items()):
                if partition not in assigned:  # another member has it now, and what was not committed
                    del self._handed[partition], self._settled[partition]
                    continue
                settled, last = self._settled[partition], None
                while handed and handed[0] in settled:
                    last = handed.popleft()
                    settled.discard(last)
                if last is not None:
                    ready[partition] = OffsetAndMetadata(last + 1, "", -1)
        if ready:
            consumer.commit(ready)
