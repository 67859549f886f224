"""Who is told when a notice did not reach its recipient: one further notice, to the next who is to know."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerting.lifecycle import Lifecycle
from alerting.routing import Routing, RoutingPolicy
from schemas.act import Act
from schemas.area import Tier
from schemas.bundle import Bundle
from schemas.hazard import Hazard
from schemas.level import Level
from schemas.notice import Notice, NoticeState
from schemas.recipient import Recipient
from schemas.times import HOUR, MINUTE, SECOND, Micros, from_micros, to_micros
from tests.alerting.test_routing_limits import BUSY, TOWNSHIPS, in_the_worst_hour
from tests.alerting.town import (
    CITY,
    COUNTY,
    NEXT_VILLAGE,
    OTHER_VILLAGE,
    T0,
    TOWNSHIP,
    VILLAGE,
    Core,
    act,
    bundle,
    finding,
    flood,
    rain,
    why,
)

OFFICER, HORN, NEIGHBOUR = f"{VILLAGE}-officer", f"{VILLAGE}-loudspeaker", f"{NEXT_VILLAGE}-officer"
DUTY, COUNTY_DUTY, CITY_DUTY = f"{TOWNSHIP}-duty", f"{COUNTY}-duty", f"{CITY}-duty"
IN_TOWN, IN_COUNTY, IN_CITY = "光雾山镇值班室", "南江县值班室", "巴中市值班室"


def missed(notice: Notice, at: Micros, name: str = "") -> Act:
    """What a dispatcher appends when a notice did not arrive."""
    first = notice.alerts[0]
    return act(
        "undelivered",
        f"x-{notice.id}{name}",
        by="system",
        at=at,
        alert=first.id,
        version=first.version,
        content={
            "notice": notice.id,
            "recipient": notice.recipient,
            "channel": notice.channel,
            "state": "unknown",
            "alerts": [one.model_dump() for one in notice.alerts],
        },
    )


def notice_to(core: Core, recipient: str, channel: str) -> Notice:
    return [one for one in core.due(recipient) if one.channel == channel][-1]


def fail(core: Core, recipient: str, channel: str, at: Micros) -> list[Notice]:
    """Let the newest notice of a line fail; return what follows."""
    before = len(core.notices)
    judged = core.do(missed(notice_to(core, recipient, channel), at))
    assert judged.outcome == "done"
    return core.notices[before:]


@pytest.mark.parametrize(
    ("level", "failures", "expected", "mark"),
    [
        (3, [(OFFICER, "sms")], (OFFICER, "webhook"), ""),
        (3, [(OFFICER, "sms"), (OFFICER, "webhook")], (DUTY, "sms"), "【铁炉坝村责任人未能送达，请转告】"),
        (4, [(OFFICER, "sms")], (DUTY, "sms"), "【铁炉坝村责任人未能送达，请转告】"),
        (4, [(OFFICER, "sms"), (OFFICER, "webhook")], None, ""),
        (
            4,
            [(OFFICER, "sms"), (DUTY, "sms")],
            (COUNTY_DUTY, "sms"),
            f"【{IN_TOWN}、铁炉坝村责任人未能送达，请转告】",
        ),
        (4, [(OFFICER, "sms"), (NEIGHBOUR, "sms")], (DUTY, "sms"), "【焦家河村责任人未能送达，请转告】"),
        (4, [(COUNTY_DUTY, "sms"), (DUTY, "sms")], (CITY_DUTY, "sms"), f"【{IN_TOWN}未能送达，请转告】"),
        (
            4,
            [(OFFICER, "sms"), (DUTY, "sms"), (COUNTY_DUTY, "sms")],
            (CITY_DUTY, "sms"),
            f"【{IN_COUNTY}、{IN_TOWN}、铁炉坝村责任人未能送达，请转告】",
        ),
        (4, [(OFFICER, "sms"), (DUTY, "sms"), (COUNTY_DUTY, "sms"), (CITY_DUTY, "sms")], None, ""),
        (4, [(HORN, "broadcast")], (OFFICER, "sms"), "【铁炉坝村广播未能送达，请转告】"),
        (4, [(CITY_DUTY, "sms")], None, ""),
    ],
    ids=[
        "his next channel",
        "then the duty post above",
        "at red all his channels have it",
        "nobody is asked twice for one",
        "a chain of failures climbs",
        "asked for another too",
        "past whom it did not reach either",
        "to the top",
        "and ends there",
        "a loudspeaker",
        "above the top is nobody",
    ],
)
def test_who_is_told_instead(level, failures, expected, mark):
    core = Core()
    core.find(finding(level))
    now = T0 + 6 * MINUTE  # past the window, and past the deadline of release
    core.until(now)
    for number, (recipient, channel) in enumerate(failures):
        follows = fail(core, recipient, channel, now + number * SECOND)
    at = from_micros(now + (len(failures) - 1) * SECOND)
    assert [(one.recipient, one.channel) for one in follows] == ([] if expected is None else [expected])
    judged = core.acts[-1]
    assert judged.content.get("next") == (
        None if expected is None else {"recipient": expected[0], "channel": expected[1]}
    )
    for one in follows:
        assert (one.state, one.first_due_at, one.level) == (NoticeState.DUE, at, level)
        assert one.text.startswith(mark + "【巴中市】")
        assert one.alerts == core.due(CITY_DUTY)[0].alerts
        assert one.supersedes == ()
    ids = [one.id for one in core.due()]
    assert len(set(ids)) == len(ids)


def test_below_orange_it_rests():
    core = Core()
    core.find(rain(2))
    core.until(T0 + HOUR)
    assert fail(core, DUTY, "sms", T0 + HOUR) == []


def test_the_same_notice_leads_to_one_however_often_it_fails():
    core = Core()
    core.find(finding(3))
    core.until(T0 + HOUR)
    first = notice_to(core, OFFICER, "sms")
    assert len(fail(core, OFFICER, "sms", T0 + HOUR)) == 1
    before = len(core.notices)
    assert core.do(missed(first, T0 + HOUR, "-again")).outcome == "done"
    assert len(core.notices) == before


@pytest.mark.parametrize(
    "level", [0, 4], ids=["an ended alert", "a version that a newer one has taken the place of"]
)
def test_what_no_longer_holds_is_passed_on_to_nobody(level):
    core = Core()
    core.find(finding(3))
    core.until(T0 + HOUR)
    old = notice_to(core, OFFICER, "sms")
    core.find(finding(level, T0 + HOUR, number=2))
    core.until(T0 + 2 * HOUR)
    before = len(core.notices)
    assert core.do(missed(old, T0 + 2 * HOUR)).outcome == "done"
    assert len(core.notices) == before


def test_a_fall_that_people_are_not_told_of_leaves_the_warning_to_be_passed_on():
    """Something is held, so the routing remembers the version that fell."""
    core = Core()
    core.find(finding(4))
    assert core.held()
    core.find(finding(3, T0 + 2 * MINUTE, number=2))
    fallen = core.alerts[-1]
    assert (fallen.level, fallen.reaches_people) == (3, False)
    (follows,) = fail(core, OFFICER, "sms", T0 + 3 * MINUTE)
    assert (follows.recipient, follows.level, follows.alerts[0].version) == (DUTY, 3, fallen.version)


def test_the_end_is_told_to_whom_it_was_passed_on():
    core = Core()
    core.find(finding(3))
    core.until(T0 + HOUR)
    fail(core, OFFICER, "sms", T0 + HOUR)
    core.find(finding(0, T0 + 2 * HOUR, number=2))
    core.until(T0 + 3 * HOUR)
    assert {one.channel for one in core.due(OFFICER) if one.cancel} == {"sms", "webhook"}


def test_the_next_contact_is_one_of_the_same_area_and_role_first():
    people = (
        Recipient("desk", CITY, Tier.CITY, "duty", ("sms",)),
        Recipient("chief", CITY, Tier.CITY, "responsible", ("sms",)),
        Recipient("system", CITY, Tier.CITY, "duty", ("webhook",)),
    )
    core = Core(configuration=bundle(recipients=people))
    core.find(finding(4))
    (first,) = fail(core, "desk", "sms", T0)
    (second,) = fail(core, "system", "webhook", T0 + SECOND)
    assert (first.recipient, second.recipient) == ("system", "chief")
    assert first.text.startswith("【巴中市值班室（desk）未能送达，请转告】")
    assert second.text.startswith("【巴中市值班室（system）、巴中市值班室（desk）未能送达，请转告】")
    assert fail(core, "chief", "sms", T0 + 2 * SECOND) == []


def test_a_channel_that_no_route_allows_is_none():
    routes = tuple(one.model_copy(update={"channels": ("sms",)}) for one in RoutingPolicy().routes)
    core = Core(routing=RoutingPolicy(routes=routes))
    core.find(finding(3))
    core.until(T0 + HOUR)
    assert [one.recipient for one in fail(core, OFFICER, "sms", T0 + HOUR)] == [DUTY]


def test_all_that_a_bundle_told_is_passed_on_in_one():
    core = Core()
    core.find(flood(3))
    core.find(flood(3, area="511922102"))
    core.until(T0 + HOUR)
    assert len(notice_to(core, COUNTY_DUTY, "sms").alerts) == 2
    (follows,) = fail(core, COUNTY_DUTY, "sms", T0 + HOUR)
    assert (follows.recipient, len(follows.alerts)) == (CITY_DUTY, 2)
    assert follows.text.startswith(f"【{IN_COUNTY}未能送达，请转告】")


def test_what_waits_for_its_window_goes_with_what_is_passed_on():
    core = Core(routing=RoutingPolicy(windows_s={**RoutingPolicy().windows_s, "orange": 600, "red": 0}))
    core.find(finding(3))
    core.until(T0 + HOUR)
    core.find(finding(4, T0 + HOUR, number=2))
    assert len(fail(core, OFFICER, "sms", T0 + HOUR)) == 1
    core.until(T0 + 2 * HOUR)
    assert [len(one.alerts) for one in core.due(DUTY) if one.level == 4] == [1, 1]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"alert": "a-none"}, "there is no alert a-none"),
        ({"alert": None}, "the act names no alert"),
        ({"version": 9}, "the alert has no version 9"),
        ({"content": {"recipient": 7}}, "content: Input should be a valid string"),
    ],
)
def test_an_act_about_nothing_is_refused(changes, reason):
    core = Core()
    core.find(finding(4))
    said = missed(notice_to(core, OFFICER, "sms"), T0).model_copy(update=changes)
    assert why(core.do(said)) == reason


def test_an_act_of_an_earlier_release_names_one_version():
    core = Core()
    core.find(finding(4))
    said = missed(notice_to(core, OFFICER, "sms"), T0)
    old = said.model_copy(update={"content": {k: v for k, v in said.content.items() if k != "alerts"}})
    before = len(core.notices)
    core.do(old)
    assert [one.recipient for one in core.notices[before:]] == [DUTY]


def test_passing_on_keeps_to_the_limit_and_loses_nobody():
    """Every SMS to a township fails through an hour of orange: the county's desk is asked, never too often."""
    core = Core(configuration=BUSY)
    done: set[str] = set()
    for step in range(200):
        now = T0 + step * 18 * SECOND
        area = TOWNSHIPS[step % len(TOWNSHIPS)]
        core.find(
            finding(
                3, now, station="R-1", subject=f"{area}/{step}", area=area, detector="d", number=step,
                hazard=(Hazard.FLASH_FLOOD, Hazard.LANDSLIDE, Hazard.DEBRIS_FLOW)[step % 3],
            )
        )  # fmt: skip
        for one in core.due():
            if one.recipient[:-5] in TOWNSHIPS and one.id not in done:
                done.add(one.id)
                core.do(missed(one, now))
    core.until(T0 + 8 * HOUR)
    assert len(done) >= 60
    assert in_the_worst_hour(core, COUNTY_DUTY) <= 12
    asked = [one for one in core.due(COUNTY_DUTY) if "未能送达，请转告】" in one.text]
    passed = {version for one in asked for version in one.alerts}
    assert passed == {version for one in core.due() if one.id in done for version in one.alerts}


