"""Running workers on real Kafka and PostgreSQL: ready once recovered, drained, replaced when dead, started anew when hung."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from kafka.admin import KafkaAdminClient

from alerting.ledger import Settlement
from runtime.clock import MachineClock
from runtime.dispatch.owed import OwedActs
from runtime.logs.acts import KafkaActs
from runtime.logs.topics import PARTITIONS, partition_of
from runtime.servers.connections import KafkaAccess
from schemas.notice import NoticeState
from tests.runtime.engines import slope
from tests.runtime.running import spare_port, until
from tests.runtime.valley import CITY
from tests.runtime.worker.test_faults import Place, placed
from tests.servers.base import die_with_parent

pytestmark = [pytest.mark.xdist_group("kafka"), pytest.mark.timeout(400)]
ROOT = Path(__file__).parents[2]


class Running:
    """A worker as a process of its own, with its health on a port."""

    def __init__(self, place: Place, command: tuple[str, ...] = ("-m", "runtime.cli")) -> None:
        self.port = port = spare_port()
        self.url = f"http://127.0.0.1:{port}"
        words = [*command, "worker", "--config", str(place.worker_config), "--health", f"127.0.0.1:{port}"]
        self.said_in = place.folder / f"worker-{port}.txt"
        with self.said_in.open("wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, *words],
                stdout=said,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                preexec_fn=die_with_parent,  # noqa: PLW1509  (one system call, no lock)
            )

    def faults(self) -> list[str] | None:
        """What its health says; None while nobody answers."""
        assert self.process.poll() is None, self.said()
        try:
            answer = httpx.get(f"{self.url}/health", timeout=5)
        except httpx.TransportError:
            return None
        assert answer.status_code == (503 if answer.json()["faults"] else 200)
        return list(answer.json()["faults"])

    def metric(self, sample: str) -> float | None:
        for line in httpx.get(f"{self.url}/metrics", timeout=5).text.splitlines():
            if line.startswith(f"fenghuo_{sample} "):
                return float(line.rpartition(" ")[2])
        return None

    def said(self) -> str:
        return self.said_in.read_text(errors="replace")

    def listens_on(self) -> set[tuple[str, int]]:
        """Addresses and ports of the process's own listening sockets, as the kernel has them."""
        folder = Path(f"/proc/{self.process.pid}")
        own = {os.readlink(one) for one in (folder / "fd").iterdir() if one.exists() or one.is_symlink()}
        found = set()
        for table in ("tcp", "tcp6"):
            for line in (folder / "net" / table).read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == "0A" and f"socket:[{words[9]}]" in own:
                    address, _, port = words[1].partition(":")
                    found.add((address, int(port, 16)))
        return found

    def ready(self) -> bool:
        return self.faults() == []

    def end(self, how: signal.Signals = signal.SIGKILL) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(60)


def members(place: Place) -> int:
    """How many workers the group has, as the broker sees it."""
    admin = KafkaAdminClient(bootstrap_servers=place.broker.bootstrap)
    group = admin.describe_groups(["fenghuo-worker"])["fenghuo-worker"]
    admin.close()
    return len(group["members"])


def test_it_is_ready_once_recovered_and_leaves_nothing_behind_when_it_ends(
    postgres_url: str, tmp_path: Path
) -> None:
    with placed(tmp_path, postgres_url) as place:
        place.send(*slope())
        worker = Running(place)
        seen: list[str] = []

        def ready() -> bool:
            seen.extend(worker.faults() or [])
            return worker.ready()

        until("the worker to be ready", ready, wait_s=120, pause_s=0.02)
        # Ready means that the warning is there, not only that a process runs.
        assert [a.level for a in place.ledger.alerts_in_force() if a.hazard == "landslide"] == [4]
        assert any("has not let it in" in one for one in seen)
        # Nothing of Faust's own web server: health alone, on loopback (0100007F is 127.0.0.1).
        assert worker.listens_on() == {("0100007F", worker.port)}
        number = partition_of(CITY, PARTITIONS)
        assert (worker.metric("recovery_seconds") or 0) > 0
        assert worker.metric("partitions_recovering") == 0
        assert worker.metric(f'lag_seconds{{area="{CITY}"}}') is not None
        assert (worker.metric(f'restore_seconds{{area="{CITY}"}}') or 0) > 0
        until("the lag to be gone", lambda: worker.metric(f'lag_records{{log="{number}"}}') == 0, wait_s=30)
        until("a checkpoint", lambda: (worker.metric("checkpoint_seconds_count") or 0) > 0, wait_s=30)
        assert (worker.metric(f'checkpoint_bytes{{area="{CITY}"}}') or 0) > 100
        for hop in ("received", "logged", "decided"):
            assert (worker.metric(f'hop_seconds_count{{hop="{hop}"}}') or 0) > 0, hop
        (notice, *_) = [
            n.id for a in place.ledger.alerts_in_force() for n in place.ledger.notices_of_alert(a.id)
        ]
        hops = place.ledger.hops_of([notice])[notice]
        assert hops.logged_us is not None
        assert hops.decided_us is not None
        assert hops.logged_us <= hops.decided_us

        place.send(*slope())  # it has something in hand
        end = place.end()
        until("it to be taken", lambda: worker.metric(f'lag_records{{log="{number}"}}') == 0, wait_s=60)
        assert worker.end(signal.SIGTERM) == 0, worker.said()
        assert place.position() >= end
        assert place.committed() >= end
        assert members(place) == 0


