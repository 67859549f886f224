"""The lifecycle's rules, one by one: when a version comes, what it says, whom it reaches."""

from __future__ import annotations

from itertools import pairwise

import pytest
from pydantic import ValidationError

from alerting.lifecycle import Lifecycle, LifecyclePolicy
from schemas.alert import Status
from schemas.area import Tier
from schemas.hazard import Hazard
from schemas.stage import UnknownState
from schemas.times import DAY, HOUR, MINUTE, SECOND, from_micros, to_micros
from tests.alerting.town import (
    CITY,
    COUNTY,
    NEXT_VILLAGE,
    OTHER_TOWNSHIP,
    OTHER_VILLAGE,
    STATIONS,
    T0,
    TOWNSHIP,
    VILLAGE,
    Core,
    bundle,
    finding,
    flood,
    rain,
    silence,
)


def test_a_finding_of_no_level_opens_nothing():
    core = Core()
    assert core.find(finding(0)) == []
    assert core.lifecycle.next_due() is None


def test_first_issue_names_its_cause_its_places_and_the_policy():
    core = Core()
    (alert,) = core.find(finding(4, evidence={"velocity_mm_day": 31.5}))
    assert (alert.version, alert.type, alert.level, alert.previous_level) == (1, "issue", 4, 0)
    assert alert.reaches_people
    assert alert.area == VILLAGE
    assert alert.areas == (VILLAGE, NEXT_VILLAGE)  # the station watches the next village too
    assert alert.tiers == (Tier.CITY, Tier.COUNTY, Tier.TOWNSHIP, Tier.VILLAGE)
    assert alert.issued_at == alert.effective_at == alert.observed_at == from_micros(T0)
    assert to_micros(alert.expires_at) == T0 + DAY
    assert alert.evidence["velocity_mm_day"] == 31.5
    assert alert.evidence["stations"] == ["LS-1"]
    assert alert.findings == (finding(4, evidence={"velocity_mm_day": 31.5}).id,)
    assert alert.policy == bundle().hash
    assert alert.references == ()


@pytest.mark.parametrize(
    ("found", "area", "covered"),
    [
        (rain(2), COUNTY, (COUNTY, TOWNSHIP)),
        (flood(2), TOWNSHIP, (TOWNSHIP, VILLAGE, NEXT_VILLAGE)),
        (finding(2), VILLAGE, (VILLAGE, NEXT_VILLAGE)),
        (finding(2, hazard=Hazard.FOREST_FIRE, station="FC-1"), TOWNSHIP, (TOWNSHIP, VILLAGE, NEXT_VILLAGE)),
        (finding(2, hazard=Hazard.EARTHQUAKE, station="S-1", evidence={"event": "e"}), CITY, (CITY,)),
        (silence(2), VILLAGE, (VILLAGE,)),
    ],
    ids=lambda value: str(value.hazard) if hasattr(value, "hazard") else "",
)
def test_a_chain_has_the_area_of_its_hazard(found, area, covered):
    (alert,) = Core().find(found)
    assert (alert.area, alert.areas) == (area, covered)


def test_a_level_rises_at_once_and_falls_when_the_highest_falls():
    core = Core()
    core.find(rain(1, T0))
    (rise,) = core.find(rain(3, T0 + MINUTE, number=2))
    assert (rise.version, rise.type, rise.level, rise.previous_level, rise.reaches_people) == (
        2,
        "update",
        3,
        1,
        True,
    )
    assert [(r.id, r.version, r.issued_at) for r in rise.references] == [(rise.id, 1, from_micros(T0))]
    core.find(rain(2, T0 + 2 * MINUTE, station="R-2", area="511922102"))
    (fall,) = core.find(rain(0, T0 + 5 * HOUR, number=3))
    assert (fall.level, fall.previous_level, fall.reaches_people) == (2, 3, False)
    (end,) = core.find(rain(0, T0 + 6 * HOUR, station="R-2", area="511922102", number=2))
    assert (end.type, end.level, end.previous_level, end.reaches_people) == ("cancel", 0, 2, True)
    assert [alert.version for alert in core.alerts] == [*range(1, len(core.alerts) + 1)]