def test_red_is_passed_on_past_the_limit():
    core = Core(configuration=BUSY)
    for number, area in enumerate(TOWNSHIPS[:20]):
        core.find(finding(4, T0 + number, station="R-1", subject=area, area=area, number=number))
        assert len(fail(core, f"{area}-duty", "sms", T0 + number)) == 1


# --- properties ---------------------------------------------------------------------------------------------------------

WHERE = st.sampled_from([("LS-1", VILLAGE), ("LS-2", OTHER_VILLAGE)])
FOUND = st.tuples(st.just("find"), st.sampled_from([0, SECOND, MINUTE, HOUR]), WHERE, st.integers(0, 4))
FAILED = st.tuples(st.just("fail"), st.sampled_from([0, SECOND, MINUTE]), st.integers(0, 60), st.none())
LOG = st.lists(FOUND | FAILED | FAILED, max_size=30)
MANY = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def place() -> Bundle:
    """The town, with more posts than one in an area and a limit that is soon reached."""
    known = bundle().recipients
    return bundle(recipients=(*known, Recipient("system", COUNTY, Tier.COUNTY, "duty", ("webhook", "sms"))))


def play(log: list[tuple[Any, ...]], restart_every: int = 0) -> Core:
    core = Core(configuration=place())
    now = T0
    for number, (kind, passes, what, level) in enumerate(log):
        now += passes
        core.until(now)
        if kind == "find":
            station, area = what
            core.find(finding(level, now, station=station, area=area, number=number))
        elif urgent := [one for one in core.due() if one.level >= Level.ORANGE]:
            core.do(missed(urgent[what % len(urgent)], now, f"-{number}"))
        if restart_every and number % restart_every == 0:
            lifecycle = Lifecycle(core.lifecycle.policy, place())
            lifecycle.restore(core.lifecycle.state())
            routing = Routing(core.routing.policy, place())
            routing.restore(core.routing.state())
            core.lifecycle, core.routing = lifecycle, routing
    core.until(now + 2 * HOUR)
    return core


