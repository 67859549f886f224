"""Fire fixes: where the bearings of several cameras cross.

In      `Sighting` items, one by one
Out     `forest_fire` findings (detector `fire.fix`), one subject a fire and township, one level above its sightings
State   one row a standing sighting, one a fire, one for the running number; layout 1
Source  two cameras within 30 min, crossing at 15 to 165 degrees, least squares (DOMAIN 5.1)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from detectors.base import Marks, check_version, figure
from detectors.fire.geometry import Fix, Plane, Sight, apart_deg, crossing_deg, fix
from detectors.fire.parameters import FireParameters
from detectors.fire.sighting import Sighting
from schemas.area import Area, Tier
from schemas.bundle import Bundle
from schemas.finding import Finding, Forward, make_finding
from schemas.hazard import Hazard
from schemas.times import Micros, seconds

_COUNTER = "fires"
_JOIN_SIGMAS = 3.0
_JOIN_LEAST_DEG = 2.0


class _Fire(msgspec.Struct):
    """A fire that two or more cameras agree on."""

    number: int
    members: list[str]
    """Subjects of the sightings whose bearings cross in it, sorted."""
    level: int
    area: str
    moves: int
    """How often its township changed; part of its subject."""
    elsewhere: int
    """Fixes in a row in another township."""
    said: int
    """Findings made of it."""
    forwarded: bool = False
    """Whether the association area in which it now lies was told of it."""

    @property
    def subject(self) -> str:
        return f"fire-{self.number}" + (f"/{self.moves}" if self.moves else "")


class FireFix:
    """Cross the bearings of cameras that see a fire.

    A sighting joins the fire that its bearing passes; else it is crossed with every other standing sighting of
    another camera, and the crossing with the smallest ellipse is a new fire. The fire stands one level above its
    highest sighting, and is over when the last of its sightings is.

    Of several association areas the one that it lies in speaks of a fire. Another that hears cameras which that one does
    not hear forwards it; else it stays silent, for the other sees as much.
    """

    name = "fire.fix"
    state_version = 1
    takes = (Sighting,)

    def __init__(self, parameters: FireParameters, bundle: Bundle) -> None:
        self._parameters = parameters
        self._bundle = bundle
        self._townships = _Townships(bundle)
        self._sightings: dict[str, Sighting] = {}
        self._fires: dict[int, _Fire] = {}
        self._numbered = 0
        self._marks = Marks()

    def process(self, item: Any, now: Micros) -> list[Any]:
        """See `schemas.stage.NetworkStage`."""
        sighting: Sighting = item
        if sighting.station not in self._bundle.stations.row_of:
            return []
        self._marks.touch(f"sighting/{sighting.subject}")
        if sighting.level == 0:
            self._sightings.pop(sighting.subject, None)
            ended = [
                (fire, finding)
                for fire in self._of(sighting.subject)
                for finding in self._end(fire, sighting)
            ]
            return [told for fire, finding in ended for told in self._told(fire, finding, now)]
        self._sightings[sighting.subject] = sighting
        fires = self._of(sighting.subject) or self._joined(sighting) or self._opened(sighting)
        return [
            told
            for fire in fires
            for finding in self._weigh(fire, sighting)
            for told in self._told(fire, finding, now)
        ]

    def _told(self, fire: _Fire, finding: Finding, now: Micros) -> Iterator[Finding | Forward]:
        """A finding of ours; or forwarded to the area that it lies in, where that may not see it by itself."""
        if self._bundle.is_ours(finding.area):
            yield finding
            return
        holder = self._bundle.association_of(finding.area)
        seen_there = all(self._bundle.hears(camera, holder) for camera in finding.stations)
        fire.forwarded = fire.forwarded or not seen_there
        if fire.forwarded:
            yield Forward(holder, finding, now)

    def tick(self, now: Micros) -> list[Any]:
        """Nothing happens here by time alone."""
        return []

    def next_due(self) -> Micros | None:
        """Never: only sightings raise or lower a fire."""
        return None

    def changed(self) -> Mapping[str, bytes | None]:
        """See `schemas.stage.Kept`."""
        return {key: self._row(key) for key in self._marks.take()}

    def saved(self, token: Any) -> None:
        """See `schemas.stage.Kept`."""
        self._marks.saved()

    def state(self) -> Mapping[str, bytes]:
        """See `schemas.stage.Kept`."""
        keys = [f"sighting/{subject}" for subject in self._sightings]
        keys += [f"fire/{number}" for number in self._fires]
        rows = {key: row for key in sorted(keys) if (row := self._row(key)) is not None}
        if self._numbered:
            rows[_COUNTER] = self._head + msgspec.msgpack.encode(self._numbered)
        return rows

    def restore(self, state: Mapping[str, bytes]) -> None:
        """See `schemas.stage.Kept`."""
        for key, value in state.items():
            kind, _, name = key.partition("/")
            if kind == "sighting":
                check_version(self.name, value, self.state_version)
                sighting = msgspec.msgpack.decode(value[1:], type=Sighting)
                if sighting.station in self._bundle.stations.row_of:
                    self._sightings[name] = sighting
            elif kind == "fire":
                check_version(self.name, value, self.state_version)
                fire = msgspec.msgpack.decode(value[1:], type=_Fire)
                self._fires[fire.number] = fire
            elif key == _COUNTER:
                check_version(self.name, value, self.state_version)
                self._numbered = msgspec.msgpack.decode(value[1:], type=int)

    @property
    def _head(self) -> bytes:
        return bytes([self.state_version])

    def _row(self, key: str) -> bytes | None:
        kind, _, name = key.partition("/")
        value: Any
        if kind == "sighting":
            value = self._sightings.get(name)
        elif kind == "fire":
            value = self._fires.get(int(name))
        else:
            value = self._numbered
        return None if value is None else self._head + msgspec.msgpack.encode(value)

    def _of(self, subject: str) -> list[_Fire]:
        """Fires of which a sighting is a member."""
        return [fire for number, fire in sorted(self._fires.items()) if subject in fire.members]

    def _sight(self, sighting: Sighting) -> Sight:
        station = self._bundle.stations[self._bundle.stations.row_of[sighting.station]]
        return Sight((station.lon, station.lat), sighting.bearing_deg, sighting.sigma_deg)

    def _range_m(self, sighting: Sighting) -> float:
        station = self._bundle.stations[self._bundle.stations.row_of[sighting.station]]
        return float(station.parameters.get("range_m") or self._parameters.range_m)

    def _standing(self, fire: _Fire) -> list[Sighting]:
        return [self._sightings[subject] for subject in fire.members if subject in self._sightings]

    def _joined(self, sighting: Sighting) -> list[_Fire]:
        """The fires that a new sighting's bearing passes, at most one: the nearest by angle."""
        near: list[tuple[float, int]] = []
        for number, fire in sorted(self._fires.items()):
            members = self._standing(fire)
            if any(m.station == sighting.station for m in members) or len(members) < 2:
                continue
            if not any(self._together(sighting, member) for member in members):
                continue
            place = self._place(members)
            wider = self._place([*members, sighting])
            if place is None or wider is None:
                continue
            off = abs(_off_deg(self._sight(sighting), place))
            if off <= max(_JOIN_LEAST_DEG, _JOIN_SIGMAS * sighting.sigma_deg):
                near.append((off, number))
        if not near:
            return []
        fire = self._fires[min(near)[1]]
        fire.members = sorted([*fire.members, sighting.subject])
        return [fire]

    def _opened(self, sighting: Sighting) -> list[_Fire]:
        """A new fire where the sighting crosses that of another camera."""
        best: tuple[float, str] | None = None
        for subject, other in sorted(self._sightings.items()):
            if other.station == sighting.station or self._of(subject) or not self._together(sighting, other):
                continue
            place = self._place([sighting, other])
            if place is not None and (best is None or (place.semi_major_m, subject) < best):
                best = (place.semi_major_m, subject)
        if best is None:
            return []
        self._numbered += 1
        fire = _Fire(self._numbered, sorted([sighting.subject, best[1]]), 0, "", 0, 0, 0)
        self._fires[fire.number] = fire
        self._marks.touch(_COUNTER)
        return [fire]

    def _together(self, one: Sighting, other: Sighting) -> bool:
        near = abs(one.observed_us - other.observed_us) <= seconds(self._parameters.crossing_window_s)
        angle = crossing_deg(one.bearing_deg, other.bearing_deg)
        least = self._parameters.crossing_least_deg
        return near and least <= angle <= 180.0 - least

    def _place(self, sightings: Sequence[Sighting]) -> Fix | None:
        """Where sightings cross, if that lies before each camera and within its range."""
        found = fix([self._sight(sighting) for sighting in sightings])
        if found is None:
            return None
        least_m = self._parameters.crossing_least_m
        for distance, sighting in zip(found.ranges_m, sightings, strict=True):
            if not least_m <= distance <= self._range_m(sighting):
                return None
        return found

    def _weigh(self, fire: _Fire, cause: Sighting) -> Iterator[Finding]:
        """See whether a fire rises, or lies in another township than was said."""
        self._marks.touch(f"fire/{fire.number}")
        members = self._standing(fire)
        place = self._place(members)
        # Bearings that no longer cross (one camera's smoke drifted) leave the fire where it was.
        township = fire.area if place is None else self._townships.of(place, members[0].station)
        if not fire.area:
            fire.area = township
        elif township != fire.area:
            fire.elsewhere += 1
            if place is not None and fire.elsewhere >= self._parameters.township_turns:
                yield self._finding(fire, cause, members, None, 0)
                fire.area, fire.moves, fire.elsewhere, fire.level = township, fire.moves + 1, 0, 0
                fire.forwarded = False
        else:
            fire.elsewhere = 0
        level = min(4, max(m.level for m in members) + 1)
        if level != fire.level and (place is not None or level < fire.level):
            fire.level = level
            yield self._finding(fire, cause, members, place, level)

    def _end(self, fire: _Fire, cause: Sighting) -> Iterator[Finding]:
        """A sighting of a fire is over: so is the fire, if it was the last; else its level follows the others."""
        self._marks.touch(f"fire/{fire.number}")
        members = self._standing(fire)
        if members:
            level = min(4, max(m.level for m in members) + 1)
            if level < fire.level:
                fire.level = level
                yield self._finding(fire, cause, members, None, level)
            return
        del self._fires[fire.number]
        yield self._finding(fire, cause, members, None, 0)

    def _finding(
        self, fire: _Fire, cause: Sighting, members: Sequence[Sighting], place: Fix | None, level: int
    ) -> Finding:
        fire.said += 1
        cameras = sorted({m.station for m in members} or {cause.station})
        against = []
        if level and place is None:
            against.append("各方位线此刻不相交，位置按先前定位")
        if level and len(cameras) == 2:
            against.append("仅两台摄像机交会")
        # What is another's is told apart from what that finds by itself.
        mark = "" if self._bundle.is_ours(fire.area) else self._bundle.mark
        hottest = max((m.temperature_c for m in members if m.temperature_c is not None), default=None)
        return make_finding(
            hazard=Hazard.FOREST_FIRE,
            detector="fire.fix",
            level=level,
            area=fire.area,
            stations=tuple(cameras),
            observed_us=cause.observed_us,
            evidence={
                "label": cause.label,
                "bearing_deg": figure(cause.bearing_deg, 1),
                "bearing_sigma_deg": figure(cause.sigma_deg, 1),
                "frames": cause.frames,
                "threshold_frames": self._parameters.slow_hits,
                "cameras": cameras,
                "bearings_deg": {m.station: figure(m.bearing_deg, 1) for m in members},
                "ellipse_m": None
                if place is None
                else [round(place.semi_major_m), round(place.semi_minor_m)],
                "ellipse_azimuth_deg": None if place is None else round(place.azimuth_deg),
                "ranges_m": None if place is None else [round(distance) for distance in place.ranges_m],
                "max_temperature_c": None if hottest is None else figure(hottest, 1),
                "danger_grade": None,
            },
            against=tuple(against),
            position=None if place is None else (round(place.position[0], 5), round(place.position[1], 5)),
            number=fire.said,
            subject=f"{mark}/{fire.subject}" if mark else fire.subject,
            mark=mark,
        )


