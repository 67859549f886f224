"""The outbox: who goes first, what waits for what, what leaves unsent, and what a dead dispatcher leaves behind."""

from __future__ import annotations

import threading
from random import Random

import pytest

from alerting.ledger import IllegalTransition, Settlement
from schemas.notice import NoticeState as S
from schemas.notice import Receipt
from schemas.times import HOUR, SECOND, from_micros
from tests.alerting.ledger.making import AREA, NOW, a_notice

LEASE_S = 60


@pytest.fixture
def outbox(ledger):
    return Outbox(ledger)


class Outbox:
    """The ledger in a few words, with one clock for both."""

    def __init__(self, ledger):
        self.ledger = ledger
        self.now_us = NOW
        self.position = 0

    def write(self, *notices):
        self.position += 1
        self.ledger.write_decisions(AREA, self.position, notices=notices)

    def claim(self, limit=10, worker="w", **more):
        return self.ledger.claim_due(self.now_us, limit, worker, LEASE_S, machine_us=self.now_us, **more)

    def settle(self, claim, state, **more):
        return self.ledger.settle([Settlement(claim, state, self.now_us, **more)])[0]

    def state(self, notice):
        return self.ledger.notice(notice.id).state


def ids(claims):
    return [claim.notice.id for claim in claims]


def test_red_goes_before_orange_before_yellow_before_blue_then_the_older(outbox):
    notices = [
        a_notice((f"a-{level}-{late}", 1), recipient=f"p-{level}-{late}", level=level, due_us=NOW - 10 + late)
        for level in (1, 3, 2, 4, 0)
        for late in (1, 0)
    ]
    outbox.write(*notices)
    claims = [claim for _ in range(4) for claim in outbox.claim(limit=3)]
    assert [claim.notice.level for claim in claims] == [4, 4, 3, 3, 2, 2, 1, 1, 0, 0]
    assert [claim.notice.first_due_at for claim in claims[:2]] == [
        from_micros(NOW - 10),
        from_micros(NOW - 9),
    ]


def test_a_claim_is_sending_before_anybody_calls_a_channel(outbox):
    outbox.write(a_notice())
    (claim,) = outbox.claim()
    assert (claim.attempt, claim.resend, claim.notice.state) == (1, False, S.SENDING)
    assert outbox.state(a_notice()) is S.SENDING
    assert outbox.claim() == []


def test_claims_keep_to_their_channels(outbox):
    horn = a_notice(recipient="horn-1", channel="broadcast")
    outbox.write(a_notice(), horn)
    assert ids(outbox.claim(channels=["broadcast"])) == [horn.id]


def test_a_later_version_waits_until_the_earlier_is_settled(outbox):
    first, second = a_notice(("a-1", 1)), a_notice(("a-1", 2), level=4)
    outbox.write(first)
    (claim,) = outbox.claim()
    outbox.write(second)
    assert outbox.claim() == []
    outbox.settle(claim, S.SENT)
    assert ids(outbox.claim()) == [second.id]


def test_others_do_not_wait(outbox):
    outbox.write(a_notice(("a-1", 1)))
    outbox.claim()
    other_person = a_notice(("a-1", 2), recipient="p-2")
    other_channel = a_notice(("a-1", 2), channel="webhook")
    other_chain = a_notice(("a-2", 2))
    outbox.write(other_person, other_channel, other_chain)
    assert set(ids(outbox.claim())) == {other_person.id, other_channel.id, other_chain.id}


@pytest.mark.parametrize("state", ["held", "due"])
def test_an_unsent_notice_is_superseded_once_a_newer_one_is_due(outbox, state):
    first, second = a_notice(("a-1", 1), state=state), a_notice(("a-1", 2))
    outbox.write(first)
    outbox.write(a_notice(("a-1", 2), state="held"))
    assert outbox.state(first) is S(state)
    outbox.write(second)
    assert outbox.state(first) is S.SUPERSEDED
    assert ids(outbox.claim()) == [second.id]


