"""A recipient's line by itself, under any sequence of alerts: the limit holds, nothing waits long, nothing is lost."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.routing import RoutingPolicy, lines
from alerting.routing.memory import Line, Told
from alerting.routing.policy import Limit
from schemas.alert import Alert
from schemas.area import Tier
from schemas.hazard import Hazard
from schemas.level import Level
from schemas.times import HOUR, MINUTE, SECOND, Micros, seconds
from tests.alerting.town import CITY, T0, Core, finding

DUTY = Told(f"{CITY}-duty", "sms", "responsible", Tier.CITY, CITY)
TEMPLATE = Core().find(finding(1))[0]
COMES = st.lists(
    st.tuples(
        st.sampled_from([0, SECOND, 20 * SECOND, MINUTE, 4 * MINUTE, 11 * MINUTE]),
        st.sampled_from([Hazard.LANDSLIDE, Hazard.FLASH_FLOOD, Hazard.RAINSTORM, Hazard.FOREST_FIRE]),
        st.integers(0, 4),
    ),
    min_size=1,
    max_size=120,
)
LIMITS = st.builds(Limit, burst=st.integers(1, 8), every_s=st.sampled_from([60.0, 600.0, 1800.0]))


def alert(number: int, hazard: Hazard, level: int) -> Alert:
    kind = "cancel" if level == 0 else "issue"
    return TEMPLATE.model_copy(update={"id": f"a-{number}", "hazard": hazard, "level": level, "type": kind})


def played(
    comes: list[tuple[int, Hazard, int]], policy: RoutingPolicy
) -> tuple[dict[str, Micros], list[tuple[Micros, lines.Batch]]]:
    """When each alert came, and what went out when."""
    line, now = Line(), T0
    came: dict[str, Micros] = {}
    went: list[tuple[Micros, lines.Batch]] = []

    def send(at: Micros) -> None:
        went.extend((at, batch) for batch in lines.due(line, policy, "sms", at))

    def until(at: Micros) -> None:
        while (due := lines.next_due(line)) is not None and due <= at:
            send(due)

    for number, (passes, hazard, level) in enumerate(comes):
        now += passes
        until(now)
        one = alert(number, hazard, level)
        came[one.id] = now
        if lines.join(line, one, DUTY, policy, now):
            send(now)
    until(now + 100 * HOUR)
    assert line.pending == []
    return came, went


@settings(max_examples=300, deadline=None)
@given(COMES, LIMITS)
def test_the_limit_holds_in_any_hour_and_nothing_is_lost_or_late(comes, limit):
    policy = RoutingPolicy(limits={"sms": limit})
    came, went = played(comes, policy)

    below_red = [at for at, batch in went if batch.pending[0].level < Level.RED]
    for start in below_red:
        assert sum(start <= at <= start + HOUR for at in below_red) <= limit.burst + 3600 / limit.every_s

    told = Counter(pending.chain for _, batch in went for pending in batch.pending)
    assert told == Counter(dict.fromkeys(came, 1))

    for at, batch in went:
        for pending in batch.pending:
            waited = at - came[pending.chain]
            if pending.level == Level.RED:
                assert waited == 0
            window = policy.windows_s[
                "cancel" if pending.cancel else "orange" if pending.level == 3 else "blue"
            ]
            assert pending.level == Level.RED or waited <= seconds(window) + seconds(limit.every_s)


@settings(max_examples=100, deadline=None)
@given(COMES)
def test_what_is_gathered_names_the_highest_first_and_ends_last(comes):
    _, went = played(comes, RoutingPolicy(limits={"sms": Limit(burst=1, every_s=1800)}))
    for _, batch in went:
        ranks = [(pending.cancel, -pending.level) for pending in batch.pending]
        assert ranks == sorted(ranks)


def test_a_limit_is_used_up_before_anything_is_gathered():
    comes = [(11 * MINUTE, Hazard.LANDSLIDE, 3)] * 6
    _, went = played(comes, RoutingPolicy())
    assert [len(batch.pending) for _, batch in went] == [1] * 6


def test_all_that_the_limit_allows_goes_by_hazard_and_level():
    kinds = [(hazard, level) for hazard in (Hazard.LANDSLIDE, Hazard.FLASH_FLOOD) for level in (1, 2, 0)]
    _, went = played([(0, hazard, level) for hazard, level in kinds], RoutingPolicy())
    assert [len(batch.pending) for _, batch in went] == [1] * 6
