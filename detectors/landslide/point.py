"""Landslide points: velocity and tangential angle of many slopes at once.

In      landslide packets
Out     `landslide` findings (detector `landslide.point`), at each rise and fall of a point's standing level
State   one row a station (level, noise), and one a station and day of hourly buckets; layout 1
Source  improved tangential angle and its levels (Xu Qiang et al. 2009), inverse velocity (Fukuzono 1985); thresholds in
        `LandslideParameters`
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.base import (
    NEVER,
    STANDING,
    Standing,
    StationRows,
    clear_standings,
    in_row_order,
    passes,
    scores,
)
from detectors.landslide.evidence import against, evidence_of
from detectors.landslide.grade import Grade, Grader
from detectors.landslide.measure import noise_of
from detectors.landslide.parameters import LandslideParameters
from detectors.landslide.ring import EMPTY, KINDS, SERIES_OF_KIND, Floats, Places, Ring
from schemas.bundle import Bundle
from schemas.finding import Finding, make_finding
from schemas.hazard import Hazard
from schemas.packet import Packet
from schemas.stage import Emitted
from schemas.times import HOUR, Micros, seconds

_ROW = np.dtype(
    [
        ("standing", STANDING),
        ("noise", "<f8", (len(KINDS),)),
        ("noise_at", "<i8"),
        ("differences", "<i4"),
        ("yellow_us", "<i8", (len(KINDS),)),
        ("holding", "u1"),
        ("failure_us", "<i8"),
    ]
)
_NOISE_EVERY_H = 12
_BELIEVED = 40
"""Second differences from which on a point's own noise is learned only twice a day."""
_NOISE_HOURS = 168
_NOISE_SINCE_H = 6
"""The newest hours are left out of the noise where the older ones tell it: a slope that begins to move is not noisy."""
_SLOW_EVERY_H = 6
_SPARSE_NOISE_HOURS = 12 * 24
_DENSE_NOISE = (8, 2.5)
_SPARSE_NOISE = (5, 1.0)
_NEWS_US = 6 * HOUR
"""A time of failure that moves by less is no news."""