def test_whoever_was_told_stays_told():
    core = Core()
    core.find(rain(3))
    (fall,) = core.find(rain(1, T0 + 2 * HOUR, number=2))
    assert fall.tiers == (Tier.CITY, Tier.COUNTY, Tier.TOWNSHIP, Tier.VILLAGE)


def test_another_township_of_the_county_is_an_update_for_machines():
    core = Core()
    core.find(rain(3))
    (update,) = core.find(rain(2, T0 + MINUTE, station="R-2", area="511922102"))
    assert (update.level, update.reaches_people) == (3, False)
    assert update.areas == (COUNTY, TOWNSHIP, "511922102")
    assert update.evidence["stations"] == ["R-1", "R-2"]
    assert update.evidence["by_area"][TOWNSHIP]["level"] == 3
    assert update.evidence["by_area"]["511922102"]["level"] == 2


def test_a_lower_gauge_of_the_same_township_makes_no_version():
    core = Core()
    core.find(rain(3))
    assert core.find(rain(2, T0 + MINUTE, station="R-9")) == []


def test_an_end_names_the_finding_and_the_figures_that_ended_it():
    core = Core()
    core.find(finding(2))
    last = finding(0, T0 + DAY, number=2, evidence={"velocity_mm_day": 0.4})
    (end,) = core.find(last)
    assert end.findings == (last.id,)
    assert end.evidence["velocity_mm_day"] == 0.4
    assert end.evidence["stations"] == ["LS-1"]


def test_what_changes_neither_level_nor_places_makes_no_version():
    core = Core()
    core.find(rain(3))
    core.find(rain(3, T0 + MINUTE, station="R-9"))
    assert core.find(rain(1, T0 + HOUR, number=2)) == []
    (fall,) = core.find(rain(2, T0 + 2 * HOUR, station="R-9", number=2))
    assert fall.level == 2


def test_after_a_cancel_a_rise_opens_another_chain():
    core = Core()
    (first,) = core.find(finding(2))
    (end,) = core.find(finding(0, T0 + DAY, number=2))
    (second,) = core.find(finding(1, T0 + 2 * DAY, number=3))
    assert end.id == first.id
    assert second.id != first.id
    assert (second.version, second.type) == (1, "issue")


def test_a_rise_before_the_cancel_is_the_next_version():
    core = Core()
    (first,) = core.find(finding(2))
    core.find(finding(1, T0 + DAY, number=2))
    (rise,) = core.find(finding(3, T0 + DAY + HOUR, number=3))
    assert (rise.id, rise.version) == (first.id, core.alerts[-2].version + 1)


def test_a_repeated_finding_counts_once():
    core = Core()
    core.find(finding(3))
    assert core.find(finding(3), T0 + HOUR) == []


def test_what_was_observed_earlier_may_raise_and_never_lowers():
    core = Core()
    core.find(finding(2, T0))
    assert core.find(finding(1, T0 - HOUR, number=2), T0 + MINUTE) == []
    (rise,) = core.find(finding(3, T0 - HOUR, number=3), T0 + 2 * MINUTE)
    assert rise.level == 3
    # What stands was observed at T0 at the latest: older evidence still lowers nothing.
    assert core.find(finding(0, T0 - MINUTE, number=4), T0 + 3 * MINUTE) == []
    (end,) = core.find(finding(0, T0 + DAY, number=5))
    assert end.type == "cancel"


def test_of_a_quake_an_older_estimate_is_only_older():
    core = Core()
    core.find(finding(2, T0 + SECOND, hazard=Hazard.EARTHQUAKE, evidence={"event": "e"}))
    older = finding(4, T0, hazard=Hazard.EARTHQUAKE, evidence={"event": "e"}, number=2)
    assert core.find(older, T0 + 2 * SECOND) == []


