"""Order, supersede and cancel over any sequence of decisions, claims, outcomes, crashes and slow channels.

The machine keeps its own record of what left for whom, from the outside, and holds it against the rules:
nobody is shown an older version after a newer one; what is due is in the end sent, superseded, parked or expired;
whoever may have seen a version hears of the end; nobody hears of an end of what he never saw.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from alerting.ledger import Ledger, Settlement
from schemas.notice import Notice
from schemas.notice import NoticeState as S
from schemas.times import SECOND
from tests.alerting.ledger.making import AREA, NOW, a_notice

CHAINS = ("a-1", "a-2", "a-3")
PEOPLE = ("p-1", "p-2")
LEASE_S = 30
REST = {S.SENT, S.UNKNOWN, S.PARKED, S.SUPERSEDED, S.HELD}


class Queues(RuleBasedStateMachine):
    @initialize()
    def open(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = str(Path(self.folder.name) / "state.db")
        self.ledger = Ledger.open(self.path)
        self.now_us = NOW
        self.position = 0
        self.version = dict.fromkeys(CHAINS, 0)
        self.ended: set[str] = set()
        self.notices: dict[str, Notice] = {}
        self.in_hand: list = []
        self.shown: dict[tuple[str, str], list[int]] = {}
        self.possibly: dict[tuple[str, str], list[int]] = {}

    def _decide(self, *notices):
        self.position += 1
        self.ledger.write_decisions(AREA, self.position, notices=notices)
        for notice in notices:
            self.notices[notice.id] = notice

    @rule(
        chains=st.sets(st.sampled_from(CHAINS), min_size=1, max_size=2),
        level=st.integers(1, 4),
        held=st.booleans(),
    )
    def a_version_for_everybody(self, chains, level, held):
        open_chains = sorted(chains - self.ended)
        if not open_chains:
            return
        for chain in open_chains:
            self.version[chain] += 1
        named = [(chain, self.version[chain]) for chain in open_chains]
        state = "held" if held else "due"
        self._decide(
            *[a_notice(*named, recipient=one, level=level, state=state, due_us=self.now_us) for one in PEOPLE]
        )

    @rule(data=st.data())
    def a_release(self, data):
        held = sorted(key for key, notice in self.notices.items() if notice.state is S.HELD)
        if not held:
            return
        notice = self.notices[data.draw(st.sampled_from(held))]
        # Routing holds a bundle together: its versions are the newest due ones when it is released, or it is not.
        if any(self.version[one.id] > one.version for one in notice.alerts):
            return
        self._decide(
            a_notice(
                *[(one.id, one.version) for one in notice.alerts],
                recipient=notice.recipient,
                level=notice.level,
                due_us=self.now_us,
            )
        )

    @rule(chain=st.sampled_from(CHAINS))
    def a_cancel_for_everybody(self, chain):
        if chain in self.ended or not self.version[chain]:
            return
        self.ended.add(chain)
        self.version[chain] += 1
        self._decide(
            *[
                a_notice(
                    (chain, self.version[chain]), recipient=one, level=0, cancel=True, due_us=self.now_us
                )
                for one in PEOPLE
            ]
        )

    @rule(limit=st.integers(1, 3))
    def claim(self, limit):
        claims = self.ledger.claim_due(self.now_us, limit, "w", LEASE_S, machine_us=self.now_us)
        assert [claim.attempt for claim in claims] == [max(1, claim.attempt) for claim in claims]
        self.in_hand += claims

    @precondition(lambda self: self.in_hand)
    @rule(data=st.data(), outcome=st.sampled_from(["sent", "retry", "refused", "unknown", "unknown_again"]))
    def an_outcome(self, data, outcome):
        claim = data.draw(st.sampled_from(self.in_hand))
        self.in_hand.remove(claim)
        self._outcome(claim, outcome)

    def _outcome(self, claim, outcome):
        if outcome in {"sent", "unknown", "unknown_again"}:
            self._show(claim, certain=outcome == "sent")
        words: dict[str, tuple[S, dict[str, Any]]] = {
            "sent": (S.SENT, {}),
            "retry": (S.DUE, {"ready_us": self.now_us + 5 * SECOND}),
            "refused": (S.PARKED, {"error": "address"}),
            "unknown": (S.UNKNOWN, {}),
            "unknown_again": (S.UNKNOWN, {"ready_us": self.now_us, "resend": True}),
        }
        state, more = words[outcome]
        assert self.ledger.settle([Settlement(claim, state, self.now_us, **more)]) == [True]

    def _show(self, claim, *, certain):
        """The channel puts the notice before a person's eyes."""
        for one in claim.notice.alerts:
            key = (claim.notice.recipient, one.id)
            seen = self.shown.setdefault(key, [])
            assert not seen or seen[-1] <= one.version, f"{key} saw {seen}, then {one.version}"
            if claim.notice.cancel:
                assert self.possibly.get(key), f"{key} hears of the end of what it never saw"
            else:
                self.possibly.setdefault(key, []).append(one.version)
            if certain:
                seen.append(one.version)

    @rule(seconds=st.integers(1, 60))
    def time_passes(self, seconds):
        self.now_us += seconds * SECOND

    @rule()
    def a_crash(self):
        """Kill: what was in hand may or may not have left, and nobody knows."""
        for claim in self.in_hand:
            self._show(claim, certain=False)
        self.in_hand = []
        self.ledger.close()
        self.ledger = Ledger.open(self.path)
        for claim in self.ledger.adopt("w", LEASE_S, machine_us=self.now_us, own=True):
            assert self.ledger.settle([Settlement(claim, S.UNKNOWN, self.now_us, error="crashed")]) == [True]

    @invariant()
    def a_person_has_one_version_of_a_chain_in_hand(self):
        if not hasattr(self, "in_hand"):
            return
        busy = [(claim.notice.recipient, one.id) for claim in self.in_hand for one in claim.notice.alerts]
        assert len(busy) == len(set(busy))

    def _state(self, key):
        notice = self.ledger.notice(key)
        assert notice is not None
        return notice.state

    def teardown(self):
        if not hasattr(self, "ledger"):
            return
        for claim in self.in_hand:
            self._outcome(claim, "sent")
        for _ in range(200):  # let the channels be well again: the queue runs dry
            self.now_us += 10 * SECOND
            claims = self.ledger.claim_due(self.now_us, 3, "w", LEASE_S, machine_us=self.now_us)
            for claim in claims:
                self._outcome(claim, "sent")
            if not claims:
                break
        states = {key: self._state(key) for key in self.notices}
        assert set(states.values()) <= REST, states
        for (person, chain), versions in self.possibly.items():
            if chain in self.ended and versions:
                end = a_notice((chain, self.version[chain]), recipient=person, level=0, cancel=True)
                assert states[end.id] in {S.SENT, S.UNKNOWN, S.PARKED}, (person, chain, states[end.id])
        self.ledger.close()
        self.folder.cleanup()


TestQueues = Queues.TestCase
TestQueues.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
