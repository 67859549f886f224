"""Forest fire: a plume of smoke, the cameras that see it sway by wind, and the fog that is none.

In      a burning site, cameras with their positions, chance
Out     frames: one every 10 minutes a camera, one every 20 to 60 s while something is seen; when smoke is truly visible
Source  pinhole bearings (DOMAIN 5.1); sway 0.5 to 1 degree and the growth of the plume are our own figures
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from runtime.simulate.place import Floats
from runtime.simulate.writing import Block, opening, time_text
from schemas.times import HOUR, MINUTE, SECOND, Micros, seconds

PATROL_US: Micros = 10 * MINUTE
PATROL_VIEW_DEG, LOCKED_VIEW_DEG = 60, 40
RANGE_KM = 18.0
"""Farther than this a young plume is too faint, though the cameras' nominal range is 20 km."""


@dataclass(frozen=True)
class Fire:
    """A fire with its plume.

    `drift_m` is how far the middle of the full-grown plume leans downwind (east, north).
    """

    site_km: tuple[float, float]
    ignites_us: Micros
    ends_us: Micros
    drift_m: tuple[float, float]

    def visible_us(self, away_km: float) -> Micros:
        """From when a camera that far away can see the smoke: the plume must first rise above the ground."""
        return self.ignites_us + seconds((3 + 0.35 * away_km) * 60)

    def growth(self, at_us: Micros) -> float:
        """How far the plume is grown, 0..1; full after about an hour."""
        return 1 - float(np.exp(-(at_us - self.ignites_us) / (25 * MINUTE)))


@dataclass(frozen=True)
class Fog:
    """Fog before one camera, from `begins_us` to `ends_us`."""

    camera: int
    begins_us: Micros
    ends_us: Micros


def bearings_deg(cameras_km: Floats, site_km: tuple[float, float]) -> Floats:
    """Bearings of a site from each camera, degrees clockwise from north, shape (n,)."""
    east, north = site_km[0] - cameras_km[:, 0], site_km[1] - cameras_km[:, 1]
    return np.asarray(np.degrees(np.arctan2(east, north)) % 360, dtype=np.float64)


def witnesses(cameras_km: Floats, site_km: tuple[float, float]) -> list[int] | None:
    """The three nearest cameras whose bearings cross well (40 to 140 degrees for the first two); None without them."""
    away = np.hypot(cameras_km[:, 0] - site_km[0], cameras_km[:, 1] - site_km[1])
    bearings = bearings_deg(cameras_km, site_km)
    near = [int(k) for k in np.argsort(away, kind="stable") if 3.0 <= away[k] <= RANGE_KM]
    for one in near:
        for other in near:
            apart = abs((bearings[one] - bearings[other] + 180) % 360 - 180)
            if one < other and 40 <= apart <= 140:
                third = next((k for k in near if k not in (one, other)), None)
                return None if third is None else [one, other, third]
    return None