def test_a_release_of_what_is_superseded_sends_nothing(outbox):
    outbox.write(a_notice(("a-1", 1), state="held"))
    outbox.write(a_notice(("a-1", 2)))
    outbox.write(a_notice(("a-1", 1)))
    assert outbox.state(a_notice(("a-1", 1))) is S.SUPERSEDED
    assert ids(outbox.claim()) == [a_notice(("a-1", 2)).id]


def test_an_older_version_that_comes_due_after_a_newer_one_is_superseded(outbox):
    outbox.write(a_notice(("a-1", 2)))
    outbox.write(a_notice(("a-1", 1)))
    assert outbox.state(a_notice(("a-1", 1))) is S.SUPERSEDED


def test_a_bundle_stays_while_one_of_its_chains_is_told_nowhere_else(outbox):
    bundle = a_notice(("a-1", 1), ("a-2", 1), level=2)
    outbox.write(bundle)
    outbox.write(a_notice(("a-1", 2), level=4))
    assert outbox.state(bundle) is S.DUE
    outbox.write(a_notice(("a-2", 2), level=2))
    assert outbox.state(bundle) is S.SUPERSEDED


def test_what_blocks_a_red_notice_goes_at_its_level_and_without_a_pause(outbox):
    bundle = a_notice(("a-1", 1), ("a-2", 1), level=1)
    outbox.write(bundle)
    (claim,) = outbox.claim()
    outbox.settle(claim, S.DUE, ready_us=NOW + HOUR)
    orange = a_notice(("a-3", 1), level=3)
    red = a_notice(("a-1", 2), level=4)
    outbox.write(orange, red)
    assert ids(outbox.claim(limit=2)) == [bundle.id, orange.id]


def test_no_two_notices_block_each_other(outbox):
    one, other = a_notice(("a-1", 1), ("a-2", 2)), a_notice(("a-1", 2), ("a-2", 1))
    outbox.write(one)
    outbox.write(other)
    (first,) = outbox.claim()
    outbox.settle(first, S.SENT)
    assert {first.notice.id, *ids(outbox.claim())} == {one.id, other.id}


def test_a_cancel_of_what_nobody_saw_is_superseded(outbox):
    first = a_notice(("a-1", 1))
    outbox.write(first)
    outbox.write(a_notice(("a-1", 2), cancel=True, level=0))
    assert outbox.claim() == []
    assert outbox.state(a_notice(("a-1", 2), cancel=True, level=0)) is S.SUPERSEDED


@pytest.mark.parametrize("state", [S.SENT, S.UNKNOWN, S.DELIVERED])
def test_a_cancel_follows_what_may_have_been_seen(outbox, state):
    outbox.write(a_notice(("a-1", 1)))
    (claim,) = outbox.claim()
    cancel = a_notice(("a-1", 3), cancel=True, level=0)
    outbox.write(a_notice(("a-1", 2)), cancel)
    outbox.settle(claim, state)
    assert ids(outbox.claim()) == [cancel.id]


def test_a_cancel_of_what_was_refused_is_superseded(outbox):
    outbox.write(a_notice(("a-1", 1)))
    (claim,) = outbox.claim()
    outbox.settle(claim, S.PARKED, error="address")
    outbox.write(a_notice(("a-1", 2), cancel=True, level=0))
    assert outbox.claim() == []
    assert outbox.state(a_notice(("a-1", 1))) is S.SUPERSEDED


def test_a_try_that_failed_waits_its_pause_and_keeps_its_count(outbox):
    outbox.write(a_notice())
    (claim,) = outbox.claim()
    outbox.settle(claim, S.DUE, error="throttled", ready_us=NOW + 8 * SECOND)
    assert outbox.ledger.notice(a_notice().id).error == "throttled"
    assert outbox.claim() == []
    outbox.now_us += 8 * SECOND
    (again,) = outbox.claim()
    assert again.attempt == 2
    outbox.settle(again, S.SENT)
    told = outbox.ledger.notice(a_notice().id)
    assert (told.attempts, told.error) == (2, None)


