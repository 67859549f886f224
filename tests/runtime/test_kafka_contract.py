"""The Kafka engine keeps the engines' contract: a gateway, a worker process that can be killed, a broker of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition

from alerting.ledger import Ledger
from ingest.arrival import Arrival, Settled
from runtime.clock import HandClock
from runtime.configuration.loading import load
from runtime.configure import configure
from runtime.gateway import Gateway
from runtime.logs.acts import KafkaActs
from runtime.logs.topics import LOG, PARTITIONS
from runtime.page.shared import ActDesk
from runtime.servers.connections import KafkaAccess
from schemas.act import Act
from schemas.times import to_micros
from tests.runtime.engines import UNTIL, Engine, every_engine_passes
from tests.runtime.running import until
from tests.runtime.valley import add_next_county, write_valley
from tests.servers.fixtures import running
from tests.servers.kafka import Kafka


class OnKafka:
    """Gateway and act desk in this process, the worker in another, one ledger file for all."""

    def __init__(self, folder: Path, broker: Kafka) -> None:
        self.broker = broker
        settings = {
            "status": "exercise",
            "association_tier": "county",
            "brokers": {"kafka": {"bootstrap": [broker.bootstrap]}},
            "database": {"folder": str(folder)},
        }
        self.place = add_next_county(write_valley(folder / "config", 20, settings))
        configuration = load(self.place)
        self.ledger = Ledger.open(str(folder / "state.db"))
        configure(configuration, self.ledger, HandClock(to_micros(UNTIL)))
        self.gateway = Gateway(configuration, self.ledger, HandClock(to_micros(UNTIL)))
        self.gateway.start()
        clock = HandClock(to_micros(UNTIL))
        self.desk = ActDesk(
            self.ledger,
            KafkaActs(self.ledger, configuration.bundle, clock, KafkaAccess((broker.bootstrap,))),
            lambda: None,
        )
        self.worker = self.started()

    def started(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "runtime.cli", "worker", "--config", str(self.place)]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": "."})

    def send(self, *payloads: bytes) -> list[tuple[int, list[str]]]:
        answers: list[tuple[int, list[str]]] = []
        done = threading.Semaphore(0)

        def settle(one: Settled) -> None:
            answers.append((one.accepted, [reject.reason.value for reject in one.rejects]))
            done.release()

        for payload in payloads:
            self.gateway.intake.submit(Arrival(payload, "test", settle))
        for _ in payloads:
            assert done.acquire(timeout=30)
        return answers

    def act(self, act: Act) -> Act:
        judged = self.desk.act(act)
        if judged is None:  # a busy machine: it is in the log, and its judgement comes
            until("the act's judgement", lambda: self.ledger.act(act.id))
            judged = self.ledger.act(act.id)
        assert judged is not None
        return judged

    def settle(self) -> None:
        ends: dict[str, int] = {}
        # What one area forwards is in the other's log before the checkpoint that is waited for here.
        while (now := self._ends()) != ends:
            ends = now
            until("the logs to be decided", lambda: all(map(self._is_decided, now.items())))

    def _is_decided(self, end: tuple[str, int]) -> bool:
        area, position = end
        return self.ledger.checkpoint_position(area) >= position

    def _ends(self) -> dict[str, int]:
        """By area the position of its last record."""
        consumer = KafkaConsumer(bootstrap_servers=self.broker.bootstrap, consumer_timeout_ms=1000)
        partitions = [TopicPartition(LOG, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        consumer.seek_to_beginning()
        ends = {record.key.decode(): record.offset + 1 for record in consumer}
        consumer.close()
        return ends

    def crash(self) -> None:
        self.worker.kill()
        self.worker.wait()
        self.worker = self.started()

    def stop(self) -> None:
        self.worker.terminate()
        self.worker.wait(30)
        self.desk.close()
        self.gateway.stop()
        self.ledger.close()


@pytest.fixture
def on_kafka(tmp_path: Path) -> Iterator[OnKafka]:
    # A broker of its own: what other tests left in the topic `log` is no part of this engine's log.
    with running(Kafka) as broker:
        made = OnKafka(tmp_path, broker)
        yield made
        made.stop()


@pytest.mark.xdist_group("kafka")
@pytest.mark.timeout(180)
@pytest.mark.parametrize("check", every_engine_passes, ids=lambda check: check.__name__)
def test_the_kafka_engine_keeps_the_contract(on_kafka: OnKafka, check: Callable[[Engine], None]) -> None:
    check(on_kafka)
