"""Earthquakes: arrivals by the travel times, peaks by the relations, packets of one second."""

from __future__ import annotations

import json

import numpy as np
import pytest

from runtime.simulate.chance import chance
from runtime.simulate.seismic import (
    RATE_HZ,
    Quake,
    Windows,
    corner_hz,
    peak_acceleration_m_s2,
    peak_displacement_cm,
    shaking,
    truck,
    unrest,
)
from schemas.times import SECOND

QUAKE = Quake(30 * SECOND, (0.0, 0.0), 10.0, 5.5)


def test_relations_of_the_reference() -> None:
    # DOMAIN 4.3 and 4.4: Pd 0.1 cm at 30 km is M 6.163; M 5.5 at 20 km is 92.66 gal along and 64.88 across.
    assert peak_displacement_cm(6.163, 30) == pytest.approx(0.1, rel=0.01)
    assert peak_acceleration_m_s2(5.5, 20) == pytest.approx((0.9266 * 0.6488) ** 0.5, rel=0.01)
    assert 0.3 < corner_hz(5.5, 3.46) < 0.8


@pytest.mark.parametrize("away_km", [15.0, 40.0, 80.0])
def test_waves_arrive_when_they_must(away_km: float) -> None:
    ground = shaking(QUAKE, np.array([away_km, 0.0]), 0, 120, chance("test", 1, "quake"))
    path_km = np.hypot(away_km, 10)
    energy = (ground**2).sum(axis=0)
    p, s = (int((30 + path_km / speed) * RATE_HZ) for speed in (6.0, 3.46))
    quiet = energy[: p - 5].mean()
    assert energy[p : p + 100].mean() > 30 * quiet
    assert energy[s : s + 300].mean() > 3 * energy[p : s - 5].mean()
    # P shakes upright, S to the sides.
    assert (ground[0, p : s - 10] ** 2).sum() > (ground[1, p : s - 10] ** 2).sum()
    assert (ground[1, s : s + 300] ** 2).sum() > (ground[0, s : s + 300] ** 2).sum()


def test_peaks_scatter_around_the_attenuation() -> None:
    draw = chance("test", 2, "quake")
    ratios = []
    for away_km in np.linspace(12, 90, 24):
        ground = shaking(QUAKE, np.array([0.0, away_km]), 0, 120, draw)
        peak = float(np.sqrt((ground**2).sum(axis=0)).max())
        ratios.append(np.log10(peak / peak_acceleration_m_s2(5.5, away_km)))
    assert abs(float(np.median(ratios))) < 0.12
    assert float(np.std(ratios)) < 0.15


def test_a_truck_is_local_and_weak() -> None:
    ground = truck(30, 0.02, chance("test", 1, "truck"))
    assert ground.shape == (3, 3000)
    assert 0.015 < float(np.abs(ground).max()) < 0.03
    assert float(np.abs(ground[:, :300]).max()) < 0.005


def test_unrest_is_that_of_a_quiet_town() -> None:
    noise = unrest(60, chance("test", 1, "noise"))
    assert 1e-5 < float(noise.std()) < 1e-4


def test_packets_hold_a_second_of_counts_each() -> None:
    windows = Windows()
    windows.add("S-1", 1000.0, 5 * SECOND, np.full((3, 2 * RATE_HZ), 0.5))
    block = windows.block(0, 10 * SECOND)
    said = [json.loads(body + b"}") for body in block.bodies]
    assert [r["channel"] for r in said] == ["HNZ", "HNN", "HNE"] * 2
    assert said[0]["observed_at"] == "1970-01-01T00:00:05Z"
    assert said[0]["samples"] == [500] * RATE_HZ
    # A packet is complete when its last sample is.
    assert block.observed_us.tolist() == [5_990_000] * 3 + [6_990_000] * 3
    assert windows.block(0, 5 * SECOND).bodies == []
