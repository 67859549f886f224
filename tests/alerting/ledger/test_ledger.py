"""What every ledger keeps: each thing once, all of a decision or nothing, and state that only moves forward."""

from __future__ import annotations

import threading

import pytest

from alerting.ledger import Contradiction, Fenced, Ledger, Settlement, StalePosition, UnknownBundle
from schemas.notice import NoticeState
from schemas.reject import RejectReason, make_reject
from schemas.times import DAY, HOUR, from_micros
from tests.alerting.ledger.making import AREA, NOW, a_finding, a_notice, a_release, an_act, an_alert


def test_a_decision_comes_back_as_it_was_written(ledger):
    ledger.write_decisions(AREA, 7, [a_finding()], [an_alert()], [a_notice()], [a_release()], [an_act()])
    assert ledger.findings([a_finding().id]) == [a_finding()]
    assert ledger.newest_findings() == [a_finding()]
    assert ledger.alert_versions("a-1") == [an_alert()]
    assert ledger.alert("a-1") == an_alert()
    assert ledger.notice(a_notice().id) == a_notice()
    assert ledger.releases_of("a-1") == [a_release()]
    assert ledger.acts("a-1") == [an_act()]
    assert ledger.act("act-1") == an_act()
    assert ledger.decided_position(AREA) == 7
    assert ledger.alert("a-2") is None
    assert ledger.act("act-2") is None
    assert ledger.decided_position("511900") is None


def test_a_replay_changes_nothing(ledger):
    everything = (
        [a_finding()],
        [an_alert()],
        [a_notice(state="held"), a_notice()],
        [a_release()],
        [an_act()],
    )
    ledger.write_decisions(AREA, 7, *everything)
    before = ledger.state_changes()
    ledger.write_decisions(AREA, 3, *everything)
    assert ledger.state_changes() == before
    assert ledger.notice_counts() == {("sms", NoticeState.DUE): 1}


@pytest.mark.parametrize(
    ("what", "other"),
    [
        ("findings", a_finding(evidence={"rain_mm": 61.6}, observed_us=NOW)),
        ("alerts", an_alert(level=4)),
        ("notices", a_notice(text="other words")),
        ("notices", a_notice(due_us=NOW + 1)),
        ("releases", a_release(by="somebody")),
    ],
)
def test_the_same_id_with_other_content_is_a_contradiction_and_nothing_is_written(ledger, what, other):
    ledger.write_decisions(AREA, 7, [a_finding()], [an_alert()], [a_notice()], [a_release()])
    fresh = [a_finding(number=2)] + ([other] if what == "findings" else [])
    rest = {} if what == "findings" else {what: [other]}
    with pytest.raises(Contradiction):
        ledger.write_decisions(AREA, 8, findings=fresh, **rest)
    assert ledger.findings([a_finding(number=2).id]) == []


def test_two_contents_for_one_id_in_one_decision_contradict(ledger):
    with pytest.raises(Contradiction):
        ledger.write_decisions(AREA, 7, alerts=[an_alert(), an_alert(level=4)])


def test_what_dispatchers_did_is_no_other_content(ledger):
    ledger.write_decisions(AREA, 7, notices=[a_notice()])
    claim = ledger.claim_due(NOW, 1, "w", 60, machine_us=0)[0]
    ledger.settle([Settlement(claim, NoticeState.SENT, NOW + 5)])
    ledger.write_decisions(AREA, 7, notices=[a_notice()])
    told = ledger.notice(a_notice().id)
    assert (told.state, told.attempts, told.sent_at) == (NoticeState.SENT, 1, from_micros(NOW + 5))


def test_a_release_moves_a_held_notice_to_due_with_its_new_words(ledger):
    held, due = a_notice(state="held"), a_notice(text="山洪灾害橙色预警（自动发布）", automatic_release=True)
    ledger.write_decisions(AREA, 7, notices=[held])
    assert ledger.claim_due(NOW, 1, "w", 60, machine_us=0) == []
    ledger.write_decisions(AREA, 8, notices=[due])
    assert ledger.notice(held.id) == due
    assert [change.state for change in ledger.state_changes()] == [NoticeState.HELD, NoticeState.DUE]


def test_a_held_notice_cannot_come_due_for_somebody_else(ledger):
    held = a_notice(state="held")
    ledger.write_decisions(AREA, 7, notices=[held])
    with pytest.raises(Contradiction):
        ledger.write_decisions(
            AREA, 8, notices=[a_notice(recipient="p-2").model_copy(update={"id": held.id})]
        )


def test_an_act_counts_once_whatever_its_sender_says_later(ledger):
    ledger.write_decisions(AREA, 7, acts=[an_act(), an_act(reason="again")])
    ledger.write_decisions(AREA, 9, acts=[an_act(reason="once more")])
    assert ledger.acts() == [an_act()]


