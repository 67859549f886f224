"""Rain of 100,000 gauges in packets through one `fenghuo worker`, against a bare Faust agent over single records.

Both read what waits in a real Kafka. The worker keeps its ledger and its checkpoints in a real PostgreSQL. Then it is
killed, another one takes its state up, and that is set against a bare SELECT of the same rows.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

import msgspec
import psycopg
from kafka import KafkaProducer

from benchmarks.gauges import CITY, packets, write_configuration
from benchmarks.ratio import Ratio
from runtime.configuration.loading import load
from runtime.logs.topics import LOG, PARTITIONS, make_topics, partition_of
from schemas.bundle import Bundle
from schemas.log import encode_record
from schemas.times import rfc3339
from tests.servers.base import die_with_parent, spare_port
from tests.servers.kafka import Kafka
from tests.servers.postgres import Postgres

GAUGES = int(os.environ.get("GAUGES", "100000"))
SWEEPS = int(os.environ.get("SWEEPS", "144"))
"""How often each gauge reports: every five minutes for twelve hours."""
ROWS = int(os.environ.get("ROWS", "500"))
"""Readings in a packet: what a gateway gathers at most (`runtime.intake.taking.GATHER_PAYLOADS`), and does at this rate."""
SINGLES = int(os.environ.get("SINGLES", "200000"))
WAIT_S = 600.0
_POLL_S = 0.25
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Watched:
    """What was seen of a worker from outside, sample by sample.

    Attributes
    ----------
    at_s, taken, saved, cpu_s
        The machine's time, records taken, records that a checkpoint includes, processor time of the process.
    """

    at_s: list[float] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)
    saved: list[int] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    @property
    def first(self) -> int:
        """The last sample before the first record was taken."""
        return max(k for k, taken in enumerate(self.taken) if taken == self.taken[0])

    @property
    def seconds(self) -> float:
        """From the first record to the last."""
        return self.at_s[-1] - self.at_s[self.first]

    @property
    def cpu_seconds(self) -> float:
        """Processor time of the same."""
        return self.cpu_s[-1] - self.cpu_s[self.first]

    def ages_s(self) -> list[float]:
        """How old the newest checkpoint was at each sample: since when there is more than it includes."""
        ages = []
        for k in range(self.first, len(self.at_s)):
            within = [i for i in range(k + 1) if self.taken[i] <= self.saved[k]]
            since = max(self.first, within[-1]) if within else self.first
            ages.append(self.at_s[k] - self.at_s[since] if self.taken[k] > self.saved[k] else 0.0)
        return ages


class Run:
    """One worker process over the configuration."""

    def __init__(self, folder: Path, log: Path) -> None:
        self.port = spare_port()
        self.began_s = time.monotonic()
        words = [sys.executable, "-m", "runtime.cli", "worker", "--config", str(folder)]
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [*words, "--health", f"127.0.0.1:{self.port}"],
                stdout=out,
                stderr=out,
                preexec_fn=die_with_parent,  # noqa: PLW1509  (one system call, no lock)
            )

    def metric(self, name: str) -> float:
        """A metric of one value; 0 where it does not tell yet."""
        found = re.search(rf"^{name}(?:{{.*}})? (\S+)", self._page("metrics") or "", re.MULTILINE)
        return float(found[1]) if found else 0.0

    def taken(self) -> int:
        """Records of the log that it has taken."""
        return int(self.metric("fenghuo_log_records_total"))

    def is_healthy(self) -> bool:
        """Whether it says so."""
        return self._page("health") is not None

    def _page(self, name: str) -> str | None:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/{name}", timeout=10) as answer:
                return str(answer.read().decode())
        except OSError:
            return None

    def cpu_s(self) -> float:
        """Processor time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory_gb(self) -> float:
        """The most memory that it ever had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
        return int(found[1]) / 1e6 if found else 0.0

    def watch(self, ledger: psycopg.Connection[tuple[int]], count: int) -> Watched:
        """Watch until it has taken `count` records in all, or fail."""
        seen = Watched()
        while True:
            assert self.process.poll() is None, "the worker ended"
            seen.saved.append(_saved(ledger))
            seen.taken.append(self.taken())
            seen.at_s.append(time.monotonic())
            seen.cpu_s.append(self.cpu_s())
            if seen.taken[-1] >= count:
                return seen
            assert time.monotonic() - self.began_s < WAIT_S, f"{seen.taken[-1]} of {count} records in time"
            time.sleep(_POLL_S)

    def kill(self) -> None:
        """Kill it, as a crash would."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def fill_log(kafka: Kafka, bundle: Bundle) -> tuple[int, int]:
    """Write the packets of all gauges to the topic `log`; how many records and readings."""
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap, linger_ms=20, batch_size=1 << 20)
    partition = partition_of(CITY, PARTITIONS)
    records = readings = 0
    for packet in packets(bundle, SWEEPS, ROWS):
        producer.send(LOG, encode_record(packet), key=CITY.encode(), partition=partition)
        records, readings = records + 1, readings + len(packet)
    producer.flush()
    producer.close()
    return records, readings


