"""The storm's rain: a field fitted so that no warning hangs on a millimetre.

In      the place, chance
Out     true depths at gauges and villages, and the truth that follows from them

A true maximum that lies within a few per cent of a threshold cannot be told from one beyond it by any network of
gauges, so it would test luck. Each township's depths are therefore scaled, by some per cent, until the township's true
rain and what its gauges can know of it lie on the same side of every threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from runtime.simulate.place import Floats, Place
from runtime.simulate.rain import STEP_US, Band, Core, Texture
from runtime.simulate.truth import Course, Levels, flash_levels, signal_levels
from schemas.area import Tier
from schemas.hazard import Hazard
from schemas.times import HOUR, Micros

STEPS_AN_HOUR = HOUR // STEP_US
NEAR = 0.04
"""How far, as a part, a maximum must stay from a threshold."""
_TRIES = np.array([1.0, *(factor for k in range(1, 11) for factor in (1 + 0.02 * k, 1 - 0.02 * k))])
_ROUNDS = 25
_CORES = (
    (4.0, -1.0, 126.0, 11.0, 0.9),
    (-11.0, 1.0, 62.0, 9.0, 0.9),
    (6.0, 0.0, 138.0, 13.0, 0.9),
    (0.0, 0.0, 34.0, 12.0, 2.8),
    (2.0, -7.0, 36.0, 16.0, 1.7),
)
"""Heavy parts by county in order of its code: km east and north of the seat, mm, km wide, hours.

