"""Rain: what fell in rolling windows, graded by the four rainstorm signals at each gauge.

In      rain packets, assessed; keyed by station
Out     `rainstorm` findings of detector `rain.signal` at each rise and fall of a gauge's standing level;
        `RainTotals` for the flash-flood rule while a gauge's sums could matter to it
State   see `detectors.rain.buckets`; beside it the standing levels of gauges; layout 2
Source  CMA Order 16 (2007): 50 mm in 12 h blue, in 6 h yellow, in 3 h orange, 100 mm in 3 h red;
        "may continue", hold time and missing share are our choices (DOMAIN, 2.1)

A level rises where the sum has reached its depth and rain may continue; it falls when the sums of good
readings have been below it for the hold time, whether or not it still rains a little.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.base import (
    LEVELS,
    NEVER,
    STANDING,
    Standing,
    StationRows,
    clear_standings,
    figure,
    in_row_order,
    passes,
    scores,
)
from detectors.rain.buckets import END, Rainfall, last_bucket, spread_over
from detectors.rain.critical import FlashFloodParameters
from detectors.rain.parameters import RainParameters, Signal
from detectors.rain.totals import RainTotals
from schemas.bundle import Bundle
from schemas.finding import Finding, make_finding
from schemas.hazard import Hazard
from schemas.packet import SUSPECT as SUSPECT_FLAG
from schemas.packet import Packet
from schemas.stage import Emitted
from schemas.times import HOUR, MINUTE, Micros, rfc3339, seconds

_UM_A_MM = 1000
_DAY_BUCKETS = 24 * 60
_TOLD_ON: Micros = 30 * HOUR
"""How long sums are still told when none matters any more: until a day's window is whole again, and a hold."""