def test_each_quake_has_its_own_chain_and_ends_by_the_clock():
    core = Core()
    (first,) = core.find(finding(3, hazard=Hazard.EARTHQUAKE, subject="a", evidence={"event": "a"}))
    (second,) = core.find(
        finding(2, T0 + SECOND, hazard=Hazard.EARTHQUAKE, subject="b", evidence={"event": "b"})
    )
    assert first.id != second.id
    core.until(T0 + DAY)
    ends = [alert for alert in core.alerts if alert.type == "cancel"]
    assert [(end.id, to_micros(end.issued_at)) for end in ends] == [
        (first.id, T0 + 1800 * SECOND),
        (second.id, T0 + 1801 * SECOND),
    ]


def test_a_quake_that_ended_is_not_opened_again_by_what_stands():
    core = Core()
    core.find(finding(3, hazard=Hazard.EARTHQUAKE, evidence={"event": "e"}))
    core.until(T0 + HOUR)
    assert (
        core.find(finding(3, T0 + 2 * HOUR, hazard=Hazard.EARTHQUAKE, evidence={"event": "e"}, number=2))
        == []
    )


def test_an_estimate_of_the_same_level_updates_machines():
    core = Core()
    core.find(finding(3, hazard=Hazard.EARTHQUAKE, evidence={"event": "e", "magnitude": 5.1}))
    (update,) = core.find(
        finding(3, T0 + SECOND, hazard=Hazard.EARTHQUAKE, evidence={"event": "e", "magnitude": 5.4}, number=2)
    )
    assert (update.reaches_people, update.evidence["magnitude"]) == (False, 5.4)


def test_before_it_expires_a_chain_is_extended_at_its_level():
    core = Core()
    core.find(finding(4))
    core.until(T0 + 10 * DAY)
    assert {alert.level for alert in core.alerts} == {4}
    assert all(not alert.reaches_people for alert in core.alerts[1:])
    for before, after in pairwise(core.alerts):
        assert before.issued_at < after.issued_at < before.expires_at < after.expires_at


def test_an_extension_says_since_when_the_data_are_missing_and_asks_the_duty_officer():
    core = Core()
    core.find(finding(4))
    core.find(silence(2, T0 + 3 * HOUR))
    core.until(T0 + DAY)
    extension = core.alerts[-1]
    assert extension.type == "update"
    assert extension.missing_since == from_micros(T0 + 3 * HOUR)
    assert "自7月18日17时00分起无有效数据" in extension.description
    assert "请值班人员核实" in extension.description
    core.find(silence(0, T0 + DAY + HOUR, number=2))
    core.until(T0 + 2 * DAY)
    assert core.alerts[-1].missing_since is None


def test_data_are_not_missing_while_one_station_that_holds_the_level_speaks():
    core = Core()
    core.find(rain(3))
    core.find(rain(3, T0 + MINUTE, station="R-2", area="511922102"))
    core.find(silence(2, T0 + HOUR, station="R-1"))
    core.until(T0 + 7 * HOUR)
    (extension,) = [alert for alert in core.alerts if alert.hazard is Hazard.RAINSTORM][-1:]
    assert extension.missing_since is None


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_silence_alone_never_lowers(level):
    core = Core()
    core.find(finding(level))
    core.find(silence(2, T0 + 3 * HOUR))
    core.until(T0 + 30 * DAY)
    landslides = [alert for alert in core.alerts if alert.hazard is Hazard.LANDSLIDE]
    assert {alert.level for alert in landslides} == {level}
    assert to_micros(landslides[-1].expires_at) > T0 + 30 * DAY


def test_a_station_has_one_chain_for_all_its_faults():
    core = Core()
    (first,) = core.find(silence(2))
    stuck = finding(2, T0 + HOUR, hazard=Hazard.STATION, detector="quality.flat_line", evidence={"flag": 4})
    core.find(stuck)
    assert core.find(silence(0, T0 + 2 * HOUR, number=2))[0].type == "update"
    (end,) = core.find(
        finding(0, T0 + 3 * HOUR, hazard=Hazard.STATION, detector="quality.flat_line", number=2)
    )
    assert (end.id, end.type) == (first.id, "cancel")
    assert first.tiers == (Tier.CITY, Tier.COUNTY)