def test_a_try_that_failed_is_superseded_if_a_newer_one_came_meanwhile(outbox):
    outbox.write(a_notice(("a-1", 1)))
    (claim,) = outbox.claim()
    outbox.write(a_notice(("a-1", 2)))
    outbox.settle(claim, S.DUE, error="unreachable", ready_us=NOW)
    assert outbox.state(a_notice(("a-1", 1))) is S.SUPERSEDED
    assert ids(outbox.claim()) == [a_notice(("a-1", 2)).id]


def test_an_unknown_outcome_that_goes_again_says_so(outbox):
    outbox.write(a_notice())
    (claim,) = outbox.claim()
    outbox.settle(claim, S.UNKNOWN, error="no_answer", ready_us=NOW, resend=True)
    (again,) = outbox.claim()
    assert (again.attempt, again.resend) == (2, True)
    states = [change.state for change in outbox.ledger.state_changes()]
    assert states == [S.DUE, S.SENDING, S.UNKNOWN, S.DUE, S.SENDING]


def test_what_has_run_out_is_not_sent(outbox):
    outbox.write(a_notice(expires_at=from_micros(NOW)))
    assert outbox.claim() == []
    assert outbox.state(a_notice()) is S.EXPIRED


def test_a_dead_dispatchers_lease_is_adopted_when_it_is_over(outbox):
    outbox.write(a_notice())
    outbox.claim(worker="dead")
    assert outbox.ledger.adopt("w", LEASE_S, machine_us=outbox.now_us) == []
    outbox.now_us += LEASE_S * SECOND + 1
    (claim,) = outbox.ledger.adopt("w", LEASE_S, machine_us=outbox.now_us)
    assert (claim.worker, claim.attempt, claim.notice.state) == ("w", 1, S.SENDING)
    assert outbox.settle(claim, S.UNKNOWN, error="crashed")
    assert outbox.state(a_notice()) is S.UNKNOWN


def test_a_dispatcher_adopts_its_own_leases_at_a_start(outbox):
    outbox.write(a_notice(), a_notice(recipient="p-2"))
    outbox.claim(limit=1, worker="w")
    outbox.claim(limit=1, worker="other")
    assert len(outbox.ledger.adopt("w", LEASE_S, machine_us=outbox.now_us, own=True)) == 1


def test_since_when_the_oldest_waits_by_channel(outbox):
    outbox.write(a_notice(due_us=NOW - 5), a_notice(recipient="p-2", due_us=NOW - 3))
    assert outbox.ledger.oldest_due() == {"sms": NOW - 5}
    outbox.claim(limit=1)
    assert outbox.ledger.oldest_due() == {"sms": NOW - 3}
    outbox.claim(limit=1)
    assert outbox.ledger.oldest_due() == {}


def test_a_dispatcher_that_woke_too_late_changes_nothing_that_another_has_in_hand(outbox):
    outbox.write(a_notice())
    (slow,) = outbox.claim(worker="slow")
    outbox.now_us += LEASE_S * SECOND + 1
    (claim,) = outbox.ledger.adopt("w", LEASE_S, machine_us=outbox.now_us)
    assert not outbox.settle(slow, S.SENT)
    assert outbox.settle(claim, S.UNKNOWN)
    assert outbox.settle(slow, S.SENT)  # now nobody has it, and that it went out is worth knowing
    assert not outbox.settle(slow, S.PARKED)
    assert outbox.state(a_notice()) is S.SENT


