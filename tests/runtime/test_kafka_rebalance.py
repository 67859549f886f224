"""Workers that come and go: partitions change hands under load, and the alerts stay those of one that never moved."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from alerting.ledger import Ledger
from runtime.association import Association
from runtime.configuration.loading import load
from tests.runtime.test_kafka_engine import (
    CITY,
    Deployment,
    alive,
    deployment,
    quiet,
    send_storm,
    wait_until,
)

__all__ = ["deployment"]


@pytest.mark.xdist_group("kafka")
@pytest.mark.timeout(600)
def test_a_worker_that_joins_and_one_that_leaves_change_no_alert(
    deployment: Deployment, tmp_path: Path
) -> None:
    gateway, first = deployment.start("gateway"), deployment.start("worker")
    send_storm(deployment.kafka, tmp_path / "storm")
    ledger = Ledger.open(deployment.ledger_url)
    wait_until("a first checkpoint", lambda: alive(gateway, first) and ledger.load_checkpoint(CITY)[1] > 0)
    before = ledger.load_checkpoint(CITY)[1]
    second = deployment.start("worker")
    wait_until("a checkpoint behind it", lambda: ledger.load_checkpoint(CITY)[1] > before)
    # Whoever has the city is put to sleep for longer than the group waits, and wakes when another has it.
    first.send_signal(signal.SIGSTOP)
    second.send_signal(signal.SIGSTOP)
    asleep = ledger.load_checkpoint(CITY)[1]
    second.send_signal(signal.SIGCONT)
    wait_until("the other to go on", lambda: ledger.load_checkpoint(CITY)[1] > asleep or quiet(deployment))
    first.send_signal(signal.SIGCONT)
    wait_until("the log's growth to end", lambda: quiet(deployment))
    second.terminate()
    second.wait(60)
    gateway.terminate()
    gateway.wait(30)
    end = deployment.log_end()
    wait_until("the checkpoint at the end", lambda: ledger.load_checkpoint(CITY)[1] >= end)
    assert first.poll() is None

    embedded = Ledger.open(str(tmp_path / "embedded.db"))
    configuration = load(deployment.folder)
    embedded.store_bundle(configuration.bundle.hash, configuration.bundle.canonical)
    never_moved = Association(
        CITY,
        configuration.bundle,
        embedded,
        on_decisions=lambda _: None,
        on_dead=lambda *dead: pytest.fail(str(dead)),
    )
    never_moved.take(deployment.log(end))
    expected, actual = embedded.newest_alerts(10**6), ledger.newest_alerts(10**6)
    assert expected
    assert [a.model_dump_json() for a in actual] == [a.model_dump_json() for a in expected]
    ledger.close()
    embedded.close()
