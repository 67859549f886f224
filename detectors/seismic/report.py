"""Report: what a finding says of an event, rounded to the digits of its units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from detectors.base import figure
from detectors.seismic.associate import Hypocentre
from detectors.seismic.grade import Effect, Magnitude, Strongest
from detectors.seismic.intensity import blind_radius_km
from detectors.seismic.locate import distance_km
from detectors.seismic.parameters import SeismicParameters
from schemas.area import Tier
from schemas.finding import Evidence
from schemas.times import SECOND, Micros, rfc3339

_TENTH_US = SECOND // 10
_MOVED_KM = 10.0
_INTENSITY_STEP = 0.25


class Told(msgspec.Struct, frozen=True):
    """What a finding said, as far as a change of it is worth another. `counties`: intensities, by code."""

    magnitude: float | None
    level: int
    counties: tuple[float, ...]
    lon: float
    lat: float

    def is_news_after(self, before: Told, parameters: SeismicParameters) -> bool:
        """Whether this is worth telling where `before` was told last."""
        grade = parameters.level_of
        if before.level != self.level or any(
            grade(old) != grade(new) and abs(old - new) >= _INTENSITY_STEP
            for old, new in zip(before.counties, self.counties, strict=False)
        ):
            return True
        if before.magnitude is None or self.magnitude is None:
            return before.magnitude is not self.magnitude
        if abs(before.magnitude - self.magnitude) >= parameters.magnitude_step:
            return True
        return distance_km(before.lon, before.lat, self.lon, self.lat) >= _MOVED_KM


def source_evidence(
    source: Hypocentre, magnitude: Magnitude | None, now: Micros, parameters: SeismicParameters
) -> Evidence:
    """Where, when and how large; and within which radius S was already there."""
    since_s = max(now - source.origin_us, 0) / SECOND
    return {
        "origin_at": _tenth(source.origin_us),
        "depth_km": figure(source.depth_km, 0),
        "magnitude": None if magnitude is None else figure(magnitude.value, 1),
        "magnitude_sigma": None if magnitude is None else figure(magnitude.sigma, 2),
        "magnitude_by": None if magnitude is None else magnitude.by,
        "epicentre_sigma_km": figure(source.sigma_km, 1),
        "misfit_s": figure(source.misfit_s, 2),
        "blind_radius_km": figure(blind_radius_km(since_s, source.depth_km, parameters.vs_km_s), 1),
    }


def effects_evidence(effects: Sequence[Effect], level: int, parameters: SeismicParameters) -> Evidence:
    """Intensity and S where it is hardest, and the table of the areas of level 1 or higher."""
    if not effects:
        return {"intensity": None, "s_arrival_at": None, "areas": {}}
    hardest = max(effects, key=lambda e: (e.intensity, e.area.tier is Tier.COUNTY, -e.s_arrival_us))
    return {
        "intensity": figure(hardest.intensity, 1),
        "intensity_area": hardest.area.code,
        "threshold_intensity": parameters.threshold_of(level),
        "threshold_magnitude": parameters.magnitude_min,
        "s_arrival_at": _tenth(hardest.s_arrival_us),
        "areas": {
            effect.area.code: {
                "intensity": figure(effect.intensity, 1),
                "level": effect.level,
                "s_arrival_at": _tenth(effect.s_arrival_us),
                "measured": effect.measured,
            }
            for effect in effects
            if effect.level > 0
        },
    }


def doubts(
    against: Sequence[str],
    magnitude: Magnitude | None,
    motions: Mapping[str, Strongest],
    parameters: SeismicParameters,
) -> tuple[str, ...]:
    """What speaks against an event, or for less trust in it."""
    words = [f"{station}应有P波而未见" for station in against]
    if magnitude is None:
        words.append("振幅未知，震级未定")
    elif magnitude.value < parameters.magnitude_min:
        words.append(f"震级低于{parameters.magnitude_min}级")
    words += [f"{station}波形限幅" for station, motion in sorted(motions.items()) if motion.clipped]
    return tuple(words)


def _tenth(at_us: Micros) -> str:
    """A time to a tenth of a second."""
    return rfc3339(round(at_us / _TENTH_US) * _TENTH_US)
