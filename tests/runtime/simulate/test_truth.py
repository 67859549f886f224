"""Truth's own rules, against the reference figures; no detector is asked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.simulate.truth import (
    Course,
    flash_levels,
    intensity,
    rolling_mm,
    shaking_level,
    signal_levels,
    slope_levels,
    truth_of,
)
from schemas.hazard import Hazard
from schemas.times import HOUR, MINUTE, from_micros

STEP = 5 * MINUTE


def test_signals_of_the_reference_series() -> None:
    # DOMAIN 2.1: 12 x 2.5 and 24 x 0.5 mm make 42 mm in 3 h and no signal; 8 mm more make yellow by 50 mm in 6 h.
    series = np.array([[2.5] * 12 + [0.5] * 24 + [8.0]])
    levels = signal_levels(series, 12)[0]
    assert levels[:36].max() == 0
    assert levels[36] == 2
    assert rolling_mm(series, 12)[0].max() == pytest.approx(30.0)
    assert rolling_mm(series, 36)[0, 35] == pytest.approx(42.0)
    assert rolling_mm(series, 36)[0, 36] == pytest.approx(47.5)


def test_a_signal_ends_when_it_has_not_rained_for_half_an_hour() -> None:
    series = np.array([[10.0] * 11 + [0.0] * 20])
    levels = signal_levels(series, 12)[0]
    assert levels[10] == 4
    assert levels[15] == 4
    assert levels[16:].max() == 0


@given(st.lists(st.floats(0, 20), min_size=1, max_size=60), st.integers(1, 40))
def test_rolling_sums_equal_plain_sums(depths: list[float], steps: int) -> None:
    rolled = rolling_mm(np.array(depths), steps)
    for k in range(len(depths)):
        assert rolled[k] == pytest.approx(sum(depths[max(0, k - steps + 1) : k + 1]), abs=1e-9)


def test_flood_levels_follow_the_critical_rain() -> None:
    for hour_mm, level in ((34.9, 0), (35.0, 1), (45.0, 2), (60.0, 3), (80.0, 4)):
        series = np.zeros((1, 40))
        series[0, 12:24] = hour_mm / 12 + 1e-9
        assert flash_levels(series, 10 * HOUR, STEP).max() == level


def test_wet_ground_needs_less_rain() -> None:
    # 60 mm fell slowly the day before the hour of 55 mm: dry ground bears it as yellow, this ground does not.
    series = np.zeros((2, 24 * 12))
    series[:, -12:] = 55 / 12
    series[1, :240] = 0.4
    dry, wet = flash_levels(series, 8 * HOUR, STEP).max(axis=1)
    assert dry == 2
    assert wet == 3


def test_slopes_of_the_reference_series() -> None:
    # DOMAIN 3.1: steps of a day with v0 = 2 mm.
    displacement = np.array([0, 2, 4, 6, 8, 11, 15, 22, 35, 60, 110.0])
    velocity = np.diff(displacement)
    levels = slope_levels(velocity, 2.0, np.full(len(velocity), 1e6))
    assert levels.tolist() == [1, 1, 1, 1, 2, 2, 2, 3, 4, 4]


def test_remaining_life_raises_and_never_lowers() -> None:
    velocity = np.array([2.4, 2.4, 2.4, 2.4, 100.0])
    assert slope_levels(velocity, 2.0, np.array([200, 168, 24, 6, 500.0])).tolist() == [2, 2, 3, 4, 4]
    assert slope_levels(np.array([np.nan]), 2.0, np.array([0.0])).tolist() == [0]


@pytest.mark.parametrize(
    ("magnitude", "away_km", "expected"), [(5.5, 20, (6.085 + 5.762) / 2), (5.5, 29, (5.722 + 5.412) / 2)]
)
def test_intensity_of_the_central_zone(magnitude: float, away_km: float, expected: float) -> None:
    assert intensity(magnitude, away_km) == pytest.approx(expected, abs=0.02)


def test_levels_by_rounded_intensity() -> None:
    given = (1.0, 2.4, 2.5, 4.49, 4.5, 6.49, 6.5, 9.0)
    assert [shaking_level(value) for value in given] == [0, 1, 2, 2, 3, 3, 4, 4]


def course(*levels: int, step: int = HOUR) -> Course:
    found = Course.of_series(Hazard.RAINSTORM, "511902", np.array(levels), 0, step)
    assert found is not None
    return found


def test_an_event_has_its_highest_level_from_when_it_is_reached_to_the_end_of_the_episode() -> None:
    (event,) = course(0, 1, 3, 3, 1, 0).events(0, 100 * HOUR)
    assert (event.level, event.begins_at, event.ends_at) == (3, from_micros(2 * HOUR), from_micros(5 * HOUR))


def test_spells_within_the_gap_are_one_event_and_others_are_two() -> None:
    assert len(course(2, 0, 0, 0, 0, 0, 1).events(0, 100 * HOUR)) == 1
    one, other = course(2, 0, 0, 0, 0, 0, 0, 0, 1).events(0, 100 * HOUR)
    assert (one.level, other.level) == (2, 1)


def test_a_cut_names_only_what_had_happened_by_then() -> None:
    (event,) = course(0, 1, 3, 3, 1, 0).events(0, 2 * HOUR)
    assert (event.level, event.ends_at) == (1, from_micros(2 * HOUR))
    (event,) = course(0, 1, 3, 3, 1, 0).events(4 * HOUR, 9 * HOUR)
    assert (event.level, event.begins_at) == (1, from_micros(4 * HOUR))
    assert course(0, 1, 3, 3, 1, 0).events(5 * HOUR, 9 * HOUR) == []


def test_no_level_no_course() -> None:
    assert Course.of_series(Hazard.RAINSTORM, "511902", np.zeros(5, dtype=np.int64), 0, HOUR) is None


def test_events_are_in_order_of_time() -> None:
    late, early = course(0, 0, 1), course(1, 0, 0)
    assert [e.begins_at for e in truth_of([late, early], 0, 9 * HOUR).events] == [
        from_micros(0),
        from_micros(2 * HOUR),
    ]
