"""`fenghuo configure`: what it says, and that a gateway with another folder says what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition

from runtime.logs.topics import LOG, PARTITIONS, partition_of
from schemas.log import ConfigurationRecord, decode_record
from tests.runtime.valley import CITY, COUNTY, write_valley
from tests.servers.fixtures import running
from tests.servers.kafka import Kafka


def fenghuo(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "runtime.cli", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)


def test_without_kafka_it_names_the_engine_that_needs_it_not(tmp_path: Path) -> None:
    refused = fenghuo("configure", str(write_valley(tmp_path, 1, {})))
    assert refused.returncode == 2
    assert "`fenghuo run` takes a changed configuration when it starts" in refused.stderr.replace("\n", " ")


@pytest.mark.xdist_group("kafka")
@pytest.mark.timeout(240)
def test_each_area_is_told_once_and_a_gateway_with_another_folder_is_refused(tmp_path: Path) -> None:
    with running(Kafka) as kafka:
        settings = {
            "status": "exercise",
            "brokers": {"kafka": {"bootstrap": [kafka.bootstrap]}},
            "database": {"folder": str(tmp_path)},
        }
        by_city = write_valley(tmp_path / "city", 2, settings)
        by_county = write_valley(tmp_path / "county", 2, settings | {"association_tier": "county"})
        early = fenghuo("gateway", "--config", str(by_city))
        assert early.returncode == 2
        assert "no configuration is in force yet" in early.stderr
        first = fenghuo("configure", str(by_city))
        assert (first.returncode, first.stderr) == (0, "")
        assert first.stdout.endswith(f"is in force in association areas {CITY}\n")
        assert "is in force already" in fenghuo("configure", str(by_city)).stdout
        moved = fenghuo("configure", str(by_county))
        assert moved.stdout.endswith(f"is in force in association areas {COUNTY}\n")
        assert f"association area {CITY} is in it no more" in moved.stderr
        late = fenghuo("gateway", "--config", str(by_city), "--name", "late")
        assert late.returncode == 2
        assert "is not the one in force" in late.stderr
        assert "`fenghuo configure DIR`" in late.stderr
        assert told(kafka, CITY) == 1
        assert told(kafka, COUNTY) == 1


def told(kafka: Kafka, area: str) -> int:
    """How many configurations an area's log names; it holds nothing else."""
    consumer = KafkaConsumer(bootstrap_servers=kafka.bootstrap)
    partition = TopicPartition(LOG, partition_of(area, PARTITIONS))
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    end = consumer.end_offsets([partition])[partition]
    records = []
    while consumer.position(partition) < end:
        for batch in consumer.poll(timeout_ms=500).values():
            records += [decode_record(one.value) for one in batch if one.key == area.encode()]
    consumer.close()
    assert all(isinstance(record, ConfigurationRecord) for record in records)
    return len(records)
