"""Who keeps a quake: the holder of an epicentre, and several logs that find one quake each by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.seismic.holder import Holders
from detectors.seismic.keeper import Keeper
from detectors.seismic.parameters import SeismicParameters
from schemas.area import Area, Tier
from schemas.bundle import Bundle
from schemas.finding import Finding, Forward, make_finding
from schemas.hazard import Hazard
from schemas.stage import UnknownState
from schemas.station import Station
from schemas.times import DAY, HOUR, MINUTE, SECOND, Micros, rfc3339

PARAMETERS = SeismicParameters()
CITY = "5119"
COUNTIES = ("511902", "511903", "511921")
LON = dict(zip(COUNTIES, (106.0, 106.3, 106.6), strict=True))
"""Counties in a row from west to east, 28 km apart, each with one village in its middle and a station there."""
NOW: Micros = 1_780_000_000 * SECOND


def bundle(association: str, *, watches: Sequence[str] = (CITY,), tier: Tier = Tier.COUNTY) -> Bundle:
    areas = [Area(CITY, "巴中市", Tier.CITY, None, 106.6, 31.8)]
    stations = []
    for code in COUNTIES:
        areas.append(Area(code, code, Tier.COUNTY, CITY, LON[code], 31.8))
        areas.append(Area(f"{code}001", code, Tier.TOWNSHIP, code, LON[code], 31.8))
        areas.append(Area(f"{code}001200", code, Tier.VILLAGE, f"{code}001", LON[code], 31.8))
        stations.append(
            Station(f"SM-{code}", "seismic", code, LON[code], 31.8, None, f"{code}001", tuple(watches))
        )
    made = Bundle.of(areas=areas, stations=stations, policy={}, association_tier=tier)
    return made.seen_from(association)


def finding(
    found_by: str,
    holder: str,
    *,
    event: str = "",
    number: int = 1,
    level: int = 3,
    origin_us: Micros = NOW,
    lon: float = 106.3,
    stations: Sequence[str] = ("SM-511902",),
) -> Finding:
    event = event or f"q-{found_by}"
    return make_finding(
        hazard=Hazard.EARTHQUAKE,
        detector="seismic.event",
        level=level,
        area=CITY,
        stations=tuple(stations),
        observed_us=origin_us + number * SECOND,
        evidence={"event": event, "origin_at": rfc3339(origin_us), "found_by": found_by, "holder": holder},
        number=number,
        subject=event,
        position=(lon, 31.8),
        mark=found_by,
    )


# --- the holder ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lon", "first", "keeper"),
    [
        (106.0, "511903", "511902"),  # well within a county: whatever station was first
        # One kilometre to this side and that of the border of two: the first station's.
        (106.14, "511902", "511902"),
        (106.14, "511903", "511903"),
        (106.16, "511902", "511902"),
        (106.16, "511903", "511903"),
        (106.16, "511921", "511903"),  # a third county does not come into it
        (105.5, "511921", "511902"),  # outside all: the nearest
        (105.5, "511902", "511902"),
    ],
)
def test_an_epicentre_is_held_where_it_lies_near_a_border_by_the_first_station(
    lon: float, first: str, keeper: str
) -> None:
    assert Holders(PARAMETERS, bundle("511902")).of(lon, 31.8, f"SM-{first}") == keeper


def test_a_first_station_that_is_gone_leaves_the_nearest() -> None:
    assert Holders(PARAMETERS, bundle("511902")).of(105.5, 31.8, "SM-gone") == "511902"


@given(st.floats(105, 108), st.floats(31, 33), st.sampled_from(COUNTIES))
def test_every_log_names_the_same_holder(lon: float, lat: float, first: str) -> None:
    named = {Holders(PARAMETERS, bundle(code)).of(lon, lat, f"SM-{first}") for code in COUNTIES}
    assert len(named) == 1
    assert named < set(COUNTIES)


def test_one_association_area_holds_everything() -> None:
    alone = bundle(CITY, tier=Tier.CITY)
    assert Holders(PARAMETERS, alone).of(0.0, 0.0, "SM-511902") == CITY
    assert Keeper(PARAMETERS, alone).found(said := finding(CITY, CITY), NOW) is said


# --- several logs --------------------------------------------------------------------------------------------------


@dataclass
class Town:
    """Association areas that find one quake each by itself, and what is on its way between them."""

    watches: Sequence[str] = (CITY,)
    keepers: dict[str, Keeper] = field(default_factory=dict)
    on_the_way: list[tuple[str, Finding]] = field(default_factory=list)
    told: dict[str, list[Finding]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for code in COUNTIES:
            self.keepers[code] = Keeper(PARAMETERS, bundle(code, watches=self.watches))
            self.told[code] = []

    def finds(self, said: Finding, now: Micros = NOW) -> None:
        finder = str(said.evidence["found_by"])
        decided = self.keepers[finder].found(said, now)
        if isinstance(decided, Forward):
            assert decided.finding is said
            self.on_the_way.append((decided.area, said))
        else:
            self.told[finder].append(decided)

    def hears(self, number: int = 0, now: Micros = NOW) -> None:
        area, said = self.on_the_way.pop(number)
        heard = self.keepers[area].forwarded(said, now)
        if heard is not None:
            self.told[area].append(heard)

    def chains(self) -> set[tuple[str, str]]:
        """Each chain as its keeper and the event by which it knows the quake."""
        return {(code, str(f.evidence["event"])) for code, found in self.told.items() for f in found}

    def restarts(self, code: str) -> None:
        rows = self.keepers[code].state()
        self.keepers[code] = Keeper(PARAMETERS, bundle(code, watches=self.watches))
        self.keepers[code].restore(rows)
        assert self.keepers[code].state() == rows


opinions = st.fixed_dictionaries({code: st.sampled_from(COUNTIES) for code in COUNTIES})


def played(data: st.DataObject, holders: dict[str, str], tellings: int = 3) -> Town:
    """Every area finds the quake, in some order, updates it, and hears what others forward, in some order."""
    town = Town()
    next_of = dict.fromkeys(holders, 1)
    while next_of or town.on_the_way:
        steps: list[str | int] = [*sorted(next_of), *range(len(town.on_the_way))]
        step = data.draw(st.sampled_from(steps))
        if isinstance(step, int):
            town.hears(step)
        else:
            town.finds(finding(step, holders[step], number=next_of[step]))
            next_of[step] += 1
            if next_of[step] > tellings:
                del next_of[step]
        if data.draw(st.booleans()):
            town.restarts(data.draw(st.sampled_from(COUNTIES)))
    return town


@given(st.data(), st.sampled_from(COUNTIES))
def test_areas_that_agree_on_the_holder_have_one_chain_there(data: st.DataObject, holder: str) -> None:
    town = played(data, dict.fromkeys(COUNTIES, holder))
    assert {keeper for keeper, _ in town.chains()} == {holder}
    assert len(town.chains()) == 1


@given(st.data(), opinions)
def test_a_quake_is_told_in_any_case_and_by_no_area_in_two_chains(
    data: st.DataObject, holders: dict[str, str]
) -> None:
    town = played(data, holders)
    keepers = {keeper for keeper, _ in town.chains()}
    assert keepers
    assert len(town.chains()) == len(keepers), "an area has one chain of a quake at most"
    if len(set(holders.values())) == 1:
        assert len(keepers) == 1


@given(st.data(), st.permutations(COUNTIES))
def test_two_that_take_each_other_for_the_holder_have_one_chain(
    data: st.DataObject, codes: Sequence[str]
) -> None:
    one, other, _ = codes
    town = played(data, {one: other, other: one})
    assert len(town.chains()) == 1


@given(st.data())
def test_the_keeper_that_found_the_quake_follows_its_own_estimate(data: st.DataObject) -> None:
    town = played(data, dict.fromkeys(COUNTIES, "511903"))
    told = town.told["511903"]
    own = [f for f in told if f.evidence["found_by"] == "511903"]
    assert [f.id for f in own] == [finding("511903", "511903", number=n).id for n in (1, 2, 3)]
    # What came before its own spoke for one other area alone, as the same standing in the same chain.
    before = told[: told.index(own[0])]
    assert len({f.evidence["found_by"] for f in before}) <= 1
    assert all(f.evidence["found_by"] == "511903" for f in told[len(before) :])
    assert len({(f.subject, f.area) for f in told}) == 1


def test_an_estimate_that_rests_on_stations_the_keeper_does_not_hear_stands_beside_its_own() -> None:
    town = Town(watches=())
    town.finds(finding("511902", "511902", stations=("SM-511902",)))
    for number in (1, 2):
        town.finds(finding("511921", "511902", number=number, level=4, stations=("SM-511921",)))
        town.hears()
    (chain,) = town.chains()
    assert chain == ("511902", "q-511902")
    assert [f.subject for f in town.told["511902"]] == ["q-511902", "q-511921", "q-511921"]


def test_two_quakes_are_two_also_where_others_tell_of_them() -> None:
    town = Town()
    for event, origin_us, lon in (("a", NOW, 106.0), ("b", NOW + 20 * SECOND, 106.0), ("c", NOW, 107.2)):
        for code in COUNTIES:
            town.finds(finding(code, "511903", event=f"{event}{code}", origin_us=origin_us, lon=lon))
    while town.on_the_way:
        town.hears()
    assert len(town.chains()) == 3


def test_two_events_of_one_log_are_never_taken_for_one() -> None:
    town = Town()
    for event in ("a", "b"):
        town.finds(finding("511902", "511902", event=event))
    assert len(town.chains()) == 2


def test_what_comes_when_the_warning_is_over_opens_nothing_again() -> None:
    town = Town(watches=())
    town.finds(finding("511902", "511902"))
    town.finds(finding("511921", "511902", stations=("SM-511921",)))
    town.hears(now=NOW + HOUR)
    assert [f.evidence["found_by"] for f in town.told["511902"]] == ["511902"]
    # Of a quake that was never heard of it is told, however late.
    town.finds(finding("511921", "511902", event="late", origin_us=NOW + 10 * MINUTE))
    town.hears(now=NOW + HOUR)
    assert [f.evidence["found_by"] for f in town.told["511902"]] == ["511902", "511921"]


def test_a_quake_is_forgotten_after_a_week() -> None:
    keeper = Keeper(PARAMETERS, bundle("511902"))
    keeper.found(finding("511902", "511902", event="old"), NOW)
    keeper.saved(keeper.changed())
    keeper.found(finding("511902", "511902", event="new", origin_us=NOW + 8 * DAY), NOW + 8 * DAY)
    assert list(keeper.state()) == ["new"]
    assert keeper.changed()["old"] is None


def test_state_of_another_release_is_refused() -> None:
    with pytest.raises(UnknownState, match=r"seismic\.keeper"):
        Keeper(PARAMETERS, bundle("511902")).restore({"q": b"\x09"})