def test_what_a_dispatcher_that_woke_late_has_certainly_sent_does_not_go_again(outbox):
    outbox.write(a_notice(level=4))
    (slow,) = outbox.claim(worker="slow")
    outbox.now_us += LEASE_S * SECOND + 1
    (claim,) = outbox.ledger.adopt("w", LEASE_S, machine_us=outbox.now_us)
    assert outbox.settle(claim, S.UNKNOWN, ready_us=outbox.now_us + SECOND, resend=True)
    assert outbox.state(a_notice()) is S.DUE
    assert not outbox.settle(slow, S.DUE)
    assert not outbox.settle(slow, S.UNKNOWN)
    assert outbox.settle(slow, S.SENT, references=("m-1",))
    outbox.now_us += 2 * SECOND
    assert outbox.claim() == []
    assert outbox.state(a_notice()) is S.SENT
    assert outbox.ledger.owed_acts() == 0


def test_what_a_dispatcher_that_woke_late_says_of_an_earlier_try_does_not_touch_a_later_one(outbox):
    outbox.write(a_notice(level=4))
    (slow,) = outbox.claim(worker="slow")
    outbox.now_us += LEASE_S * SECOND + 1
    (claim,) = outbox.ledger.adopt("w", LEASE_S, machine_us=outbox.now_us)
    outbox.settle(claim, S.UNKNOWN, ready_us=0, resend=True)
    (again,) = outbox.claim(worker="w")
    outbox.settle(again, S.DUE, ready_us=outbox.now_us + SECOND)
    assert not outbox.settle(slow, S.SENT)
    assert outbox.state(a_notice()) is S.DUE


def test_a_receipt_delivers_once(outbox):
    outbox.write(a_notice())
    (claim,) = outbox.claim()
    outbox.settle(claim, S.SENT, references=("m-1", "m-2"))
    names = [("sms", "m-1"), ("sms", "m-2"), ("sms", "m-3"), ("webhook", "m-1")]
    assert outbox.ledger.notices_of_references(names) == dict.fromkeys(names[:2], a_notice().id)
    receipt = Receipt(notice=a_notice().id, state="delivered", at=from_micros(NOW + 9))
    assert outbox.ledger.add_receipt(receipt, "m-1")
    assert outbox.state(a_notice()) is S.SENT
    assert outbox.ledger.add_receipt(receipt, "m-2")
    assert outbox.ledger.add_receipt(receipt, "m-2")
    told = outbox.ledger.notice(a_notice().id)
    assert (told.state, told.delivered_at) == (S.DELIVERED, from_micros(NOW + 9))
    assert outbox.ledger.receipts_of(a_notice().id) == [receipt, receipt]


def test_many_receipts_in_one_transaction_do_what_each_does(outbox):
    outbox.write(a_notice())
    (claim,) = outbox.claim()
    outbox.settle(claim, S.SENT, references=("m-1", "m-2"))
    part = Receipt(notice=a_notice().id, state="delivered", at=from_micros(NOW + 9))
    none = Receipt(notice="n-none", state="delivered", at=from_micros(NOW))
    assert outbox.ledger.add_receipts([(part, "m-1"), (none, "m-1"), (part, "m-2"), (part, "m-2")]) == [
        True,
        False,
        True,
        True,
    ]
    assert outbox.state(a_notice()) is S.DELIVERED
    assert outbox.ledger.receipts_of(a_notice().id) == [part, part]


def test_a_receipt_that_overtakes_the_answer_counts(outbox):
    outbox.write(a_notice())
    (claim,) = outbox.claim()
    outbox.ledger.add_receipt(
        Receipt(notice=a_notice().id, state="played", at=from_micros(NOW), device="horn")
    )
    assert outbox.settle(claim, S.SENT)
    assert outbox.state(a_notice()) is S.DELIVERED


def test_a_receipt_spares_the_second_try(outbox):
    outbox.write(a_notice())
    (claim,) = outbox.claim()
    outbox.settle(claim, S.UNKNOWN, ready_us=NOW, resend=True)
    outbox.ledger.add_receipt(Receipt(notice=a_notice().id, state="delivered", at=from_micros(NOW)))
    assert outbox.claim() == []
    assert outbox.state(a_notice()) is S.DELIVERED


