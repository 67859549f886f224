"""The lifecycle beside that of another association area: whose chain it is, how wide, and what of a border station it knows."""

from __future__ import annotations

from typing import Any

import pytest

from alerting.lifecycle import Lifecycle, LifecyclePolicy
from schemas.area import Area, Tier
from schemas.bundle import Bundle
from schemas.hazard import Hazard
from schemas.stage import UnknownState
from schemas.station import Station
from schemas.times import HOUR
from tests.alerting import town
from tests.alerting.town import CITY, COUNTY, OTHER_COUNTY, OTHER_VILLAGE, T0, TOWNSHIP, Core, act


def beside(**changes: Any) -> Bundle:
    return town.bundle(association_tier=Tier.COUNTY, **changes).seen_from(COUNTY)


def test_a_chain_is_no_wider_than_its_association_area_but_for_a_quake() -> None:
    by_city = LifecyclePolicy(chain_tier={Hazard.RAINSTORM: Tier.CITY})
    assert Core(by_city).find(town.rain(3))[0].area == CITY
    core = Core(by_city, configuration=beside())
    assert core.find(town.rain(3))[0].area == COUNTY
    quake = town.finding(3, hazard=Hazard.EARTHQUAKE, area=CITY, evidence={"event": "q-1"})
    assert core.find(quake)[0].area == CITY


def test_what_lies_higher_than_the_association_area_stays_there() -> None:
    core = Core(configuration=beside())
    assert core.find(town.silence(2, station="S-1", area=CITY))[0].area == CITY


def test_a_quake_covers_every_city_that_it_reaches() -> None:
    far = (
        Area("5108", "广元市", Tier.CITY, None, 105.8, 32.4),
        Area("510802", "利州区", Tier.COUNTY, "5108", 105.8, 32.4),
    )
    core = Core(configuration=town.bundle(areas=(*town.AREAS, *far)))
    areas = {COUNTY: {"level": 3}, "510802": {"level": 1}, "gone": {"level": 1}}
    quake = town.finding(3, hazard=Hazard.EARTHQUAKE, area=CITY, evidence={"event": "q-1", "areas": areas})
    assert core.find(quake)[0].areas == (CITY, "5108")


def test_a_border_stations_silence_makes_no_chain_and_two_people_end_what_it_holds() -> None:
    gauge = Station("R-9", "rain", "界上雨量站", 107.2, 32.3, None, OTHER_VILLAGE, (TOWNSHIP,))
    configuration = beside(stations=(*town.STATIONS, gauge))
    core = Core(configuration=configuration)
    flood = town.flood(3).model_copy(update={"stations": ("R-9",)})
    (issued,) = core.find(flood)
    core.lifecycle.note(town.silence(2, T0 + HOUR, station="R-9", area=OTHER_VILLAGE))
    assert not [alert for alert in core.alerts if alert.hazard is Hazard.STATION]

    restored = Lifecycle(LifecyclePolicy(), configuration)
    restored.restore(core.lifecycle.state())
    assert restored.state() == core.lifecycle.state()
    (chain,) = restored.chains.values()
    assert restored.missing_us(chain) == T0 + HOUR
    # Once the station is ours to speak of, what was noted of it elsewhere counts no more.
    moved = Lifecycle(LifecyclePolicy(), configuration.seen_from(OTHER_COUNTY))
    moved.restore(core.lifecycle.state())
    (chain,) = moved.chains.values()
    assert moved.missing_us(chain) is None

    for name, outcome in (("甲", []), ("乙", ["cancel"])):
        cancel = act("cancel", name, by=name, at=T0 + 2 * HOUR, alert=issued.id, version=issued.version)
        said = len(core.alerts)
        core.do(cancel)
        assert [alert.type for alert in core.alerts[said:]] == outcome


def test_a_station_that_is_heard_again_is_forgotten() -> None:
    lifecycle = Lifecycle(LifecyclePolicy(), beside())
    lifecycle.note(town.silence(2, station="LS-2", area=OTHER_VILLAGE))
    lifecycle.saved(lifecycle.changed())
    lifecycle.note(town.silence(0, T0 + HOUR, station="LS-2", area=OTHER_VILLAGE, number=2))
    assert lifecycle.state() == {}
    assert lifecycle.changed() == {"s/LS-2": None}


def test_a_note_of_another_release_is_refused() -> None:
    lifecycle = Lifecycle(LifecyclePolicy(), beside())
    lifecycle.note(town.silence(2, station="LS-2", area=OTHER_VILLAGE))
    rows = {key: bytes([9]) + row[1:] for key, row in lifecycle.state().items()}
    with pytest.raises(UnknownState):
        Lifecycle(LifecyclePolicy(), beside()).restore(rows)
