"""Rain's physics: buckets lose nothing, bands pass when they say."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.simulate.chance import chance
from runtime.simulate.rain import STEP_US, Band, Core, Gauges, showers_mm, tips
from runtime.simulate.storm import NEAR, STEPS_AN_HOUR, storm_field
from runtime.simulate.truth import Levels, flash_levels, signal_levels
from schemas.times import DAY, HOUR
from tests.runtime.simulate.places import BAZHONG


@given(st.lists(st.floats(0, 30), min_size=1, max_size=50), st.integers(0, 5))
def test_buckets_neither_lose_nor_invent_rain(depths: list[float], seed: int) -> None:
    counted = tips(np.array([depths]), chance("test", seed, "tips"))
    assert counted.min() >= 0
    assert abs(counted.sum() / 10 - sum(depths)) <= 0.1 + 1e-6


def test_a_band_passes_first_where_it_comes_from_and_rains_its_depth() -> None:
    band = Band((0, -1), 2, 20, (-50, 50), 24.0, 1.0, (Core((0.0, 0.0), 100.0, 10.0, 0.9),))
    places = np.array([[0.0, 50.0], [0.0, 0.0], [0.0, -50.0], [30.0, 0.0]])
    assert band.passes_h(places).tolist() == [2, 11, 20, 11]
    depths = band.depths_mm(places, (1 + np.arange(30 * STEPS_AN_HOUR)) / STEPS_AN_HOUR).sum(axis=1)
    assert depths[1] == pytest.approx(124, rel=0.01)
    assert depths[2] == pytest.approx(24, rel=0.01)
    assert depths[3] == pytest.approx(24 + 100 * np.exp(-4.5), rel=0.02)


def test_gauges_say_what_tipped_at_the_end_of_each_step() -> None:
    source = Gauges(["R-1", "R-2"], np.array([[0, 12], [3, -1]]), 0)
    block = source.block(0, DAY)
    assert [json.loads(body + b"}") for body in block.bodies] == [
        {
            "kind": "rain",
            "station": station,
            "observed_at": f"1970-01-01T00:{minute:02d}:00Z",
            "interval_s": 300,
            "rain_mm": rain_mm,
        }
        for station, minute, rain_mm in (("R-1", 5, 0.0), ("R-2", 5, 0.3), ("R-1", 10, 1.2))
    ]
    assert block.observed_us.tolist() == [STEP_US, STEP_US, 2 * STEP_US]
    assert [len(source.block(low, low + STEP_US).bodies) for low in (0, STEP_US, 2 * STEP_US)] == [0, 2, 1]


@pytest.mark.parametrize("seed", [2])
def test_no_maximum_of_a_storm_lies_near_a_threshold(seed: int) -> None:
    field = storm_field(BAZHONG, 12 * HOUR, 24, chance("test", seed, "rain"))
    rain = field.rainfall()
    counties = np.array([field.counties[k] for k in field.of_gauge])
    low, true, high = (
        signal_levels(rain.gauges_mm * factor, STEPS_AN_HOUR).max(axis=1)
        for factor in (1 - NEAR, 1, 1 + NEAR)
    )
    for county in set(field.counties):
        here = counties == county
        assert low[here].max() == true[here].max() == high[here].max()
    floods = rain.floods.max(axis=1)

    def wettest(factor: float) -> Levels:
        levels = flash_levels(rain.gauges_mm * factor, 12 * HOUR + STEP_US, STEP_US).max(axis=1)
        return np.array([levels[field.of_gauge == k].max() for k in range(len(floods))])

    assert (wettest(1 - NEAR) >= floods).all()
    assert (wettest(1 + NEAR) <= floods + 1).all()
    assert not ((wettest(1 + NEAR) >= 3) & (floods < 3)).any()
    assert floods.max() >= 3


def test_a_calm_month_has_rain_and_no_signal_is_near() -> None:
    hours = (1 + np.arange(28 * 24 * STEPS_AN_HOUR)) / STEPS_AN_HOUR
    depths = showers_mm(chance("test", 1, "rain"), np.array([[0.0, 0.0], [40.0, -50.0]]), hours, 28)
    assert depths.sum(axis=1).min() > 5
    assert signal_levels(depths * 2, STEPS_AN_HOUR).max() == 0
