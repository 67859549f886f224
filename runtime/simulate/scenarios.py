"""Scenarios: which hazards play, when, and how their readings travel.

In      a place, a seed
Out     `Scenario`: sources of readings, true courses, the hours that are worth seeing
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from runtime.simulate.chance import chance
from runtime.simulate.delivery import Lateness
from runtime.simulate.faults import calm_faults, losses
from runtime.simulate.fire import Cameras, Fire, Fog, dusk_and_dawn_us, witnesses
from runtime.simulate.landslide import MOISTURE_EVERY, Failure, Points, Slopes, instrument_of
from runtime.simulate.place import Floats, Place
from runtime.simulate.rain import STEP_US, Gauges, showers_mm, tips
from runtime.simulate.seismic import Quake, Windows, gains, shaking, truck
from runtime.simulate.storm import STEPS_AN_HOUR, Field, storm_field
from runtime.simulate.truth import Course, intensity, shaking_level, slope_levels
from runtime.simulate.writing import Source
from schemas.area import Tier
from schemas.hazard import Hazard
from schemas.times import DAY, HOUR, MINUTE, SECOND, Micros, to_micros


@dataclass(frozen=True)
class Scenario:
    """One simulated stretch of time.

    Attributes
    ----------
    start_us, stop_us
        Its whole length.
    worst_us
        The hours in which most happens; what a short demonstration should show.
    delivery
        None where everything arrives at once.
    """

    name: str
    start_us: Micros
    stop_us: Micros
    worst_us: tuple[Micros, Micros]
    sources: tuple[Source, ...]
    courses: tuple[Course, ...]
    delivery: Lateness | None = None


STORM_START_US = to_micros(datetime(2026, 7, 17, 12, tzinfo=UTC))
"""20:00 in China: the day of warnings runs from 20:00 to 20:00."""
STORM_HOURS = 24
QUIET_START_US = to_micros(datetime(2026, 1, 31, 16, tzinfo=UTC))
QUIET_DAYS = 28
QUAKE_US = to_micros(datetime(2026, 5, 12, 6, 28, 4, tzinfo=UTC))
FIRE_START_US = to_micros(datetime(2026, 3, 20, 4, tzinfo=UTC))
FIRE_HOURS = 6


def storm(place: Place, seed: int, name: str = "storm") -> Scenario:
    """A rain band crosses the city; floods in townships, two slopes fail."""
    start, hours = STORM_START_US, STORM_HOURS
    field = storm_field(place, start, hours, chance(name, seed, "rain"))
    rainfall = field.rainfall()
    counted = tips(rainfall.gauges_mm, chance(name, seed, "gauges"))
    counted = losses(counted, chance(name, seed, "losses"), 0.001)
    slopes, slides = _failing_slopes(place, field, name, seed, start, hours)
    cameras = _cameras(place, start, start + hours * HOUR, name, seed)
    gauges = Gauges([g.id for g in field.gauges], counted, start)
    return Scenario(
        name,
        start,
        start + hours * HOUR,
        (start + 690 * MINUTE, start + 870 * MINUTE),
        (gauges, Points(slopes, start), cameras),
        (*field.courses(rainfall), *slides),
    )


def quiet(place: Place, seed: int) -> Scenario:
    """A calm month: light rain, noise, sick instruments, trucks, fog. Nothing happens."""
    name, start, hours = "quiet", QUIET_START_US, QUIET_DAYS * 24
    stop = start + hours * HOUR
    draw = chance(name, seed, "rain")
    gauges = place.of_kind("rain")
    ends_h = (1 + np.arange(hours * STEPS_AN_HOUR)) / STEPS_AN_HOUR
    counted = tips(showers_mm(draw, place.plane_km(gauges), ends_h, QUIET_DAYS), draw)
    slopes = _slopes_at_rest(place, start, hours, name, seed)
    counted = calm_faults(counted, slopes, chance(name, seed, "faults"))
    cameras = _cameras(place, start, stop, name, seed)
    fogs = chance(name, seed, "fog")
    for day in range(QUIET_DAYS):
        if fogs.random() < 0.3:
            low, high = dusk_and_dawn_us(start + day * DAY + 8 * HOUR)
            begins = low + int(fogs.integers(0, 60)) * MINUTE
            camera = int(fogs.integers(0, len(place.of_kind("camera"))))
            cameras.watch_fog(Fog(camera, begins, high - int(fogs.integers(0, 40)) * MINUTE))
    return Scenario(
        name,
        start,
        stop,
        (start, start + 3 * HOUR),
        (
            Gauges([g.id for g in gauges], counted, start),
            Points(slopes, start),
            cameras,
            _trucks(place, seed),
        ),
        (),
    )


def quake(place: Place, seed: int) -> Scenario:
    """An earthquake of magnitude 5.5 in the north of Tongjiang, in one window."""
    start, stop = QUAKE_US - 30 * SECOND, QUAKE_US + 90 * SECOND
    windows, course = _quake(place, "quake", seed, QUAKE_US)
    return Scenario("quake", start, stop, (start, stop), (windows,), (course,))


def fire(place: Place, seed: int) -> Scenario:
    """A forest burns on a dry afternoon; three cameras see its smoke."""
    start, stop = FIRE_START_US, FIRE_START_US + FIRE_HOURS * HOUR
    cameras = _cameras(place, start, stop, "fire", seed)
    course = _burn(place, cameras, "fire", seed, start + 80 * MINUTE, start + 260 * MINUTE)
    return Scenario("fire", start, stop, (start + 80 * MINUTE, start + 260 * MINUTE), (cameras,), (course,))


def mixed(place: Place, seed: int) -> Scenario:
    """The storm, a fire before it in the south, an earthquake in it; readings late, repeated and in conflict."""
    base = storm(place, seed, "mixed")
    windows, shaken = _quake(place, "mixed", seed, base.start_us + 15 * HOUR + 20 * MINUTE)
    cameras = next(source for source in base.sources if isinstance(source, Cameras))
    burnt = _burn(
        place, cameras, "mixed", seed, base.start_us + 10 * HOUR, base.start_us + 13 * HOUR, county="511923"
    )
    return Scenario(
        "mixed",
        base.start_us,
        base.stop_us,
        base.worst_us,
        (*base.sources, windows),
        (*base.courses, shaken, burnt),
        Lateness(chance("mixed", seed, "delivery"), base.start_us, base.stop_us),
    )


SCENARIOS: Mapping[str, Callable[[Place, int], Scenario]] = {
    "storm": storm,
    "quake": quake,
    "fire": fire,
    "quiet": quiet,
    "mixed": mixed,
}
"""Every scenario by name."""


def _cameras(place: Place, start: Micros, stop: Micros, name: str, seed: int) -> Cameras:
    stations = place.of_kind("camera")
    return Cameras(
        [s.id for s in stations], place.plane_km(stations), start, stop, chance(name, seed, "cameras")
    )


def _slopes_at_rest(place: Place, start: Micros, hours: int, name: str, seed: int) -> Slopes:
    first_hour = (start // HOUR + 1) % 24
    stations = [s.id for s in place.of_kind("landslide")]
    return Slopes.at_rest(stations, hours, first_hour, chance(name, seed, "slopes"))


def _failing_slopes(
    place: Place, field: Field, name: str, seed: int, start: Micros, hours: int
) -> tuple[Slopes, list[Course]]:
    """Slopes of which two fail where it rained most, and their true courses."""
    slopes = _slopes_at_rest(place, start, hours, name, seed)
    points = place.of_kind("landslide")
    points_km = place.plane_km(points)
    draw = chance(name, seed, "failures")
    moist = points_km[::MOISTURE_EVERY]
    slopes.wet(_hourly_near(field, place, moist))
    total_mm = _hourly_near(field, place, points_km).sum(axis=1)
    counties = [str(place.areas.at_tier(p.area, Tier.COUNTY)) for p in points]
    courses: list[Course] = []
    used: set[str] = set()
    for instrument, earliest_latest_h in (("displacement", (16.2, 16.8)), ("crack", (18.0, 18.6))):
        able = [
            k
            for k in np.argsort(-total_mm, kind="stable").tolist()
            if instrument_of(k) == instrument and counties[k] not in used
        ]
        point = int(able[int(draw.integers(0, min(6, len(able))))])
        used.add(counties[point])
        fails_h = float(draw.uniform(*earliest_latest_h))
        failure = Failure(float(draw.uniform(3.2, 3.8)), fails_h - 10.5, fails_h, float(draw.uniform(13, 15)))
        slopes.move(point, failure.displacement_mm(np.arange(1.0, hours + 1)))
        course = _slide(points[point].area, failure, start)
        if course is not None:
            courses.append(course)
    return slopes, courses


def _slide(area: str, failure: Failure, start: Micros) -> Course | None:
    fine_h = np.arange(0, failure.fails_h, 1 / 12)
    levels = slope_levels(failure.velocity_mm_day(fine_h), failure.creep_mm_day, failure.fails_h - fine_h)
    return Course.of_series(Hazard.LANDSLIDE, area, levels, start, STEP_US)


def _hourly_near(field: Field, place: Place, points_km: Floats) -> Floats:
    """True rain of each hour at the gauge nearest to each point, mm, shape (n, hours)."""
    gauges_km = place.plane_km(field.gauges)
    nearest = np.array(
        [int(np.argmin(np.hypot(gauges_km[:, 0] - x, gauges_km[:, 1] - y))) for x, y in points_km.tolist()]
    )
    depths = field.rainfall().gauges_mm
    hourly = depths.reshape(len(depths), -1, STEPS_AN_HOUR).sum(axis=2)
    return np.asarray(hourly[nearest], dtype=np.float64)


def _quake(place: Place, name: str, seed: int, origin_us: Micros) -> tuple[Windows, Course]:
    draw = chance(name, seed, "quake")
    county = next(a for a in place.of_tier(Tier.COUNTY) if a.code == "511921")
    seat = place.plane_km([county])[0]
    # Some 29 km from the seat, so that the county's intensity lies in the middle of a level.
    position = (float(seat[0] + 10.5 + draw.uniform(-2, 2)), float(seat[1] + 27.0 + draw.uniform(-2, 2)))
    event = Quake(origin_us, position, float(draw.uniform(9, 14)), 5.5)
    stations = place.of_kind("seismic")
    positions = place.plane_km(stations)
    windows = Windows()
    window_s = 120
    for station, gain, at in zip(stations, gains([s.parameters for s in stations]), positions, strict=True):
        start_us = origin_us - 30 * SECOND
        windows.add(station.id, gain, start_us, shaking(event, at, start_us, window_s, draw))
    counties_km = place.plane_km(place.of_tier(Tier.COUNTY))
    away = np.hypot(counties_km[:, 0] - position[0], counties_km[:, 1] - position[1])
    level = max(shaking_level(intensity(event.magnitude, float(km))) for km in away)
    city = place.areas.top(county.code)
    return windows, Course(Hazard.EARTHQUAKE, city, (origin_us,), (level,), origin_us + 90 * SECOND)


def _burn(
    place: Place,
    cameras: Cameras,
    name: str,
    seed: int,
    ignites_us: Micros,
    ends_us: Micros,
    county: str | None = None,
) -> Course:
    """Burn a wood well inside a township that three cameras see; yellow with one camera, orange with two."""
    draw = chance(name, seed, "fire")
    cameras_km = place.plane_km(place.of_kind("camera"))
    townships = place.of_tier(Tier.TOWNSHIP)
    villages = [
        v for v in place.of_tier(Tier.VILLAGE) if county is None or place.areas.contains(county, v.code)
    ]
    townships_km, villages_km = place.plane_km(townships), place.plane_km(villages)
    all_km = place.plane_km(place.of_tier(Tier.VILLAGE))
    owner = np.array([str(v.parent) for v in place.of_tier(Tier.VILLAGE)])
    for pick in draw.permutation(len(villages)).tolist():
        x, y = villages_km[pick].tolist()
        home = str(villages[pick].parent)
        to_middle = np.hypot(townships_km[:, 0] - x, townships_km[:, 1] - y)
        near = np.argsort(to_middle)[:2]
        strangers = np.hypot(all_km[:, 0] - x, all_km[:, 1] - y)[owner != home]
        inside = townships[int(near[0])].code == home and to_middle[near[1]] - to_middle[near[0]] > 2.0
        seen = witnesses(cameras_km, (x, y))
        if inside and strangers.min() > 2.0 and seen is not None:
            drift_m = (float(draw.uniform(-150, 150)), float(draw.uniform(-150, 150)))
            visible = cameras.watch_fire(Fire((x, y), ignites_us, ends_us, drift_m), seen)
            first, second = sorted(visible.values())[:2]
            return Course(Hazard.FOREST_FIRE, home, (first, second), (2, 3), ends_us)
    raise ValueError("no wood of this place is seen by three cameras")


def _trucks(place: Place, seed: int) -> Windows:
    """Some forty trucks in the month, each before one station."""
    draw = chance("quiet", seed, "trucks")
    stations = place.of_kind("seismic")
    gain = gains([s.parameters for s in stations])
    windows = Windows()
    for _ in range(40):
        at = int(draw.integers(0, len(stations)))
        start_us = QUIET_START_US + int(draw.integers(0, QUIET_DAYS * 86_400 - 60)) * SECOND
        windows.add(stations[at].id, gain[at], start_us, truck(30, float(draw.uniform(0.004, 0.03)), draw))
    return windows