def test_a_receipt_of_failure_fails_and_tells_why(outbox):
    outbox.write(a_notice())
    (claim,) = outbox.claim()
    outbox.settle(claim, S.SENT)
    outbox.ledger.add_receipt(
        Receipt(notice=a_notice().id, state="failed", at=from_micros(NOW), detail="UNDELIV")
    )
    told = outbox.ledger.notice(a_notice().id)
    assert (told.state, told.error) == (S.FAILED, "UNDELIV")


def test_a_receipt_for_nothing_is_not_taken(outbox):
    assert not outbox.ledger.add_receipt(Receipt(notice="n-none", state="played", at=from_micros(NOW)))
    assert outbox.ledger.receipts_of("n-none") == []


def test_a_parked_notice_goes_again_when_an_operator_asks(outbox):
    outbox.write(a_notice())
    (claim,) = outbox.claim()
    outbox.settle(claim, S.PARKED, error="address")
    assert outbox.claim() == []
    assert outbox.ledger.unpark(a_notice().id, NOW)
    assert not outbox.ledger.unpark(a_notice().id, NOW)
    assert ids(outbox.claim()) == [a_notice().id]


def test_no_illegal_step(outbox):
    outbox.write(a_notice())
    (claim,) = outbox.claim()
    with pytest.raises(IllegalTransition, match="is sending and cannot become held"):
        outbox.settle(claim, S.HELD)
    assert outbox.state(a_notice()) is S.SENDING


def test_dispatchers_side_by_side_never_take_one_notice_twice(outbox):
    outbox.write(*[a_notice((f"a-{number}", 1), recipient=f"p-{number}") for number in range(120)])
    taken: list[str] = []
    lock = threading.Lock()

    def work(worker: str) -> None:
        while claims := outbox.claim(limit=7, worker=worker):
            with lock:
                taken.extend(ids(claims))

    threads = [threading.Thread(target=work, args=(f"w-{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == 120


def test_a_pipeline_and_dispatchers_do_not_stop_each_other(outbox):
    """Versions come while earlier ones are claimed and settled; what collides in the database is done again."""
    people, chains, versions = range(8), ("a-1", "a-2", "a-3"), range(1, 9)
    faults: list[BaseException] = []
    written = threading.Event()

    def pipeline() -> None:
        try:
            for version in versions:
                notices = [
                    a_notice((chain, version), recipient=f"p-{one}") for chain in chains for one in people
                ]
                Random(version).shuffle(notices)
                outbox.write(*notices)
        except BaseException as error:  # noqa: BLE001 - told by the assertion below
            faults.append(error)
        finally:
            written.set()

    def dispatcher(worker: str) -> None:
        chance = Random(worker)
        try:
            while (claims := outbox.claim(limit=6, worker=worker)) or not written.is_set():
                chance.shuffle(claims)
                outbox.ledger.settle(
                    [
                        Settlement(claim, chance.choice([S.SENT, S.SENT, S.DUE]), NOW, ready_us=0)
                        for claim in claims
                    ]
                )
        except BaseException as error:  # noqa: BLE001 - told by the assertion below
            faults.append(error)

    threads = [threading.Thread(target=pipeline)]
    threads += [threading.Thread(target=dispatcher, args=(f"w-{number}",)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert set(outbox.ledger.notice_counts()) <= {("sms", S.SENT), ("sms", S.SUPERSEDED)}
    newest = [
        outbox.state(a_notice((chain, versions[-1]), recipient=f"p-{one}"))
        for chain in chains
        for one in people
    ]
    assert set(newest) == {S.SENT}
    sent: dict[tuple[str, str], list[int]] = {}
    for change in outbox.ledger.state_changes(limit=100_000):
        if change.state is S.SENT:
            notice = outbox.ledger.notice(change.notice)
            sent.setdefault((notice.recipient, notice.alerts[0].id), []).append(notice.alerts[0].version)
    assert all(seen == sorted(seen) for seen in sent.values())
