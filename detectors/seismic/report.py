"""Report: what a finding says of an event, rounded to the digits of its units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from detectors.base import figure
from detectors.seismic.associate import Hypocentre
from detectors.seismic.grade import Effect, Magnitude, Strongest
from detectors.seismic.intensity import blind_radius_km
from detectors.seismic.parameters import SeismicParameters
from schemas.area import Tier
from schemas.finding import Evidence
from schemas.times import SECOND, Micros, rfc3339

_TENTH_US = SECOND // 10


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
