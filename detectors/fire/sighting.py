"""Fire sightings: what each camera keeps seeing in one direction.

In      camera packets
Out     `forest_fire` findings (detector `fire.sighting`), one subject a camera and direction, at each rise and fall of
        its standing level; `Sighting` items for the fix by several cameras
State   one row a camera: its tracks; layout 1
Source  DOMAIN 5.1: smoke 5 of 8 frames in 90 s or 3 of 5 frames, flame 3 of 5, mean confidence 0.35, heat
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.base import (
    STANDING,
    Marks,
    Standing,
    check_version,
    figure,
    in_row_order,
    passes,
    scores,
    standing_array,
)
from detectors.fire.geometry import apart_deg, bearing_deg
from detectors.fire.parameters import FireParameters
from detectors.fire.track import Frame, Hit, Verdict, direction, gap_deg, insert, judge, merge
from schemas.bundle import Bundle
from schemas.finding import Finding, make_finding
from schemas.hazard import Hazard
from schemas.packet import LABELS, Packet
from schemas.stage import Emitted
from schemas.station import Station
from schemas.times import HOUR, Micros, seconds

_FLAME = LABELS.index("flame")
_EDGE_DEG = 2.0
"""A direction so near the edge of the view may be cut off: such a frame does not say that nothing is there."""
_FORGOTTEN_US = HOUR


class Sighting(msgspec.Struct, frozen=True):
    """What a camera says of one direction, for the network.

    Attributes
    ----------
    subject
        Camera and number of the direction: ``FC-01/3``.
    level
        At which level the sighting stands; 0 ends it.
    observed_us
        Of the frame that says so.
    bearing_deg, sigma_deg
        Mean over the last frames with a hit, and its uncertainty (one sigma).
    """

    subject: str
    station: str
    level: int
    observed_us: Micros
    bearing_deg: float
    sigma_deg: float
    frames: int
    confidence: float
    label: str
    temperature_c: float | None


class _Track(msgspec.Struct):
    number: int
    frames: list[Frame]
    hit_us: Micros
    """When something was last seen."""
    where: Hit
    sigma_deg: float
    standing: NDArray[Any]

    def key(self) -> tuple[Micros, int]:
        return self.hit_us, self.number


class _StoredTrack(msgspec.Struct, frozen=True, array_like=True):
    number: int
    frames: list[Frame]
    hit_us: Micros
    where: Hit
    sigma_deg: float
    standing: bytes


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    numbered: int
    tracks: list[_StoredTrack]


class FireSighting:
    """Follow smoke and flame in the frames of each camera.

    Hits of successive frames whose boxes lie within `same_fire_deg` of each other are one track, so a plume that
    grows, drifts or sways stays one subject, and two fires are two.
    """

    name = "fire.sighting"
    state_version = 1
    kinds = frozenset({"camera"})

    def __init__(self, parameters: FireParameters, bundle: Bundle) -> None:
        self._parameters = parameters
        self._stations = bundle.stations
        self._hold_us = seconds(parameters.hold_s)
        self._camera = bundle.stations.places_of("camera") >= 0
        self._tracks: dict[str, list[_Track]] = {}
        self._numbered: dict[str, int] = {}
        self._marks = Marks()

    def process(self, packet: Packet, now: Micros) -> list[Emitted]:
        """See `schemas.stage.StationStage`."""
        emitted: list[Emitted] = []
        assert packet.offsets is not None
        usable = scores(packet.flag, packet.counts) & self._camera[packet.row]
        seen = np.diff(packet.offsets) > 0
        for turn in packet.turns():
            for index in turn[usable[turn]].tolist():
                station = self._stations[int(packet.row[index])]
                # A frame without detections matters only where something was seen before.
                if seen[index] or self._tracks.get(station.id):
                    emitted += [Emitted(index, item) for item in self._frame(packet, index, station)]
        return in_row_order(emitted)

    def tick(self, now: Micros) -> list[Any]:
        """Nothing happens here by time alone."""
        return []

    def next_due(self) -> Micros | None:
        """Never: only frames raise or lower a sighting."""
        return None

    def changed(self) -> Mapping[str, bytes | None]:
        """See `schemas.stage.Kept`; keys are camera ids."""
        return {key: self._row(key) for key in self._marks.take()}

    def saved(self, token: Any) -> None:
        """See `schemas.stage.Kept`."""
        self._marks.saved()

    def state(self) -> Mapping[str, bytes]:
        """See `schemas.stage.Kept`."""
        return {key: self._row(key) for key in sorted(self._numbered)}

    def restore(self, state: Mapping[str, bytes]) -> None:
        """See `schemas.stage.Kept`."""
        for key, value in state.items():
            if key not in self._stations.row_of:
                continue
            check_version(self.name, value, self.state_version)
            stored = msgspec.msgpack.decode(value[1:], type=_Stored)
            self._numbered[key] = stored.numbered
            self._tracks[key] = [
                _Track(
                    t.number,
                    t.frames,
                    t.hit_us,
                    t.where,
                    t.sigma_deg,
                    np.frombuffer(t.standing, STANDING).copy(),
                )
                for t in stored.tracks
            ]

    def _row(self, key: str) -> bytes:
        tracks = [
            _StoredTrack(t.number, t.frames, t.hit_us, t.where, t.sigma_deg, t.standing.tobytes())
            for t in self._tracks.get(key, [])
        ]
        return bytes([self.state_version]) + msgspec.msgpack.encode(_Stored(self._numbered[key], tracks))

    def _frame(self, packet: Packet, index: int, station: Station) -> Iterator[Finding | Sighting]:
        observed_us = int(packet.observed_us[index])
        tracks = self._tracks.setdefault(station.id, [])
        hits = merge(list(self._hits(packet, index, station)), self._parameters.same_fire_deg)
        matched: dict[int, Hit] = {}
        for hit in hits:
            track = self._nearest(tracks, hit, observed_us, matched)
            if track is None:
                track = self._new_track(station.id, hit, observed_us)
                tracks.append(track)
            matched[track.number] = hit
        heat = float(packet.columns["max_temperature_c"][index])
        temperature_c = None if np.isnan(heat) else heat
        for track in list(tracks):
            seen = matched.get(track.number)
            if seen is not None or self._looks_there(packet, index, track):
                yield from self._follow(
                    packet, index, station, track, Frame(observed_us, seen, temperature_c)
                )
        kept = [
            track
            for track in tracks
            if track.standing["level"][0] > 0 or track.hit_us > observed_us - _FORGOTTEN_US
        ]
        if station.id in self._numbered:
            self._tracks[station.id] = kept
            self._marks.touch(station.id)

    def _hits(self, packet: Packet, index: int, station: Station) -> Iterator[Hit]:
        """What the frame shows that is no mask and no fog."""
        azimuth = float(packet.columns["azimuth_deg"][index])
        view = float(packet.columns["field_of_view_deg"][index])
        parts = (packet.part(name, index).tolist() for name in ("label", "confidence", "x0", "x1"))
        morning = self._is_morning(station, int(packet.observed_us[index]))
        for label, confidence, x0, x1 in zip(*parts, strict=True):
            left, right = min(x0, x1), max(x0, x1)
            flame = label == _FLAME
            if confidence < self._parameters.least_confidence:
                continue
            if morning and not flame and right - left >= self._parameters.fog_width:
                continue
            middle = bearing_deg(azimuth, view, (left + right) / 2.0)
            if _masked(station, middle):
                continue
            low, high = bearing_deg(azimuth, view, left), bearing_deg(azimuth, view, right)
            half = abs(apart_deg(high, low)) / 2.0
            yield Hit(middle, half, 0.0 if flame else confidence, confidence if flame else 0.0)

    def _is_morning(self, station: Station, observed_us: Micros) -> bool:
        solar_h = (observed_us / HOUR + station.lon / 15.0) % 24.0
        return self._parameters.fog_from_h <= solar_h < self._parameters.fog_until_h

    def _nearest(
        self, tracks: list[_Track], hit: Hit, observed_us: Micros, taken: Mapping[int, Hit]
    ) -> _Track | None:
        near = [
            (gap_deg(hit, track.where), track.number, track)
            for track in tracks
            if track.number not in taken and gap_deg(hit, track.where) <= self._parameters.same_fire_deg
        ]
        return min(near, key=lambda n: n[:2])[2] if near else None

    def _new_track(self, station: str, hit: Hit, observed_us: Micros) -> _Track:
        number = self._numbered.get(station, 0) + 1
        self._numbered[station] = number
        return _Track(number, [], observed_us, hit, 0.0, standing_array(1))

    def _looks_there(self, packet: Packet, index: int, track: _Track) -> bool:
        view = float(packet.columns["field_of_view_deg"][index])
        off = apart_deg(track.where.bearing_deg, float(packet.columns["azimuth_deg"][index]))
        return view >= 360.0 or abs(off) <= view / 2.0 - _EDGE_DEG

    def _follow(
        self, packet: Packet, index: int, station: Station, track: _Track, frame: Frame
    ) -> Iterator[Finding | Sighting]:
        """Weigh one more frame that looks in a track's direction."""
        at = insert(track.frames, frame)
        if at is None:
            return
        if frame.hit is not None:
            track.hit_us = max(track.hit_us, frame.observed_us)
            # The direction is that of the newest hits: a plume drifts.
            track.where, track.sigma_deg = direction(
                [f for f in track.frames if f.hit is not None][-4:], self._parameters.sway_deg
            )
        verdicts = [judge(track.frames[: end + 1], self._parameters) for end in range(at, len(track.frames))]
        best = max(verdicts, key=lambda v: v.level)
        held_us = max(
            (track.frames[at + k].observed_us for k, v in enumerate(verdicts) if v.level == best.level),
            default=frame.observed_us,
        )
        # One hit keeps up what it would not raise: what is still seen is not over.
        holds = (
            0
            if frame.hit is None
            else self._parameters.flame_level
            if frame.hit.flame
            else self._parameters.smoke_level
        )
        rose, fell = Standing(track.standing, self._hold_us).update(
            np.zeros(1, dtype=np.intp),
            np.array([best.level], dtype=np.uint8),
            np.array([frame.observed_us]),
            passes(packet.flag[index : index + 1]),
            packet.log_us[index : index + 1],
            np.array([station.interval_us or 0]),
            holds=np.array([max(best.level, holds)], dtype=np.uint8),
            holds_us=np.array([max(held_us, frame.observed_us)]),
        )
        level = int(track.standing["level"][0])
        if rose[0] or fell[0]:
            yield self._finding(station, track, best, frame.observed_us, level)
        if (level and frame.hit is not None) or fell[0]:
            yield Sighting(
                f"{station.id}/{track.number}",
                station.id,
                level,
                frame.observed_us,
                track.where.bearing_deg,
                track.sigma_deg,
                best.hits,
                best.confidence,
                best.label,
                best.temperature_c,
            )

    def _finding(
        self, station: Station, track: _Track, verdict: Verdict, observed_us: Micros, level: int
    ) -> Finding:
        parameters = self._parameters
        track.standing["number"][0] += 1
        return make_finding(
            hazard=Hazard.FOREST_FIRE,
            detector="fire.sighting",
            level=level,
            area=station.area,
            stations=(station.id,),
            observed_us=observed_us,
            evidence={
                "label": verdict.label,
                "bearing_deg": figure(track.where.bearing_deg, 1),
                "bearing_sigma_deg": figure(track.sigma_deg, 1),
                "frames": verdict.hits,
                "frames_looked": verdict.looked,
                "threshold_frames": parameters.slow_hits,
                "confidence": figure(verdict.confidence, 2),
                "threshold_confidence": parameters.confidence,
                "max_temperature_c": None
                if verdict.temperature_c is None
                else figure(verdict.temperature_c, 1),
                "cameras": [station.id],
                "ellipse_m": None,
                "danger_grade": None,
            },
            against=("仅一台摄像机看到，位置未定",) if level else (),
            number=int(track.standing["number"][0]),
            subject=f"{station.id}/{track.number}",
        )


def _masked(station: Station, bearing: float) -> bool:
    """Whether a bearing lies in one of the camera's masked sectors, [from, to] clockwise."""
    return any(
        (bearing - low) % 360.0 <= (high - low) % 360.0 for low, high in station.parameters.get("masks", ())
    )
