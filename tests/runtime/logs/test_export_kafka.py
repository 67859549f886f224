"""Exporting from the topic `log`: several areas over the partitions, what lies between, what was dropped, who is away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from kafka import KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient

from alerting.ledger import Ledger
from runtime.cli.log import log as log_command
from runtime.configuration.loading import load
from runtime.logs import export_kafka
from runtime.logs.export_kafka import TopicSource, TopicUnreadable
from runtime.logs.file import LogFileReader
from runtime.logs.topics import DEAD, LOG, PARTITIONS, make_topics, partition_of
from runtime.replay.logs import replay_logs
from runtime.servers.connections import KafkaAccess
from schemas.log import Broken, ConfigurationRecord, Dead, Positioned, Tick, encode_record
from schemas.times import to_micros
from tests.runtime.engines import UNTIL
from tests.runtime.valley import CITY, write_valley
from tests.servers.base import spare_port
from tests.servers.fixtures import running
from tests.servers.kafka import Kafka

pytestmark = [pytest.mark.xdist_group("kafka"), pytest.mark.timeout(300)]
AREAS = (CITY, "5120", "5121", "5122", "5123", "5124")
AT = to_micros(UNTIL)


@pytest.fixture(scope="module")
def broker() -> Iterator[Kafka]:
    """A broker of its own: what others wrote to the topic `log` is no part of these logs."""
    with running(Kafka) as server:
        make_topics(server.bootstrap)
        yield server


class Logs:
    """A configuration of six cities, and their logs on the brokers."""

    def __init__(self, folder: Path, bootstrap: str) -> None:
        self.folder, self.bootstrap = folder, bootstrap
        settings = {
            "status": "test",
            "brokers": {"kafka": {"bootstrap": [bootstrap]}},
            "database": {"folder": str(folder)},
        }
        self.place = write_valley(folder / "config", 20, settings)
        with (self.place / "areas.csv").open("a") as areas:
            for code in AREAS[1:]:
                areas.write(f"{code},城{code},city,,106.7,31.8\n")
        self.bundle = load(self.place).bundle
        assert self.bundle.associations == AREAS
        with Ledger.open(str(folder / "state.db")) as ledger:
            ledger.store_bundle(self.bundle.hash, self.bundle.canonical)

    def write(self, *records: tuple[str, bytes | None]) -> None:
        producer = KafkaProducer(bootstrap_servers=self.bootstrap, acks="all")
        for key, value in records:
            producer.send(LOG, value, key=key.encode(), partition=partition_of(key, PARTITIONS)).get(30)
        producer.close()

    def say_dead(self, *values: bytes) -> None:
        producer = KafkaProducer(bootstrap_servers=self.bootstrap, acks="all")
        for value in values:
            producer.send(DEAD, value, key=b"x").get(30)
        producer.close()

    def export(self, *words: str) -> Result:
        return CliRunner().invoke(log_command, ["export", "--config", str(self.place), *words])


@pytest.fixture(scope="module")
def logs(broker: Kafka, tmp_path_factory: pytest.TempPathFactory) -> Logs:
    made = Logs(tmp_path_factory.mktemp("logs"), broker.bootstrap)
    naming = encode_record(ConfigurationRecord(AT, made.bundle.hash))
    made.write(*((area, naming) for area in AREAS))
    for minute in range(5):
        made.write(*((area, encode_record(Tick(AT + minute))) for area in AREAS))
        made.write(("nobody", b"x"), (CITY, None))
    return made


def records(path: Path) -> list[Positioned]:
    reader = LogFileReader(path)
    reader.first_bundle()
    found = [entry for part in reader.parts(100) for entry in part]
    reader.close()
    return found


def test_each_area_has_its_own_records_at_their_offsets(logs: Logs, tmp_path: Path) -> None:
    result = logs.export("--out", str(tmp_path))
    assert result.exit_code == 0, result.output
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted(AREAS)
    for area in AREAS:
        found = records(tmp_path / f"{area}.fhlog")
        ticks = [record.at_us for _, record in found if isinstance(record, Tick)]
        assert ticks == [AT + minute for minute in range(5)]
        assert isinstance(found[0][1], ConfigurationRecord)
        positions = [position for position, _ in found]
        assert positions == sorted(set(positions))
        assert positions[0] >= 1
    broken = [record for _, record in records(tmp_path / f"{CITY}.fhlog") if isinstance(record, Broken)]
    assert len(broken) == 5
    played = replay_logs(sorted(tmp_path.iterdir()), tmp_path / "out")
    assert played.records == len(AREAS) * 6 + 5


def test_one_area_goes_to_one_file_and_one_that_has_no_log_is_said(logs: Logs, tmp_path: Path) -> None:
    result = logs.export("--area", "5121", "--out", str(tmp_path / "one.fhlog"))
    assert result.exit_code == 0, result.output
    assert len(records(tmp_path / "one.fhlog")) == 6
    several = logs.export("--out", str(tmp_path / "all.fhlog"))
    assert "is one file, and there are 6 logs" in str(several.exception)
    nobody = logs.export("--area", "9999", "--out", str(tmp_path / "none.fhlog"))
    assert "has no record of 9999" in str(nobody.exception)


def test_the_workers_word_on_dead_records_is_carried(logs: Logs, tmp_path: Path) -> None:
    assert logs.export("--area", CITY, "--out", str(tmp_path / "before.fhlog")).exit_code == 0
    broken = [p for p, record in records(tmp_path / "before.fhlog") if isinstance(record, Broken)]
    said = [msgspec.json.encode(Dead(CITY, position, f"reason {position}")) for position in broken[:4]]
    again = msgspec.json.encode(Dead(CITY, broken[0], "said again by the next worker"))
    logs.say_dead(*said, again, msgspec.json.encode(Dead("nobody", 1, "no area")))
    assert logs.export("--area", CITY, "--out", str(tmp_path / "after.fhlog")).exit_code == 0
    played = replay_logs([tmp_path / "after.fhlog"], tmp_path / "out")
    assert sorted(played.ends[CITY].dead) == broken[:4]
    # The engine has no checkpoint here: what it has not come to, it need not have buried.
    assert played.warnings == []


def test_what_was_dropped_at_the_beginning_is_told(logs: Logs, tmp_path: Path, broker: Kafka) -> None:
    partition = TopicPartition(LOG, partition_of("5124", PARTITIONS))
    source = TopicSource(KafkaAccess((broker.bootstrap,)), ["5124"])
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    admin.delete_records({partition: 3})
    admin.close()
    with pytest.raises(TopicUnreadable, match="dropped the oldest records while they were read"):
        list(source.bodies(["5124"]))
    source.close()
    result = logs.export("--area", "5124", "--out", str(tmp_path / "cut.fhlog"))
    assert result.exit_code == 0, result.output
    assert "was dropped by the log's retention" in result.output
    assert min(position for position, _ in records(tmp_path / "cut.fhlog")) > 3


def test_brokers_that_are_away_are_said_and_leave_no_file(
    logs: Logs, tmp_path: Path, broker: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = TopicSource(KafkaAccess((broker.bootstrap,)), [CITY])
    monkeypatch.setattr(export_kafka, "_PATIENCE_POLLS", 3)
    broker.kill()
    try:
        with pytest.raises(TopicUnreadable, match="Kafka"):
            list(source.bodies([CITY]))
    finally:
        source.close()
        broker.start()
    away = Logs(tmp_path, f"127.0.0.1:{spare_port()}")
    result = away.export("--out", str(tmp_path / "out"))
    assert isinstance(result.exception, TopicUnreadable)
    assert "Kafka at 127.0.0.1:" in str(result.exception)
    assert not (tmp_path / "out").exists()
