"""Flash floods: rain at the gauges of a township against its critical rain, by soil wetness.

In      `RainTotals` of gauges, one by one
Out     `flash_flood` findings of detector `rain.flash_flood` at each rise and fall of a township's level
State   one row a township and gauge with its standing level, one row a township with its own; layout 1
Source  see `detectors.rain.critical`

A township stands at the highest level of its gauges. Its gauges are those that stand in it or watch it; a
township without any takes the nearest one within reach. Of several association areas that of the township grades it,
unless its log does not hear that nearest gauge: then the gauge's does, and forwards.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from detectors.base import STANDING, Standing, StationRows, clear_standings, figure
from detectors.rain.critical import UM_A_MM, WETNESS, CriticalRain, FlashFloodParameters
from detectors.rain.totals import RainTotals
from schemas.area import Tier
from schemas.bundle import Bundle
from schemas.finding import Finding, Forward, make_finding
from schemas.hazard import Hazard
from schemas.times import Micros, rfc3339, seconds

__all__ = ["FlashFlood", "FlashFloodParameters"]

_KM_A_DEGREE = 111.195


class FlashFlood:
    """Grade townships by the rain of their gauges."""

    name = "flash_flood"
    state_version = 1
    takes: tuple[type, ...] = (RainTotals,)

    _TOWNSHIP = np.dtype([("level", "u1"), ("number", "<i4"), ("observed_us", "<i8")])

    def __init__(self, parameters: FlashFloodParameters, bundle: Bundle) -> None:
        self.parameters = parameters
        self.bundle = bundle
        self._townships = [area.code for area in bundle.areas if area.tier is Tier.TOWNSHIP]
        self._critical = [self._critical_of(code) for code in self._townships]
        floors = {id(critical): critical.floors_um() for critical in self._critical}
        self._floors_um = [floors[id(critical)] for critical in self._critical]
        self._pairs = self._graded_here(self._paired())
        self._pairs_of_row: dict[int, list[int]] = {}
        self._pairs_of_township: dict[int, list[int]] = {}
        for pair, (township, row) in enumerate(self._pairs):
            self._pairs_of_row.setdefault(row, []).append(pair)
            self._pairs_of_township.setdefault(township, []).append(pair)
        self._standings = np.zeros(len(self._pairs), dtype=STANDING)
        clear_standings(self._standings)
        self._standing = Standing(self._standings, seconds(parameters.hold_s))
        self._levels = np.zeros(len(self._townships), dtype=self._TOWNSHIP)
        keys = [f"{self._townships[t]}/{bundle.stations[row].id}" for t, row in self._pairs]
        stage = self.name, self.state_version
        self._gauge_rows = StationRows(*stage, keys, self._standings, head="gauge=")
        self._rows = StationRows(*stage, self._townships, self._levels, head="area=")

    def process(self, item: RainTotals, now: Micros) -> list[Any]:
        findings: list[Any] = []
        for pair in self._pairs_of_row.get(item.row, ()):
            township = self._pairs[pair][0]
            stands = int(self._standings["level"][pair])
            floors = self._floors_um[township]
            if not stands and not any(
                um >= floors.get(hours, um + 1)
                for hours, um in zip(item.windows_h, item.sums_um, strict=True)
            ):
                continue
            graded = self._grade(self._critical[township], item)
            if not stands and not graded.level:
                continue
            self._standing.update_one(
                pair,
                graded.level,
                graded.reached_us if graded.level else item.observed_us,
                all(item.good) and not item.late,
                now,
                item.interval_us,
            )
            self._gauge_rows.touch(pair)
            if int(self._standings["level"][pair]) != stands:
                finding = self._regrade(township, pair, item, graded)
                if finding is not None and self.bundle.is_ours(finding.area):
                    findings.append(finding)
                elif finding is not None:
                    findings.append(Forward(self.bundle.association_of(finding.area), finding, now))
        return findings

    def tick(self, now: Micros) -> list[Finding]:
        del now
        return []

    def next_due(self) -> Micros | None:
        return None

    # --- grading -----------------------------------------------------------------------------------------------

    def _grade(self, critical: CriticalRain, item: RainTotals) -> _Graded:
        """The highest level that the sums reach, and the window that says so (else the one that comes nearest)."""
        best: _Graded | None = None
        for k, hours in enumerate(item.windows_h):
            depths = critical.depths_mm.get(hours)
            if depths is None:
                continue
            wetness = item.antecedent_um[k] / (self.parameters.soil_capacity_mm * UM_A_MM)
            share = critical.share(hours, wetness)
            level, threshold_um = 0, 0
            for height, depth in enumerate(depths, start=1):
                if depth is None:
                    continue
                depth_um = round(depth * UM_A_MM * share)
                if item.sums_um[k] >= depth_um:
                    level, threshold_um = height, depth_um
                elif not threshold_um:
                    threshold_um = depth_um
            graded = _Graded(level, hours, item.sums_um[k], threshold_um, item.reached_us[k], wetness)
            if best is None or graded.order > best.order:
                best = graded
        assert best is not None, "a township has critical rain of at least one window"
        return best

    def _regrade(self, township: int, pair: int, item: RainTotals, graded: _Graded) -> Finding | None:
        before = int(self._levels["level"][township])
        pairs = self._pairs_of_township[township]
        level = max(int(self._standings["level"][p]) for p in pairs)
        if level == before:
            return None
        observed_us = graded.reached_us
        if level < before:
            # Gauges' readings come in any order; what ends is ended as of no earlier than it was last told.
            observed_us = max(item.observed_us, int(self._levels["observed_us"][township]))
        number = int(self._levels["number"][township]) + 1
        self._levels[township] = (level, number, observed_us)
        self._rows.touch(township)
        holding = [p for p in pairs if level and int(self._standings["level"][p]) == level] or [pair]
        rows = [self._pairs[p][1] for p in holding]
        code = self._townships[township]
        area = self.bundle.areas[code]
        against = []
        if item.suspect:
            against.append("时段内有存疑读数")
        if item.late:
            against.append("由迟到读数判定，为过去时段")
        if len(pairs) > len(holding) and level:
            against.append(f"{len(pairs)}个雨量站中{len(holding)}个达到")
        return make_finding(
            hazard=Hazard.FLASH_FLOOD,
            detector="rain.flash_flood",
            level=level,
            area=code,
            stations=tuple(self.bundle.stations[row].id for row in rows),
            observed_us=observed_us,
            evidence={
                "window_h": graded.window_h,
                "rain_mm": figure(graded.sum_um / UM_A_MM, 1),
                "threshold_mm": figure(graded.threshold_um / UM_A_MM, 1),
                "soil_wetness": figure(min(max(graded.wetness, WETNESS[0]), WETNESS[-1]), 2),
                "reached_at": rfc3339(observed_us),
            },
            number=number,
            subject=code,
            against=tuple(against),
            position=(area.lon, area.lat),
        )

    # --- places ------------------------------------------------------------------------------------------------

    def _critical_of(self, code: str) -> CriticalRain:
        for candidate in self.bundle.areas.lineage(code):
            if candidate in self.parameters.areas:
                return self.parameters.areas[candidate]
        return self.parameters.critical

    def _paired(self) -> list[tuple[int, int]]:
        """Townships and the rows of their gauges, in order of both."""
        index = {code: number for number, code in enumerate(self._townships)}
        gauges = self.bundle.stations.rows_of("rain").tolist()
        pairs: set[tuple[int, int]] = set()
        for row in gauges:
            station = self.bundle.stations[row]
            for code in (station.area, *station.watches):
                township = self.bundle.areas.at_tier(code, Tier.TOWNSHIP)
                if township is not None:
                    pairs.add((index[township], row))
        served = {number for number, _ in pairs}
        for number in range(len(self._townships)):
            near = () if number in served else sorted((self._km(number, row), row) for row in gauges)
            if near and near[0][0] <= self.parameters.reach_km:
                pairs.add((number, near[0][1]))
        return sorted(pairs)

    def _graded_here(self, pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """The pairs of the townships that this association area grades: of all that there are each township has one."""
        here = []
        for township, row in pairs:
            gauge, holder = (
                self.bundle.stations[row].id,
                self.bundle.association_of(self._townships[township]),
            )
            grader = holder if self.bundle.hears(gauge, holder) else self.bundle.home_of(gauge)
            if grader == self.bundle.association:
                here.append((township, row))
        return here

    def _km(self, township: int, row: int) -> float:
        area, station = self.bundle.areas[self._townships[township]], self.bundle.stations[row]
        east = (station.lon - area.lon) * math.cos(math.radians(area.lat))
        return math.hypot(east, station.lat - area.lat) * _KM_A_DEGREE

    # --- state -------------------------------------------------------------------------------------------------

    def changed(self) -> Mapping[str, bytes | None]:
        return {**self._gauge_rows.changed(), **self._rows.changed()}

    def saved(self, token: Any) -> None:
        del token
        self._gauge_rows.saved()
        self._rows.saved()

    def state(self) -> Mapping[str, bytes]:
        return {**self._gauge_rows.state(), **self._rows.state()}

    def restore(self, state: Mapping[str, bytes]) -> None:
        self._gauge_rows.restore(state)
        self._rows.restore(state)


class _Graded:
    """What the sums of a gauge say: the level, and the window that shows it best."""

    __slots__ = ("level", "reached_us", "sum_um", "threshold_um", "wetness", "window_h")

    def __init__(
        self, level: int, window_h: int, sum_um: int, threshold_um: int, reached_us: Micros, wetness: float
    ) -> None:
        self.level = level
        self.window_h = window_h
        self.sum_um = sum_um
        self.threshold_um = threshold_um
        self.reached_us = reached_us
        self.wetness = wetness

    @property
    def order(self) -> tuple[int, float]:
        """By level, then by how much of the threshold is reached."""
        return self.level, self.sum_um / self.threshold_um if self.threshold_um else 0.0
