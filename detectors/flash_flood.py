"""Flash floods: rain at the gauges of a township against its critical rain, by soil wetness.

In      `RainTotals` of gauges, one by one
Out     `flash_flood` findings of detector `rain.flash_flood` at each rise and fall of a township's level
State   one row a township and gauge with its standing level, one row a township with its own; layout 1
Source  four depths by window: Jianghua county (DOMAIN, 2.4); how critical rain falls with wetness: one worked
        group (geog.com.cn 2017, 19(12):1643, table 11). Neither is Bazhong's: both are our choice as defaults,
        to be replaced by each township's own. Orange stands for "prepare to move", red for "move now"

A township stands at the highest level of its gauges. Its gauges are those that stand in it or watch it; a
township without any takes the nearest one within reach.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from detectors.base import LEVELS, STANDING, Standing, StationRows, clear_standings, figure
from detectors.rainfall import RainTotals
from schemas.area import Tier
from schemas.bundle import Bundle
from schemas.finding import Finding, make_finding
from schemas.hazard import Hazard
from schemas.times import Micros, rfc3339, seconds

_UM_A_MM = 1000
_WETNESS = (0.2, 0.5, 0.8)
"""Wetness of the three states dry, normal, wet, as shares of the soil's capacity."""
_KM_A_DEGREE = 111.195

Depth = Annotated[float, Field(gt=0, le=2000)]
Window = Annotated[int, Field(ge=1, le=24)]
Depths = tuple[Depth | None, Depth | None, Depth | None, Depth | None]
Share = Annotated[float, Field(gt=0, le=3)]


class CriticalRain(BaseModel):
    """Critical rain of a place: depths by window in hours, for blue to red, and how they change with wetness.

    Attributes
    ----------
    depths_mm
        By window: the depth of each level at normal wetness; null where a level has none.
    wetness_share
        By window: what share of the depth is critical where the soil is dry, normal and wet. A window that
        is left out has the same depth whatever the wetness.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    depths_mm: dict[Window, Depths]
    wetness_share: dict[Window, tuple[Share, Share, Share]] = {}

    @model_validator(mode="after")
    def _in_order(self) -> CriticalRain:
        for hours, depths in self.depths_mm.items():
            given = [depth for depth in depths if depth is not None]
            if given != sorted(set(given)):
                raise ValueError(f"critical rain of {hours} h must rise from blue to red, not {depths}")
        for hours, (dry, normal, wet) in self.wetness_share.items():
            if not dry >= normal >= wet:
                raise ValueError(f"critical rain of {hours} h must not rise with wetness")
        return self

    def share(self, window_h: int, wetness: float) -> float:
        """What share of the depth is critical at a wetness: linear between the three states, level beyond."""
        shares = self.wetness_share.get(window_h)
        if shares is None:
            return 1.0
        dry, normal, wet = _WETNESS
        w = min(max(wetness, dry), wet)
        if w <= normal:
            return shares[0] + (shares[1] - shares[0]) * (w - dry) / (normal - dry)
        return shares[1] + (shares[2] - shares[1]) * (w - normal) / (wet - normal)


class FlashFloodParameters(BaseModel):
    """How rain is graded for flash floods.

    Attributes
    ----------
    critical
        Critical rain where no area has its own. As shipped dry soil does not raise it: only wet soil counts.
    areas
        Critical rain of single areas by code; that of the smallest area that contains a township holds.
    soil_capacity_mm
        Rain that fills the soil (Wm); wetness is the effective rain of the days before against it.
    antecedent_decay
        K, by which the rain of a day before counts less for each day since.
    reach_km
        How far the nearest gauge of a township without one may stand.
    hold_s
        How long good readings must be below a level before it falls, seconds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    critical: CriticalRain = CriticalRain(
        depths_mm={
            1: (35, 45, 60, 80),
            3: (55, 75, 100, 120),
            6: (70, 95, 120, 150),
            24: (100, 130, 160, 200),
        },
        wetness_share={1: (1.0, 1.0, 0.857), 3: (1.0, 1.0, 0.833), 6: (1.0, 1.0, 0.889)},
    )
    areas: dict[str, CriticalRain] = {}
    soil_capacity_mm: Annotated[float, Field(gt=0, le=1000)] = 100
    antecedent_decay: Annotated[float, Field(gt=0, lt=1)] = 0.84
    reach_km: Annotated[float, Field(ge=0, le=200)] = 25
    hold_s: Annotated[float, Field(ge=0, le=14_400)] = 3600

    def floors_um(self) -> dict[int, int]:
        """By window the least depth that is critical anywhere at any wetness, thousandths of a millimetre."""
        floors: dict[int, int] = {}
        for critical in (self.critical, *self.areas.values()):
            for hours, depths in critical.depths_mm.items():
                for depth in depths:
                    if depth is not None:
                        floor = math.floor(depth * _UM_A_MM * critical.share(hours, _WETNESS[-1]))
                        floors[hours] = min(floors.get(hours, floor), floor)
        return dict(sorted(floors.items()))


