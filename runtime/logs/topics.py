"""Topics of the Kafka deployment: names, where an association area goes, and their making.

    readings, readings.rejected     from and to integrators
    log                             the log: key and partition by association area; not for outsiders
    log.dead                        which of its records were passed over, and why
    findings, alerts.<tier>         what was concluded and, released, what was said; exercise.alerts.<tier> in a drill

An area's partition is the CRC-32 of its code modulo the number of partitions, stable as long as that number is.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from kafka.admin import ConfigFilterType, ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import TopicAlreadyExistsError, UnknownTopicOrPartitionError, for_code

from schemas.alert import Status
from schemas.area import TIERS, Tier

READINGS, REJECTED, LOG, FINDINGS, DEAD = "readings", "readings.rejected", "log", "findings", "log.dead"
PARTITIONS = 4
LOG_DAYS = 30
MAX_RECORD_BYTES = 16 * 1024 * 1024
RECONNECT_MS = 1_000
"""The longest pause between tries to reach a broker that is away; kafka-python's own grows to half a minute."""
ASKED_MS = 5_000
"""How long a question to the brokers may take before they count as away."""
OPEN: Mapping[str, Any] = MappingProxyType({})
"""Keyword arguments of kafka-python for a line that is open to all."""


def alerts_topic(status: Status, tier: Tier) -> str:
    """Where a tier's alert versions go; an exercise or test never reaches the live topics."""
    return f"alerts.{tier}" if status is Status.ACTUAL else f"exercise.alerts.{tier}"


def partition_of(area: str, partitions: int) -> int:
    """The partition of `log` that holds an association area."""
    return zlib.crc32(area.encode()) % partitions


def _configurations() -> Mapping[str, Mapping[str, str]]:
    alerts = [alerts_topic(status, tier) for status in (Status.ACTUAL, Status.EXERCISE) for tier in TIERS]
    # The log is the truth that checkpoints are rebuilt from: it outlives what a broker keeps by default, and a packet
    # of many channels is larger than what a broker takes by default. Compacted, it would keep one record an area. When a
    # record was in the log is the broker's to say: of one that waited for the brokers its writer knows only when it began.
    log = {
        "cleanup.policy": "delete",
        "retention.ms": str(LOG_DAYS * 86_400_000),
        "max.message.bytes": str(MAX_RECORD_BYTES),
        "message.timestamp.type": "LogAppendTime",
    }
    # Why a record of the log was passed over is kept as long as the record.
    dead = {"cleanup.policy": "delete", "retention.ms": log["retention.ms"]}
    return {LOG: log, DEAD: dead, **{name: {} for name in (READINGS, REJECTED, FINDINGS, *alerts)}}


def make_topics(
    bootstrap: str, partitions: int = PARTITIONS, *, security: Mapping[str, Any] = OPEN
) -> list[str]:
    """Make the topics that are missing; return their names.

    Parameters
    ----------
    security
        Keyword arguments of kafka-python for a line that is not open to all.

    Raises
    ------
    kafka.errors.KafkaError
        The broker refuses one: the error is its own.
    """
    admin = KafkaAdminClient(bootstrap_servers=bootstrap, **security)
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
        # The controller's word comes before the brokers know of them.
        admin.wait_for_topics(made)
    finally:
        admin.close()
    return made


@dataclass(frozen=True, slots=True)
class Standing:
    """A topic as the broker has it.

    Attributes
    ----------
    partitions
        0 where there is no such topic.
    configs
        What the broker applies to it, its own defaults too.
    faults
        Plain words for each thing that is not as it should be.
    """

    name: str
    partitions: int
    configs: Mapping[str, str]
    faults: tuple[str, ...]


def compare_topics(
    bootstrap: str, partitions: int = PARTITIONS, *, security: Mapping[str, Any] = OPEN
) -> list[Standing]:
    """How each of our topics stands against what it should be; changes nothing.

    Parameters
    ----------
    security
        As of `make_topics`.

    Raises
    ------
    kafka.errors.KafkaError
        No broker answers, or it refuses: the error is its own.
    """
    wanted = _configurations()
    admin = KafkaAdminClient(
        bootstrap_servers=bootstrap, bootstrap_timeout_ms=ASKED_MS, request_timeout_ms=ASKED_MS, **security
    )
    try:
        there = {name: _partition_count(admin, name) for name in wanted}
        asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name, count in there.items() if count]
        told: dict[str, dict[str, Any]] = {}
        if asked:
            for answer in admin.describe_configs(asked, config_filter=ConfigFilterType.ALL).values():
                told |= answer
    finally:
        admin.close()
    standings = []
    for name, configs in wanted.items():
        actual = {key: str(entry["value"]) for key, entry in told.get(name, {}).items()}
        faults = _faults(there[name], partitions, actual, configs)
        standings.append(Standing(name, there[name], actual, tuple(faults)))
    return standings


def _partition_count(admin: KafkaAdminClient, name: str) -> int:
    (topic,) = admin.describe_topics([name])
    if topic["error_code"] == UnknownTopicOrPartitionError.errno:
        return 0
    if topic["error_code"] != 0:
        raise for_code(topic["error_code"])(name)
    return len(topic["partitions"])


def _faults(count: int, partitions: int, actual: Mapping[str, str], configs: Mapping[str, str]) -> list[str]:
    if not count:
        return ["missing"]
    faults = [f"{count} partitions, wanted {partitions}"] if count != partitions else []
    return faults + [
        f"{key} is {actual.get(key)}, wanted {value}"
        for key, value in configs.items()
        if actual.get(key) != value
    ]
