"""Fires and fog, as cameras see them."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from runtime.simulate.chance import chance
from runtime.simulate.fire import Cameras, Fire, Fog, bearings_deg, witnesses
from schemas.times import HOUR, MINUTE

CAMERAS_KM = np.array([[-8.0, 0.0], [0.0, -7.0], [9.0, 6.0], [60.0, 60.0]])
FIRE = Fire((1.0, 2.0), HOUR, 3 * HOUR, (100.0, -50.0))


def cameras(seed: int = 1) -> Cameras:
    names = ["C-1", "C-2", "C-3", "C-4"]
    return Cameras(names, CAMERAS_KM, 0, 4 * HOUR, chance("test", seed, "cameras"))


def said(source: Cameras, start: int = 0, stop: int = 4 * HOUR) -> list[dict[str, object]]:
    return [json.loads(body + b"}") for body in source.block(start, stop).bodies]


def test_bearings_run_clockwise_from_north() -> None:
    found = bearings_deg(np.array([[0.0, -1.0], [-1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]), (0.0, 0.0))
    assert found.tolist() == pytest.approx([0, 90, 180, 270])


def test_a_patrol_looks_every_ten_minutes_and_sees_nothing() -> None:
    frames = said(cameras())
    assert len(frames) == 4 * 24
    assert all(frame["detections"] == [] for frame in frames)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_smoke_is_seen_where_it_is_within_the_sway(seed: int) -> None:
    source = cameras(seed)
    visible = source.watch_fire(FIRE, [0, 1, 2])
    assert sorted(visible) == [0, 1, 2]
    assert min(visible.values()) > FIRE.ignites_us + 3 * MINUTE
    true = bearings_deg(CAMERAS_KM, FIRE.site_km)
    misses = []
    for frame in said(source):
        for detection in frame["detections"]:  # type: ignore[attr-defined]
            left, _, right, _ = detection["box"]
            half = math.tan(math.radians(float(str(frame["field_of_view_deg"])) / 2))
            off = math.degrees(math.atan(((left + right) / 2 - 0.5) * 2 * half))
            camera = int(str(frame["station"])[2:]) - 1
            misses.append((float(str(frame["azimuth_deg"])) + off - true[camera] + 180) % 360 - 180)
    assert len(misses) > 300
    assert float(np.std(misses)) < 1.5
    assert abs(float(np.mean(misses))) < 1.0
    assert {frame["station"] for frame in said(source) if frame["detections"]} == {"C-1", "C-2", "C-3"}


def test_while_something_is_seen_frames_come_every_twenty_to_sixty_seconds() -> None:
    source = cameras()
    source.watch_fire(FIRE, [0])
    times = source.block(int(1.5 * HOUR), 3 * HOUR)
    mine = [t for t, body in zip(times.observed_us.tolist(), times.bodies, strict=True) if b'"C-1"' in body]
    gaps = np.diff(mine) / 1e6
    assert gaps.min() >= 20
    assert gaps.max() <= 60


def test_fog_is_wide_and_faint() -> None:
    source = cameras()
    source.watch_fog(Fog(1, HOUR, 2 * HOUR))
    seen = [d for frame in said(source) for d in frame["detections"]]  # type: ignore[attr-defined]
    assert len(seen) > 50
    assert max(d["confidence"] for d in seen) < 0.3
    assert min(d["box"][2] - d["box"][0] for d in seen) > 0.8


def test_blocks_cut_frames_without_loss() -> None:
    source = cameras()
    source.watch_fire(FIRE, [0, 1])
    whole = source.block(0, 4 * HOUR).bodies
    parts = [body for k in range(16) for body in source.block(k * 15 * MINUTE, (k + 1) * 15 * MINUTE).bodies]
    assert parts == whole


def test_witnesses_cross_well_or_there_are_none() -> None:
    assert sorted(witnesses(CAMERAS_KM, (1.0, 2.0)) or ()) == [0, 1, 2]
    assert witnesses(CAMERAS_KM[:2], (1.0, 2.0)) is None
    line = np.array([[-5.0, 0.0], [-9.0, 0.0], [-12.0, 0.0]])
    assert witnesses(line, (1.0, 0.0)) is None
