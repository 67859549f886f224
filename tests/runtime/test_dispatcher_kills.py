"""kill -9 in the middle of sending: once each where a repeat is recognised, by SMS as rule 11 of exactness says."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random

from alerting.ledger import Ledger
from runtime.dispatcher import RESENT
from runtime.receivers.message_centre import MessageCentre
from runtime.receivers.webhook import WebhookReceiver
from schemas.notice import NoticeState as S
from tests.alerting.ledger.making import AREA, NOW, a_notice
from tests.servers.base import spare_port

ROOT = Path(__file__).parents[2]
PEOPLE, KILLS = 160, 5
OPEN = {S.DUE, S.SENDING}


async def test_kills_under_load(tmp_path):
    path = str(tmp_path / "state.db")
    centre = MessageCentre(spare_port())
    await centre.start()
    receiver = WebhookReceiver("key")
    receiver.start()
    chance = Random(7)
    command = [sys.executable, str(ROOT / "tests" / "runtime" / "dispatcher_process.py")]
    command += [path, str(centre.port), receiver.url]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def told() -> int:
        return len(centre.inbox) + len(receiver.notices)

    with Ledger.open(path) as ledger:
        sms = [a_notice(recipient=f"p-{n}", level=1 + n % 4, text=f"第{n}号通知") for n in range(PEOPLE)]
        hooks = [a_notice(recipient=f"h-{n}", level=1 + n % 4, channel="webhook") for n in range(PEOPLE)]
        ledger.write_decisions(AREA, 1, notices=sms + hooks)
        for kill in range(KILLS + 1):
            process = subprocess.Popen(command, env=environment)
            before = told()
            while kill == KILLS and any(state in OPEN for _, state in ledger.notice_counts()):
                assert process.poll() is None
                await asyncio.sleep(0.1)
            while kill < KILLS and told() < before + 12:
                assert process.poll() is None
                await asyncio.sleep(0.005)
            await asyncio.sleep(chance.uniform(0, 0.1) if kill < KILLS else 0)
            process.kill()
            process.wait()
        states = {change.notice: change.state for change in ledger.state_changes(limit=100_000)}
        owed = {act.content["notice"] for act in ledger.claim_owed_acts(0.0, machine_us=NOW, limit=PEOPLE)}

    assert Counter(notice["id"] for notice in receiver.notices) == Counter(notice.id for notice in hooks)
    assert {states[notice.id] for notice in hooks} == {S.DELIVERED}
    phones = Counter(one.text for one in centre.inbox)
    assert set(phones) <= {text for notice in sms for text in (notice.text, RESENT + notice.text)}
    for notice in sms:
        plain, marked = phones[notice.text], phones[RESENT + notice.text]
        assert plain <= 1, "an SMS went twice without a mark"
        if notice.level >= 3:
            assert marked <= 1
            # Two kills, one in each try: nobody knows, and the log is owed that, for the next contact.
            assert (notice.id in owed) == (states[notice.id] is S.UNKNOWN)
            assert plain + marked >= 1 or notice.id in owed, "an orange or red notice was lost"
        else:
            assert marked == 0
            assert plain == 1 or states[notice.id] is S.UNKNOWN, (
                "a notice was lost, and the ledger does not say so"
            )
    receiver.stop()
    await centre.stop()