class LandslidePoint:
    """Grade the movement of many landslide points at once.

    A point has up to four kinds of instrument: displacement, crack, GNSS (along the slope of the station's
    `slope_azimuth_deg` and `slope_dip_deg`, else the length of the vector) and tilt. All points of a turn are
    measured in columns; only those where something stands out, or that stand above none, are graded one by one.
    """

    name = "landslide"
    state_version = 1
    kinds = frozenset({"landslide"})

    def __init__(self, parameters: LandslideParameters, bundle: Bundle) -> None:
        self._parameters = parameters
        self._stations = bundle.stations
        rows = bundle.stations.rows_of("landslide")
        self._place_of_row = bundle.stations.places_of("landslide")
        self._row_of_place = rows
        stations = [bundle.stations[int(row)] for row in rows]
        ids = [station.id for station in stations]
        self._interval_us = bundle.stations.interval_us[rows]
        self._slope = np.array([_slope_direction(s.parameters) for s in stations]).reshape(-1, 3)
        v0 = np.array([float(s.parameters.get("v0_mm_day", math.nan)) for s in stations])
        self._v0 = np.where(v0 > 0.0, v0, np.nan)
        self._sparse = self._interval_us >= seconds(parameters.sparse_interval_s)
        self._rows = np.zeros(len(ids), dtype=_ROW)
        clear_standings(self._rows["standing"])
        self._rows["noise"] = [parameters.instrument(kind).noise for kind in KINDS]
        self._rows["noise_at"] = EMPTY
        self._rows["yellow_us"] = NEVER
        self._rows["failure_us"] = NEVER
        self._standing = Standing(self._rows["standing"], seconds(parameters.hold_s))
        self._keys = StationRows(self.name, self.state_version, ids, self._rows)
        self._ring = Ring(self.name, self.state_version, ids)
        self._grader = Grader(parameters, self._ring, self._sparse, self._v0)

    def process(self, packet: Packet, now: Micros) -> list[Emitted]:
        """See `schemas.stage.StationStage`."""
        emitted: list[Emitted] = []
        usable = scores(packet.flag, packet.counts) & (self._place_of_row[packet.row] >= 0)
        for turn in packet.turns():
            turn = turn[usable[turn]]
            if len(turn):
                emitted += self._turn(packet, turn)
        return in_row_order(emitted)

    def tick(self, now: Micros) -> list[Any]:
        """Nothing happens here by time alone."""
        return []

    def next_due(self) -> Micros | None:
        """Never: only readings raise or lower a point."""
        return None

    def changed(self) -> Mapping[str, bytes | None]:
        """See `schemas.stage.Kept`; keys are `<station>` and `<station>/<part of the ring>`."""
        return {**self._keys.changed(), **self._ring.changed()}

    def saved(self, token: Any) -> None:
        """See `schemas.stage.Kept`."""
        self._keys.saved()
        self._ring.saved()

    def state(self) -> Mapping[str, bytes]:
        """See `schemas.stage.Kept`."""
        return {**self._keys.state(), **self._ring.state()}

    def restore(self, state: Mapping[str, bytes]) -> None:
        """See `schemas.stage.Kept`."""
        self._keys.restore(state)
        self._ring.restore({key: value for key, value in state.items() if key not in self._known_ids})

    @property
    def _known_ids(self) -> frozenset[str]:
        return frozenset(self._keys.ids)

    def _turn(self, packet: Packet, turn: NDArray[np.intp]) -> list[Emitted]:
        places = self._place_of_row[packet.row[turn]]
        observed_us = packet.observed_us[turn]
        values = self._values(packet, turn, places)
        said = np.array([~np.isnan(values[list(members)]).any(axis=0) for members in SERIES_OF_KIND])
        some = said.any(axis=0)
        if not some.all():
            turn, places, observed_us, values, said = (
                turn[some],
                places[some],
                observed_us[some],
                values[:, some],
                said[:, some],
            )
            if not len(turn):
                return []
        before = self._ring.newest_hour[:, places].max(axis=0)
        opened = self._ring.add(places, observed_us, values)
        hour = observed_us // HOUR
        self._refresh_noise(places[opened], hour[opened])
        moving = self._stands_out(places, hour, said)
        late = hour < before
        worth = moving | late | (self._standing.levels(places) > 0)
        return [
            emitted
            for k in np.flatnonzero(worth).tolist()
            for emitted in self._one(packet, int(turn[k]), int(places[k]), bool(late[k]))
        ]

    def _values(self, packet: Packet, turn: NDArray[np.intp], places: Places) -> Floats:
        """Values by series, (5, m)."""
        column = {name: packet.columns[name][turn] for name in packet.columns}
        east, north, up = column["gnss_east_mm"], column["gnss_north_mm"], column["gnss_up_mm"]
        slope = self._slope[places]
        along = east * slope[:, 0] + north * slope[:, 1] + up * slope[:, 2]
        length = np.sqrt(east * east + north * north + up * up)
        gnss = np.where(np.isnan(slope[:, 0]), length, along)
        return np.stack(
            [column["displacement_mm"], column["crack_mm"], gnss, column["tilt_x_deg"], column["tilt_y_deg"]]
        )

    def _refresh_noise(self, places: Places, hour: NDArray[np.int64]) -> None:
        """Learn the noise of points anew, each twice a day at hours of its own, sparse ones at each reading."""
        known = self._rows["noise_at"][places]
        new = (self._rows["differences"][places] < _BELIEVED) & (hour > known)
        due = new | ((hour + places) // _NOISE_EVERY_H > (known + places) // _NOISE_EVERY_H)
        for sparse in (False, True):
            chosen = due & (self._sparse[places] == sparse)
            if chosen.any():
                self._learn_noise(
                    places[chosen], hour[chosen], _SPARSE_NOISE_HOURS if sparse else _NOISE_HOURS
                )

    def _learn_noise(self, places: Places, hour: NDArray[np.int64], hours: int) -> None:
        sparse = hours == _SPARSE_NOISE_HOURS
        least, caution = _SPARSE_NOISE if sparse else _DENSE_NOISE
        every = np.arange(hours - 1, -1, -1)[:, None]
        differences = np.zeros(len(places), dtype=np.int64)
        for kind, members in enumerate(SERIES_OF_KIND):
            heard = self._ring.newest_hour[kind, places] != EMPTY
            if not heard.any():
                continue
            some, at = places[heard], hour[heard]
            parameters = self._parameters.instrument(KINDS[kind])
            sigma = np.zeros(len(some))
            for series in members:
                _, value = self._ring.hours(
                    kind, series, some, at - every - (0 if sparse else _NOISE_SINCE_H)
                )
                own, count = noise_of(_packed(value), least, caution)
                few = np.flatnonzero(count < least)
                if not sparse and len(few):
                    # A point that was put in yesterday is not to wait for a noise of its own until it has failed.
                    _, value = self._ring.hours(kind, series, some[few], at[few] - every)
                    own[few], count[few] = noise_of(_packed(value), least, caution)
                sigma = np.maximum(sigma, own)
                differences[heard] = np.maximum(differences[heard], count)
            learned = np.maximum(sigma, parameters.least_noise)
            self._rows["noise"][some, kind] = np.where(
                np.isnan(learned), self._rows["noise"][some, kind], learned
            )
        self._rows["noise_at"][places] = hour
        self._rows["differences"][places] = differences
        self._keys.touch(places)

    def _stands_out(
        self, places: Places, hour: NDArray[np.int64], said: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Which points show anything above none by the newest reading alone, (m,)."""
        found = np.zeros(len(places), dtype=bool)
        # What shows only over days may wait some hours, each point has its own.
        slow = (hour + places) % _SLOW_EVERY_H == 0
        v0 = np.where(np.isnan(self._v0[places]), self._parameters.v0_mm_day, self._v0[places])
        for kind in range(len(KINDS)):
            for sparse in (False, True):
                chosen = said[kind] & (self._sparse[places] == sparse)
                if not chosen.any():
                    continue
                noise = self._rows["noise"][places[chosen], kind]
                signal = self._grader.signal(
                    kind, places[chosen], hour[chosen], noise, v0[chosen], sparse=sparse, slow=slow[chosen]
                )
                found[chosen] |= signal.level > 0
        return found

    def _one(self, packet: Packet, index: int, place: int, late: bool) -> list[Emitted]:
        """Grade one point at one reading, and let its level stand."""
        observed_us, log_us = int(packet.observed_us[index]), int(packet.log_us[index])
        noise = self._rows["noise"][place]
        hour = observed_us // HOUR
        grade = self._combined(place, self._grader.grade(place, hour, noise), observed_us)
        seen_us = observed_us
        if late:
            for later in self._later_hours(place, hour):
                again = self._combined(place, self._grader.grade(place, later, noise), later * HOUR)
                if again.level >= max(grade.level, 1):
                    grade, seen_us = again, later * HOUR
        before = int(self._rows["standing"]["level"][place])
        if before == 0 and grade.level == 0:
            return []
        if grade.level >= max(before, 1):
            self._rows["holding"][place] = sum(
                1 << KINDS.index(kind.kind) for kind in grade.kinds if kind.level >= 1 or kind.single >= 1
            )
        good = bool(passes(packet.flag[index : index + 1])[0]) and self._tells(place, grade, observed_us)
        rose, fell = self._standing.update(
            np.array([place], dtype=np.intp),
            np.array([grade.level], dtype=np.uint8),
            np.array([observed_us]),
            np.array([good]),
            np.array([log_us]),
            self._interval_us[[place]],
            holds_us=np.array([seen_us]),
        )
        self._keys.touch(place)
        level = int(self._rows["standing"]["level"][place])
        narrowed = self._failure_narrowed(place, grade, seen_us) if level >= 2 else False
        if not (rose[0] or fell[0] or narrowed):
            return []
        return [Emitted(index, self._finding(place, grade, observed_us, seen_us))]

    def _failure_narrowed(self, place: int, grade: Grade, seen_us: Micros) -> bool:
        """Whether the time of failure is known for the first time, or has moved so far that machines should hear."""
        ahead = None if grade.leading is None else grade.leading.outlook
        if ahead is None:
            return False
        left_us = seconds(ahead.left_h * 3600.0)
        known_us = int(self._rows["failure_us"][place])
        if known_us > seen_us and abs(seen_us + left_us - known_us) <= max(_NEWS_US, left_us):
            return False
        self._rows["failure_us"][place] = seen_us + left_us
        return True

    def _later_hours(self, place: int, hour: int) -> list[int]:
        """Hours after a late reading whose windows it falls in."""
        newest = int(self._ring.newest_hour[:, place].max())
        filled = [self._ring.filled(kind, place, newest) for kind in range(len(KINDS))]
        return [int(h) for h in np.unique(np.concatenate(filled)) if hour < h <= hour + 7 * 24]

    def _combined(self, place: int, grade: Grade, observed_us: Micros) -> Grade:
        """One level more where two kinds of instrument reached yellow within a day."""
        yellow_us = self._rows["yellow_us"][place]
        for kind in grade.kinds:
            index = KINDS.index(kind.kind)
            if kind.level >= 2 and observed_us > yellow_us[index]:
                yellow_us[index] = observed_us
                self._keys.touch(place)
        recent = (yellow_us > observed_us - seconds(self._parameters.combine_h * 3600.0)) & (
            yellow_us <= observed_us
        )
        if grade.level >= 2 and int(recent.sum()) >= 2:
            return Grade(min(4, grade.level + 1), grade.kinds, True)
        return grade

    def _tells(self, place: int, grade: Grade, observed_us: Micros) -> bool:
        """Whether every kind that held the level up still speaks, and enough readings show how it moves."""
        holding = int(self._rows["holding"][place])
        known = {KINDS.index(kind.kind): kind.known for kind in grade.kinds}
        patience_us = max(2 * int(self._interval_us[place]), HOUR)
        for kind in range(len(KINDS)):
            if not holding >> kind & 1:
                continue
            age_us = observed_us - int(self._ring.newest_hour[kind, place]) * HOUR
            if not known.get(kind, False) or age_us > patience_us + HOUR:
                return False
        return True

    def _finding(self, place: int, grade: Grade, observed_us: Micros, seen_us: Micros) -> Finding:
        station = self._stations[int(self._row_of_place[place])]
        level = int(self._rows["standing"]["level"][place])
        return make_finding(
            hazard=Hazard.LANDSLIDE,
            detector="landslide.point",
            level=level,
            area=station.area,
            stations=(station.id,),
            observed_us=observed_us,
            evidence=evidence_of(self._parameters, self._grader, place, grade, seen_us, level),
            against=against(grade, level),
            position=(station.lon, station.lat),
            number=self._standing.next_number(place),
            subject=station.id,
        )


def _slope_direction(parameters: Mapping[str, Any]) -> tuple[float, float, float]:
    """Unit vector (east, north, up) down the slope; NaN where the station does not say its azimuth."""
    if parameters.get("slope_azimuth_deg") is None:
        return math.nan, math.nan, math.nan
    azimuth = math.radians(float(parameters["slope_azimuth_deg"]))
    dip = math.radians(float(parameters.get("slope_dip_deg", 0.0)))
    return math.sin(azimuth) * math.cos(dip), math.cos(azimuth) * math.cos(dip), -math.sin(dip)


def _packed(value: Floats) -> Floats:
    """Each column's values (w, m) moved up against each other, NaN last: gaps are no noise."""
    gaps = np.isnan(value)
    order = np.argsort(gaps, axis=0, kind="stable")
    packed: Floats = np.take_along_axis(value, order, axis=0)
    return packed
