"""Topics on a broker of this module's own: made once, listed, and what is missing or differs is found."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from kafka import KafkaConsumer
from kafka.admin import KafkaAdminClient

from runtime.cli.topics import topics
from runtime.logs.kafka import KafkaLog
from runtime.logs.store import LogFull
from runtime.logs.topics import LOG, READINGS, compare_topics, make_topics
from runtime.servers.connections import KafkaRefused
from schemas.log import Tick, decode_record
from tests.servers.base import spare_port
from tests.servers.fixtures import running
from tests.servers.kafka import Kafka

SMALL = Path(__file__).parents[2] / "data" / "configurations" / "small"


@pytest.fixture(scope="module")
def kafka() -> Iterator[Kafka]:
    """Its topics are made wrong here, so the broker that others share will not do."""
    with running(Kafka) as server:
        yield server


def place(folder: Path, bootstrap: str) -> Path:
    made = Path(shutil.copytree(SMALL, folder / "place"))
    (made / "fenghuo.yaml").write_text(yaml.safe_dump({"brokers": {"kafka": {"bootstrap": [bootstrap]}}}))
    return made


def run(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(topics, ["--config", str(folder), *words])


def test_topics_are_made_once_and_what_differs_is_found(kafka: Kafka, tmp_path: Path) -> None:
    folder = place(tmp_path, kafka.bootstrap)
    checked = run(folder, "--check")
    assert checked.exit_code == 1
    assert all(line.endswith(" missing") for line in checked.output.splitlines()), checked.output
    assert not [one for one in compare_topics(kafka.bootstrap) if one.partitions], "--check made something"

    made = run(folder, "--partitions", "3")
    assert made.exit_code == 0, made.output
    lines = made.output.splitlines()
    assert len(lines) == 13
    assert all(line.endswith(": made") for line in lines), made.output
    assert any(line.split() == f"{LOG} 3 partitions, kept 30 days, delete: made".split() for line in lines)
    again = run(folder, "--partitions", "3")
    assert again.exit_code == 0
    assert "made" not in again.output
    assert run(folder, "--partitions", "3", "--check").exit_code == 0

    other = run(folder, "--partitions", "4")
    assert other.exit_code == 1
    assert other.output.count("3 partitions, kept") == other.output.count(": 3 partitions, wanted 4") == 13

    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    admin.delete_topics([LOG, READINGS])
    kafka.wait_until(lambda: not {LOG, READINGS} & set(admin.list_topics()), 10)
    admin.close()
    kafka.create_topic(LOG, 3, {"cleanup.policy": "compact"})
    differs = run(folder, "--partitions", "3", "--check")
    assert differs.exit_code == 1
    faults = {one.name: one.faults for one in compare_topics(kafka.bootstrap, 3) if one.faults}
    assert faults == {
        READINGS: ("missing",),
        LOG: (
            "cleanup.policy is compact, wanted delete",
            "retention.ms is 604800000, wanted 2592000000",
            "max.message.bytes is 1048588, wanted 16777216",
            "message.timestamp.type is CreateTime, wanted LogAppendTime",
        ),
    }
    for name, said in faults.items():
        assert next(x for x in differs.output.splitlines() if x.split()[0] == name).endswith("; ".join(said))


def test_what_a_broker_refuses_is_one_plain_line(kafka: Kafka, tmp_path: Path) -> None:
    nobody = run(place(tmp_path, f"127.0.0.1:{spare_port()}"), "--check")
    assert isinstance(nobody.exception, KafkaRefused)
    assert re.fullmatch(
        r"Kafka at 127.0.0.1:\d+: it does not answer: Connection refused", str(nobody.exception)
    )
    unnamed = CliRunner().invoke(topics, ["--config", str(SMALL)])
    assert "brokers.kafka.bootstrap names no broker" in unnamed.output


def test_what_kafka_does_not_acknowledge_is_told_and_the_log_goes_on_when_it_is_back(kafka: Kafka) -> None:
    make_topics(kafka.bootstrap)
    log = KafkaLog([kafka.bootstrap], patience_s=5.0)
    log.append([("5119", 1, Tick(1))])
    kafka.kill()
    for at in (2, 3):
        with pytest.raises(LogFull, match="Kafka does not acknowledge"):
            log.append([("5119", at, Tick(at))])
    kafka.start()
    log.append([("5119", 4, Tick(4))])
    log.close()
    consumer = KafkaConsumer(LOG, bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest")
    ticks: list[int] = []

    def has_come() -> bool:
        ticks.extend(read(consumer))
        return 4 in ticks

    kafka.wait_until(has_come, 20)
    consumer.close()
    assert sorted(set(ticks)) == ticks, "out of order, or twice without having been sent twice"
    assert {1, 4} <= set(ticks)


def read(consumer: KafkaConsumer) -> list[int]:
    polled = consumer.poll(timeout_ms=500).values()
    records = [decode_record(one.value) for batch in polled for one in batch]
    return [record.at_us for record in records if isinstance(record, Tick)]