def test_checkpoints_move_forward_only(ledger):
    assert ledger.load_checkpoint(AREA) == ({}, 0)
    ledger.checkpoint(AREA, {"rain/R-1": b"\x01a", "rain/R-2": b"\x01b"}, 5)
    ledger.checkpoint(AREA, {"rain/R-1": None, "rain/R-2": b"\x01c", "fire/C-1": b"\x01"}, 9)
    ledger.checkpoint("5120", {"rain/R-1": b"other"}, 2)
    kept = {"rain/R-2": b"\x01c", "fire/C-1": b"\x01"}
    for position in (9, 4):
        with pytest.raises(StalePosition):
            ledger.checkpoint(AREA, {"rain/R-2": b"\x01x"}, position)
    assert ledger.load_checkpoint(AREA) == (kept, 9)
    ledger.clear_checkpoint(AREA)
    assert ledger.load_checkpoint(AREA) == ({}, 0)
    assert ledger.load_checkpoint("5120") == ({"rain/R-1": b"other"}, 2)


def test_a_worker_with_an_old_epoch_is_fenced(ledger):
    first = ledger.draw_epoch(AREA)
    ledger.checkpoint(AREA, {"a": b"1"}, 5, epoch=first)
    second = ledger.draw_epoch(AREA)
    with pytest.raises(Fenced):
        ledger.checkpoint(AREA, {"a": b"2"}, 6, epoch=first)
    with pytest.raises(Fenced):
        ledger.write_decisions(AREA, 6, [a_finding()], epoch=first)
    ledger.write_decisions(AREA, 6, [a_finding()], epoch=second)
    ledger.checkpoint(AREA, {"a": b"3"}, 6, epoch=second)
    assert ledger.load_checkpoint(AREA) == ({"a": b"3"}, 6)


def test_rejects_are_kept_once_and_listed_by_reason(ledger):
    blank = make_reject(NOW, "mqtt:readings/rain/R-1", RejectReason.BLANK, "nothing in it", b"")
    broken = make_reject(NOW + 1, "http", RejectReason.NOT_TEXT, "byte 0 is no UTF-8", b"\xff\xfe")
    ledger.add_rejects([broken, blank])
    ledger.add_rejects([blank])
    assert ledger.rejects() == [blank, broken]
    assert ledger.rejects(reason=RejectReason.BLANK) == [blank]
    assert ledger.rejects(since_us=NOW + 1) == [broken]
    ledger.mark_replayed([blank.id], NOW + 2)
    ledger.mark_replayed([blank.id], NOW + 3)
    assert ledger.rejects(replayed=False) == [broken]
    assert ledger.rejects(replayed=True, newest=5) == [blank]


