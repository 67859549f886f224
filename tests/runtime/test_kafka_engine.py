"""The Kafka engine: one gateway, one Faust worker, real Apache Kafka and PostgreSQL; the same alerts as embedded."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from alerting.ledger import Ledger
from runtime.association import Association
from runtime.cli.simulate import simulate
from runtime.configuration.loading import load
from runtime.logs.topics import LOG, partition_of
from schemas.log import Positioned, decode_record
from schemas.notice import Notice
from tests.servers.fixtures import running
from tests.servers.kafka import Kafka

CITY = "5119"
WINDOW = ("2026-07-18T08:00:00+08:00", "2026-07-18T12:00:00+08:00")


class Deployment:
    """A gateway and a worker as processes, over one configuration folder."""

    def __init__(self, folder: Path, kafka: Kafka, ledger_url: str) -> None:
        self.kafka = kafka
        self.ledger_url = ledger_url
        self.folder = folder / "config"
        shutil.copytree("deploy/bazhong", self.folder, ignore=shutil.ignore_patterns("build", "__pycache__"))
        settings = yaml.safe_load((self.folder / "fenghuo.yaml").read_text()) or {}
        settings |= {
            "status": "exercise",
            # The clock stands where the readings end, so that none is ahead of it.
            "clock": {"starts_at": WINDOW[1], "rate": 1.0},
            "brokers": {"kafka": {"bootstrap": [kafka.bootstrap]}},
            "database": {"url": ledger_url},
        }
        (self.folder / "fenghuo.yaml").write_text(yaml.safe_dump(settings))
        policy = yaml.safe_load((self.folder / "policy.yaml").read_text())
        policy["routing"] = (policy.get("routing") or {}) | {"exercise_release_by": "nobody"}
        (self.folder / "policy.yaml").write_text(yaml.safe_dump(policy, allow_unicode=True))
        self.processes: list[subprocess.Popen[bytes]] = []

    def configure(self) -> None:
        """Put the configuration in force, as a person would before the first gateway starts."""
        words = [sys.executable, "-m", "runtime.cli", "configure", str(self.folder)]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": "."})

    def start(self, command: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "runtime.cli", command, "--config", str(self.folder)],
            stdout=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": "."},
        )
        self.processes.append(process)
        return process

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def log_end(self) -> int:
        """How far the city's log goes, as positions."""
        consumer = KafkaConsumer(bootstrap_servers=self.kafka.bootstrap)
        partition = TopicPartition(LOG, partition_of(CITY, 4))
        end = consumer.end_offsets([partition])[partition]
        consumer.close()
        return int(end)

    def log(self, until: int) -> list[Positioned]:
        """The city's log up to a position."""
        consumer = KafkaConsumer(bootstrap_servers=self.kafka.bootstrap, fetch_max_bytes=64 * 1024 * 1024)
        partition = TopicPartition(LOG, partition_of(CITY, 4))
        consumer.assign([partition])
        consumer.seek_to_beginning(partition)
        records: list[Positioned] = []
        while not records or records[-1].position < until:
            for batch in consumer.poll(timeout_ms=1000).values():
                records += [Positioned(one.offset + 1, decode_record(one.value)) for one in batch]
        consumer.close()
        return [record for record in records if record.position <= until]


@pytest.fixture
def deployment(postgres_url: str, tmp_path: Path) -> Iterator[Deployment]:
    # A broker of its own: what another test left in the topic `log` is no part of this one's log.
    with running(Kafka) as broker:
        made = Deployment(tmp_path, broker, postgres_url)
        made.configure()
        yield made
        made.stop()


def send_storm(kafka: Kafka, out: Path) -> int:
    """The storm's readings on `readings`, an hour of a station a message; how many readings."""
    window = ["--from", WINDOW[0], "--until", WINDOW[1]]
    result = CliRunner().invoke(simulate, ["storm", "--seed", "1", "--out", str(out), *window])
    assert result.exit_code == 0, result.output
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    lines = (out / "readings.jsonl").read_text().splitlines()
    for line in lines:
        reading = json.loads(line)
        groups[reading["observed_at"][:13], reading["station"]].append(line)
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap, linger_ms=20)
    for (_, station), group in groups.items():
        producer.send("readings", ("[" + ",".join(group) + "]").encode(), key=station.encode())
    producer.flush()
    producer.close()
    return len(lines)


