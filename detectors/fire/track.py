"""Tracks: what one camera keeps seeing in one direction, frame by frame.

In      hits (label, confidence, bearing interval) and frames that look there and see nothing
Out     the level that the frames give, and the bearing that they agree on
State   the last eight frames of a track
Source  persistence of Pyronear and DOMAIN 5.1
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import msgspec

from detectors.fire.geometry import apart_deg
from detectors.fire.parameters import FireParameters
from schemas.times import Micros, seconds

KEPT_FRAMES = 8


class Hit(msgspec.Struct, frozen=True, array_like=True):
    """What one frame shows of one fire.

    `bearing_deg`: of the middle; `half_deg`: half the width; `smoke`, `flame`: the highest confidence, 0 without one.
    """

    bearing_deg: float
    half_deg: float
    smoke: float
    flame: float


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """One frame that looked in a track's direction; `hit` is None where it saw nothing there."""

    observed_us: Micros
    hit: Hit | None
    temperature_c: float | None


class Verdict(msgspec.Struct, frozen=True, array_like=True):
    """What a run of frames gives: the level, and the figures that led to it."""

    level: int
    label: str
    hits: int
    looked: int
    confidence: float
    temperature_c: float | None


NOTHING = Verdict(0, "smoke", 0, 0, 0.0, None)


def merge(hits: Sequence[Hit], same_fire_deg: float) -> list[Hit]:
    """Join the hits of one frame that show one fire: a plume in pieces, smoke above its flame."""
    joined: list[Hit] = []
    for hit in sorted(hits, key=lambda h: (h.bearing_deg, h.half_deg, h.smoke, h.flame)):
        for k, other in enumerate(joined):
            if gap_deg(hit, other) <= same_fire_deg:
                joined[k] = _union(other, hit)
                break
        else:
            joined.append(hit)
    return joined


def gap_deg(one: Hit, other: Hit) -> float:
    """Angle between the near edges of two hits; negative where they overlap."""
    return abs(apart_deg(one.bearing_deg, other.bearing_deg)) - one.half_deg - other.half_deg


def _union(one: Hit, other: Hit) -> Hit:
    shift = apart_deg(other.bearing_deg, one.bearing_deg)
    low = min(-one.half_deg, shift - other.half_deg)
    high = max(one.half_deg, shift + other.half_deg)
    middle = (one.bearing_deg + (low + high) / 2.0) % 360.0
    return Hit(middle, (high - low) / 2.0, max(one.smoke, other.smoke), max(one.flame, other.flame))


def insert(frames: list[Frame], frame: Frame) -> int | None:
    """Put a frame into its place by time; its index, or None where it is older than all that are kept."""
    at = len(frames)
    while at > 0 and frames[at - 1].observed_us > frame.observed_us:
        at -= 1
    if at == 0 and len(frames) >= KEPT_FRAMES:
        return None
    frames.insert(at, frame)
    if len(frames) > KEPT_FRAMES:
        del frames[0]
        at -= 1
    return at


def judge(frames: Sequence[Frame], parameters: FireParameters) -> Verdict:
    """What frames, oldest first, give at the time of the last."""
    if not frames:
        return NOTHING
    now = frames[-1].observed_us
    fast = _within(frames[-parameters.fast_frames :], now, parameters.fast_window_s)
    slow = _within(frames[-parameters.slow_frames :], now, parameters.window_s)
    flame = _flame(slow, parameters)
    if flame is not None:
        return flame
    best = NOTHING
    spaced = all(
        later.observed_us - earlier.observed_us > seconds(parameters.slow_gap_s)
        for earlier, later in itertools.pairwise(slow)
    )
    for window, needed in ((fast, parameters.fast_hits), (slow if spaced else [], parameters.slow_hits)):
        found = [f for f in window if f.hit is not None]
        if len(found) < needed:
            continue
        confidence = math.fsum(max(f.hit.smoke, f.hit.flame) for f in found if f.hit) / len(found)
        if confidence < parameters.confidence:
            continue
        heat = _hottest(found)
        level = parameters.smoke_level + (heat is not None and heat >= parameters.hot_c)
        verdict = Verdict(min(4, level), "smoke", len(found), len(window), confidence, heat)
        best = max(best, verdict, key=lambda v: (v.level, v.hits))
    return best


def _flame(window: Sequence[Frame], parameters: FireParameters) -> Verdict | None:
    found = [f for f in window if f.hit is not None and f.hit.flame > 0.0]
    if len(found) < parameters.slow_hits:
        return None
    confidence = math.fsum(f.hit.flame for f in found if f.hit) / len(found)
    if confidence < parameters.confidence:
        return None
    heat = _hottest(found)
    level = parameters.flame_level + (heat is not None and heat >= parameters.hot_c)
    return Verdict(min(4, level), "flame", len(found), len(window), confidence, heat)


def _within(frames: Sequence[Frame], now: Micros, window_s: float) -> list[Frame]:
    return [f for f in frames if f.observed_us >= now - seconds(window_s)]


def _hottest(frames: Sequence[Frame]) -> float | None:
    return max((f.temperature_c for f in frames if f.temperature_c is not None), default=None)


def direction(frames: Sequence[Frame], sway_deg: float) -> tuple[Hit, float]:
    """The mean bearing and width of the frames with a hit, and the bearing's uncertainty, one sigma in degrees.

    Notes
    -----
    The uncertainty joins the scatter of the frames, divided by the root of their number, what mounting and
    sway leave for good, and a quarter of the half width: where in a broad plume the fire is, is not known.
    """
    hits = [f.hit for f in frames if f.hit is not None]
    first = hits[0].bearing_deg
    off = [apart_deg(h.bearing_deg, first) for h in hits]
    mean = math.fsum(off) / len(off)
    half = math.fsum(h.half_deg for h in hits) / len(hits)
    scatter = math.fsum((o - mean) ** 2 for o in off) / max(len(off) - 1, 1) / len(off)
    sigma = math.sqrt(scatter + sway_deg**2 + (half / 4.0) ** 2)
    return Hit((first + mean) % 360.0, half, 0.0, 0.0), sigma
