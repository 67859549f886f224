"""Grade: an event's magnitude, and what it does to each area.

Source  `magnitude` (Pd of P windows that end before S; acceleration after S), `intensity` (GB 18306-2015, GB/T 17742-2020);
        levels by intensity as the Yunnan Seismological Bureau issues them
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from detectors.seismic.associate import Associator, Hypocentre
from detectors.seismic.intensity import Zone, instrumental, mean_intensity, zone_of
from detectors.seismic.items import Motion, Pick
from detectors.seismic.locate import distance_km, s_travel_s
from detectors.seismic.magnitude import PD_SIGMA, magnitude_from_pga, magnitude_wu_zhao, median
from detectors.seismic.parameters import SeismicParameters
from schemas.area import Area, AreaIndex, Tier
from schemas.times import SECOND, Micros

_PD_STATIONS = 2
_PGA_STATIONS = 3
_PGA_RADIUS_KM = 150.0
_PGA_EXCESS = 0.3
_SIGNAL_TO_NOISE = 2.0
_AFTER_S_S = 2.0
_SETTLED_S = 10.0
_SIGMA_FLOOR = 0.15
_MIN_R_KM = 3.0


class Strongest(msgspec.Struct):
    """The strongest motion of one station since P, and until when it was heard."""

    pga_m_s2: float
    pgv_m_s: float
    components: int
    clipped: bool
    until_us: Micros

    def add(self, motion: Motion) -> bool:
        """Take another second; whether it was stronger by a tenth."""
        pga, pgv = motion.pga_m_s2 or 0.0, motion.pgv_m_s or 0.0
        stronger = pga > 1.1 * self.pga_m_s2 or pgv > 1.1 * self.pgv_m_s
        self.pga_m_s2, self.pgv_m_s = max(self.pga_m_s2, pga), max(self.pgv_m_s, pgv)
        self.components = min(self.components, motion.components) if self.until_us else motion.components
        self.clipped = self.clipped or motion.clipped
        self.until_us = motion.until_us
        return stronger


class Magnitude(msgspec.Struct, frozen=True):
    """An estimate; `by`: ``pd`` or ``pga``."""

    value: float
    sigma: float
    stations: int
    by: str


class Effect(NamedTuple):
    """What an event does at one area; `measured`: whether an instrument there said so."""

    area: Area
    intensity: float
    level: int
    s_arrival_us: Micros
    measured: bool


class Grader:
    """Grades events over all counties and townships, whoever keeps the quake."""

    def __init__(self, parameters: SeismicParameters, associator: Associator, areas: AreaIndex) -> None:
        self.parameters = parameters
        self.associator = associator
        self.areas = areas
        self._graded = sorted(
            (area for area in areas if area.tier in (Tier.COUNTY, Tier.TOWNSHIP)), key=lambda area: area.code
        )

    def zone(self, source: Hypocentre) -> Zone:
        """The zone of attenuation that holds for a source."""
        return zone_of(source.lon, source.lat) if self.parameters.zone == "auto" else self.parameters.zone

    def s_arrival_us(self, source: Hypocentre, epicentral_km: float) -> Micros:
        """When S comes there."""
        return source.origin_us + round(s_travel_s(epicentral_km, source.depth_km, self.parameters) * SECOND)

    def magnitude(
        self, source: Hypocentre, tellings: Mapping[str, Sequence[Pick]], motions: Mapping[str, Strongest]
    ) -> Magnitude | None:
        """Median over stations by Pd; by acceleration where that says clearly more, once S has passed."""
        by_pd = self._by_pd(source, tellings)
        by_pga = self._by_pga(source, motions)
        if by_pga is not None and (by_pd is None or by_pga.value > by_pd.value + _PGA_EXCESS):
            return by_pga
        return by_pd

    def _by_pd(self, source: Hypocentre, tellings: Mapping[str, Sequence[Pick]]) -> Magnitude | None:
        clear: list[float] = []
        any_way: list[tuple[float, float]] = []
        for station, told in sorted(tellings.items()):
            epicentral_km = self.associator.epicentral_km(source, station)
            hypocentral_km = max(math.hypot(epicentral_km, source.depth_km), _MIN_R_KM)
            pick = self._window(told, hypocentral_km)
            if pick is None or not pick.pd_cm:
                continue
            value = magnitude_wu_zhao(pick.pd_cm, hypocentral_km)
            any_way.append((hypocentral_km, value))
            above = pick.pd_cm >= _SIGNAL_TO_NOISE * (pick.noise_cm or 0.0)
            if above and hypocentral_km <= self.parameters.pd_radius_km:
                clear.append(value)
        values = clear if len(clear) >= _PD_STATIONS else [value for _, value in sorted(any_way)[:3]]
        if len(values) < _PD_STATIONS:
            return None
        sigma = math.hypot(PD_SIGMA / math.sqrt(len(values)), _SIGMA_FLOOR)
        return Magnitude(median(values), sigma, len(values), "pd")

    def _window(self, told: Sequence[Pick], hypocentral_km: float) -> Pick | None:
        """The longest window of P that ends before S comes; the shortest there is where none does."""
        slow, fast = self.parameters.vs_km_s, self.parameters.vp_km_s
        lead_s = hypocentral_km / slow - hypocentral_km / fast
        windows = sorted((p for p in told if p.window_s > 0 and not p.clipped), key=lambda p: p.window_s)
        fitting = [p for p in windows if p.window_s <= lead_s]
        return fitting[-1] if fitting else (windows[0] if windows else None)

    def _by_pga(self, source: Hypocentre, motions: Mapping[str, Strongest]) -> Magnitude | None:
        values = []
        for station, motion in sorted(motions.items()):
            epicentral_km = self.associator.epicentral_km(source, station)
            passed_us = self.s_arrival_us(source, epicentral_km) + round(_AFTER_S_S * SECOND)
            whole = motion.components >= 3 and not motion.clipped and motion.pga_m_s2 > 0
            if whole and epicentral_km <= _PGA_RADIUS_KM and motion.until_us >= passed_us:
                values.append(magnitude_from_pga(motion.pga_m_s2, epicentral_km, self.zone(source)))
        if len(values) < _PGA_STATIONS:
            return None
        sigma = math.hypot(0.236 / 0.5 / math.sqrt(len(values)), _SIGMA_FLOOR)
        return Magnitude(median(values), sigma, len(values), "pga")

    def effects(self, source: Hypocentre, magnitude: float, motions: Mapping[str, Strongest]) -> list[Effect]:
        """Counties and townships, by code; what instruments say goes before what is estimated."""
        zone = self.zone(source)
        measured = self._measured(source, motions)
        effects = []
        for area in self._graded:
            epicentral_km = distance_km(source.lon, source.lat, area.lon, area.lat)
            # To the digit that is shown, so that a level never contradicts its figure.
            expected = round(mean_intensity(magnitude, epicentral_km, zone), 1)
            said = measured.get(area.code)
            # Until the shaking has settled a measured value is a lower bound, so it can only raise.
            by_instrument = said is not None and (said[1] or said[0] > expected)
            intensity = said[0] if said is not None and by_instrument else expected
            level = self.parameters.level_of(intensity) if magnitude >= self.parameters.magnitude_min else 0
            effects.append(
                Effect(area, intensity, level, self.s_arrival_us(source, epicentral_km), by_instrument)
            )
        return effects

    def _measured(
        self, source: Hypocentre, motions: Mapping[str, Strongest]
    ) -> dict[str, tuple[float, bool]]:
        """By area: the highest instrumental intensity of its stations, and whether their shaking has settled."""
        found: dict[str, tuple[float, bool]] = {}
        for station, motion in sorted(motions.items()):
            if motion.components < 3 or motion.clipped or motion.pga_m_s2 <= 0:
                continue
            intensity = instrumental(motion.pga_m_s2, motion.pgv_m_s)
            epicentral_km = self.associator.epicentral_km(source, station)
            settled_us = self.s_arrival_us(source, epicentral_km) + round(_SETTLED_S * SECOND)
            settled = motion.until_us >= settled_us
            for code in self.areas.lineage(self.associator.stations[station].area):
                before = found.get(code)
                if self.areas[code].tier is Tier.COUNTY:
                    # One instrument does not stand for a county: there it can only raise.
                    settled = False
                if before is None or intensity > before[0]:
                    found[code] = (intensity, settled)
        return found
