"""Acts of people: what each does, and why each is refused."""

from __future__ import annotations

import pytest

from alerting.lifecycle import LifecyclePolicy
from schemas.alert import Origin
from schemas.times import DAY, HOUR, MINUTE, from_micros, to_micros
from tests.alerting.town import COUNTY, T0, VILLAGE, Core, act, finding, silence, why

WARNING = {"hazard": "flood", "level": 3, "area": COUNTY, "instruction": "请沿河群众转移。"}


@pytest.fixture
def core() -> Core:
    core = Core()
    core.find(finding(3))
    return core


def test_cancel_ends_the_chain(core):
    judged = core.do(act("cancel", alert=core.alerts[0].id, version=1, at=T0 + HOUR))
    assert (judged.outcome, judged.refused_because) == ("done", None)
    assert (core.alerts[-1].type, core.alerts[-1].version) == ("cancel", 2)


@pytest.mark.parametrize(
    ("fields", "because"),
    [
        ({"alert": "a-unknown", "version": 1}, "there is no alert a-unknown"),
        ({"version": 1}, "names no alert"),
        ({"alert": "CHAIN"}, "does not name the version"),
        ({"alert": "CHAIN", "version": 1}, "version 1 is stale: the alert is at version 2"),
        ({"alert": "CHAIN", "version": 3}, "has no version 3"),
    ],
)
@pytest.mark.parametrize("name", ["cancel", "update"])
def test_an_act_on_what_was_not_seen_is_refused(core, fields, because, name):
    core.find(finding(4, T0 + MINUTE, number=2))
    named = {k: core.alerts[0].id if v == "CHAIN" else v for k, v in fields.items()}
    judged = core.do(act(name, at=T0 + HOUR, **named))
    assert judged.outcome == "refused"
    assert because in why(judged)
    assert len(core.alerts) == 2


def test_an_extension_makes_no_act_stale(core):
    core.until(T0 + DAY)
    assert core.alerts[-1].version == 2
    assert core.do(act("cancel", alert=core.alerts[0].id, version=1, at=T0 + DAY)).outcome == "done"


def test_what_is_cancelled_is_not_cancelled_again(core):
    chain = core.alerts[0].id
    core.do(act("cancel", "one", alert=chain, version=1, at=T0 + HOUR))
    judged = core.do(act("cancel", "two", alert=chain, version=2, at=T0 + HOUR))
    assert why(judged) == "the alert is already cancelled"


def test_a_repeated_act_counts_once(core):
    again = act("cancel", alert=core.alerts[0].id, version=1, at=T0 + HOUR)
    core.do(again)
    assert core.do(again).outcome == "done"
    assert len(core.alerts) == 2


def test_after_a_cancel_what_stands_must_rise_to_warn_again(core):
    core.do(act("cancel", alert=core.alerts[0].id, version=1, at=T0 + HOUR))
    assert core.find(finding(2, T0 + 2 * HOUR, number=2)) == []
    assert core.find(finding(2, T0 + 3 * HOUR, number=3)) == []
    (again,) = core.find(finding(3, T0 + 4 * HOUR, number=4))
    assert (again.type, again.level) == ("issue", 3)
    assert again.id != core.alerts[0].id
    # Having warned again it counts like any other, down to its end.
    core.find(finding(2, T0 + 5 * HOUR, number=5))
    assert core.alerts[-1].level == 2
    core.find(finding(0, T0 + 6 * HOUR, number=6))
    assert core.alerts[-1].type == "cancel"


def test_other_subjects_that_were_dismissed_stay_so_in_the_next_chain(core):
    core.find(finding(4, T0 + MINUTE, station="LS-3"))
    core.do(act("cancel", alert=core.alerts[0].id, version=2, at=T0 + HOUR))
    (again,) = core.find(finding(1, T0 + 2 * HOUR, station="LS-4"))
    assert again.level == 1


