"""The limit of notices: nobody is flooded, nobody misses a warning, and red waits for nothing."""

from __future__ import annotations

from collections import defaultdict

import pytest

from alerting.render import sms_parts
from alerting.routing import RoutingPolicy
from alerting.routing.policy import Limit
from schemas.area import Area, Tier
from schemas.hazard import Hazard
from schemas.level import Level
from schemas.recipient import Recipient
from schemas.times import HOUR, MINUTE, SECOND, to_micros
from tests.alerting.town import CITY, COUNTY, T0, Core, bundle, finding, flood

TOWNSHIPS = tuple(f"511922{number:03d}" for number in range(100, 160))
BUSY = bundle(
    areas=(
        Area(CITY, "巴中市", Tier.CITY, None, 106.75, 31.86),
        Area(COUNTY, "南江县", Tier.COUNTY, CITY, 106.84, 32.35),
        *(Area(code, f"{code[-3:]}镇", Tier.TOWNSHIP, COUNTY, 106.8, 32.5) for code in TOWNSHIPS),
    ),
    recipients=(
        Recipient(f"{CITY}-duty", CITY, Tier.CITY, "duty", ("sms",)),
        Recipient(f"{CITY}-dispatch", CITY, Tier.CITY, "duty", ("webhook",)),
        Recipient(f"{COUNTY}-duty", COUNTY, Tier.COUNTY, "duty", ("sms",)),
        *(Recipient(f"{code}-duty", code, Tier.TOWNSHIP, "duty", ("sms",)) for code in TOWNSHIPS),
    ),
)


def busy_day(policy: RoutingPolicy | None = None) -> Core:
    """200 alerts an hour for three hours, of three hazards and all levels, then their ends."""
    core = Core(routing=policy, configuration=BUSY)
    numbers: dict[str, int] = defaultdict(int)
    for step in range(600):
        now = T0 + step * 18 * SECOND
        township = TOWNSHIPS[step * 7 % len(TOWNSHIPS)]
        hazard = (Hazard.FLASH_FLOOD, Hazard.LANDSLIDE, Hazard.DEBRIS_FLOW)[step % 3]
        subject = f"{hazard}/{township}"
        numbers[subject] += 1
        core.find(
            finding(
                1 + step * 5 % 11 % 4,
                now,
                hazard=hazard,
                station="R-1",
                subject=subject,
                area=township,
                detector=f"{hazard}.test",
                number=numbers[subject],
            )
        )
    for step, subject in enumerate(sorted(numbers)):
        hazard_name, township = subject.split("/")
        core.find(
            finding(
                0,
                T0 + 3 * HOUR + step * SECOND,
                hazard=Hazard(hazard_name),
                station="R-1",
                subject=subject,
                area=township,
                detector=f"{hazard_name}.test",
                number=99,
            )
        )
    core.until(T0 + 8 * HOUR)
    return core


@pytest.fixture(scope="module")
def day() -> Core:
    return busy_day()


def in_the_worst_hour(core: Core, recipient: str) -> int:
    """The most SMS below red that one recipient gets in any hour."""
    below_red = [n for n in core.due(recipient) if n.channel == "sms" and n.level < Level.RED]
    times = [to_micros(n.first_due_at) for n in below_red if n.first_due_at is not None]
    return max((sum(start <= time <= start + HOUR for time in times) for start in times), default=0)


def test_no_recipient_gets_more_than_twelve_sms_below_red_in_any_hour(day):
    worst = {recipient: in_the_worst_hour(day, recipient) for recipient in {n.recipient for n in day.due()}}
    assert max(worst.values()) <= 12
    assert worst[f"{CITY}-duty"] >= 6  # the day is busy enough to say something


def test_nobody_misses_a_warning_or_its_end(day):
    newest = {alert.id: alert for alert in day.alerts}
    rises = [alert for alert in day.alerts if alert.reaches_people and alert.type != "cancel"]
    for recipient in (f"{CITY}-duty", f"{CITY}-dispatch", f"{COUNTY}-duty"):
        told = defaultdict(set)
        for notice in day.due(recipient):
            for version in notice.alerts:
                told[version.id].add(version.version)
        for alert in rises:
            # This version, or a later one that took its place while it waited.
            assert any(version >= alert.version for version in told[alert.id]), (recipient, alert.headline)
        for chain in told:
            assert newest[chain].type == "cancel"
            assert newest[chain].version in told[chain]


def test_red_waits_for_nothing(day):
    for alert in (a for a in day.alerts if a.level == Level.RED and a.reaches_people):
        (notice,) = [
            n
            for n in day.due(f"{CITY}-duty")
            if any(v.id == alert.id and v.version == alert.version for v in n.alerts)
        ]
        assert notice.first_due_at == alert.issued_at


def test_what_the_limit_keeps_back_waits_ten_minutes_at_most(day):
    issued = {(alert.id, alert.version): to_micros(alert.issued_at) for alert in day.alerts}
    window = {1: 10 * MINUTE, 2: 10 * MINUTE, 3: MINUTE, 4: 0, 0: 10 * MINUTE}
    levels = {(alert.id, alert.version): alert.level for alert in day.alerts}
    for notice in day.due(f"{CITY}-duty"):
        assert notice.first_due_at is not None
        for version in notice.alerts:
            key = (version.id, version.version)
            assert to_micros(notice.first_due_at) - issued[key] <= window[levels[key]] + 10 * MINUTE


def test_nobody_is_shown_an_older_version_after_a_newer_one(day):
    for recipient in {notice.recipient for notice in day.due()}:
        seen: dict[str, int] = {}
        for notice in day.due(recipient):
            for version in notice.alerts:
                assert version.version > seen.get(version.id, 0)
                seen[version.id] = version.version


def test_a_channel_without_a_limit_keeps_one_hazard_and_level_to_a_notice(day):
    chains = {alert.id: alert for alert in day.alerts}
    for notice in day.due(f"{CITY}-dispatch"):
        assert len({chains[version.id].hazard for version in notice.alerts}) == 1


def test_texts_that_list_many_places_stay_within_their_parts(day):
    assert max(sms_parts(notice.text) for notice in day.due() if notice.channel == "sms") <= 5


def test_the_limit_is_policy():
    core = busy_day(RoutingPolicy(limits={"sms": Limit(burst=1, every_s=1800)}))
    assert in_the_worst_hour(core, f"{CITY}-duty") <= 3


def test_a_quiet_desk_gets_each_bundle_of_its_own():
    core = Core()
    core.find(flood(2))
    core.find(finding(2, T0 + SECOND))
    core.until(T0 + HOUR)
    assert [len(notice.alerts) for notice in core.due(f"{CITY}-duty")] == [1, 1]