def test_a_dead_worker_is_noticed_within_ten_seconds_and_one_that_ends_at_once(
    postgres_url: str, tmp_path: Path
) -> None:
    with placed(tmp_path, postgres_url) as place:
        workers = [Running(place)]
        until("the first to be ready", workers[0].ready, wait_s=120)
        workers += [Running(place), Running(place)]
        until("all three", lambda: all(one.ready() for one in workers) and members(place) == 3, wait_s=120)
        workers.pop(0).end(signal.SIGKILL)
        began_s = time.monotonic()
        until("the dead one to be noticed", lambda: members(place) == 2, wait_s=60)
        noticed_s = time.monotonic() - began_s
        place.send(*slope())
        end = place.end()
        until("another to go on", lambda: place.position() >= end, wait_s=60)
        print(f"noticed after {noticed_s:.1f} s")
        assert noticed_s < 10
        until("both to be ready", lambda: all(one.ready() for one in workers), wait_s=60)
        assert workers.pop(0).end(signal.SIGTERM) == 0
        began_s = time.monotonic()
        until("the leaver to be gone", lambda: members(place) == 1, wait_s=60)
        assert time.monotonic() - began_s < 3
        workers[0].end(signal.SIGTERM)


def test_a_worker_that_hangs_is_started_anew_in_its_place_and_loses_nothing(
    postgres_url: str, tmp_path: Path
) -> None:
    with placed(tmp_path, postgres_url) as place:
        marker = tmp_path / "hang"
        marker.touch()
        worker = Running(place, (str(ROOT / "tests" / "runtime" / "hanging_worker.py"), str(marker)))
        place.send(*slope())
        end = place.end()
        until("it to hang", lambda: worker.faults() is not None and not marker.exists(), wait_s=120)
        assert place.position() < end
        until("the log to be decided", lambda: place.position() >= end, wait_s=120)
        until("it to be ready", worker.ready, wait_s=60)
        assert worker.process.poll() is None
        assert "worker.hangs what='partition" in worker.said()
        assert worker.metric("worker_restarts_total") == 1
        assert [a.level for a in place.ledger.alerts_in_force() if a.hazard == "landslide"] == [4]
        assert worker.end(signal.SIGTERM) == 0


async def test_who_was_not_reached_is_known_to_the_log_and_the_next_contact_is_told(
    postgres_url: str, tmp_path: Path
) -> None:
    with placed(tmp_path, postgres_url) as place:
        worker, ledger = Running(place), place.ledger
        place.send(*slope())
        until("the worker to be ready", worker.ready, wait_s=120)
        claims = [
            one
            for one in ledger.claim_due(place.clock.now_us(), 50, "w", 60, machine_us=0)
            if one.notice.level == 4
        ]
        missed = next(one for one in claims if one.notice.channel == "sms")
        ledger.settle([Settlement(missed, NoticeState.UNKNOWN, place.clock.now_us(), "no_answer")])
        acts = KafkaActs(ledger, place.bundle, place.clock, KafkaAccess((place.broker.bootstrap,)))
        assert await OwedActs(ledger, acts.append, MachineClock()).pay()
        acts.close()
        until("the act to be judged", lambda: [a for a in ledger.acts() if a.act == "undelivered"], wait_s=60)
        (judged,) = [act for act in ledger.acts() if act.act == "undelivered"]
        assert judged.content["notice"] == missed.notice.id
        assert judged.content["next"] == {"recipient": "county", "channel": "webhook"}
        assert ledger.owed_acts() == 0
        assert worker.end(signal.SIGTERM) == 0