def test_a_silent_alert_takes_two_people():
    core = Core()
    core.find(finding(3))
    core.find(silence(2, T0 + HOUR))
    chain = core.alerts[0].id
    first = core.do(act("cancel", "one", by="甲", alert=chain, version=1, at=T0 + 2 * HOUR))
    assert (first.outcome, first.content["still_needed"]) == ("done", 1)
    assert core.alerts[-1].type == "issue"
    again = core.do(act("cancel", "two", by="甲", alert=chain, version=1, at=T0 + 2 * HOUR))
    assert "a second person is needed" in why(again)
    core.do(act("cancel", "three", by="乙", alert=chain, version=1, at=T0 + 2 * HOUR))
    assert core.alerts[-1].type == "cancel"


def test_that_somebody_was_not_told_is_kept_as_done():
    core = Core()
    core.find(finding(3))
    said = act("undelivered", by="system", alert=core.alerts[0].id, version=1, content={"notice": "n-1"})
    judged = core.do(said)
    assert (judged.outcome, judged.content, len(core.alerts)) == ("done", {"notice": "n-1"}, 1)


def test_an_approval_is_for_what_was_seen():
    core = Core(lifecycle=LifecyclePolicy(cancel_by=2))
    core.find(finding(3))
    chain = core.alerts[0].id
    core.do(act("cancel", "one", by="甲", alert=chain, version=1, at=T0 + HOUR))
    core.find(finding(4, T0 + 2 * HOUR, number=2))
    core.do(act("cancel", "two", by="乙", alert=chain, version=2, at=T0 + 3 * HOUR))
    assert core.alerts[-1].level == 4


def test_a_warning_by_hand_says_what_the_person_wrote_and_ends_by_the_clock():
    core = Core()
    content = WARNING | {"expires_at": from_micros(T0 + 2 * HOUR).isoformat()}
    judged = core.do(act("issue", content=content))
    (alert,) = core.alerts
    assert (judged.outcome, judged.alert, judged.version) == ("done", alert.id, 1)
    assert (alert.origin, alert.level, alert.area) == (Origin.MANUAL, 3, COUNTY)
    assert alert.instruction == "请沿河群众转移。"
    assert "洪水橙色预警（II级）" in alert.headline
    core.until(T0 + DAY)
    assert (core.alerts[-1].type, to_micros(core.alerts[-1].issued_at)) == ("cancel", T0 + 2 * HOUR)


def test_findings_do_not_touch_a_warning_by_hand():
    core = Core()
    core.do(act("issue", content=WARNING | {"hazard": "landslide", "area": VILLAGE}))
    (alert,) = core.find(finding(2))
    assert alert.origin is Origin.DETECTOR
    assert alert.id != core.alerts[0].id


@pytest.mark.parametrize(
    ("change", "because"),
    [
        ({"level": 5}, "content.level"),
        ({"level": 0}, "content.level"),
        ({"area": "999"}, "there is no area 999"),
        ({"areas": ["999"]}, "there is no area 999"),
        ({"hazard": "dragon"}, "content.hazard"),
        ({"hazard": "station"}, "not issued by hand"),
        ({"colour": "red"}, "content.colour"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "lies in the past"),
        ({"origin": "detector"}, "content.origin"),
    ],
)
def test_a_wrong_warning_is_refused_with_its_reason(change, because):
    core = Core()
    judged = core.do(act("issue", content=WARNING | change))
    assert judged.outcome == "refused"
    assert because in why(judged)
    assert core.alerts == []


def test_one_warning_by_hand_for_a_hazard_and_area():
    core = Core()
    core.do(act("issue", "one", content=WARNING))
    judged = core.do(act("issue", "two", content=WARNING))
    assert f"{core.alerts[0].id} by hand for the same hazard and area is in force" in why(judged)


def test_each_department_warning_is_its_own_and_its_senders():
    core = Core()
    content = WARNING | {"origin": "department", "issuer": "南江县气象台"}
    core.do(act("issue", "one", by="气象局", content=content))
    core.do(act("issue", "two", by="气象局", content=content))
    one, two = core.alerts
    assert one.id != two.id
    assert one.issuer == "南江县气象台"
    for name in ("cancel", "update"):
        judged = core.do(act(name, f"{name}-other", by="水利局", alert=one.id, version=1))
        assert why(judged) == "only 气象局, who sent this warning, changes it"
    assert core.do(act("cancel", "own", by="气象局", alert=one.id, version=1)).outcome == "done"


