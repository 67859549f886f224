"""What goes wrong around a worker on real Kafka and PostgreSQL: it says so in one line, loses nothing, and goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import msgspec
import numpy as np
import psycopg
import pytest
from click.testing import CliRunner
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from alerting.ledger import Ledger
from ingest.arrival import Arrival
from runtime.cli.log import log as log_command
from runtime.clock import HandClock
from runtime.configuration.loading import load
from runtime.configure import configure
from runtime.gateway import Gateway
from runtime.logs.topics import DEAD, LOG, PARTITIONS, make_topics, partition_of
from schemas.log import ActRecord, Dead, encode_record
from schemas.times import to_micros
from tests.runtime.engines import UNTIL, slope
from tests.runtime.logs.test_export import packet
from tests.runtime.running import until
from tests.runtime.valley import CITY, write_valley
from tests.servers.base import die_with_parent, spare_port
from tests.servers.fixtures import running
from tests.servers.kafka import Kafka
from tests.servers.postgres import Postgres

pytestmark = [pytest.mark.xdist_group("kafka"), pytest.mark.timeout(300)]
WORKER = "fenghuo_worker"


class Place:
    """A gateway in this process and a worker in another, over a broker and a database of PostgreSQL.

    Parameters
    ----------
    url
        The ledger as its owner reaches it: the gateway and the test.
    worker_url
        The ledger as the worker reaches it.
    """

    def __init__(self, folder: Path, broker: Kafka, url: str, worker_url: str | None = None) -> None:
        self.folder = folder
        self.broker = broker
        self.config = self._write("config", url)
        self.worker_config = self._write("worker", worker_url) if worker_url else self.config
        configuration = load(self.config)
        self.bundle = configuration.bundle
        self.ledger = Ledger.open(url)
        self.clock = HandClock(to_micros(UNTIL))
        configure(configuration, self.ledger, self.clock)
        self.gateway = Gateway(configuration, self.ledger, self.clock)
        self.gateway.start()
        self.worker: subprocess.Popen[bytes] | None = None
        self.health_port = spare_port()
        self.said_in = folder / "worker.txt"

    def _write(self, name: str, url: str) -> Path:
        settings = {
            "status": "exercise",
            "brokers": {"kafka": {"bootstrap": [self.broker.bootstrap]}},
            "database": {"url": url},
        }
        return write_valley(self.folder / name, 20, settings)

    def start_worker(self, **environment: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "runtime.cli", "worker", "--config", str(self.worker_config)]
        command += ["--health", f"127.0.0.1:{self.health_port}"]
        with self.said_in.open("ab") as said:
            self.worker = subprocess.Popen(
                command,
                stdout=said,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONPATH": "."} | environment,
                preexec_fn=die_with_parent,  # noqa: PLW1509  (one system call, no lock)
            )
        return self.worker

    def said(self) -> str:
        return self.said_in.read_text(errors="replace")

    def faults(self) -> str:
        """What the worker's health tells; empty while it is well."""
        answer = httpx.get(f"http://127.0.0.1:{self.health_port}/health", timeout=10)
        told = " ".join(answer.json()["faults"])
        assert (answer.status_code == 200) == (told == "")
        return told

    def send(self, *payloads: bytes) -> None:
        done = threading.Semaphore(0)
        for payload in payloads:
            self.gateway.intake.submit(Arrival(payload, "test", lambda _: done.release()))
        for _ in payloads:
            assert done.acquire(timeout=60)

    def put(self, *records: tuple[bytes | None, bytes | None]) -> None:
        """Put keys and values into the city's partition, as no gateway would."""
        producer = KafkaProducer(bootstrap_servers=self.broker.bootstrap, acks="all")
        for key, value in records:
            producer.send(LOG, value, key=key, partition=partition_of(CITY, PARTITIONS)).get(30)
        producer.close()

    def end(self) -> int:
        consumer = KafkaConsumer(bootstrap_servers=self.broker.bootstrap)
        partition = TopicPartition(LOG, partition_of(CITY, PARTITIONS))
        end = consumer.end_offsets([partition])[partition]
        consumer.close()
        return int(end)

    def committed(self) -> int:
        consumer = KafkaConsumer(
            bootstrap_servers=self.broker.bootstrap, group_id="fenghuo-worker", enable_auto_commit=False
        )
        offset = consumer.committed(TopicPartition(LOG, partition_of(CITY, PARTITIONS)))
        consumer.close()
        return int(offset or 0)

    def settle(self) -> None:
        """Wait until the city's log is decided up to here, and acknowledged."""
        self.send(slope()[0])  # the last record is the city's, whatever came before
        end = self.end()
        until("the log to be decided", lambda: self.alive() and self.position() >= end, wait_s=120)
        until("the log to be acknowledged", lambda: self.alive() and self.committed() >= end, wait_s=60)

    def position(self) -> int:
        return self.ledger.checkpoint_position(CITY)

    def alive(self) -> bool:
        assert self.worker is not None
        assert self.worker.poll() is None, self.said()
        return True

    def dead(self) -> list[Dead]:
        consumer = KafkaConsumer(bootstrap_servers=self.broker.bootstrap)
        partitions = [TopicPartition(DEAD, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        found: list[Dead] = []
        while any(consumer.position(one) < ends[one] for one in partitions):
            for batch in consumer.poll(timeout_ms=500).values():
                found += [msgspec.json.decode(record.value, type=Dead) for record in batch]
        consumer.close()
        return found

    def agrees_with_its_log(self) -> None:
        """Export the log, play it, and hold the ledger against it; the fallen slope is among what was said."""
        out = self.folder / "logs"
        exported = CliRunner().invoke(
            log_command, ["export", "--config", str(self.config), "--out", str(out)]
        )
        assert exported.exit_code == 0, exported.output
        compared = CliRunner().invoke(
            log_command, ["compare", str(out / f"{CITY}.fhlog"), "--config", str(self.config)]
        )
        assert compared.exit_code == 0, compared.output
        assert compared.output.strip().endswith("no differences"), compared.output
        assert "differ" not in compared.output.replace("no differences", "")
        assert [a.level for a in self.ledger.alerts_in_force() if a.hazard == "landslide"] == [4]

    def end_worker(self) -> None:
        if self.worker is not None and self.worker.poll() is None:
            self.worker.send_signal(signal.SIGTERM)
            try:
                self.worker.wait(60)
            except subprocess.TimeoutExpired:
                self.worker.kill()
                self.worker.wait()

    def stop(self) -> None:
        self.end_worker()
        self.gateway.stop()
        self.ledger.close()


@contextmanager
def placed(folder: Path, url: str, worker_url: str | None = None) -> Iterator[Place]:
    # A broker of its own: what another test left in the topic `log` is no part of this one's log.
    with running(Kafka) as broker:
        make_topics(broker.bootstrap)
        place = Place(folder, broker, url, worker_url)
        try:
            yield place
        finally:
            place.stop()


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A file system of its own that a test may fill; only root can mount one."""
    if os.geteuid() != 0:
        pytest.skip("NO SMALL DISK, TEST NOT RUN: only root can mount a tmpfs")
    folder = Path(tempfile.mkdtemp(prefix="fenghuo-disk-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)],
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(f"NO SMALL DISK, TEST NOT RUN: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def fill(folder: Path) -> Path:
    """Take all space that is left on a disk; the file that holds it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:  # a buffer would fail once more when it is closed
        size = 1 << 20
        while size:
            try:
                file.write(bytes(size))
                file.flush()
            except OSError:
                size //= 2
    return filler


def test_what_no_pipeline_can_process_is_buried_and_the_partition_goes_on(
    postgres_url: str, tmp_path: Path
) -> None:
    with placed(tmp_path, postgres_url) as place:
        place.start_worker()
        readings = slope()
        place.send(*readings[:10])
        city = CITY.encode()
        unknown = replace(packet(place.bundle), row=np.full(100, 4_000, dtype=np.int32))
        first = place.end() + 1
        place.put(
            (city, b"\xff\xfe\xfd"),
            (city, None),
            (city, encode_record(ActRecord(to_micros(UNTIL), b"no act"))),
            (city, encode_record(unknown)),
            (b"999999", b'{"kind":"rain"}'),
            (None, encode_record(ActRecord(to_micros(UNTIL), b"no act"))),
        )
        place.send(*readings[10:])
        place.settle()
        dead = sorted(place.dead(), key=lambda one: one.position)
        assert [one.area for one in dead] == [CITY, CITY, CITY, CITY, "999999", ""]
        assert first <= dead[0].position < dead[5].position  # the gateway's ticks may lie between them
        assert dead[0].reason == "no log record: b'\\xff\\xfe\\xfd'"
        assert dead[1].reason == "no log record: empty"
        assert dead[2].reason.startswith("ValidationError: ")
        assert "row 4000 is none of the" in dead[3].reason
        assert "is no association area of the configuration" in dead[4].reason
        place.agrees_with_its_log()


def test_a_full_disk_beneath_the_ledger_is_said_and_loses_nothing(tmp_path: Path) -> None:
    with small_disk(48) as disk, running(Postgres) as server:
        url = database_on(server, disk)
        with placed(tmp_path, url) as place:
            place.start_worker()
            readings = slope()
            place.send(*readings[:10])
            place.settle()
            before = place.position()
            filler = fill(disk)
            # Acts are the bulkiest thing that a ledger is asked to keep.
            place.put(*((CITY.encode(), long_act(number)) for number in range(60)))
            place.send(*readings[10:])
            until("the full disk to be told", lambda: place.alive() and "No space left" in place.said(), 120)
            assert place.committed() <= place.position()
            assert "nothing is lost" in place.said()
            until("its health to tell of it", lambda: "No space left" in place.faults())
            assert "Traceback" not in place.said()
            filler.unlink()
            place.settle()
            assert place.position() > before
            until("its health to be good again", lambda: place.faults() == "")
            assert place.ledger.act("long-59") is not None
            assert place.dead() == []
            place.agrees_with_its_log()


def database_on(server: Postgres, disk: Path) -> str:
    """A database whose tables lie on a disk of their own; PostgreSQL's own log does not."""
    tables = disk / "tables"
    tables.mkdir()
    if server.run_as is not None:
        for path in (disk, tables):
            os.chmod(path, 0o755)
        subprocess.run(["chown", server.run_as, str(tables)], check=True)
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as session:
        session.execute(f"create tablespace small location '{tables}'")
        session.execute("create database small tablespace small")
    return server.url("small")


def long_act(number: int) -> bytes:
    act = {
        "id": f"long-{number}",
        "act": "acknowledge",
        "by": "duty-1",
        "at": UNTIL.isoformat(),
        "alert": "a-none",
        "version": 1,
        # What does not shrink, or PostgreSQL would pack it into next to nothing.
        "content": {"noise": np.random.default_rng(number).bytes(40_000).hex()},
    }
    return encode_record(ActRecord(to_micros(UNTIL), json.dumps(act).encode()))


def test_a_full_disk_beneath_the_workers_own_folder_stops_nothing(postgres_url: str, tmp_path: Path) -> None:
    with small_disk(2) as disk, placed(tmp_path, postgres_url) as place:
        readings = slope()
        place.start_worker(TMPDIR=str(disk))
        place.send(*readings[:10])
        place.settle()
        assert list(disk.iterdir()), "the worker keeps its folder elsewhere"
        fill(disk)
        place.send(*readings[10:18])
        place.settle()
        place.end_worker()
        place.start_worker(TMPDIR=str(disk))
        place.send(*readings[18:])
        place.settle()
        assert "Traceback" not in place.said()
        place.agrees_with_its_log()


def test_a_wrong_password_ends_a_start_and_is_waited_for_in_the_middle(tmp_path: Path) -> None:
    with running(Postgres) as server:
        url = server.url(server.new_database("password"))
        ask_for_passwords(server)
        set_password(server, "right")
        worker_url = url.replace("postgres@", f"{WORKER}@")
        with placed(tmp_path, url, worker_url) as place:
            let_in(server, url)
            wrong = place.start_worker(FENGHUO_DATABASE_PASSWORD="wrong")
            assert wrong.wait(120) == 2
            (line,) = [line for line in place.said().splitlines() if line]
            assert line.startswith("fenghuo: PostgreSQL at 127.0.0.1:")
            assert f"refuses user {WORKER}: wrong name or password" in line
            assert "wrong'" not in line
            place.start_worker(FENGHUO_DATABASE_PASSWORD="right")
            place.send(*slope()[:10])
            place.settle()
            before = place.position()
            set_password(server, "changed")
            end_sessions(server)
            place.send(*slope()[10:])
            refusal = f"refuses user {WORKER}: wrong name or password"
            until("the refusal to be told", lambda: place.alive() and place.said().count(refusal) > 1, 120)
            assert place.position() == before
            until("its health to tell of it", lambda: refusal in place.faults())
            set_password(server, "right")
            place.settle()
            until("its health to be good again", lambda: place.faults() == "")
            place.agrees_with_its_log()
            assert "Traceback" not in place.said()


def ask_for_passwords(server: Postgres) -> None:
    """From now on the worker's role needs a password; everybody else is let in."""
    access = server.folder / "data" / "pg_hba.conf"
    access.write_text(f"host all {WORKER} 127.0.0.1/32 scram-sha-256\n" + access.read_text())
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as session:
        session.execute(f"create role {WORKER} login")
        session.execute("select pg_reload_conf()")


def set_password(server: Postgres, password: str) -> None:
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as session:
        session.execute(f"alter role {WORKER} password '{password}'")


def let_in(server: Postgres, url: str) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as session:
        session.execute(f"grant all on all tables in schema public to {WORKER}")
        session.execute(f"grant all on all sequences in schema public to {WORKER}")


def end_sessions(server: Postgres) -> None:
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as session:
        session.execute(f"select pg_terminate_backend(pid) from pg_stat_activity where usename = '{WORKER}'")
