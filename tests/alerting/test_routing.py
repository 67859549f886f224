"""The routing's rules, one by one: who is told, by what, when, and who releases it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from alerting.routing import Decider, ReleaseRule, RoutingPolicy
from schemas.alert import Status
from schemas.area import Tier
from schemas.hazard import Hazard
from schemas.notice import NoticeState
from schemas.recipient import Recipient
from schemas.times import DAY, HOUR, MINUTE, SECOND, from_micros
from tests.alerting.town import (
    CITY,
    COUNTY,
    NEXT_VILLAGE,
    OTHER_COUNTY,
    T0,
    TOWNSHIP,
    VILLAGE,
    Core,
    act,
    bundle,
    finding,
    flood,
    rain,
    silence,
    why,
)

RESPONSIBLE = {"5119-duty", f"{COUNTY}-duty", f"{TOWNSHIP}-duty"}


def told(core: Core) -> set[str]:
    return {notice.recipient for notice in core.due()}


@pytest.mark.parametrize(
    ("found", "who"),
    [
        (rain(1), {f"{CITY}-duty", f"{COUNTY}-duty"}),
        (rain(2), {f"{CITY}-duty", f"{COUNTY}-duty", f"{TOWNSHIP}-duty", "511922102-duty"}),
        (
            rain(3),
            RESPONSIBLE | {"511922102-duty", f"{VILLAGE}-officer", f"{NEXT_VILLAGE}-officer"},
        ),
        (flood(1), RESPONSIBLE | {f"{VILLAGE}-officer", f"{NEXT_VILLAGE}-officer"}),
        (finding(1), RESPONSIBLE | {f"{VILLAGE}-officer", f"{NEXT_VILLAGE}-officer"}),
        (silence(2), {f"{CITY}-maintenance", f"{COUNTY}-maintenance"}),
    ],
    ids=["rain blue", "rain yellow", "rain orange", "flood blue", "landslide blue", "station"],
)
def test_who_is_responsible_is_told_by_tier_and_level(found, who):
    core = Core()
    core.find(found)
    core.until(T0 + HOUR)
    assert told(core) == who
    assert {notice.audience for notice in core.due()} == {"responsible"}


def test_a_recipient_is_told_once_however_many_routes_name_him():
    routes = RoutingPolicy().routes
    core = Core(routing=RoutingPolicy(routes=(*routes, routes[0].model_copy(update={"name": "again"}))))
    core.find(finding(3))
    core.until(T0 + HOUR)
    assert len(told(core)) == len(core.due())


def test_below_red_the_first_channel_and_at_red_all():
    core = Core()
    core.find(finding(3))
    core.until(T0 + HOUR)
    assert {notice.channel for notice in core.due(f"{VILLAGE}-officer")} == {"sms"}
    core.find(finding(4, T0 + HOUR, number=2))
    red = [notice for notice in core.due(f"{VILLAGE}-officer") if notice.level == 4]
    assert {notice.channel for notice in red} == {"sms", "webhook"}


@pytest.mark.parametrize(("level", "waits_us"), [(1, 10 * MINUTE), (2, 10 * MINUTE), (3, MINUTE), (4, 0)])
def test_a_bundle_closes_on_the_logs_time(level, waits_us):
    core = Core()
    core.find(finding(level))
    core.until(T0 + waits_us - 1)
    assert bool(core.due()) is (waits_us == 0)
    core.until(T0 + waits_us)
    assert {notice.first_due_at for notice in core.due()} == {from_micros(T0 + waits_us)}


def test_one_notice_lists_the_places_of_a_window():
    core = Core()
    core.find(flood(2))
    core.find(flood(2, T0 + 9 * MINUTE, area="511921102"))
    core.until(T0 + HOUR)
    (notice,) = core.due(f"{CITY}-duty")
    assert len(notice.alerts) == 2
    assert "通江县诺水河镇，南江县光雾山镇" in notice.text
    assert notice.first_due_at == from_micros(T0 + 10 * MINUTE)


def test_hazards_and_levels_do_not_share_a_notice():
    core = Core()
    core.find(flood(2))
    core.find(finding(2))
    core.find(flood(1, area="511921102"))
    core.until(T0 + HOUR)
    assert len(core.due(f"{CITY}-duty")) == 3


def test_a_rise_takes_the_place_of_what_still_waits():
    core = Core()
    core.find(finding(2))
    core.find(finding(4, T0 + MINUTE, number=2))
    core.until(T0 + HOUR)
    assert [(notice.level, notice.alerts[0].version) for notice in core.due(f"{CITY}-duty")] == [(4, 2)]


def test_a_rise_supersedes_what_was_due():
    core = Core()
    core.find(finding(3))
    core.find(finding(4, T0 + HOUR, number=2))
    first, second = core.due(f"{CITY}-duty")
    assert second.supersedes == (first.id,)


def test_a_bundle_is_superseded_only_when_all_that_it_says_is_old():
    core = Core()
    core.find(flood(2))
    core.find(flood(2, area="511921102"))
    core.find(flood(4, T0 + HOUR, number=2))
    core.find(flood(4, T0 + 2 * HOUR, area="511921102", number=2))
    bundle_, one, other = core.due(f"{CITY}-duty")
    assert len(bundle_.alerts) == 2
    assert one.supersedes == ()
    assert other.supersedes == (bundle_.id,)


def test_a_fall_that_stays_above_none_reaches_nobody():
    core = Core()
    core.find(finding(4))
    core.until(T0 + HOUR)  # past the deadline of release
    before = len(core.notices)
    core.find(finding(2, T0 + DAY, number=2))
    core.until(T0 + 2 * DAY)
    assert len(core.notices) == before


def test_a_cancel_is_told_to_everyone_who_was_told():
    core = Core()
    core.find(rain(3))
    core.find(rain(1, T0 + HOUR, number=2))
    core.find(rain(0, T0 + 2 * HOUR, number=3))
    core.until(T0 + DAY)
    ends = [notice for notice in core.due() if notice.cancel]
    assert {n.recipient for n in ends} == {n.recipient for n in core.due() if not n.cancel}
    assert all(notice.level == 0 and "解除暴雨蓝色预警" in notice.text for notice in ends)


def test_who_heard_of_nothing_hears_of_no_end():
    core = Core()
    core.find(rain(1))
    core.find(rain(0, T0 + MINUTE, number=2))
    core.until(T0 + DAY)
    assert core.notices == []


# --- the public ---------------------------------------------------------------------------------------------------------


def test_the_public_waits_for_a_person():
    core = Core()
    core.find(finding(3))
    core.until(T0 + DAY - HOUR)
    (one, two) = core.held()
    assert {one.recipient, two.recipient} == {f"{VILLAGE}-loudspeaker", f"{NEXT_VILLAGE}-loudspeaker"}
    assert one.audience == "public"
    assert one.first_due_at is None
    judged = core.do(act("release", alert=core.alerts[0].id, version=1, at=T0 + DAY - HOUR))
    assert judged.outcome == "done"
    released = [notice for notice in core.due() if notice.audience == "public"]
    assert {notice.id for notice in released} == {one.id, two.id}
    assert all(notice.first_due_at == from_micros(T0 + DAY - HOUR) for notice in released)
    assert not any(notice.automatic_release for notice in released)
    release = core.releases[-1]
    assert (release.audience, release.by, release.automatic) == ("public", "王值班", False)


@pytest.mark.parametrize("found", [finding(4), flood(4)], ids=["landslide", "flash flood"])
def test_red_landslide_and_flash_flood_go_by_themselves_at_the_deadline(found):
    core = Core()
    core.find(found)
    core.until(T0 + 5 * MINUTE - 1)
    assert not [notice for notice in core.due() if notice.audience == "public"]
    core.until(T0 + 5 * MINUTE)
    released = [notice for notice in core.due() if notice.audience == "public"]
    assert len(released) == 2
    assert all(notice.automatic_release and "自动发布" in notice.text for notice in released)
    assert (core.releases[-1].by, core.releases[-1].automatic) == ("deadline", True)


@pytest.mark.parametrize(
    "found",
    [rain(4), finding(4, hazard=Hazard.EARTHQUAKE, evidence={"event": "e"})],
    ids=["rainstorm", "earthquake"],
)
def test_our_own_rainstorm_and_earthquake_never_go_to_the_public(found):
    core = Core(configuration=bundle(Status.EXERCISE), routing=RoutingPolicy(exercise_release_by="nobody"))
    core.find(found)
    judged = core.do(act("release", alert=core.alerts[0].id, version=1))
    assert judged.outcome == "refused"
    assert {notice.audience for notice in core.notices} == {"responsible"}
    assert {release.audience for release in core.releases} == {"responsible"}


def test_the_competent_bodys_rainstorm_goes_to_the_public_once_released():
    core = Core()
    content = {
        "hazard": "rainstorm",
        "level": 3,
        "area": COUNTY,
        "origin": "department",
        "issuer": "南江县气象台",
    }
    core.do(act("issue", by="气象局", content=content))
    assert {notice.recipient for notice in core.held()} == {
        f"{VILLAGE}-loudspeaker",
        f"{NEXT_VILLAGE}-loudspeaker",
    }
    assert core.do(act("release", "r", alert=core.alerts[0].id, version=1)).outcome == "done"


def test_in_an_exercise_policy_may_release_by_itself_and_says_so():
    core = Core(configuration=bundle(Status.EXERCISE), routing=RoutingPolicy(exercise_release_by="nobody"))
    core.find(finding(3))
    core.until(T0 + HOUR)
    public = [notice for notice in core.due() if notice.audience == "public"]
    assert len(public) == 2
    assert core.held() == []
    assert [(r.by, r.automatic) for r in core.releases if r.audience == "public"] == [("policy", False)]


def test_a_live_status_is_never_released_by_the_exercises_switch():
    core = Core(routing=RoutingPolicy(exercise_release_by="nobody"))
    core.find(finding(3))
    assert len(core.held()) == 2


@pytest.mark.parametrize(
    ("fields", "because"),
    [
        ({"alert": "a-none", "version": 1}, "there is no alert a-none"),
        ({"version": 1}, "names no alert"),
        ({"alert": "CHAIN"}, "does not name the version"),
        ({"alert": "CHAIN", "version": 1}, "version 1 is stale"),
        ({"alert": "CHAIN", "version": 7}, "has no version 7"),
        (
            {"alert": "CHAIN", "version": 2, "content": {"audience": "responsible"}},
            "only what goes to the public",
        ),
    ],
)
def test_a_release_of_what_was_not_seen_is_refused(fields, because):
    core = Core()
    core.find(finding(2))
    core.find(finding(3, T0 + HOUR, number=2))
    named = {k: core.alerts[0].id if v == "CHAIN" else v for k, v in fields.items()}
    assert because in why(core.do(act("release", at=T0 + HOUR, **named)))


def test_a_release_happens_once():
    core = Core()
    core.find(finding(3))
    chain = core.alerts[0].id
    core.do(act("release", "one", alert=chain, version=1))
    again = core.do(act("release", "two", by="乙", alert=chain, version=1))
    assert "nothing is held" in why(again)


def test_what_ended_is_not_released():
    core = Core()
    core.find(finding(3))
    core.find(finding(0, T0 + HOUR, number=2))
    judged = core.do(act("release", alert=core.alerts[0].id, version=2, at=T0 + HOUR))
    assert why(judged) == "the alert is already cancelled"


def test_the_end_of_what_was_held_supersedes_it():
    core = Core()
    core.find(finding(3))
    core.find(finding(0, T0 + HOUR, number=2))
    core.until(T0 + DAY)
    (held, _) = core.held()
    (end,) = core.due(held.recipient)
    assert (end.cancel, end.supersedes) == (True, (held.id,))
    assert {release.audience for release in core.releases} == {"responsible"}


def test_what_lowers_or_ends_what_the_public_has_needs_no_release():
    core = Core()
    core.find(finding(3))
    core.do(act("release", alert=core.alerts[0].id, version=1))
    core.find(finding(2, T0 + HOUR, number=2))
    core.find(finding(3, T0 + 2 * HOUR, number=3))
    core.find(finding(0, T0 + 3 * HOUR, number=4))
    public = [release.version for release in core.releases if release.audience == "public"]
    assert public == [1, 2, 4]  # version 3 rises again and waits for a person


def test_what_is_released_after_a_fall_says_the_level_that_stands():
    core = Core()
    core.find(finding(3))
    core.find(finding(2, T0 + HOUR, number=2))
    core.do(act("release", alert=core.alerts[0].id, version=2, at=T0 + 2 * HOUR))
    public = [notice for notice in core.due() if notice.audience == "public"]
    assert {(notice.level, notice.alerts[0].version) for notice in public} == {(2, 2)}
    assert all("黄色预警" in notice.text for notice in public)


def test_what_was_free_to_go_goes_before_a_newer_version_is_held():
    rules = (ReleaseRule(colours=("blue",), by="nobody"), ReleaseRule(by="one"))
    core = Core(routing=RoutingPolicy(releases=rules))
    core.find(finding(1))
    core.find(finding(3, T0 + MINUTE, number=2))
    core.until(T0 + HOUR)
    public = [notice for notice in core.notices if notice.audience == "public"]
    assert [(notice.level, notice.state) for notice in public] == [
        (1, NoticeState.DUE),
        (1, NoticeState.DUE),
        (3, NoticeState.HELD),
        (3, NoticeState.HELD),
    ]


def test_under_a_new_configuration_new_recipients_are_told_from_the_next_version_on():
    core = Core()
    core.find(finding(3))
    core.until(T0 + HOUR)
    more = bundle(
        recipients=[*bundle().recipients, Recipient("new", VILLAGE, Tier.VILLAGE, "duty", ("sms",))]
    )
    after = Core(configuration=more)
    after.lifecycle.restore(core.lifecycle.state())
    after.routing.restore(core.routing.state())
    after.find(finding(4, T0 + 2 * HOUR, number=2))
    assert len(after.due("new")) == 1
    (village,) = [notice for notice in after.due(f"{VILLAGE}-officer") if notice.channel == "sms"]
    assert village.supersedes == tuple(notice.id for notice in core.due(f"{VILLAGE}-officer"))
    after.find(finding(0, T0 + DAY, number=3))
    after.until(T0 + 2 * DAY)
    assert after.due("new")[-1].cancel


# --- texts, times, explanations -----------------------------------------------------------------------------------------


def test_a_loudspeaker_reads_and_a_telephone_shows():
    core = Core()
    core.find(finding(4))
    core.until(T0 + HOUR)
    (spoken,) = core.due(f"{VILLAGE}-loudspeaker")
    (shown,) = core.due(f"{CITY}-duty")
    assert (spoken.repeat, shown.repeat) == (3, 1)
    assert "（" not in spoken.text
    assert "（I级）" in shown.text


def test_a_notice_of_a_quake_goes_at_once_and_is_soon_not_worth_sending():
    core = Core()
    core.find(finding(2, hazard=Hazard.EARTHQUAKE, evidence={"event": "e"}))
    assert {notice.first_due_at for notice in core.due()} == {from_micros(T0)}
    assert {notice.expires_at for notice in core.due()} == {from_micros(T0 + 600 * SECOND)}


def test_a_decision_names_its_route_and_its_reason():
    core = Core()
    (alert,) = core.find(finding(4))
    decider = Decider(RoutingPolicy(), bundle())
    by_recipient = {decision.recipient: decision for decision in decider.decide(alert)}
    duty = by_recipient[f"{COUNTY}-duty"]
    assert (duty.route, duty.why, duty.release) == ("duty", f"contains {VILLAGE}", "at once")
    loudspeaker = by_recipient[f"{VILLAGE}-loudspeaker"]
    assert (loudspeaker.route, loudspeaker.why) == ("public", "in the area")
    assert loudspeaker.release == "held until one person releases it, after 300 s by itself (自动发布)"
    assert decider.remarks(alert) == ["route maintenance: not for this hazard, colour or origin"]


def test_remarks_say_why_a_route_tells_nobody():
    (alert,) = Core().find(rain(1))
    decider = Decider(RoutingPolicy(), bundle(recipients=()))
    assert decider.decide(alert) == []
    assert decider.remarks(alert) == [
        "route duty: no recipient with the role duty or responsible and a channel there",
        "route public: policy never gives this to the public (releases: by never)",
        "route maintenance: not for this hazard, colour or origin",
    ]


def test_another_county_is_not_told():
    core = Core()
    core.find(rain(4))
    core.until(T0 + HOUR)
    assert f"{OTHER_COUNTY}-duty" not in told(core)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"windows_s": {"blue": 1, "yellow": 5, "orange": 60, "red": 0, "cancel": 1}}, "out of order"),
        ({"windows_s": {"blue": 600}}, "no window for yellow"),
        ({"routes": [{"name": "a", "audience": "public", "roles": []}]}, "roles"),
        ({"routes": [{"name": "a", "audience": "public", "roles": ["x"]}] * 2}, "two routes are called a"),
        ({"limits": {"sms": {"burst": 0}}}, "burst"),
    ],
)
def test_a_wrong_policy_says_what_is_wrong(given, says):
    with pytest.raises(ValidationError, match=says):
        RoutingPolicy.model_validate(given)


def test_a_policy_survives_json():
    policy = RoutingPolicy()
    assert RoutingPolicy.model_validate(policy.model_dump(mode="json")) == policy
