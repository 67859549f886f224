"""Properties of lifecycle and routing over random findings, acts, silences and cuts."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from alerting.lifecycle import Lifecycle, LifecyclePolicy
from alerting.routing import Routing, RoutingPolicy
from schemas.act import Act
from schemas.alert import Alert, Status
from schemas.finding import Finding
from schemas.hazard import Hazard
from schemas.notice import Notice, NoticeState
from schemas.times import DAY, HOUR, MINUTE, SECOND, Micros, from_micros
from tests.alerting.town import (
    OTHER_TOWNSHIP,
    OTHER_VILLAGE,
    T0,
    TOWNSHIP,
    VILLAGE,
    Core,
    bundle,
    finding,
    silence,
)

SUBJECTS = (
    (Hazard.LANDSLIDE, "landslide.velocity", "LS-1", VILLAGE),
    (Hazard.LANDSLIDE, "landslide.tilt", "LS-1", VILLAGE),
    (Hazard.LANDSLIDE, "landslide.velocity", "LS-2", OTHER_VILLAGE),
    (Hazard.RAINSTORM, "rain.signal", "R-1", VILLAGE),
    (Hazard.RAINSTORM, "rain.signal", "R-2", "511922102"),
    (Hazard.FLASH_FLOOD, "rain.flash_flood", TOWNSHIP, TOWNSHIP),
    (Hazard.FLASH_FLOOD, "rain.flash_flood", OTHER_TOWNSHIP, OTHER_TOWNSHIP),
    (Hazard.EARTHQUAKE, "seismic.event", "S-1", "5119"),
    (Hazard.STATION, "silence", "LS-1", VILLAGE),
    (Hazard.STATION, "silence", "R-1", VILLAGE),
)
PASSES = st.sampled_from([0, SECOND, MINUTE, 9 * MINUTE, HOUR, 5 * HOUR, DAY])
FOUND = st.tuples(
    st.just("find"), PASSES, st.sampled_from(SUBJECTS), st.integers(0, 4), st.sampled_from([0, 0, 0, HOUR])
)
DONE = st.tuples(
    st.just("do"),
    PASSES,
    st.sampled_from(["cancel", "release", "update", "acknowledge", "issue", "silence"]),
    st.integers(0, 30),
    st.sampled_from(["甲", "乙"]),
)
LOG = st.lists(FOUND | FOUND | DONE, max_size=30)
MANY = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def play(core: Core, log: list[tuple[Any, ...]], *, restart_every: int = 0) -> Core:
    """Give a random log to the core; with `restart_every` it goes on from its rows each time."""
    now: Micros = T0
    for number, (kind, passes, *rest) in enumerate(log):
        now += passes
        if kind == "find":
            (hazard, detector, subject, area), level, late = rest
            evidence = {"event": "e"} if hazard is Hazard.EARTHQUAKE else {"rain_mm": 1.5, "flag": 9}
            found: Finding = finding(
                level,
                now - late,
                hazard=hazard,
                detector=detector,
                station=subject,
                area=area,
                number=number,
                evidence=evidence,
            )
            core.find(found, now)
        else:
            core.do(_act(core, number, now, *rest))
        if restart_every and number % restart_every == 0:
            _restart(core)
    core.until(now + 2 * DAY)
    return core


def _act(core: Core, number: int, now: Micros, name: Any, pick: int, by: str) -> Act:
    chains = list(dict.fromkeys(alert.id for alert in core.alerts))
    fields: dict[str, Any] = {}
    if name == "issue":
        hazard = ("flood", "rainstorm", "landslide")[pick % 3]
        fields["content"] = {"hazard": hazard, "level": 1 + pick % 4, "area": (TOWNSHIP, VILLAGE)[pick % 2]}
    elif name == "silence":
        fields["content"] = {"station": "R-1", "until": from_micros(now + HOUR).isoformat()}
    elif chains:
        fields["alert"] = chains[pick % len(chains)]
        newest = max(alert.version for alert in core.alerts if alert.id == fields["alert"])
        fields["version"] = max(1, newest - pick % 3 // 2)
        if name == "update":
            fields["content"] = {"level": 1 + pick % 4}
    return Act(id=f"act-{number}", act=name, by=by, at=from_micros(now), **fields)


def _restart(core: Core) -> None:
    configuration = bundle()
    lifecycle = Lifecycle(core.lifecycle.policy, configuration)
    lifecycle.restore(core.lifecycle.state())
    routing = Routing(core.routing.policy, configuration)
    routing.restore(core.routing.state())
    core.lifecycle, core.routing = lifecycle, routing


def said(core: Core) -> list[str]:
    """All that came out, as bytes would have it."""
    return [
        one.model_dump_json()
        for group in (core.alerts, core.notices, core.releases, core.acts)
        for one in group
    ]


@MANY
@given(LOG)
def test_the_same_log_says_the_same(log):
    assert said(play(Core(), log)) == said(play(Core(), log))


@MANY
@given(LOG, st.integers(1, 3))
def test_a_restart_changes_nothing(log, every):
    assert said(play(Core(), log)) == said(play(Core(), log, restart_every=every))


@settings(MANY, max_examples=60)
@given(LOG)
def test_rows_saved_so_far_are_the_state(log):
    core = play(Core(), log[: len(log) // 2])
    kept: dict[str, bytes] = {}
    for stage in (core.lifecycle, core.routing):
        _take_up(kept, stage)
        stage.saved(None)
    play(core, log[len(log) // 2 :])
    for stage in (core.lifecycle, core.routing):
        _take_up(kept, stage)
        assert {k: v for k, v in kept.items() if k.startswith(stage.name)} == {
            f"{stage.name}/{key}": value for key, value in stage.state().items()
        }


def _take_up(kept: dict[str, bytes], stage: Any) -> None:
    for key, value in stage.changed().items():
        if value is None:
            kept.pop(f"{stage.name}/{key}", None)
        else:
            kept[f"{stage.name}/{key}"] = value


@MANY
@given(LOG)
def test_versions_are_numbered_and_one_chain_is_in_force(log):
    core = play(Core(), log)
    chains: dict[str, list[Alert]] = defaultdict(list)
    in_force: dict[tuple[Any, ...], str] = {}
    for alert in core.alerts:
        versions = chains[alert.id]
        assert alert.version == len(versions) + 1
        assert alert.type == ("issue" if not versions else alert.type)
        assert not versions or versions[-1].type != "cancel"
        assert alert.previous_level == (versions[-1].level if versions else 0)
        assert [(r.id, r.version) for r in alert.references] == [(v.id, v.version) for v in versions]
        assert (alert.level == 0) == (alert.type == "cancel")
        assert set(versions[-1].areas if versions else ()) <= set(alert.areas)
        versions.append(alert)
        station = alert.evidence.get("stations") if alert.hazard is Hazard.STATION else None
        key = (alert.hazard, alert.area, alert.origin, alert.status)
        if station is None and alert.hazard is not Hazard.STATION:
            assert in_force.setdefault(key, alert.id) == alert.id
            if alert.type == "cancel":
                del in_force[key]


@MANY
@given(LOG)
def test_people_are_told_of_each_rise_and_end_and_of_no_fall(log):
    core = play(Core(), log)
    for alert in core.alerts:
        if alert.hazard is Hazard.STATION:
            continue
        if alert.level > alert.previous_level or alert.type == "cancel":
            assert alert.reaches_people
        elif alert.reaches_people:
            # A person decided to say something new.
            assert any(
                d.act == "update" and d.outcome == "done" and d.at == alert.issued_at for d in core.acts
            )


@MANY
@given(LOG)
def test_a_cancel_has_a_notice_for_everyone_for_whom_an_earlier_version_had_one(log):
    core = play(Core(), log)
    told: dict[str, set[tuple[str, str]]] = defaultdict(set)
    ended: dict[str, set[tuple[str, str]]] = defaultdict(set)
    cancels = {(alert.id, alert.version) for alert in core.alerts if alert.type == "cancel"}
    for notice in core.notices:
        for version in notice.alerts:
            of = ended if (version.id, version.version) in cancels else told
            of[version.id].add((notice.recipient, notice.channel))
    for alert in core.alerts:
        if alert.type == "cancel":
            assert ended[alert.id] == told[alert.id]


@MANY
@given(LOG)
def test_notices_of_one_line_never_go_back_and_supersede_only_what_they_cover(log):
    core = play(Core(), log)
    lines: dict[tuple[str, str], list[Notice]] = defaultdict(list)
    for notice in core.notices:
        if notice.state is NoticeState.DUE:
            lines[notice.recipient, notice.channel].append(notice)
    by_id = {notice.id: notice for notice in core.notices}
    for line in lines.values():
        seen: dict[str, int] = {}
        for notice in line:
            for old in notice.supersedes:
                for version in by_id[old].alerts:
                    newest = max(
                        [v.version for v in notice.alerts if v.id == version.id] + [seen.get(version.id, 0)]
                    )
                    assert newest > version.version
            for version in notice.alerts:
                assert version.version > seen.get(version.id, 0)
                seen[version.id] = version.version
        assert len({notice.id for notice in line}) == len(line)


@MANY
@given(LOG)
def test_the_public_gets_only_what_was_released(log):
    core = play(Core(), log)
    released = {(release.alert, release.at) for release in core.releases if release.audience == "public"}
    for notice in core.due():
        if notice.audience == "public" and not notice.cancel:
            assert any((version.id, notice.first_due_at) in released for version in notice.alerts)


# A person's update of a red landslide whose first word the deadline has released to the public.
UPDATED_AFTER_RELEASE = [
    ("find", 0, SUBJECTS[0], 4, 0),
    ("find", 9 * MINUTE, SUBJECTS[1], 0, 0),
    ("do", 0, "update", 3, "甲"),
]


@MANY
@given(LOG, st.sampled_from(["rules", "nobody"]))
@example(UPDATED_AFTER_RELEASE, "rules")
def test_no_id_is_met_again_with_other_content(log, release_by):
    routing = RoutingPolicy(exercise_release_by=release_by)
    core = play(Core(routing=routing, configuration=bundle(Status.EXERCISE)), log)
    steps = [(notice.id, notice.state) for notice in core.notices]
    assert len(set(steps)) == len(steps)
    releases = [(release.alert, release.version, release.audience) for release in core.releases]
    assert len(set(releases)) == len(releases)
    versions = [(alert.id, alert.version) for alert in core.alerts]
    assert len(set(versions)) == len(versions)


SILENCES = st.lists(st.tuples(PASSES, st.sampled_from(["LS-1", "R-1"]), st.sampled_from([0, 2])), max_size=12)


@settings(MANY, max_examples=100)
@given(st.integers(1, 4), SILENCES, st.integers(0, 40))
def test_no_sequence_of_silence_lowers_a_level_or_lets_it_run_out(level, silences, days):
    core = Core()
    core.find(finding(level))
    now = T0
    for number, (passes, station, sick) in enumerate(silences):
        now += passes
        core.find(silence(sick, now, station=station, number=number), now)
    now += days * DAY
    core.until(now)
    versions = [alert for alert in core.alerts if alert.hazard is Hazard.LANDSLIDE]
    assert {alert.level for alert in versions} == {level}
    assert versions[-1].expires_at > from_micros(now)
    for before, after in pairwise(versions):
        assert after.issued_at < before.expires_at


@settings(MANY, max_examples=50)
@given(LOG)
def test_two_people_are_needed_where_policy_says_so(log):
    core = play(Core(lifecycle=LifecyclePolicy(cancel_by=2), routing=RoutingPolicy()), log)
    cancels = [done for done in core.acts if done.act == "cancel" and done.outcome == "done"]
    waiting = [done for done in cancels if "still_needed" in done.content]
    ended = {done.alert for done in cancels if "still_needed" not in done.content}
    assert ended <= {done.alert for done in waiting}
