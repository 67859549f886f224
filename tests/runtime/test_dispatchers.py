"""Several dispatchers over one PostgreSQL: one is put to sleep for longer than its leases and wakes, another is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from alerting.ledger import Ledger
from runtime.dispatcher import RESENT
from runtime.receivers.message_centre import MessageCentre
from runtime.receivers.webhook import WebhookReceiver
from schemas.notice import NoticeState as S
from tests.alerting.ledger.making import AREA, a_notice
from tests.servers.base import die_with_parent, spare_port

ROOT = Path(__file__).parents[2]
PEOPLE, LEASE_S, OPEN = 120, 2.0, {S.DUE, S.SENDING}


def dispatcher(name: str, url: str, port: int, receiver: WebhookReceiver) -> subprocess.Popen[bytes]:
    script = str(ROOT / "tests" / "runtime" / "dispatcher_process.py")
    return subprocess.Popen(
        [sys.executable, script, url, str(port), receiver.url, name, str(LEASE_S)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        preexec_fn=die_with_parent,  # noqa: PLW1509  (one system call, no lock)
    )


def first_and_second(person: str, level: int, channel: str):
    """Two versions of one chain for one person."""
    return [
        a_notice(
            (f"a-{person}", version),
            recipient=person,
            level=level,
            channel=channel,
            text=f"{person} v{version}",
        )
        for version in (1, 2)
    ]


@pytest.mark.timeout(300)
async def test_sleepers_and_dead_are_taken_over_and_nobody_is_told_twice_or_in_the_wrong_order(postgres_url):
    centre = MessageCentre(spare_port())
    await centre.start()
    receiver = WebhookReceiver("key")
    receiver.start()

    def told() -> int:
        return len(centre.inbox) + len(receiver.notices)

    with Ledger.open(postgres_url) as ledger:
        sms = [first_and_second(f"p-{n}", 1 + n % 4, "sms") for n in range(PEOPLE)]
        hooks = [first_and_second(f"h-{n}", 1 + n % 4, "webhook") for n in range(PEOPLE)]
        running = {name: dispatcher(name, postgres_url, centre.port, receiver) for name in "abc"}
        await asyncio.sleep(3)
        ledger.write_decisions(AREA, 1, notices=[one for one, _ in sms + hooks])
        while told() < 20:
            await asyncio.sleep(0.002)
        running["a"].send_signal(signal.SIGSTOP)
        ledger.write_decisions(AREA, 2, notices=[two for _, two in sms + hooks])
        while told() < 60:
            await asyncio.sleep(0.002)
        running.pop("b").kill()
        await asyncio.sleep(LEASE_S + 2)
        running["a"].send_signal(signal.SIGCONT)
        running["c"].send_signal(signal.SIGSTOP)
        await asyncio.sleep(LEASE_S + 2)
        running["c"].send_signal(signal.SIGCONT)
        while any(state in OPEN for _, state in ledger.notice_counts()):
            assert all(one.poll() is None for one in running.values())
            await asyncio.sleep(0.2)
        await asyncio.sleep(1)
        changes = ledger.state_changes(limit=100_000)
        for process in running.values():
            process.terminate()
            process.wait(30)

    states = {change.notice: change.state for change in changes}
    unknown = Counter(change.notice for change in changes if change.state is S.UNKNOWN)
    print(f"{sum(unknown.values())} outcomes nobody knew of {len(states)} notices")
    # By an idempotency key: once each, whatever slept; what a newer version made pointless, not at all, but for what was
    # on its way when its dispatcher was killed: it arrived, nobody knows so, and the newer one goes instead of a repeat.
    arrived = Counter(notice["id"] for notice in receiver.notices)
    assert set(arrived.values()) == {1}
    delivered = {n.id for pair in hooks for n in pair if states[n.id] is S.DELIVERED}
    assert delivered <= set(arrived)
    begun = {change.notice for change in changes if change.state is S.SENDING}
    assert all(states[one] is S.SUPERSEDED and one in begun for one in set(arrived) - delivered)
    phones = Counter(one.text for one in centre.inbox)
    for one, two in sms:
        for notice in (one, two):
            plain, marked = phones[notice.text], phones[RESENT + notice.text]
            assert plain <= 1, "an SMS went twice without a mark"
            assert marked <= (1 if notice.level >= 3 and notice.id in unknown else 0)
            if states[notice.id] in {S.SENT, S.DELIVERED}:
                assert plain + marked >= 1
            else:
                assert states[notice.id] in {S.SUPERSEDED, S.UNKNOWN}
        heard = [
            sms.text.removeprefix(RESENT) for sms in centre.inbox if sms.text.endswith((one.text, two.text))
        ]
        assert heard == sorted(heard), "somebody was shown an older version after a newer one"
    for one, two in hooks:
        heard = [body["text"] for body in receiver.notices if body["text"] in (one.text, two.text)]
        assert heard == sorted(heard), "somebody was shown an older version after a newer one"
    receiver.stop()
    await centre.stop()