def test_an_update_by_hand_reaches_people_with_new_places_and_words():
    core = Core()
    core.do(act("issue", "one", content=WARNING))
    core.do(
        act("update", "two", alert=core.alerts[0].id, version=1, content={"level": 4, "areas": ["511921"]})
    )
    update = core.alerts[-1]
    assert (update.level, update.reaches_people, update.areas) == (4, True, (COUNTY, "511921"))
    assert update.instruction == "请沿河群众转移。"


def test_a_person_may_raise_what_sensors_hold_and_not_lower_it(core):
    chain = core.alerts[0].id
    refused = core.do(act("update", "one", alert=chain, version=1, content={"level": 2}))
    assert "sensors hold the level higher" in why(refused)
    core.do(act("update", "two", alert=chain, version=1, content={"level": 4}))
    assert core.alerts[-1].level == 4
    core.do(act("update", "three", alert=chain, version=2, content={"level": 3}))
    assert core.alerts[-1].level == 3


def test_what_a_person_adds_stands_beside_the_sensors_figures(core):
    core.find(finding(3, T0 + MINUTE, number=2, evidence={"velocity_mm_day": 12.5}))
    content = {"level": 4, "evidence": {"seen": "坡脚渗水"}}
    core.do(act("update", alert=core.alerts[0].id, version=2, at=T0 + HOUR, content=content))
    evidence = core.alerts[-1].evidence
    assert (evidence["velocity_mm_day"], evidence["seen"]) == (12.5, "坡脚渗水")
    assert (evidence["detector"], evidence["stations"]) == ("landslide.velocity", ["LS-1"])


def test_what_sensors_hold_does_not_get_an_end_by_the_clock(core):
    content = {"expires_at": from_micros(T0 + HOUR).isoformat()}
    judged = core.do(act("update", alert=core.alerts[0].id, version=1, content=content))
    assert "does not end by the clock" in why(judged)


@pytest.mark.parametrize("name", ["acknowledge", "answer"])
def test_an_answer_is_taken_for_any_version_that_there_is(core, name):
    chain = core.alerts[0].id
    core.do(act("cancel", "end", alert=chain, version=1))
    assert core.do(act(name, "one", alert=chain, version=1)).outcome == "done"
    assert why(core.do(act(name, "two", alert=chain, version=9))) == "the alert has no version 9"
    assert why(core.do(act(name, "three", alert="a-none"))) == "there is no alert a-none"


def test_a_silenced_station_reaches_nobody_until_the_silence_is_over():
    core = Core()
    content = {"station": "LS-1", "until": from_micros(T0 + DAY).isoformat()}
    assert core.do(act("silence", content=content)).outcome == "done"
    (issue,) = core.find(silence(2, T0 + HOUR))
    assert not issue.reaches_people
    core.until(T0 + DAY)
    assert (core.alerts[-1].type, core.alerts[-1].reaches_people) == ("update", True)
    assert to_micros(core.alerts[-1].issued_at) == T0 + DAY


def test_a_silenced_stations_end_reaches_whoever_was_told_of_its_fault():
    core = Core()
    core.find(silence(2))
    content = {"station": "LS-1", "until": from_micros(T0 + DAY).isoformat()}
    core.do(act("silence", content=content, at=T0 + HOUR))
    (end,) = core.find(silence(0, T0 + 2 * HOUR, number=2))
    assert end.reaches_people
    unheard = Core()
    unheard.do(act("silence", content=content))
    unheard.find(silence(2))
    (end,) = unheard.find(silence(0, T0 + 2 * HOUR, number=2))
    assert not end.reaches_people


@pytest.mark.parametrize(
    ("content", "because"),
    [
        ({"station": "X-1", "until": "2027-01-01T00:00:00Z"}, "there is no station X-1"),
        ({"station": "LS-1", "until": "2020-01-01T00:00:00Z"}, "over already"),
        ({"station": "LS-1"}, "content.until"),
    ],
)
def test_a_wrong_silence_is_refused(content, because):
    assert because in why(Core().do(act("silence", content=content)))
