"""The topic `log` as it stands when an export begins, read partition by partition up to its end of then.

In      topics `log` and `log.dead`
Out     records of the association areas that are asked for; an offset is a position less one
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, OffsetOutOfRangeError

from runtime.logs.topics import DEAD, LOG, MAX_RECORD_BYTES, partition_of
from runtime.servers.connections import KafkaAccess
from schemas.errors import PlainError
from schemas.log import Dead

_POLL_MS = 500
_PATIENCE_POLLS = 60
"""How often in a row the brokers may have nothing to give of what they said they have: half a minute."""


class TopicUnreadable(PlainError):
    """Kafka does not give what an export asks for."""


class TopicSource:
    """The partitions of `log` that hold some areas.

    Raises
    ------
    TopicUnreadable
        No broker answers, or it refuses; also while records are read.
    """

    def __init__(self, kafka: KafkaAccess, areas: Sequence[str]) -> None:
        self.name = f"topic {LOG} of Kafka"
        self._kafka = kafka
        try:
            self._consumer = KafkaConsumer(
                bootstrap_servers=list(kafka.bootstrap),
                **kafka.security,
                enable_auto_commit=False,
                # What was dropped while it is read must not be passed over in silence.
                auto_offset_reset="none",
                max_partition_fetch_bytes=MAX_RECORD_BYTES,
            )
            count = len(self._partitions(LOG))
            self._partition = {area: TopicPartition(LOG, partition_of(area, count)) for area in areas}
            mine = sorted(set(self._partition.values()))
            self._begins = self._consumer.beginning_offsets(mine)
            self._ends = self._consumer.end_offsets(mine)
        except KafkaError as error:
            raise self._unreadable(error) from error
        self.total = sum(self._ends[one] - self._begins[one] for one in mine)
        self._dead: dict[str, dict[int, str]] | None = None

    def is_whole(self, area: str) -> bool:
        return bool(self._begins[self._partition[area]] == 0)

    def bodies(self, areas: Sequence[str]) -> Iterator[tuple[str | None, int, bytes]]:
        mine = set(areas)
        partitions = sorted({self._partition[area] for area in areas})
        for record in self._read({one: (self._begins[one], self._ends[one]) for one in partitions}):
            area = (record.key or b"").decode(errors="replace")
            yield area if area in mine else None, record.offset + 1, record.value or b""

    def dead(self, area: str) -> Mapping[int, str]:
        if self._dead is None:
            self._dead = self._read_dead()
        return self._dead.get(area, {})

    def close(self) -> None:
        self._consumer.close()

    def _read_dead(self) -> dict[str, dict[int, str]]:
        try:
            partitions = [TopicPartition(DEAD, number) for number in sorted(self._partitions(DEAD))]
            begins, ends = (
                self._consumer.beginning_offsets(partitions),
                self._consumer.end_offsets(partitions),
            )
        except KafkaError as error:
            raise self._unreadable(error) from error
        dead: dict[str, dict[int, str]] = {}
        for record in self._read({one: (begins[one], ends[one]) for one in partitions}):
            try:
                one = msgspec.json.decode(record.value or b"", type=Dead)
            except msgspec.MsgspecError as error:
                raise TopicUnreadable(
                    f"topic {DEAD}, partition {record.partition}, offset {record.offset}: no worker's word: {error}"
                ) from error
            # A worker that was killed tells it again: the first word holds.
            dead.setdefault(one.area, {}).setdefault(one.position, one.reason)
        return dead

    def _read(self, spans: Mapping[TopicPartition, tuple[int, int]]) -> Iterator[Any]:
        """Records of partitions, each from an offset to before another."""
        open_ = {one: stop for one, (start, stop) in spans.items() if start < stop}
        try:
            self._consumer.assign(list(open_))
            for one in open_:
                self._consumer.seek(one, spans[one][0])
            patience = _PATIENCE_POLLS
            while open_:
                polled = self._consumer.poll(timeout_ms=_POLL_MS)
                patience = _PATIENCE_POLLS if polled else patience - 1
                if patience == 0:
                    raise TopicUnreadable(f"Kafka gives nothing more: {self._kafka.explain(TimeoutError())}")
                for records in polled.values():
                    yield from (record for record in records if record.offset < spans[_of(record)][1])
                done = [one for one, stop in open_.items() if self._consumer.position(one) >= stop]
                for one in done:
                    del open_[one]
                    self._consumer.pause(one)
        except OffsetOutOfRangeError as error:
            raise TopicUnreadable(
                "Kafka dropped the oldest records while they were read (its retention); export again"
            ) from error
        except KafkaError as error:
            raise self._unreadable(error) from error

    def _partitions(self, topic: str) -> set[int]:
        partitions = self._consumer.partitions_for_topic(topic)
        if not partitions:
            raise TopicUnreadable(
                f"Kafka at {','.join(self._kafka.bootstrap)} has no topic {topic}; `fenghuo topics` makes it"
            )
        return set(partitions)

    def _unreadable(self, error: KafkaError) -> TopicUnreadable:
        return TopicUnreadable(self._kafka.explain(error))


def _of(record: Any) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)