@pytest.mark.parametrize("rows_at_once", [1, 2, 3, 100])
def test_rejects_are_replayed_a_few_at_a_time_and_not_what_is_refused_meanwhile(ledger, rows_at_once):
    refused = [
        make_reject(NOW + n // 2, f"http-{n}", RejectReason.NOT_TEXT, "no UTF-8", b"\xff") for n in range(6)
    ]
    blank = make_reject(NOW + 1, "http", RejectReason.BLANK, "nothing in it", b"")
    ledger.add_rejects([*refused, blank])
    ledger.mark_replayed([refused[2].id], NOW)
    left = sorted(
        (one for one in refused if one is not refused[2]), key=lambda one: (one.received_at, one.id)
    )
    met = []
    for one in ledger.rejects_to_replay(RejectReason.NOT_TEXT, rows_at_once=rows_at_once):
        met.append(one)
        ledger.add_rejects([make_reject(NOW + 99, one.id, RejectReason.NOT_TEXT, "still no UTF-8", b"\xff")])
        ledger.mark_replayed([one.id], NOW + 99)
    assert met == left
    assert blank in list(ledger.rejects_to_replay())


def test_bundles_are_kept_by_hash(ledger):
    ledger.store_bundle("abc", b"{}")
    ledger.store_bundle("abc", b"{}")
    assert ledger.load_bundle("abc") == b"{}"
    with pytest.raises(UnknownBundle, match="configuration missing is not in the ledger"):
        ledger.load_bundle("missing")


def test_alerts_in_force_are_the_newest_versions_that_no_cancel_ended(ledger):
    rising = [an_alert("a-1", 1), an_alert("a-1", 2, level=4)]
    ended = [an_alert("a-2", 1), an_alert("a-2", 2, type="cancel", level=0)]
    brief = [an_alert("a-3", 1, level=2, expires_at=from_micros(NOW + HOUR))]
    ledger.write_decisions(AREA, 7, alerts=rising + ended + brief)
    assert ledger.alerts_in_force() == [rising[1], brief[0]]
    assert ledger.alerts_in_force(NOW + 2 * HOUR) == [rising[1]]
    assert {(alert.id, alert.version) for alert in ledger.newest_alerts(2)} == {("a-1", 2), ("a-2", 2)}


def test_topics_hold_the_newest_released_version_and_a_cancel_for_a_day(ledger):
    alerts = [
        an_alert("a-1", 1),
        an_alert("a-1", 2, level=4),  # not released: the first version stays on the topics
        an_alert("a-2", 1),
        an_alert("a-2", 2, type="cancel", level=0),
        an_alert("a-3", 1),  # never released
    ]
    releases = [
        a_release("a-1", 1),
        a_release("a-1", 2, audience="responsible"),
        a_release("a-2", 1),
        a_release("a-2", 2),
    ]
    ledger.write_decisions(AREA, 7, alerts=alerts, releases=releases)
    assert ledger.released_to_public(NOW + HOUR) == [alerts[0], alerts[3]]
    assert ledger.released_to_public(NOW + 2 * DAY) == []


def test_who_was_told_and_how_often(ledger):
    first, second = a_notice(), a_notice(recipient="p-2", level=4)
    broadcast = a_notice(recipient="horn-1", channel="broadcast")
    ledger.write_decisions(AREA, 7, notices=[first, second, broadcast])
    for claim in ledger.claim_due(NOW, 9, "w", 60, machine_us=0, channels=["sms"]):
        ledger.settle([Settlement(claim, NoticeState.SENT, NOW + HOUR)])
    told = ledger.told("a-1")
    assert [(one.recipient, one.channel, one.state) for one in told] == [
        ("horn-1", "broadcast", NoticeState.DUE),
        ("p-1", "sms", NoticeState.SENT),
        ("p-2", "sms", NoticeState.SENT),
    ]
    hour = (NOW + HOUR) // HOUR * HOUR
    assert ledger.sent_by_hour() == [("p-1", hour, 1, 1), ("p-2", hour, 1, 0)]
    assert {notice.id for notice in ledger.notices_of_alert("a-1")} == {first.id, second.id, broadcast.id}
    assert ledger.notice_counts() == {("sms", NoticeState.SENT): 2, ("broadcast", NoticeState.DUE): 1}
    assert [notice.id for notice in ledger.notices_in(NoticeState.DUE)] == [broadcast.id]


def test_a_follower_sees_what_was_decided_behind_a_position_in_the_order_of_the_log(ledger):
    early, late = an_act("act-2"), an_act("act-1")
    ledger.write_decisions(AREA, 7, alerts=[an_alert()], acts=[early])
    ledger.write_decisions(
        AREA, 9, alerts=[an_alert(version=2)], releases=[a_release(version=2)], acts=[late]
    )
    ledger.write_decisions("5107", 8, alerts=[an_alert("a-9")])
    assert ledger.decided_after(AREA, 0) == (
        9,
        [an_alert(), an_alert(version=2)],
        [a_release(version=2)],
        [early, late],
    )
    assert ledger.decided_after(AREA, 7) == (9, [an_alert(version=2)], [a_release(version=2)], [late])
    assert ledger.decided_after(AREA, 9) == (9, [], [], [])
    assert ledger.decided_after("5108", 3) == (3, [], [], [])


def test_many_rows_at_once(ledger):
    findings = [a_finding(number=number) for number in range(1500)]
    ledger.write_decisions(AREA, 7, findings=findings)
    ledger.write_decisions(AREA, 7, findings=findings)
    assert len(ledger.newest_findings(limit=2000)) == 1500


def test_threads_share_a_ledger(ledger):
    faults: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            for number in range(10):
                ledger.write_decisions(AREA, number, [a_finding(number=worker * 100 + number)])
                ledger.alerts_in_force()
        except BaseException as error:  # noqa: BLE001 - told by the assertion below
            faults.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(ledger.newest_findings(limit=100)) == 40


def test_the_position_of_a_checkpoint_is_read_without_its_rows(ledger):
    assert ledger.checkpoint_position(AREA) == 0
    ledger.draw_epoch(AREA)
    assert ledger.checkpoint_position(AREA) == 0
    ledger.checkpoint(AREA, {"key": b"1"}, 7)
    assert ledger.checkpoint_position(AREA) == 7
    assert ledger.load_checkpoint(AREA) == ({"key": b"1"}, 7)


def test_many_programs_may_open_a_new_database_at_once(url):
    faults: list[BaseException] = []

    def begin() -> None:
        try:
            Ledger.open(url).close()
        except BaseException as error:  # noqa: BLE001 - told by the assertion below
            faults.append(error)

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_what_was_written_is_there_after_opening_again(url):
    with Ledger.open(url) as first:
        first.write_decisions(AREA, 7, [a_finding()])
    with Ledger.open(url) as second:
        assert second.findings([a_finding().id]) == [a_finding()]