def said(core: Core) -> list[str]:
    return [one.model_dump_json() for group in (core.alerts, core.notices, core.acts) for one in group]


@MANY
@given(LOG, st.integers(1, 3))
def test_a_restart_changes_nothing(log, every):
    assert said(play(log)) == said(play(log, restart_every=every))


@MANY
@given(LOG)
def test_failures_end_and_no_id_is_met_again(log):
    core = play(log)
    now = to_micros(max((one.issued_at for one in core.alerts), default=from_micros(T0))) + 3 * HOUR
    judged: set[str] = set()
    for _round in range(40):
        core.until(now)
        new = [one for one in core.due() if one.level >= Level.ORANGE and one.id not in judged]
        if not new:
            break
        for one in new:
            judged.add(one.id)
            before = len(core.notices)
            core.do(missed(one, now, "-end"))
            assert len(core.notices) - before <= 1
        now += HOUR
    else:
        raise AssertionError("failures of everything led to notices without end")
    steps = [(one.id, one.state) for one in core.notices]
    assert len(set(steps)) == len(steps)


@MANY
@given(LOG)
def test_nobody_below_red_gets_more_than_the_limit(log):
    core = play(log)
    assert max((in_the_worst_hour(core, one.recipient) for one in core.due()), default=0) <= 12


@MANY
@given(LOG)
def test_a_cancel_reaches_everyone_who_was_told(log):
    core = play(log)
    ends = {(one.id, one.version) for one in core.alerts if one.type == "cancel"}
    told: dict[str, set[tuple[str, str]]] = {one: set() for one, _ in ends}
    ended: dict[str, set[tuple[str, str]]] = {one: set() for one, _ in ends}
    for notice in core.notices:
        for version in notice.alerts:
            if version.id in told:
                of = ended if (version.id, version.version) in ends else told
                of[version.id].add((notice.recipient, notice.channel))
    assert ended == told