def fill_singles(kafka: Kafka, bundle: Bundle) -> None:
    """Write readings one by one, as an integrator would, to a topic of their own."""
    kafka.create_topic("singles", partitions=1)
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap, linger_ms=20, batch_size=1 << 18)
    left = SINGLES
    for packet in packets(bundle, 1 + SINGLES // GAUGES, ROWS):
        for k in range(min(left, len(packet))):
            reading = {
                "kind": "rain",
                "station": bundle.stations[int(packet.row[k])].id,
                "observed_at": rfc3339(int(packet.observed_us[k])),
                "interval_s": 300,
                "rain_mm": int(packet.columns["rain_um"][k]) / 1000,
            }
            producer.send("singles", msgspec.json.encode(reading), partition=0)
        left -= min(left, len(packet))
    producer.flush()
    producer.close()


def bare_faust(kafka: Kafka) -> tuple[float, float]:
    """Seconds and processor seconds that a bare Faust agent takes for the single records."""
    words = [sys.executable, "-m", "benchmarks.bare_faust", kafka.bootstrap, "singles", str(SINGLES)]
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=WAIT_S)
    wall_s, cpu_s = (float(word) for word in done.stdout.split()[-2:])
    return wall_s, cpu_s


@contextmanager
def servers() -> Iterator[tuple[Kafka, Postgres]]:
    """Kafka and PostgreSQL of our own."""
    with Kafka() as kafka, Postgres() as postgres:
        yield kafka, postgres


def note(text: str) -> None:
    """Print what a ratio does not say."""
    print(f"  {text}", flush=True)


def ratios() -> Iterator[Ratio]:
    """Yield readings in packets by single records, by both clocks, and the state taken up by the bare reading of its rows."""
    with servers() as (kafka, postgres), tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder) / "country"
        configuration.mkdir()
        database = postgres.new_database("worker")
        write_configuration(configuration, GAUGES, kafka.bootstrap, postgres.url(database))
        bundle = load(configuration).bundle
        make_topics(kafka.bootstrap)
        records, readings = fill_log(kafka, bundle)
        fill_singles(kafka, bundle)
        bare = [bare_faust(kafka)]
        run = Run(configuration, Path(folder) / "worker.log")
        try:
            with psycopg.connect(postgres.dsn(database), autocommit=True) as ledger:
                _wait_for_tables(ledger)
                seen = run.watch(ledger, records)
                memory_gb = run.memory_gb()
                run.kill()
                killed_s = time.monotonic()
                saved = _saved(ledger)
                run = Run(configuration, Path(folder) / "worker.log")
                while not (saved + run.taken() >= records and run.is_healthy()):
                    assert run.process.poll() is None, "the second worker ended"
                    assert time.monotonic() - killed_s < WAIT_S, "the state was not taken up in time"
                    time.sleep(_POLL_S)
                recovery_s = time.monotonic() - killed_s
                restore_s = run.metric("fenghuo_restore_seconds")
                run.kill()
                bare.append(bare_faust(kafka))
                yield from _throughput(seen, readings, records, bare, memory_gb, ledger)
                yield _recovery(recovery_s, restore_s, records - saved, ledger)
        except BaseException:
            print((Path(folder) / "worker.log").read_text()[-3000:], file=sys.stderr)
            raise
        finally:
            run.kill()


def _throughput(
    seen: Watched,
    readings: int,
    records: int,
    bare: list[tuple[float, float]],
    memory_gb: float,
    ledger: psycopg.Connection[tuple[int]],
) -> Iterator[Ratio]:
    ages = seen.ages_s()
    checkpoints = len({saved for saved in seen.saved if saved})
    wall_s, cpu_s = map(min, zip(*bare, strict=True))
    found = ledger.execute("select count(*) from findings").fetchone()
    size = ledger.execute(
        "select count(*), coalesce(sum(length(bytes)), 0)::bigint from checkpoint_rows"
    ).fetchone()
    note(f"{readings:,} readings of {GAUGES:,} gauges in {records:,} packets of {ROWS}; findings: {found}")
    note(f"worker {seen.seconds:.1f} s, {seen.cpu_seconds:.1f} s of processor, {memory_gb:.2f} GB at most")
    note(f"checkpoints: {checkpoints}, oldest {max(ages):.1f} s; state (rows, bytes): {size}")
    name = f"rain of {GAUGES:,} gauges, worker by Faust alone"
    yield Ratio(name, "readings", readings / seen.seconds, SINGLES / wall_s)
    yield Ratio(f"{name}, processor", "readings", readings / seen.cpu_seconds, SINGLES / cpu_s)


def _recovery(
    recovery_s: float, restore_s: float, again: int, ledger: psycopg.Connection[tuple[int]]
) -> Ratio:
    began_s = time.monotonic()
    subprocess.run([sys.executable, "-c", "import runtime.cli.worker"], check=True)
    import_s = time.monotonic() - began_s
    began_s = time.monotonic()
    rows = ledger.execute("select key, bytes from checkpoint_rows", binary=True).fetchall()
    bare_s = time.monotonic() - began_s
    note(f"from the kill to healthy again, with {again:,} packets to take again: {recovery_s:.1f} s")
    note(
        f"of that importing {import_s:.1f} s, restoring {restore_s:.1f} s; {len(rows):,} rows read in {bare_s:.1f} s"
    )
    return Ratio(
        f"state of {GAUGES:,} gauges restored, by SELECT alone", "gauges", GAUGES / restore_s, GAUGES / bare_s
    )


def _saved(ledger: psycopg.Connection[tuple[int]]) -> int:
    """Records of the log that the newest checkpoint includes."""
    found = ledger.execute(
        "select coalesce(max(position), 0) from checkpoint_heads where association = %s", (CITY,)
    ).fetchone()
    return found[0] if found else 0


def _wait_for_tables(ledger: psycopg.Connection[tuple[int]]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not ledger.execute("select 1 from pg_tables where tablename = 'checkpoint_heads'").fetchone():
        assert time.monotonic() < deadline_s, "the worker made no tables"
        time.sleep(_POLL_S)
