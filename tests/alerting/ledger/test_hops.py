"""When each step of a notice happened, beside what was decided."""

from __future__ import annotations

from alerting.ledger import Settlement
from alerting.ledger.hops import DecisionTimes, Hops
from schemas.notice import NoticeState as S
from schemas.notice import Receipt
from schemas.times import MINUTE, SECOND, from_micros
from tests.alerting.ledger.making import AREA, NOW, a_notice, an_alert

OBSERVED = NOW - 3 * MINUTE
LOGGED, DECIDED = NOW + SECOND // 10, NOW + SECOND // 5
TIMES = DecisionTimes(LOGGED, DECIDED)


def alert(chain="a-1", version=1, issued_us=NOW):
    return an_alert(chain, version, observed_at=from_micros(OBSERVED), issued_at=from_micros(issued_us))


def test_a_notice_tells_its_way_from_the_reading_to_the_phone(ledger):
    ledger.write_decisions(AREA, 7, alerts=[alert()], times=TIMES)
    notice = a_notice(due_us=NOW + MINUTE)
    ledger.write_decisions(AREA, 9, notices=[notice], times=DecisionTimes(None, NOW + MINUTE))
    assert ledger.hops_of([notice.id])[notice.id] == Hops(OBSERVED, NOW, LOGGED, DECIDED, NOW + MINUTE)
    (claim,) = ledger.claim_due(NOW + 61 * SECOND, 1, "w", 60, machine_us=0)
    ledger.settle([Settlement(claim, S.UNKNOWN, NOW + 62 * SECOND, ready_us=0)])
    (claim,) = ledger.claim_due(NOW + 63 * SECOND, 1, "w", 60, machine_us=1)
    ledger.settle([Settlement(claim, S.SENT, NOW + 64 * SECOND, references=("m-1",))])
    arrived = Receipt(notice=notice.id, state="delivered", at=from_micros(NOW + 70 * SECOND))
    ledger.add_receipt(arrived, "m-1")
    assert ledger.hops_of([notice.id])[notice.id].named() == {
        "observed": OBSERVED,
        "received": NOW,
        "logged": LOGGED,
        "decided": DECIDED,
        "due": NOW + MINUTE,
        "dispatched": NOW + 61 * SECOND,
        "sent": NOW + 64 * SECOND,
        "delivered": NOW + 70 * SECOND,
    }


def test_the_first_time_counts_and_a_replay_leaves_no_trace(ledger):
    ledger.write_decisions(AREA, 7, alerts=[alert()], notices=[a_notice()], times=TIMES)
    late = DecisionTimes(None, NOW + 9 * MINUTE)
    ledger.write_decisions(AREA, 7, alerts=[alert()], notices=[a_notice()], times=late)
    ledger.write_decisions(AREA, 12, alerts=[alert()], notices=[a_notice()], times=late)
    assert ledger.hops_of([a_notice().id])[a_notice().id][:4] == (OBSERVED, NOW, LOGGED, DECIDED)
    with ledger.database.read() as connection:
        assert connection.exec_driver_sql("select position from decision_times").scalars().all() == [7]


def test_of_a_bundle_the_way_of_what_waited_longest(ledger):
    bundle = a_notice(("a-2", 1), ("a-1", 1))
    ledger.write_decisions(AREA, 8, alerts=[alert("a-1", issued_us=NOW + SECOND)])
    ledger.write_decisions(AREA, 7, alerts=[alert("a-2")], notices=[bundle], times=TIMES)
    assert ledger.hops_of([bundle.id])[bundle.id].decided_us == DECIDED


def test_what_an_earlier_release_wrote_has_no_times_of_its_deciding(ledger):
    ledger.write_decisions(AREA, 7, alerts=[alert()], notices=[a_notice()])
    hops = ledger.hops_of([a_notice().id, "n-none"])
    assert hops == {a_notice().id: Hops(OBSERVED, NOW, due_us=NOW)}