class Cameras:
    """Fire cameras: they patrol, and stay on what they see."""

    def __init__(
        self,
        stations: Sequence[str],
        cameras_km: Floats,
        start_us: Micros,
        stop_us: Micros,
        chance: np.random.Generator,
    ) -> None:
        self._openings = [opening("camera", station) for station in stations]
        self._cameras_km = cameras_km
        self._start_us, self._stop_us = start_us, stop_us
        self._chance = chance
        self._first_azimuth = chance.integers(0, 360, len(stations))
        self._busy: dict[int, list[tuple[Micros, Micros]]] = {}
        self._seen: list[tuple[Micros, bytes]] = []

    def watch_fire(self, fire: Fire, cameras: Sequence[int]) -> Mapping[int, Micros]:
        """Let some cameras see a fire; return from when its smoke is truly visible to each."""
        visible: dict[int, Micros] = {}
        bearings = bearings_deg(self._cameras_km, fire.site_km)
        for camera in cameras:
            east = fire.site_km[0] - float(self._cameras_km[camera, 0])
            north = fire.site_km[1] - float(self._cameras_km[camera, 1])
            away_km = float(np.hypot(east, north))
            visible[camera] = fire.visible_us(away_km)
            # The patrol comes by and the model must make sure before the camera stays on it.
            at_us = visible[camera] + seconds(float(self._chance.uniform(5, 60)))
            self._busy.setdefault(camera, []).append((at_us, fire.ends_us))
            lean_m = (fire.drift_m[0] * north - fire.drift_m[1] * east) / away_km
            azimuth_deg = round(float(bearings[camera] + self._chance.uniform(-6, 6))) % 360
            wind = Sway(self._chance)
            while at_us < fire.ends_us:
                grown = fire.growth(at_us)
                lean_deg = float(np.degrees(lean_m * 0.5 * grown / (away_km * 1000)))
                off_deg = float(bearings[camera]) + lean_deg - azimuth_deg - wind.next_deg()
                box = _box(off_deg, np.degrees((60 + 240 * grown) / (away_km * 1000)), self._chance)
                confidence = float(
                    np.clip(0.45 + 0.3 * grown + 0.07 * self._chance.standard_normal(), 0.3, 0.97)
                )
                if self._chance.random() > 0.06:
                    self._frame(camera, at_us, azimuth_deg, LOCKED_VIEW_DEG, _detection(confidence, box))
                else:
                    self._frame(camera, at_us, azimuth_deg, LOCKED_VIEW_DEG, b"")
                at_us += seconds(round(float(self._chance.uniform(20, 60)), 1))
        return visible

    def watch_fog(self, fog: Fog) -> None:
        """Let fog stand before a camera: wide and faint, for hours."""
        self._busy.setdefault(fog.camera, []).append((fog.begins_us, fog.ends_us))
        azimuth_deg = int(self._first_azimuth[fog.camera])
        at_us = fog.begins_us
        while at_us < fog.ends_us:
            top = float(self._chance.uniform(0.25, 0.45))
            left, right = self._chance.uniform(0, 0.08), self._chance.uniform(0.92, 1)
            confidence = float(self._chance.uniform(0.08, 0.27))
            box = (float(left), top, float(right), 0.98)
            self._frame(fog.camera, at_us, azimuth_deg, PATROL_VIEW_DEG, _detection(confidence, box))
            at_us += seconds(round(float(self._chance.uniform(20, 60)), 1))

    def block(self, start_us: Micros, stop_us: Micros) -> Block:
        """See `Source`."""
        frames = [frame for frame in self._seen if start_us <= frame[0] < stop_us]
        for camera, head in enumerate(self._openings):
            # Cameras do not all speak in the same second.
            first_us = self._start_us + camera * 14 * SECOND
            turn = max(0, -((first_us - start_us) // PATROL_US))
            at_us = first_us + turn * PATROL_US
            while at_us < min(stop_us, self._stop_us):
                if not any(low <= at_us < high for low, high in self._busy.get(camera, ())):
                    azimuth_deg = (int(self._first_azimuth[camera]) + PATROL_VIEW_DEG * turn) % 360
                    frames.append((at_us, head + time_text(at_us) + _view(azimuth_deg, PATROL_VIEW_DEG, b"")))
                turn, at_us = turn + 1, at_us + PATROL_US
        frames.sort(key=lambda frame: frame[0])
        return Block(np.array([at for at, _ in frames], dtype=np.int64), [body for _, body in frames])

    def _frame(self, camera: int, at_us: Micros, azimuth_deg: int, view_deg: int, detection: bytes) -> None:
        if self._start_us <= at_us < self._stop_us:
            body = self._openings[camera] + time_text(at_us) + _view(azimuth_deg, view_deg, detection)
            self._seen.append((at_us, body))


class Sway:
    """A mast in the wind: 0.5 to 1 degree (1 sigma), partly slow, partly by chance at each frame."""

    def __init__(self, chance: np.random.Generator) -> None:
        self._chance = chance
        self._sigma_deg = float(chance.uniform(0.5, 1.0))
        self._slow = float(chance.standard_normal())

    def next_deg(self) -> float:
        """Where the mast points beside its nominal azimuth at the next frame, degrees."""
        self._slow = 0.8 * self._slow + 0.6 * float(self._chance.standard_normal())
        return self._sigma_deg * (0.6 * self._slow + 0.8 * float(self._chance.standard_normal()))


def dusk_and_dawn_us(day_us: Micros) -> tuple[Micros, Micros]:
    """When morning fog may stand on a day that begins (UTC) at `day_us`: 6 to 9 o'clock in China."""
    return day_us - 2 * HOUR, day_us + HOUR


def _box(off_deg: float, width_deg: float, chance: np.random.Generator) -> tuple[float, float, float, float]:
    half = np.tan(np.radians(LOCKED_VIEW_DEG / 2))
    middle = 0.5 + np.tan(np.radians(off_deg)) / (2 * half)
    width = max(0.01, float(width_deg) / LOCKED_VIEW_DEG) * float(chance.uniform(0.9, 1.1))
    foot = float(chance.uniform(0.54, 0.57))
    left, right = max(0.0, float(middle) - width / 2), min(1.0, float(middle) + width / 2)
    return left, max(0.0, foot - 1.6 * width), right, foot


def _detection(confidence: float, box: tuple[float, float, float, float]) -> bytes:
    return b'{"label":"smoke","confidence":%.3f,"box":[%.4f,%.4f,%.4f,%.4f]}' % (confidence, *box)


def _view(azimuth_deg: int, view_deg: int, detection: bytes) -> bytes:
    return b'","azimuth_deg":%d,"field_of_view_deg":%d,"detections":[%b]' % (azimuth_deg, view_deg, detection)
