"""Topics of the Kafka deployment: names, where an association area goes, and their making.

    readings, readings.rejected     from and to integrators
    log                             the log: key and partition by association area; not for outsiders
    findings, alerts.<tier>         what was concluded and, released, what was said; exercise.alerts.<tier> in a drill

An area's partition is the CRC-32 of its code modulo the number of partitions, stable as long as that number is.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

from kafka.admin import KafkaAdminClient
from kafka.errors import TopicAlreadyExistsError, for_code

from schemas.alert import Status
from schemas.area import TIERS, Tier

READINGS, REJECTED, LOG, FINDINGS, DEAD = "readings", "readings.rejected", "log", "findings", "log.dead"
PARTITIONS = 4
LOG_DAYS = 30
MAX_RECORD_BYTES = 16 * 1024 * 1024


def alerts_topic(status: Status, tier: Tier) -> str:
    """Where a tier's alert versions go; an exercise or test never reaches the live topics."""
    return f"alerts.{tier}" if status is Status.ACTUAL else f"exercise.alerts.{tier}"


def partition_of(area: str, partitions: int) -> int:
    """The partition of `log` that holds an association area."""
    return zlib.crc32(area.encode()) % partitions


def _configurations() -> Mapping[str, Mapping[str, str]]:
    alerts = [alerts_topic(status, tier) for status in (Status.ACTUAL, Status.EXERCISE) for tier in TIERS]
    # The log is the truth that checkpoints are rebuilt from: it outlives what a broker keeps by default, and a packet
    # of many channels is larger than what a broker takes by default.
    log = {"retention.ms": str(LOG_DAYS * 86_400_000), "max.message.bytes": str(MAX_RECORD_BYTES)}
    return {LOG: log, **{name: {} for name in (READINGS, REJECTED, FINDINGS, DEAD, *alerts)}}


def make_topics(bootstrap: str, partitions: int = PARTITIONS) -> list[str]:
    """Make the topics that are missing; return their names.

    Raises
    ------
    kafka.errors.KafkaError
        The broker refuses one: the error is its own.
    """
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    made = []
    try:
        there = set(admin.list_topics())
        for name, configs in _configurations().items():
            if name in there:
                continue
            wanted: dict[str, Any] = {
                "num_partitions": partitions,
                "replication_factor": -1,
                "configs": dict(configs),
            }
            try:
                (topic,) = admin.create_topics({name: wanted})["topics"]
            except TopicAlreadyExistsError:
                continue  # another process made it in the same moment
            # Some answers carry an error code where others raise: an unchecked one would be a topic that is not there.
            if topic["error_code"] != 0:
                raise for_code(topic["error_code"])(f"{name}: {topic.get('error_message')}")
            made.append(name)
    finally:
        admin.close()
    return made