class _Townships:
    """Which township a position lies in: that of the nearest village's middle, as long as no outline is surveyed."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        villages = [area for area in bundle.areas if area.tier is Tier.VILLAGE]
        townships = [area for area in bundle.areas if area.tier is Tier.TOWNSHIP]
        self._places: list[Area] = sorted(villages or townships, key=lambda area: area.code)

    def of(self, place: Fix, camera: str) -> str:
        """The township's code; the camera's own area where no township is known."""
        own = self._bundle.stations[self._bundle.stations.row_of[camera]].area
        plane = Plane(*place.position)

        def away(area: Area) -> float:
            x, y = plane.metres((area.lon, area.lat))
            return x * x + y * y

        nearest = min(self._places, key=away, default=None)
        if nearest is None:
            return own
        return self._bundle.areas.at_tier(nearest.code, Tier.TOWNSHIP) or own


def _off_deg(sight: Sight, place: Fix) -> float:
    """The angle between a bearing and the direction to a place."""
    plane = Plane.around([sight.position, place.position])
    (x, y), (u, v) = plane.metres(sight.position), plane.metres(place.position)
    return apart_deg(sight.bearing_deg, _azimuth_deg(u - x, v - y))


def _azimuth_deg(east: float, north: float) -> float:
    return math.degrees(math.atan2(east, north)) % 360.0