def wait_until(what: str, holds: object, timeout_s: float = 120) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline, f"{what} took longer than {timeout_s:.0f} s"
        time.sleep(0.25)


@pytest.mark.xdist_group("kafka")
@pytest.mark.timeout(600)
def test_a_worker_killed_in_the_middle_gives_the_embedded_alerts_id_by_id(
    deployment: Deployment, tmp_path: Path
) -> None:
    gateway, worker = deployment.start("gateway"), deployment.start("worker")
    readings = send_storm(deployment.kafka, tmp_path / "storm")
    assert readings > 10_000
    ledger = Ledger.open(deployment.ledger_url)
    wait_until("a first checkpoint", lambda: alive(gateway, worker) and ledger.load_checkpoint(CITY)[1] > 0)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    worker = deployment.start("worker")
    wait_until("the log's growth to end", lambda: quiet(deployment))
    gateway.terminate()
    gateway.wait(30)
    end = deployment.log_end()
    wait_until("the worker's checkpoint at the end", lambda: ledger.load_checkpoint(CITY)[1] >= end)

    configuration = load(deployment.folder)
    embedded = Ledger.open(str(tmp_path / "embedded.db"))
    embedded.store_bundle(configuration.bundle.hash, configuration.bundle.canonical)
    association = Association(
        CITY,
        configuration.bundle,
        embedded,
        on_decisions=lambda _: None,
        on_dead=lambda *dead: pytest.fail(str(dead)),
    )
    association.take(deployment.log(end))
    expected, actual = embedded.newest_alerts(10**6), ledger.newest_alerts(10**6)
    assert {alert.hazard.value for alert in expected} >= {"rainstorm", "flash_flood"}
    assert [a.model_dump_json() for a in actual] == [a.model_dump_json() for a in expected]
    for alert in {alert.id for alert in expected}:
        assert from_the_log(ledger.notices_of_alert(alert)) == from_the_log(embedded.notices_of_alert(alert))
    published = alerts_on_topics(deployment.kafka)
    released = {
        (r.alert, r.version)
        for a in {a.id for a in expected}
        for r in embedded.releases_of(a)
        if r.audience == "public"
    }
    people = {(a.id, a.version) for a in expected if a.hazard != "station"}
    assert released & people
    assert published == released & people
    ledger.close()
    embedded.close()


def from_the_log(notices: list[Notice]) -> list[tuple[object, ...]]:
    """What of notices follows from the log alone, in order of their ids."""
    return sorted(
        (n.id, n.recipient, n.channel, n.text, n.level, n.first_due_at, n.supersedes) for n in notices
    )


def alive(*processes: subprocess.Popen[bytes]) -> bool:
    """Fail at once where a process has ended by itself."""
    assert all(process.poll() is None for process in processes), "a process has ended by itself"
    return True


def quiet(deployment: Deployment) -> bool:
    """Whether all readings are in the log: the gateway's group has committed everything."""
    consumer = KafkaConsumer(
        bootstrap_servers=deployment.kafka.bootstrap, group_id="fenghuo-gateway", enable_auto_commit=False
    )
    partitions = [TopicPartition("readings", number) for number in range(4)]
    ends = consumer.end_offsets(partitions)
    done = all(ends[one] in (0, consumer.committed(one) or 0) for one in partitions)
    consumer.close()
    return done


def alerts_on_topics(kafka: Kafka) -> set[tuple[str, int]]:
    topics = [f"exercise.alerts.{tier}" for tier in ("city", "county", "township", "village")]
    consumer = KafkaConsumer(bootstrap_servers=kafka.bootstrap)
    partitions = [TopicPartition(topic, number) for topic in topics for number in range(4)]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    ends = consumer.end_offsets(partitions)
    found: set[tuple[str, int]] = set()
    while any(consumer.position(one) < ends[one] for one in partitions):
        for batch in consumer.poll(timeout_ms=500).values():
            for record in batch:
                alert = json.loads(record.value)
                assert alert["status"] == "exercise"
                found.add((alert["id"], alert["version"]))
    live = [f"alerts.{tier}" for tier in ("city", "county", "township", "village")]
    assert all(
        end == 0
        for end in consumer.end_offsets([TopicPartition(t, n) for t in live for n in range(4)]).values()
    )
    consumer.close()
    return found