class RainSignal:
    """Grade the accumulated rain of many gauges at once."""

    name = "rain"
    state_version = 2
    kinds = frozenset({"rain"})

    _ROW = np.dtype([("standing", STANDING), ("told_until_us", "<i8")])

    def __init__(self, parameters: RainParameters, bundle: Bundle) -> None:
        self.parameters = parameters
        self.stations = bundle.stations
        self._place_of_row = self.stations.places_of("rain")
        self._row_of_place = self.stations.rows_of("rain")
        self._interval_us = self.stations.interval_us[self._row_of_place]
        flood = FlashFloodParameters.model_validate(bundle.policy.get("flash_flood", {}))
        floors = flood.floors_um()
        self._flood_h = tuple(floors)
        windows_h = sorted({1, 3, 6, 12, 24, *floors, *(signal.window_h for signal in parameters.signals)})
        self._windows_h = tuple(windows_h)
        self._flood_at = np.array([windows_h.index(hours) for hours in floors], dtype=np.intp)
        self._flood_um = np.array([*floors.values()], dtype=np.int64)
        self._signals = [
            (signal, windows_h.index(signal.window_h), round(signal.rain_mm * _UM_A_MM))
            for signal in sorted(parameters.signals, key=lambda s: s.level)
        ]
        self._widest = max(signal.window_h for signal in parameters.signals) * 60
        self._wet_um = round(parameters.may_continue_mm * _UM_A_MM)
        self._recent = seconds(parameters.may_continue_s) // MINUTE
        ids = [self.stations[row].id for row in self._row_of_place.tolist()]
        self.rain = Rainfall(self.name, self.state_version, ids, windows_h, flood.antecedent_decay)
        self._state = np.zeros(len(ids), dtype=self._ROW)
        clear_standings(self._state["standing"])
        self._state["told_until_us"] = NEVER
        self._standing = Standing(self._state["standing"], seconds(parameters.hold_s))
        self._rows = StationRows(self.name, self.state_version, ids, self._state, head="level=")

    # --- in ----------------------------------------------------------------------------------------------------

    def process(self, packet: Packet, now: Micros) -> list[Emitted]:
        emitted: list[Emitted] = []
        usable = scores(packet.flag, packet.counts)
        for turn in packet.turns():
            index = turn[usable[turn]]
            if len(index):
                self._take(packet, index, emitted)
        self.rain.forget(now)
        return in_row_order(emitted)

    def _take(self, packet: Packet, index: NDArray[np.intp], emitted: list[Emitted]) -> None:
        places = self._place_of_row[packet.row[index]]
        last = last_bucket(packet.observed_us[index])
        spread = spread_over(packet.columns["interval_us"][index])
        flag = packet.flag[index]
        late = last <= self.rain.newest[places]
        self.rain.add(places, last, packet.columns["rain_um"][index], spread, flag == SUSPECT_FLAG)
        level = self._grade(self.rain.sums_um[places])
        floods_um = self.rain.sums_um[places[:, None], self._flood_at]
        matters: NDArray[np.bool_] = np.any(floods_um >= self._flood_um, axis=1) & ~late
        told = ~late & (matters | (self._state["told_until_us"][places] >= packet.observed_us[index]))
        stands = self._state["standing"]["level"][places]
        active = np.flatnonzero(~late & ((level > 0) | (stands > 0)))
        if len(active):
            self._grade_next(
                packet, index[active], places[active], last[active], spread[active], level[active], emitted
            )
        for k in np.flatnonzero(told).tolist():
            reading = _Reading(packet, int(index[k]), int(places[k]), int(last[k]), int(spread[k]))
            self._tell(reading, bool(matters[k]), floods_um[k].tolist(), emitted)
        for k in np.flatnonzero(late).tolist():
            reading = _Reading(packet, int(index[k]), int(places[k]), int(last[k]), int(spread[k]))
            self._grade_late(reading, emitted)

    def _grade(self, sums_um: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Levels that sums have reached, (m,); `sums_um` is (m, windows)."""
        level = np.zeros(len(sums_um), dtype=np.uint8)
        for signal, window, depth_um in self._signals:
            level[sums_um[:, window] >= depth_um] = signal.level
        return level

    # --- levels ------------------------------------------------------------------------------------------------

    def _grade_next(
        self,
        packet: Packet,
        index: NDArray[np.intp],
        places: NDArray[np.intp],
        last: NDArray[np.int64],
        spread: NDArray[np.int64],
        level: NDArray[np.uint8],
        emitted: list[Emitted],
    ) -> None:
        """Grade the newest readings of gauges that stand or could rise, all (m,)."""
        stands = self._state["standing"]["level"][places]
        raises = np.where(level > stands, level, 0).astype(np.uint8)
        for k in np.flatnonzero(raises).tolist():
            if not self._may_continue(int(places[k]), int(last[k]), int(spread[k])):
                raises[k] = 0
        good = np.repeat((passes(packet.flag[index]) & (stands > 0))[:, None], LEVELS, axis=1)
        # Nearly always every window is measured whole; the few others are looked at one by one.
        gappy = good[:, 0] & (last - self._widest < self.rain.gap[places])
        for k in np.flatnonzero(gappy).tolist():
            good[k] = self._measured(int(places[k]), int(last[k]))
        stated_us, own_us = packet.columns["interval_us"][index], self._interval_us[places]
        rose, fell = self._standing.update(
            places,
            raises,
            packet.observed_us[index],
            good,
            packet.log_us[index],
            np.where(own_us > 0, np.maximum(own_us, stated_us), 0),
            holds=level,
        )
        self._rows.touch(places)
        for k in np.flatnonzero(rose | fell).tolist():
            reading = _Reading(packet, int(index[k]), int(places[k]), int(last[k]), int(spread[k]))
            sums_um = self.rain.sums_um[places[k]].tolist()
            finding = self._finding(reading, int(stands[k]), reading.observed_us, sums_um)
            emitted.append(Emitted(reading.index, finding))

    def _grade_late(self, reading: _Reading, emitted: list[Emitted]) -> None:
        """Grade every window of the past that a late reading falls in, at the ends of the readings known."""
        place, last = reading.place, reading.last
        final = min(int(self.rain.newest[place]), last + _DAY_BUCKETS)
        low = last - _DAY_BUCKETS + 1
        total = np.concatenate([[0], np.cumsum(self.rain.um(place, low, final))])
        ends = last + np.flatnonzero(self.rain.marks(place, last, final) & END)
        if not len(ends):
            return  # so old that the ring no longer reaches it
        at = ends - low + 1
        sums_um = total[at][:, None] - total[at[:, None] - self.rain.windows]
        level = self._grade(sums_um)
        recent = max(reading.spread, self._recent)
        wet = total[at] - total[np.maximum(at - recent, 0)] >= self._wet_um
        stands, shown = self._level(place), 0
        for height in range(1, int(level.max()) + 1):
            held = np.flatnonzero(level >= height)
            raised = held[wet[held]] if self.parameters.may_continue else held
            held_us = self._end_us(reading, int(ends[held[-1]]))
            self._stand(reading, height if len(raised) else 0, height, held_us, _NOT_GOOD)
            if len(raised):
                shown = int(raised[0])
        # Of a backlog, readings below a level count as what they are: good evidence of their own time.
        if self._level(place) and reading.passes:
            self._stand(reading, 0, int(level[0]), reading.observed_us, self._measured(place, last))
        if self._level(place) > stands:
            reached_us = self._end_us(reading, int(ends[shown]))
            finding = self._finding(reading, stands, reached_us, sums_um[shown].tolist())
            emitted.append(Emitted(reading.index, finding))
        elif self._level(place) < stands:
            # It was the last that was missing of the evidence; what it ends, it ends as of the newest reading.
            newest_us = min(reading.log_us, self._end_us(reading, int(self.rain.newest[place])))
            finding = self._finding(reading, stands, newest_us, self.rain.sums_um[place].tolist())
            emitted.append(Emitted(reading.index, finding))
        self._tell_late(reading, ends, sums_um, emitted)

    def _stand(
        self, reading: _Reading, raises: int, holds: int, observed_us: Micros, good: NDArray[np.bool_]
    ) -> None:
        self._standing.update(
            np.array([reading.place]),
            np.array([raises], dtype=np.uint8),
            np.array([observed_us]),
            good[None, :],
            np.array([reading.log_us]),
            np.array([self._limit_us(reading)]),
            holds=np.array([holds], dtype=np.uint8),
        )
        self._rows.touch(reading.place)

    def _level(self, place: int) -> int:
        return int(self._state["standing"]["level"][place])

    def _limit_us(self, reading: _Reading) -> Micros:
        own = int(self._interval_us[reading.place])
        return max(own, reading.interval_us) if own else 0

    def _may_continue(self, place: int, last: int, spread: int) -> bool:
        recent = max(spread, self._recent)
        return not self.parameters.may_continue or self.rain.sum_um(place, last, recent) >= self._wet_um

    def _measured(self, place: int, last: int) -> NDArray[np.bool_]:
        """For each level, whether enough was measured to say that the signals at or above it are over."""
        enough = np.ones(LEVELS, dtype=bool)
        for signal, window, _ in self._signals:
            missing = self.rain.missing(place, last, int(self.rain.windows[window]))
            if missing > self.parameters.missing_share:
                enough[: signal.level] = False
        return enough

    def _end_us(self, reading: _Reading, bucket: int) -> Micros:
        return reading.observed_us if bucket == reading.last else (bucket + 1) * MINUTE

    # --- out ---------------------------------------------------------------------------------------------------

    def _finding(self, reading: _Reading, before: int, observed_us: Micros, sums_um: list[int]) -> Finding:
        place = reading.place
        level = self._level(place)
        station = self.stations[int(self._row_of_place[place])]
        # A fall is shown by the window of the level that ended, a rise by that of the level reached.
        signal, window, depth_um = self._shown(max(level, before), sums_um)
        width = int(self.rain.windows[window])
        last = int(last_bucket(np.array([observed_us]))[0])
        missing = self.rain.missing(place, last, width)
        against = []
        if self.rain.suspect(place, last, width):
            against.append("时段内有存疑读数")
        if missing > self.parameters.missing_share:
            against.append(f"时段内缺测{round(100 * missing)}%")
        if last < int(self.rain.newest[place]):
            against.append("由迟到读数判定，为过去时段")
        evidence: dict[str, Any] = {
            "window_h": signal.window_h,
            "rain_mm": figure(sums_um[window] / _UM_A_MM, 1),
            "threshold_mm": figure(depth_um / _UM_A_MM, 1),
            "reached_at": rfc3339(observed_us),
            "missing_share": figure(missing, 2),
        }
        for hours, total in zip(self._windows_h, sums_um, strict=True):
            evidence[f"rain_{hours}h_mm"] = figure(total / _UM_A_MM, 1)
        return make_finding(
            hazard=Hazard.RAINSTORM,
            detector="rain.signal",
            level=level,
            area=station.area,
            stations=(station.id,),
            observed_us=observed_us,
            evidence=evidence,
            number=self._standing.next_number(place),
            subject=station.id,
            against=tuple(against),
            position=(station.lon, station.lat),
        )

    def _shown(self, level: int, sums_um: list[int]) -> tuple[Signal, int, int]:
        own = [entry for entry in self._signals if entry[0].level == level]
        own = own or [entry for entry in self._signals if entry[0].level >= level] or self._signals
        return max(own, key=lambda entry: sums_um[entry[1]] / entry[2])

    def _tell(self, reading: _Reading, matters: bool, sums_um: list[int], emitted: list[Emitted]) -> None:
        place, last = reading.place, reading.last
        if matters:
            self._state["told_until_us"][place] = reading.observed_us + _TOLD_ON
            self._rows.touch(place)
        enough = tuple(
            reading.passes and self.rain.missing(place, last, hours * 60) <= self.parameters.missing_share
            for hours in self._flood_h
        )
        reached_us = (reading.observed_us,) * len(sums_um)
        totals = self._totals(reading, tuple(sums_um), reached_us, enough, late=False)
        emitted.append(Emitted(reading.index, totals))

    def _tell_late(
        self,
        reading: _Reading,
        ends: NDArray[np.int64],
        sums_um: NDArray[np.int64],
        emitted: list[Emitted],
    ) -> None:
        flood_um = sums_um[:, self._flood_at]
        best = flood_um.argmax(axis=0)
        highest = flood_um[best, np.arange(len(best))]
        if not (highest >= self._flood_um).any():
            return
        reached = tuple(self._end_us(reading, int(ends[k])) for k in best.tolist())
        none = (False,) * len(best)
        totals = self._totals(reading, tuple(int(v) for v in highest), reached, none, late=True)
        place = reading.place
        told_us = max(int(self._state["told_until_us"][place]), max(reached) + _TOLD_ON)
        self._state["told_until_us"][place] = told_us
        self._rows.touch(place)
        emitted.append(Emitted(reading.index, totals))

    def _totals(
        self,
        reading: _Reading,
        sums_um: tuple[int, ...],
        reached_us: tuple[Micros, ...],
        good: tuple[bool, ...],
        *,
        late: bool,
    ) -> RainTotals:
        place = reading.place
        newest_um = sums_um if not late else self.rain.sums_um[place, self._flood_at].tolist()
        return RainTotals(
            row=int(self._row_of_place[place]),
            observed_us=reading.observed_us,
            interval_us=self._limit_us(reading),
            windows_h=self._flood_h,
            sums_um=sums_um,
            reached_us=reached_us,
            antecedent_um=self.rain.antecedent_um(place, newest_um),
            good=good,
            late=late,
            suspect=self.rain.suspect(place, int(self.rain.newest[place]), 60 * max(self._flood_h)),
        )

    # --- time and state ----------------------------------------------------------------------------------------

    def tick(self, now: Micros) -> list[Any]:
        del now
        return []

    def next_due(self) -> Micros | None:
        return None

    def changed(self) -> Mapping[str, bytes | None]:
        return {**self.rain.changed(), **self._rows.changed()}

    def saved(self, token: Any) -> None:
        del token
        self.rain.saved()
        self._rows.saved()

    def state(self) -> Mapping[str, bytes]:
        return {**self.rain.state(), **self._rows.state()}

    def restore(self, state: Mapping[str, bytes]) -> None:
        self.rain.restore(state)
        self._rows.restore(state)


_NOT_GOOD = np.zeros(LEVELS, dtype=bool)


class _Reading:
    """One reading of a packet, as plain numbers, for the few that need a closer look."""

    __slots__ = ("index", "interval_us", "last", "log_us", "observed_us", "passes", "place", "spread")

    def __init__(self, packet: Packet, index: int, place: int, last: int, spread: int) -> None:
        self.index = index
        self.place = place
        self.last = last
        self.spread = spread
        self.observed_us = int(packet.observed_us[index])
        self.log_us = int(packet.log_us[index])
        self.interval_us = int(packet.columns["interval_us"][index])
        self.passes = bool(passes(packet.flag[index : index + 1])[0])