def test_a_chain_of_another_status_ends_by_the_clock():
    exercise = Core(configuration=bundle(Status.EXERCISE))
    exercise.find(finding(3))
    live = Core()
    live.lifecycle.restore(exercise.lifecycle.state())
    live.until(T0 + 2 * DAY)
    assert [(alert.type, alert.status) for alert in live.alerts] == [("cancel", Status.EXERCISE)]
    (alert,) = live.find(finding(3, T0 + 3 * DAY, number=2))
    assert (alert.status, alert.version) == (Status.ACTUAL, 1)


def test_open_chains_name_the_new_bundle_from_their_next_version():
    core = Core()
    core.find(finding(3))
    changed = bundle(stations=STATIONS[:3])
    after = Lifecycle(LifecyclePolicy(), changed)
    after.restore(core.lifecycle.state())
    (rise,) = after.process(finding(4, T0 + HOUR, number=2), T0 + HOUR)
    assert (rise.version, rise.policy) == (2, changed.hash)


def test_rows_changed_between_handing_out_and_saving_survive():
    core = Core()
    core.find(finding(3))
    first = core.lifecycle.changed()
    assert len(first) == 1
    core.find(finding(4, T0 + HOUR, number=2))
    core.lifecycle.saved(None)
    second = core.lifecycle.changed()
    assert first.keys() == second.keys()
    assert first != second
    core.lifecycle.saved(None)
    assert core.lifecycle.changed() == {}


def test_an_ended_chain_is_forgotten_after_a_while():
    core = Core()
    core.find(finding(3))
    core.find(finding(0, T0 + HOUR, number=2))
    core.until(T0 + 8 * DAY)
    assert core.lifecycle.state() == {}
    assert set(core.lifecycle.changed().values()) == {None}


def test_state_of_an_unknown_version_is_refused():
    core = Core()
    core.find(finding(3))
    rows = {key: bytes([9]) + value[1:] for key, value in core.lifecycle.state().items()}
    with pytest.raises(UnknownState, match="version 9"):
        Core().lifecycle.restore(rows)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"expires_s": {"landslide": 600}}, "would be extended before it begins"),
        ({"expires_s": {"landslide": -1}}, "needs a time above 0"),
        ({"issuer": "{mayor}"}, "only {city}"),
        ({"chain_tear": {}}, "Extra inputs"),
        ({"cancel_by": 3}, "1 or 2"),
    ],
)
def test_a_wrong_policy_says_what_is_wrong(given, says):
    with pytest.raises(ValidationError, match=says):
        LifecyclePolicy.model_validate(given)


def test_a_policy_names_only_what_it_changes():
    policy = LifecyclePolicy.model_validate({"expires_s": {"landslide": 7200}, "tiers": {"blue": ["city"]}})
    assert policy.expires_s[Hazard.LANDSLIDE] == 7200
    assert policy.expires_s[Hazard.RAINSTORM] == 6 * 3600
    assert policy.tiers_at(Hazard.RAINSTORM, 1) == (Tier.CITY,)
    assert policy.tiers_at(Hazard.LANDSLIDE, 1)[-1] is Tier.VILLAGE
    assert LifecyclePolicy.model_validate(policy.model_dump(mode="json")) == policy


def test_the_issuer_is_named_by_policy():
    policy = LifecyclePolicy(issuers={Hazard.FLASH_FLOOD: "{county}防汛指挥部"})
    core = Core(lifecycle=policy)
    assert core.find(flood(3))[0].issuer == "南江县防汛指挥部"
    assert core.find(finding(3))[0].issuer == "巴中市应急指挥中心"


def test_an_area_of_another_county_is_another_chain():
    core = Core()
    (one,) = core.find(flood(3))
    (other,) = core.find(flood(3, T0 + SECOND, area=OTHER_TOWNSHIP))
    assert one.id != other.id
    assert OTHER_VILLAGE in other.areas