Of Bazhong: Bazhou and Tongjiang are made for red, Enyang for orange; Pingchang gets slow rain, Nanjiang slower."""


@dataclass(frozen=True)
class Rainfall:
    """True rain of a scenario.

    Attributes
    ----------
    gauges_mm : (gauges, steps)
    townships_mm : (townships, steps)
        Mean over the villages of each township.
    """

    gauges_mm: Floats
    townships_mm: Floats
    signals: Levels
    floods: Levels


class Field:
    """A rain band over a place, with one factor a township that is fitted."""

    def __init__(self, place: Place, band: Band, texture: Texture, start_us: Micros, hours: int) -> None:
        self.gauges = place.of_kind("rain")
        self.townships = place.of_tier(Tier.TOWNSHIP)
        villages = [v for v in place.of_tier(Tier.VILLAGE) if v.parent is not None]
        rank = {township.code: k for k, township in enumerate(self.townships)}
        self.of_gauge = np.array([rank[str(place.areas.at_tier(g.area, Tier.TOWNSHIP))] for g in self.gauges])
        self.of_village = np.array([rank[str(v.parent)] for v in villages])
        self.counties = [str(place.areas.at_tier(t.code, Tier.COUNTY)) for t in self.townships]
        ends_h = (1 + np.arange(hours * STEPS_AN_HOUR)) / STEPS_AN_HOUR
        gauges_km, villages_km = place.plane_km(self.gauges), place.plane_km(villages)
        self._gauges_mm = band.depths_mm(gauges_km, ends_h) * texture.factors(gauges_km, ends_h)
        falls_mm = band.depths_mm(villages_km, ends_h) * texture.factors(villages_km, ends_h)
        self._townships_mm = np.array(
            [falls_mm[self.of_village == k].mean(axis=0) for k in range(len(self.townships))]
        )
        self._start_us = start_us
        self.factors = np.ones(len(self.townships))

    def rainfall(self) -> Rainfall:
        """True rain with the present factors."""
        gauges_mm = self._gauges_mm * self.factors[self.of_gauge][:, None]
        townships_mm = self._townships_mm * self.factors[:, None]
        return Rainfall(
            gauges_mm,
            townships_mm,
            signal_levels(gauges_mm, STEPS_AN_HOUR),
            flash_levels(townships_mm, self._start_us + STEP_US, STEP_US),
        )

    def fit(self) -> bool:
        """Scale townships until nothing is near a threshold; False where that does not come about."""
        for _ in range(_ROUNDS):
            moves = self._mend_floods()
            if moves is None:
                return False
            if not moves and not self._mend_signals():
                return True
        return False

    def _mend_floods(self) -> bool | None:
        """Scale townships; whether any had to be, None where scaling does not help."""
        gauges_mm = self._gauges_mm * self.factors[self.of_gauge][:, None]
        townships_mm = self._townships_mm * self.factors[:, None]
        chosen = np.full(len(self.townships), np.nan)
        for factor in _TRIES:
            open_ones = np.flatnonzero(np.isnan(chosen))
            if not len(open_ones):
                break
            here = np.isin(self.of_gauge, open_ones)
            true = self._peak_floods(townships_mm[open_ones] * factor)
            # A flood is known by a township's wettest gauge, not by the mean.
            least, most = (
                self._highest(self._peak_floods(gauges_mm[here] * factor * near), self.of_gauge[here])[
                    open_ones
                ]
                for near in (1 - NEAR, 1 + NEAR)
            )
            good = (least >= true) & (most <= true + 1) & ((true >= 3) | (most < 3))
            chosen[open_ones[good]] = factor
        if np.isnan(chosen).any():
            return None
        self.factors = self.factors * chosen
        return bool((chosen != 1.0).any())

    def _peak_floods(self, depths_mm: Floats) -> Levels:
        levels = flash_levels(depths_mm, self._start_us + STEP_US, STEP_US).max(axis=1)
        return np.asarray(levels, dtype=np.int64)

    def _highest(self, levels: Levels, townships: NDArray[np.intp]) -> Levels:
        highest = np.zeros(len(self.townships), dtype=np.int64)
        np.maximum.at(highest, townships, levels)
        return highest

    def _mend_signals(self) -> bool:
        """Scale the townships whose gauges make a county's signal; whether any had to be."""
        gauges_mm = self._gauges_mm * self.factors[self.of_gauge][:, None]
        levels = {
            factor: signal_levels(gauges_mm * factor, STEPS_AN_HOUR).max(axis=1)
            for factor in (1 - NEAR, 1.0, 1 + NEAR)
        }
        mended = False
        for county in sorted(set(self.counties)):
            here = np.array([self.counties[k] == county for k in self.of_gauge])
            low, true, high = (int(levels[f][here].max(initial=0)) for f in (1 - NEAR, 1.0, 1 + NEAR))
            if low == true == high:
                continue
            mended = True
            # The gauges that carry the county's level go up where they barely do, down where they barely do not.
            carriers = here & (levels[1.0] == true) if low < true else here & (levels[1 + NEAR] == high)
            townships = np.unique(self.of_gauge[carriers])
            self.factors[townships] *= 1 + NEAR if low < true else 1 - NEAR
        return mended

    def courses(self, rainfall: Rainfall) -> list[Course]:
        """True courses: rainstorm by county (its worst gauge), flash flood by township."""
        found: list[Course | None] = []
        for county in sorted(set(self.counties)):
            here = np.array([self.counties[k] == county for k in self.of_gauge])
            worst = rainfall.signals[here].max(axis=0)
            found.append(Course.of_series(Hazard.RAINSTORM, county, worst, self._start_us + STEP_US, STEP_US))
        for township, levels in zip(self.townships, rainfall.floods, strict=True):
            found.append(
                Course.of_series(Hazard.FLASH_FLOOD, township.code, levels, self._start_us + STEP_US, STEP_US)
            )
        return [course for course in found if course is not None]


def storm_band(place: Place, chance: np.random.Generator) -> Band:
    """A band that goes south-south-east over the city in 18 hours, red over two counties on its way."""
    seats = place.plane_km(place.of_tier(Tier.COUNTY))
    cores = []
    for seat, (east, north, depth_mm, width_km, half_h) in zip(seats, _CORES, strict=False):
        aside, along = chance.uniform(-3, 3, 2).tolist()
        at = (float(seat[0]) + east + aside, float(seat[1]) + north + along)
        cores.append(Core(at, depth_mm * float(chance.uniform(0.95, 1.08)), width_km, half_h))
    towards = (0.35, -1.0)
    still = Band(towards, 2.0, 20.0, (0.0, 1.0), 24.0, 2.2, ())
    way_km = still.along_km(place.plane_km(place.stations))
    extent = (float(way_km.min()), float(way_km.max()))
    return Band(towards, 2.0, 20.0, extent, 24.0, 2.2, tuple(cores))


def storm_field(place: Place, start_us: Micros, hours: int, draw: np.random.Generator) -> Field:
    """A fitted storm; draws anew until one can be fitted."""
    while True:
        field = Field(place, storm_band(place, draw), Texture(draw, 7.0, 0.04, 0.22), start_us, hours)
        if field.fit():
            return field
