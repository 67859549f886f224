"""What an outcome makes of a notice, by level, channel and how often it was tried."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.channels.base import Reason, Refused, Retry, Sent, Unknown
from alerting.ledger import Claim
from runtime.dispatch.retries import RetryPolicy, Verdict, judge, pause
from schemas.notice import NoticeState as S
from tests.alerting.ledger.making import a_notice

POLICY = RetryPolicy(attempts=3)


def verdict(outcome, *, level=4, attempt=1, resend=False, repeatable=False) -> Verdict:
    claim = Claim(a_notice(level=level), attempt, resend, "w")
    return judge(claim, outcome, repeatable=repeatable, policy=POLICY, chance=1.0)


def test_taken_is_sent_and_a_receipt_at_once_is_delivered():
    assert verdict(Sent(("m-1",))) == Verdict(S.SENT, references=("m-1",))
    assert verdict(Sent(delivered=True)) == Verdict(S.DELIVERED)


@pytest.mark.parametrize("level", [3, 4])
def test_an_unknown_sms_of_orange_or_red_goes_again_once_and_then_is_told(level):
    first = verdict(Unknown(Reason.NO_ANSWER), level=level)
    assert (first.state, first.pause_s, first.resend) == (S.UNKNOWN, 1.0, True)
    second = verdict(Unknown(Reason.NO_ANSWER), level=level, attempt=2, resend=True)
    assert (second.state, second.pause_s) == (S.UNKNOWN, None)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_an_unknown_sms_below_orange_rests(level):
    assert verdict(Unknown(Reason.CRASHED), level=level) == Verdict(S.UNKNOWN, "crashed")


@pytest.mark.parametrize("level", [0, 1, 2, 3, 4])
def test_a_channel_that_recognises_a_repeat_is_called_again_without_a_mark(level):
    again = verdict(Unknown(Reason.NO_ANSWER, "ReadTimeout"), level=level, repeatable=True)
    assert (again.state, again.pause_s, again.resend) == (S.UNKNOWN, 1.0, False)
    assert again.error == "no_answer: ReadTimeout"


def test_a_refusal_is_parked_at_once_and_told_from_orange_up():
    assert verdict(Refused(Reason.ADDRESS)) == Verdict(S.PARKED, "address")
    assert verdict(Refused(Reason.ADDRESS), level=2) == Verdict(S.PARKED, "address")


def test_tries_end():
    assert verdict(Retry(Reason.BUSY), attempt=2).state is S.DUE
    assert verdict(Retry(Reason.BUSY), attempt=3) == Verdict(S.PARKED, "busy")
    assert verdict(Unknown(Reason.NO_ANSWER), attempt=3, repeatable=True).state is S.PARKED


def test_the_other_side_says_when():
    assert verdict(Retry(Reason.THROTTLED, after_s=17.0)).pause_s == 17.0


def test_an_unknown_try_after_a_mark_keeps_the_mark():
    """A marked try that surely did not leave goes again; the ledger keeps its mark."""
    assert verdict(Retry(Reason.UNREACHABLE), resend=True, attempt=2).state is S.DUE


@given(st.integers(1, 10_000), st.booleans(), st.floats(0, 1))
def test_pauses_grow_within_bounds(attempt, urgent, chance):
    policy = RetryPolicy()
    seconds = pause(attempt, urgent, policy, chance)
    longest = policy.longest_urgent_pause_s if urgent else policy.longest_pause_s
    assert policy.first_pause_s / 2 <= seconds <= longest
    assert pause(attempt, urgent, policy, 1.0) <= pause(attempt + 1, urgent, policy, 1.0)
