"""Stations near a border: their readings stand in two logs, and each conclusion is drawn in one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ingest.packing import Packer
from runtime.decisions import Decisions
from runtime.met import Met, OtherContent
from runtime.pipeline import Pipeline
from runtime.replay.readings import replay
from schemas.act import Act
from schemas.alert import Alert
from schemas.area import Area, Tier
from schemas.bundle import Bundle
from schemas.finding import Finding
from schemas.log import ActRecord, FindingRecord, Tick
from schemas.station import Station
from schemas.times import HOUR, MINUTE, Micros, from_micros, rfc3339, to_micros
from schemas.wire import Rain

WEST, EAST = "511902", "511921"
WEST_TOWN, EAST_TOWN, BARE_TOWN = f"{WEST}001", f"{EAST}001", f"{EAST}002"
START: Micros = to_micros(datetime(2026, 7, 18, 4, 0, tzinfo=UTC))
AREAS = (
    Area("5119", "市", Tier.CITY, None, 106.75, 31.86),
    Area(WEST, "西区", Tier.COUNTY, "5119", 106.70, 31.85),
    Area(EAST, "东县", Tier.COUNTY, "5119", 106.85, 31.90),
    Area(WEST_TOWN, "西镇", Tier.TOWNSHIP, WEST, 106.70, 31.85),
    Area(EAST_TOWN, "东镇", Tier.TOWNSHIP, EAST, 106.85, 31.90),
    Area(BARE_TOWN, "无站镇", Tier.TOWNSHIP, EAST, 106.60, 31.80),
    Area(f"{WEST_TOWN}200", "西村", Tier.VILLAGE, WEST_TOWN, 106.70, 31.85),
    Area(f"{EAST_TOWN}200", "东村", Tier.VILLAGE, EAST_TOWN, 106.85, 31.90),
    Area(f"{BARE_TOWN}200", "无站村", Tier.VILLAGE, BARE_TOWN, 106.60, 31.80),
)


def gauge(name: str, area: str, lon: float, lat: float, *watches: str) -> Station:
    return Station(name, "rain", name, lon, lat, None, area, watches, {})


def camera(name: str, area: str, lon: float, lat: float, *watches: str) -> Station:
    return Station(name, "camera", name, lon, lat, None, area, watches, {"range_m": 20000})


def bundle(*stations: Station, tier: Tier = Tier.COUNTY) -> Bundle:
    return Bundle.of(areas=AREAS, stations=stations, policy={}, association_tier=tier)


BORDER = gauge("RG-border", WEST_TOWN, 106.72, 31.86, EAST_TOWN)
"""Stands in the west and watches a town of the east; it is also the nearest to a town of the east without any."""


def played(
    folder: Path, made: Bundle, readings: Iterable[dict[str, Any]], **how: Any
) -> dict[str, Decisions]:
    path = folder / "readings.jsonl"
    path.write_text("".join(json.dumps(reading) + "\n" for reading in readings))
    return replay([path], made, **how).decisions


def rain(station: str, minutes: int, mm: float, start: Micros = START) -> list[dict[str, Any]]:
    return [
        {
            "kind": "rain",
            "station": station,
            "observed_at": rfc3339(start + at * MINUTE),
            "interval_s": 300,
            "rain_mm": mm,
        }
        for at in range(0, minutes, 5)
    ]


def said(decided: Decisions) -> set[tuple[str, str]]:
    return {(finding.detector, finding.area) for finding in decided.findings}


def chains(decided: Decisions) -> set[tuple[str, str]]:
    return {(alert.hazard.value, alert.area) for alert in decided.alerts}


@cache
def wet() -> tuple[dict[str, Any], ...]:
    return tuple(rain("RG-border", 180, 4.0))


def test_a_border_gauge_gives_each_finding_once_and_each_town_its_flood(tmp_path: Path) -> None:
    decided = played(tmp_path, bundle(BORDER), wet())
    assert said(decided[WEST]) == {("rain.signal", WEST_TOWN), ("rain.flash_flood", WEST_TOWN)}
    assert said(decided[EAST]) == {("rain.flash_flood", EAST_TOWN), ("rain.flash_flood", BARE_TOWN)}
    assert chains(decided[WEST]) == {("rainstorm", WEST), ("flash_flood", WEST_TOWN)}
    assert chains(decided[EAST]) == {("flash_flood", EAST_TOWN), ("flash_flood", BARE_TOWN)}
    ids = [finding.id for one in decided.values() for finding in one.findings]
    assert len(ids) == len(set(ids))


def test_a_town_whose_nearest_gauge_only_the_neighbour_hears_is_told_by_forwarding(tmp_path: Path) -> None:
    inland = gauge("RG-inland", WEST_TOWN, 106.72, 31.86)
    decided = played(tmp_path, bundle(inland), rain("RG-inland", 180, 4.0))
    assert said(decided[WEST]) >= {("rain.flash_flood", EAST_TOWN), ("rain.flash_flood", BARE_TOWN)}
    assert said(decided[EAST]) == set()
    forwards = decided[WEST].forwards
    assert {(forward.area, forward.finding.area) for forward in forwards} == {
        (EAST, EAST_TOWN),
        (EAST, BARE_TOWN),
    }
    assert chains(decided[EAST]) == {("flash_flood", EAST_TOWN), ("flash_flood", BARE_TOWN)}
    first = {alert.area: alert for alert in reversed(decided[EAST].alerts)}
    assert first[BARE_TOWN].issued_at == from_micros(forwards[0].at_us)


def test_several_areas_warn_of_what_one_for_the_whole_city_warns_of(tmp_path: Path) -> None:
    stations = (
        BORDER,
        gauge("RG-west", WEST_TOWN, 106.70, 31.85),
        gauge("RG-east", EAST_TOWN, 106.85, 31.90),
    )
    readings = [*wet(), *rain("RG-west", 180, 3.0), *rain("RG-east", 180, 1.0)]
    readings.sort(key=lambda reading: str(reading["observed_at"]))
    (city,) = played(tmp_path, bundle(*stations, tier=Tier.CITY), readings).values()
    counties = played(tmp_path, bundle(*stations), readings)

    def levels(alerts: Sequence[Alert]) -> dict[tuple[str, str], int]:
        found: dict[tuple[str, str], int] = {}
        for alert in alerts:
            key = alert.hazard.value, alert.area
            found[key] = max(found.get(key, 0), alert.level)
        return found

    assert levels(city.alerts) == levels([alert for one in counties.values() for alert in one.alerts])
    assert {f.id for f in city.findings} == {f.id for one in counties.values() for f in one.findings}


def test_silence_of_a_border_station_is_said_once_and_known_in_both(tmp_path: Path) -> None:
    others = gauge("RG-west", WEST_TOWN, 106.70, 31.85), gauge("RG-east", EAST_TOWN, 106.85, 31.90)
    readings = [*wet(), *rain("RG-west", 600, 0.0), *rain("RG-east", 600, 0.0)]
    readings.sort(key=lambda reading: str(reading["observed_at"]))
    decided = played(tmp_path, bundle(BORDER, *others), readings)
    silent = [
        (code, f.stations) for code, one in decided.items() for f in one.findings if f.detector == "silence"
    ]
    assert silent == [(WEST, ("RG-border",))]
    east = [
        alert for alert in decided[EAST].alerts if alert.hazard == "flash_flood" and alert.area == EAST_TOWN
    ]
    # It is extended for ever, and says since when the data that hold it up are missing.
    assert east[-1].type == "update"
    assert east[-1].missing_since is not None
    assert not any(alert.hazard == "station" for alert in decided[EAST].alerts)


def test_where_a_border_station_is_silent_two_people_end_what_it_holds_up() -> None:
    made = bundle(BORDER)
    east, packer = Pipeline(made, EAST), Packer(made)
    for reading in wet():
        at = datetime.fromisoformat(reading["observed_at"])
        one = Rain(station="RG-border", observed_at=at, interval_s=300, rain_mm=reading["rain_mm"])
        assert packer.add(one, to_micros(at), "test") is None
    flood = east.process([placed.packet for placed in packer.take()[EAST]]).alerts[-1]
    east.process([Tick(east.now + 2 * HOUR)])
    again = Pipeline(made, EAST)
    again.restore(east.state())
    outcomes = []
    for number, who in enumerate(("甲", "乙")):
        act = Act(
            id=f"x-{number}",
            act="cancel",
            by=who,
            at=from_micros(again.now),
            alert=flood.id,
            version=flood.version,
        )
        done = again.process([ActRecord(again.now, act.model_dump_json().encode())])
        outcomes.append([alert.type for alert in done.alerts])
    assert outcomes == [[], ["cancel"]]


# --- fires ---------------------------------------------------------------------------------------------------------

NOON: Micros = to_micros(datetime(2026, 4, 5, 4, 0, tzinfo=UTC))


def smoke() -> list[dict[str, Any]]:
    """Frames of two cameras that see smoke over the east town, every 20 s."""
    box = {"label": "smoke", "confidence": 0.8, "box": [0.45, 0.4, 0.55, 0.6]}
    azimuth = {"FC-1": 20.0, "FC-2": 340.0}
    return [
        {
            "kind": "camera",
            "station": name,
            "observed_at": rfc3339(NOON + step * MINUTE // 3),
            "azimuth_deg": azimuth[name],
            "field_of_view_deg": 60.0,
            "detections": [box],
        }
        for step in range(8)
        for name in azimuth
    ]


def fire(first_watches: Sequence[str], second_watches: Sequence[str]) -> Bundle:
    """Two cameras of the west that look north-east and north-west at a place in the east town."""
    return bundle(
        camera("FC-1", WEST_TOWN, 106.82, 31.82, *first_watches),
        camera("FC-2", WEST_TOWN, 106.88, 31.82, *second_watches),
    )


def fixes(decided: Decisions) -> list[Finding]:
    return [finding for finding in decided.findings if finding.detector == "fire.fix"]


def test_a_fire_beyond_the_border_is_told_by_whoever_sees_it_there(tmp_path: Path) -> None:
    decided = played(tmp_path, fire([EAST_TOWN], [EAST_TOWN]), smoke())
    assert fixes(decided[WEST]) == []
    assert {finding.area for finding in fixes(decided[EAST])} == {EAST_TOWN}
    assert ("forest_fire", EAST_TOWN) in chains(decided[EAST])
    # What one camera saw is said once, where the camera stands.
    assert not any(finding.detector == "fire.sighting" for finding in decided[EAST].findings)
    assert any(finding.detector == "fire.sighting" for finding in decided[WEST].findings)


@pytest.mark.parametrize("second", [[], [WEST_TOWN]])
def test_a_fire_that_the_neighbour_cannot_fix_is_forwarded(tmp_path: Path, second: list[str]) -> None:
    made = fire([EAST_TOWN], second)
    decided = played(tmp_path, made, smoke())
    assert [forward.area for forward in decided[WEST].forwards] == [EAST] * len(fixes(decided[WEST])) != []
    assert fixes(decided[EAST]) == []
    assert ("forest_fire", EAST_TOWN) in chains(decided[EAST])
    assert {finding.subject for finding in fixes(decided[WEST])} == {f"{WEST}/fire-1"}


# --- repeats -------------------------------------------------------------------------------------------------------


def test_a_forwarded_finding_counts_once_and_another_of_its_id_stops_the_area(tmp_path: Path) -> None:
    inland = gauge("RG-inland", WEST_TOWN, 106.72, 31.86)
    forwards = played(tmp_path, bundle(inland), rain("RG-inland", 180, 4.0))[WEST].forwards
    east = Pipeline(bundle(inland), EAST)
    records = [FindingRecord.of(forward) for forward in forwards]
    once = east.process(records)
    assert once.alerts
    assert once.findings == once.forwards == []
    again = Pipeline(bundle(inland), EAST)
    again.restore(east.state())
    assert not again.process(records * 2)
    other = forwards[0].finding.model_copy(update={"level": 4})
    with pytest.raises(OtherContent, match="other content"):
        again.process([FindingRecord.of(forwards[0]._replace(finding=other))])


def test_ids_that_an_earlier_release_met_are_still_met() -> None:
    met = Met()
    met.restore({"finding/f-1": bytes([1]) + START.to_bytes(8, "little", signed=True)})
    assert not met.first("finding/f-1", START, b"content")
    assert met.first("finding/f-2", START, b"content")
    assert not met.first("finding/f-2", START)