class FlashFlood:
    """Grade townships by the rain of their gauges."""

    name = "flash_flood"
    state_version = 1
    takes: tuple[type, ...] = (RainTotals,)

    _TOWNSHIP = np.dtype([("level", "u1"), ("number", "<i4")])

    def __init__(self, parameters: FlashFloodParameters, bundle: Bundle) -> None:
        self.parameters = parameters
        self.bundle = bundle
        self._townships = [area.code for area in bundle.areas if area.tier is Tier.TOWNSHIP]
        self._critical = [self._critical_of(code) for code in self._townships]
        self._pairs = self._paired()
        self._pairs_of_row: dict[int, list[int]] = {}
        self._pairs_of_township: dict[int, list[int]] = {}
        for pair, (township, row) in enumerate(self._pairs):
            self._pairs_of_row.setdefault(row, []).append(pair)
            self._pairs_of_township.setdefault(township, []).append(pair)
        self._standings = np.zeros(len(self._pairs), dtype=STANDING)
        clear_standings(self._standings)
        self._standing = Standing(self._standings, seconds(parameters.hold_s))
        self._levels = np.zeros(len(self._townships), dtype=self._TOWNSHIP)
        keys = [f"gauge={self._townships[t]}/{bundle.stations[row].id}" for t, row in self._pairs]
        self._gauge_rows = StationRows(self.name, self.state_version, keys, self._standings)
        self._rows = StationRows(
            self.name, self.state_version, [f"area={code}" for code in self._townships], self._levels
        )

    def process(self, item: RainTotals, now: Micros) -> list[Finding]:
        findings = []
        for pair in self._pairs_of_row.get(item.row, ()):
            township = self._pairs[pair][0]
            graded = self._grade(self._critical[township], item)
            stands = int(self._standings["level"][pair])
            if not stands and not graded.level:
                continue
            good = np.full((1, LEVELS), bool(item.good) and all(item.good) and not item.late)
            self._standing.update(
                np.array([pair]),
                np.array([graded.level], dtype=np.uint8),
                np.array([graded.reached_us if graded.level else item.observed_us]),
                good,
                np.array([now]),
                np.array([item.interval_us]),
            )
            self._gauge_rows.touch(pair)
            if int(self._standings["level"][pair]) != stands:
                finding = self._regrade(township, pair, item, graded)
                if finding is not None:
                    findings.append(finding)
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
            wetness = item.antecedent_um[k] / (self.parameters.soil_capacity_mm * _UM_A_MM)
            share = critical.share(hours, wetness)
            level, threshold_um = 0, 0
            for height, depth in enumerate(depths, start=1):
                if depth is None:
                    continue
                depth_um = round(depth * _UM_A_MM * share)
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
        number = int(self._levels["number"][township]) + 1
        self._levels[township] = (level, number)
        self._rows.touch(township)
        holding = [p for p in pairs if level and int(self._standings["level"][p]) == level] or [pair]
        rows = [self._pairs[p][1] for p in holding]
        code = self._townships[township]
        area = self.bundle.areas[code]
        observed_us = graded.reached_us if level > before else item.observed_us
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
                "rain_mm": figure(graded.sum_um / _UM_A_MM, 1),
                "threshold_mm": figure(graded.threshold_um / _UM_A_MM, 1),
                "soil_wetness": figure(min(max(graded.wetness, _WETNESS[0]), _WETNESS[-1]), 2),
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
