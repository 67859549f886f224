"""That nobody was told enters the log whatever happens between the ledger and the log; counted once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from alerting.ledger import Ledger, Settlement
from runtime.clock import HandClock, MachineClock
from runtime.dispatch.owed import LEASE_S, OwedActs
from runtime.logs.store import LogFull
from schemas.notice import NoticeState as S
from schemas.notice import Receipt
from schemas.times import SECOND, from_micros
from tests.alerting.ledger.making import AREA, NOW, a_notice
from tests.runtime.test_dispatcher import FakeChannel, dispatching, until

ROOT = Path(__file__).parents[3]


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(str(tmp_path / "state.db")) as opened:
        yield opened


def left_unknown(ledger, *notices):
    """Notices of which nobody knows anything, after all tries."""
    ledger.write_decisions(AREA, 1, notices=notices)
    for claim in ledger.claim_due(NOW, 100, "gone", 60, machine_us=0):
        ledger.settle([Settlement(claim, S.UNKNOWN, NOW, "no_answer")])


async def test_a_kill_between_the_record_and_the_log_loses_no_act(tmp_path):
    path = str(tmp_path / "state.db")
    with Ledger.open(path) as ledger:
        ledger.write_decisions(AREA, 1, notices=[a_notice(level=4)])
        command = [sys.executable, str(ROOT / "tests" / "runtime" / "dispatcher_killed.py"), path]
        killed = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60, check=False)
        assert killed.returncode == -9
        assert ledger.notices_in(S.UNKNOWN)
        assert ledger.owed_acts() == 1
        acts: list = []
        # The dead one had it in hand: another takes it when that lease is over.
        later = HandClock(MachineClock().now_us() + int(LEASE_S * SECOND) + SECOND)
        await OwedActs(ledger, acts.extend, later).pay()
    assert [(one.act, one.content["notice"], one.content["state"]) for one in acts] == [
        ("undelivered", a_notice().id, "unknown")
    ]


async def test_what_an_earlier_process_left_is_paid_at_the_start(ledger):
    left_unknown(ledger, a_notice(level=3), a_notice(recipient="p-2", level=4))
    acts: list = []
    async with dispatching(ledger, FakeChannel(), acts=acts):
        await until(lambda: len(acts) == 2)
        await until(lambda: ledger.owed_acts() == 0)
    assert {act.content["recipient"] for act in acts} == {"p-1", "p-2"}


async def test_a_log_that_cannot_be_written_gets_it_later(ledger, caplog):
    left_unknown(ledger, a_notice(level=4))
    acts: list = []
    full = [True]

    def append(new):
        if full[0]:
            raise LogFull("database or disk is full")
        acts.extend(new)

    owed = OwedActs(ledger, append, MachineClock())
    assert not await owed.pay()
    assert not await owed.pay()
    assert caplog.text.count("disk is full") == 1
    assert owed.fault == "database or disk is full"
    assert ledger.owed_acts() == 1
    full[0] = False
    assert await owed.pay()
    assert (len(acts), ledger.owed_acts(), owed.fault) == (1, 0, None)


async def test_an_act_that_the_log_has_already_is_not_appended_again(ledger):
    left_unknown(ledger, a_notice(level=4))
    acts: list = []
    (act,) = ledger.claim_owed_acts(0.0, machine_us=NOW)  # appended; killed before it could say so
    ledger.write_decisions(AREA, 2, acts=[act.judged()])
    await OwedActs(ledger, acts.extend, MachineClock()).pay()
    assert (acts, ledger.owed_acts()) == ([], 0)


async def test_two_dispatchers_do_not_append_the_same_act(ledger):
    left_unknown(ledger, a_notice(level=4))
    assert len(ledger.claim_owed_acts(LEASE_S, machine_us=NOW)) == 1
    assert ledger.claim_owed_acts(LEASE_S, machine_us=NOW) == []


@pytest.mark.parametrize(("level", "owed"), [(1, 0), (2, 0), (3, 1), (4, 1)])
async def test_below_orange_nothing_is_owed(ledger, level, owed):
    left_unknown(ledger, a_notice(level=level))
    assert ledger.owed_acts() == owed


async def test_a_receipt_that_says_failed_owes_whoever_brings_it_and_one_that_says_delivered_forgives(ledger):
    notice = a_notice(level=3)
    ledger.write_decisions(AREA, 1, notices=[notice])
    (claim,) = ledger.claim_due(NOW, 1, "w", 60, machine_us=0)
    ledger.settle([Settlement(claim, S.SENT, NOW, references=("m-1",))])
    assert ledger.owed_acts() == 0
    failed = Receipt(notice=notice.id, state="failed", at=from_micros(NOW), device=None, detail="UNDELIV")
    ledger.add_receipt(failed, "m-1")
    ledger.add_receipt(failed, "m-1")
    assert ledger.owed_acts() == 1
    delivered = failed.model_copy(update={"state": "delivered"})
    ledger.add_receipt(delivered, "m-1")
    assert ledger.notice(notice.id).state is S.DELIVERED
    assert ledger.owed_acts() == 0
