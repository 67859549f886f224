"""The log on Kafka: what the gateway writes, one record a packet, acknowledged by the brokers before it counts.

In      records of association areas; rejects
Out     the topics `log` and `readings.rejected`

kafka-python's idempotent producer with acks=all: a retry of its own writes no record twice.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError

from runtime.intake.durable import Records
from runtime.logs.store import LogFull
from runtime.logs.topics import LOG, MAX_RECORD_BYTES, OPEN, RECONNECT_MS, REJECTED, partition_of
from schemas.errors import plain
from schemas.log import encode_record
from schemas.reject import Reject

ACKNOWLEDGED_S = 30.0
log = logging.getLogger("fenghuo")


class KafkaAppending:
    """Records on their way to the brokers.

    Parameters
    ----------
    sent
        A future of kafka-python's for each record.
    failed
        Makes of kafka-python's error what the append raises.
    patience_s
        How long the brokers' word may be in coming.
    """

    def __init__(
        self, sent: Sequence[Any], failed: Callable[[KafkaError], LogFull], patience_s: float
    ) -> None:
        self._sent = sent
        self._failed = failed
        self._ends_s = time.monotonic() + patience_s

    def done(self) -> bool:
        """Whether it has succeeded or failed, be it for want of an answer."""
        return all(future.is_done for future in self._sent) or time.monotonic() >= self._ends_s

    def result(self) -> None:
        """Wait for the brokers' word.

        Raises
        ------
        LogFull
            They did not acknowledge all.
        """
        try:
            for future in self._sent:
                future.get(timeout=max(0.0, self._ends_s - time.monotonic()))
        except KafkaError as error:
            raise self._failed(error) from error


class KafkaLog:
    """Appends to `log` and keeps rejects; nothing returns before the brokers have acknowledged it.

    Parameters
    ----------
    security
        Keyword arguments of kafka-python for a line that is not open to all.
    explain
        What an error of Kafka's means for whoever mends it.
    patience_s
        How long the brokers' word may be in coming.
    """

    def __init__(
        self,
        bootstrap: Sequence[str],
        security: Mapping[str, Any] = OPEN,
        explain: Callable[[BaseException], str] = plain,
        *,
        patience_s: float = ACKNOWLEDGED_S,
    ) -> None:
        self._bootstrap = list(bootstrap)
        self._security = dict(security)
        self._explain = explain
        self._patience_s = patience_s
        self._producer: KafkaProducer | None = None
        self._partitions: int | None = None
        self._lock = threading.Lock()

    def append(self, records: Records) -> None:
        """Write records in their order, each to its area's partition.

        Raises
        ------
        LogFull
            The brokers did not acknowledge all. Those that they did are there: given again they come twice, and a
            repeated reading counts once.
        """
        self.begin(records, _nothing).result()

    def begin(self, records: Records, on_end: Callable[[], None]) -> KafkaAppending:
        """Begin to write records; those of appends begun later stand behind them.

        Parameters
        ----------
        on_end
            Called from another thread when a record is acknowledged or has failed.

        Raises
        ------
        LogFull
            They cannot even be sent.
        """
        return self._begin([(area, encode_record(record)) for area, _, record in records], on_end)

    def append_bytes(self, rows: Sequence[tuple[str, bytes]]) -> None:
        """Write records that are bytes already, each with its area, as `append` does."""
        self._begin(rows, _nothing).result()

    def _begin(self, rows: Sequence[tuple[str, bytes]], on_end: Callable[[], None]) -> KafkaAppending:
        with self._lock:
            try:
                producer = self._connected()
                partitions = self._partition_count(producer)
                sent = [
                    producer.send(LOG, body, key=area.encode(), partition=partition_of(area, partitions))
                    for area, body in rows
                ]
            except KafkaError as error:
                raise self._full(error) from error
        for future in sent:
            future.add_both(lambda *_: on_end())
        return KafkaAppending(sent, self._failed, self._patience_s)

    def add_rejects(self, rejects: Sequence[Reject]) -> None:
        """Keep rejects on `readings.rejected`.

        Raises
        ------
        LogFull
            As of `append`.
        """
        with self._lock:
            try:
                producer = self._connected()
                self._acknowledged(
                    producer,
                    [
                        producer.send(REJECTED, r.model_dump_json().encode(), key=r.id.encode())
                        for r in rejects
                    ],
                )
            except KafkaError as error:
                raise self._full(error) from error

    def close(self) -> None:
        """Close the connections; everything was acknowledged before."""
        if self._producer is not None:
            self._producer.close(timeout=5)

    def _connect(self) -> KafkaProducer:
        return KafkaProducer(
            bootstrap_servers=self._bootstrap,
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_request_size=MAX_RECORD_BYTES,
            max_block_ms=int(self._patience_s * 1000),
            reconnect_backoff_max_ms=RECONNECT_MS,
            **self._security,
        )

    def _connected(self) -> KafkaProducer:
        if self._producer is None:
            self._producer = self._connect()
        return self._producer

    def _failed(self, error: KafkaError) -> LogFull:
        with self._lock:
            return self._full(error)

    def _full(self, error: KafkaError) -> LogFull:
        # An idempotent producer that has lost its place refuses everything from then on: the next try gets a new one.
        if self._producer is not None:
            try:
                self._producer.close(timeout=0)
                self._producer = None
            except KafkaTimeoutError:
                log.warning("kafka.waiting; what was sent goes out in its order when the brokers are back")
        return LogFull(f"Kafka does not acknowledge: {self._explain(error)}")

    def _partition_count(self, producer: KafkaProducer) -> int:
        if self._partitions is None:
            self._partitions = len(producer.partitions_for(LOG))
        return self._partitions

    def _acknowledged(self, producer: KafkaProducer, sent: list[Any]) -> None:
        producer.flush(timeout=self._patience_s)
        for future in sent:
            future.get(timeout=self._patience_s)


def _nothing() -> None:
    """What nobody waits to hear."""
