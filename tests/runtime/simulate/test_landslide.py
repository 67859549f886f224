"""Slopes: failure by its law, faults, and what points say."""

from __future__ import annotations

import json

import numpy as np
import pytest

from runtime.simulate.chance import chance
from runtime.simulate.faults import calm_faults
from runtime.simulate.landslide import INSTRUMENTS, Failure, Points, Slopes, instrument_of
from schemas.times import DAY, HOUR

FAILURE = Failure(creep_mm_day=3.0, onset_h=6.0, fails_h=16.5, k_mm=14.0)


def rest(points: int = 40, hours: int = 24, seed: int = 1) -> Slopes:
    return Slopes.at_rest([f"L-{k}" for k in range(points)], hours, 13, chance("test", seed, "slopes"))


def test_velocity_follows_the_law_after_the_onset() -> None:
    hours = np.array([0.0, 5.9, 10.5, 15.5, 16.5, 20.0])
    velocity = FAILURE.velocity_mm_day(hours)
    assert velocity[:2].tolist() == [3, 3]
    assert velocity[2] == pytest.approx(3 + 24 * 14 / 6)
    assert velocity[3] == pytest.approx(3 + 24 * 14)
    assert np.isnan(velocity[4:]).all()


def test_displacement_is_the_sum_of_the_velocity() -> None:
    hours = np.array([4.0, 8.0, 15.5, 17.0])
    moved = FAILURE.displacement_mm(hours)
    assert moved[0] == pytest.approx(0.5)
    # From the end of the onset on K ln(left before / left after), beside the creep.
    assert moved[2] - moved[1] == pytest.approx(3 * 7.5 / 24 + 14 * np.log(8.5 / 1.0), rel=0.01)
    assert np.isnan(moved[3])


def test_a_failed_point_says_nothing_more() -> None:
    slopes = rest()
    slopes.move(0, FAILURE.displacement_mm(np.arange(1.0, 25)))
    said = [json.loads(body + b"}") for body in Points(slopes, 0).block(0, 2 * DAY).bodies]
    assert len([r for r in said if r["station"] == "L-0"]) == 16
    assert len([r for r in said if r["station"] == "L-1"]) == 24


def test_each_instrument_says_its_own_value_on_the_hour() -> None:
    block = Points(rest(), 0).block(0, 2 * HOUR)
    assert set(block.observed_us.tolist()) == {HOUR}
    fields = {"displacement": "displacement_mm", "crack": "crack_mm", "gnss": "gnss_mm", "tilt": "tilt_deg"}
    said = {r["station"]: r for r in (json.loads(body + b"}") for body in block.bodies)}
    assert len(said) == 40
    for k in range(40):
        assert fields[instrument_of(k)] in said[f"L-{k}"]
        assert ("soil_moisture_pct" in said[f"L-{k}"]) is (k % 8 == 0)
    assert {instrument_of(k) for k in range(40)} == set(INSTRUMENTS)


def test_noise_of_satellites_is_five_millimetres() -> None:
    values = rest(400, 200).values["gnss"]
    east = values[:, :, 0] - values[:, :, 0].mean(axis=1, keepdims=True)
    north = values[:, :, 1] - values[:, :, 1].mean(axis=1, keepdims=True)
    assert float(np.sqrt((east**2 + north**2).mean())) == pytest.approx(5, abs=0.3)


def test_rain_wets_the_soil_within_its_measure() -> None:
    slopes = rest()
    before = slopes.moisture_pct.copy()
    rain = np.zeros_like(before)
    rain[:, 5:10] = 40
    slopes.wet(rain)
    assert slopes.moisture_pct[:, 10].mean() > before.mean() + 15
    assert slopes.moisture_pct.max() <= 100


def test_a_calm_month_has_its_sick_instruments() -> None:
    hours = 28 * 24
    slopes = rest(200, hours)
    counted = calm_faults(np.zeros((60, hours * 12), dtype=np.int64), slopes, chance("test", 1, "faults"))
    silent = (counted < 0).sum(axis=1)
    assert (silent > 20).sum() == 12
    assert (silent <= 20).sum() > 0
    stuck = [
        name
        for name, values in slopes.values.items()
        if (np.diff(values[:, :, 0], axis=1) == 0).sum(axis=1).max() > 90
    ]
    assert stuck
    assert ((counted == 2).sum(axis=1) >= 36).sum() >= 1
