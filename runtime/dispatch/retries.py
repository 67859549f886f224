"""What an outcome makes of a notice: a pure decision, apart from the sending.

In      the claim, the channel's outcome, whether the channel can recognise a repeat, one random number
Out     the next state, the pause before another try, and whether that try is marked as a repeat
Source  EXACT, rule 11
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from alerting.channels.base import Outcome, Retry, Sent, Unknown
from alerting.ledger import Claim
from schemas.notice import NoticeState

URGENT = 3
"""From this level (orange) an unknown outcome never rests."""


class RetryPolicy(BaseModel):
    """How often and how fast a notice is tried again; the machine's seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    first_pause_s: float = Field(default=1.0, gt=0)
    """Pause after the first try that failed; it doubles with each further one."""
    longest_pause_s: float = Field(default=300.0, gt=0)
    """No pause of a yellow or blue notice is longer."""
    longest_urgent_pause_s: float = Field(default=30.0, gt=0)
    """No pause of an orange or red notice is longer."""
    attempts: int = Field(default=40, ge=1)
    """After so many tries a notice is parked, where an operator sees it: red after about 20 minutes."""


@dataclass(frozen=True)
class Verdict:
    """What becomes of a claim.

    `pause_s` is None where nothing follows; that the recipient was not told then, the ledger owes the log.
    """

    state: NoticeState
    error: str | None = None
    pause_s: float | None = None
    resend: bool = False
    references: tuple[str, ...] = ()


def judge(claim: Claim, outcome: Outcome, *, repeatable: bool, policy: RetryPolicy, chance: float) -> Verdict:
    """Judge one outcome.

    Parameters
    ----------
    repeatable
        The receiver recognises a repeat.
    chance
        Random, 0..1: spreads the pauses of many notices that failed at once.
    """
    urgent = claim.notice.level >= URGENT
    if isinstance(outcome, Sent):
        state = NoticeState.DELIVERED if outcome.delivered else NoticeState.SENT
        return Verdict(state, references=outcome.references)
    error = f"{outcome.reason}: {outcome.detail}" if outcome.detail else outcome.reason.value
    spent = claim.attempt >= policy.attempts
    if isinstance(outcome, Unknown) and not repeatable:
        if urgent and not claim.resend:
            return Verdict(NoticeState.UNKNOWN, error, policy.first_pause_s, resend=True)
        return Verdict(NoticeState.UNKNOWN, error)
    if isinstance(outcome, Retry | Unknown) and not spent:
        state = NoticeState.UNKNOWN if isinstance(outcome, Unknown) else NoticeState.DUE
        asked_s = outcome.after_s if isinstance(outcome, Retry) else None
        pause_s = asked_s if asked_s is not None else pause(claim.attempt, urgent, policy, chance)
        return Verdict(state, error, pause_s)
    return Verdict(NoticeState.PARKED, error)


def pause(attempt: int, urgent: bool, policy: RetryPolicy, chance: float) -> float:
    """Seconds until the next try: doubling, between half and the whole of the step."""
    longest_s = policy.longest_urgent_pause_s if urgent else policy.longest_pause_s
    step_s: float = min(longest_s, policy.first_pause_s * 2 ** min(attempt - 1, 30))
    return step_s * (0.5 + 0.5 * chance)
