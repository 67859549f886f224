"""The rule by which levels stand and fall (EXACT, rule 8), and figures for evidence."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.base import Standing, figure, standing_array
from schemas.times import HOUR, Micros, to_micros

T0 = to_micros(datetime(2026, 7, 11, tzinfo=UTC))
HOLD = 3 * HOUR

STEP = st.tuples(st.integers(0, 4), st.integers(-4, 3), st.booleans(), st.integers(0, 3))


@settings(max_examples=200, deadline=None)
@given(steps=st.lists(STEP, max_size=40))
def test_one_station_alone_stands_as_it_does_among_many(steps):
    """The two ways to give a reading, in columns and in plain numbers, leave the same state to the bit."""
    columns, alone = Standing(standing_array(2), HOLD), Standing(standing_array(2), HOLD)
    now = T0
    for level, ahead, good, lag in steps:
        now += HOUR
        observed = now + ahead * HOUR
        columns.update(
            np.array([1]),
            np.array([level], dtype=np.uint8),
            np.array([observed]),
            np.array([good]),
            np.array([now + lag * HOUR]),
            np.array([HOUR]),
        )
        alone.update_one(1, level, observed, good, now + lag * HOUR, HOUR)
        assert columns.array.tobytes() == alone.array.tobytes()


@settings(max_examples=200, deadline=None)
@given(steps=st.lists(STEP, max_size=40))
def test_no_level_falls_but_after_good_readings_that_span_the_hold(steps):
    """EXACT, rule 8, against a plain reading of its words over all readings so far."""
    standing = Standing(standing_array(1), HOLD)
    said: list[tuple[int, int, bool]] = []
    now = T0
    for level, ahead, good, _ in steps:
        now += HOUR
        observed = now + ahead * HOUR
        before = int(standing.array["level"][0])
        standing.update_one(0, level, observed, good, now, HOUR)
        said.append((observed, level, good))
        after = int(standing.array["level"][0])
        assert after >= level
        for height in range(after + 1, before + 1):
            held = max(o for o, reached, _ in said if reached >= height)
            below = [o for o, reached, ok in said if ok and reached < height and o > held]
            assert max(below) - min(below) >= HOLD
            assert now - max(below) <= 2 * HOUR


class One:
    """One station's standing, read by read at the hour."""

    def __init__(self) -> None:
        self.standing = Standing(standing_array(1), HOLD)

    def read(self, hour: float, level: int, *, good: bool = True, heard: float | None = None) -> int:
        observed: Micros = T0 + round(hour * HOUR)
        now = observed if heard is None else T0 + round(heard * HOUR)
        self.standing.update_one(0, level, observed, good, now, HOUR)
        return int(self.standing.array["level"][0])


def test_a_level_rises_at_once_and_falls_after_the_hold():
    one = One()
    assert [one.read(h, level) for h, level in enumerate([0, 3, 0, 0, 0, 0])] == [0, 3, 3, 3, 3, 0]


def test_it_falls_to_the_highest_level_seen_meanwhile():
    one = One()
    assert [one.read(h, level) for h, level in enumerate([4, 2, 1, 2, 1, 0, 0, 0])] == [
        4,
        4,
        4,
        4,
        2,
        2,
        2,
        1,
    ]


def test_a_reading_that_reaches_it_again_starts_the_hold_anew():
    one = One()
    assert [one.read(h, level) for h, level in enumerate([3, 0, 0, 3, 0, 0, 0, 0])] == [
        3,
        3,
        3,
        3,
        3,
        3,
        3,
        0,
    ]


def test_suspect_readings_hold_up_and_lower_nothing():
    one = One()
    one.read(0, 3)
    assert [one.read(h, 0, good=False) for h in range(1, 20)] == [3] * 19
    assert [one.read(h, 0) for h in range(20, 23)] == [3] * 3
    assert one.read(22.5, 3, good=False) == 3
    assert [one.read(h, 0) for h in range(23, 27)] == [3, 3, 3, 0]


def test_old_news_lowers_nothing_until_it_is_fresh():
    one = One()
    one.read(0, 3)
    assert [one.read(h, 0, heard=30) for h in range(1, 28)] == [3] * 27
    assert one.read(28, 0, heard=30) == 0


def test_a_backlog_that_comes_backwards_counts_by_its_own_times():
    one = One()
    one.read(0, 3)
    assert [one.read(h, 0, heard=10) for h in (10, 9, 8)] == [3, 3, 3]
    assert one.read(7, 0, heard=10) == 0


def test_a_late_rise_outlives_what_came_before_it():
    one = One()
    for hour in range(10):
        one.read(hour, 0)
    assert one.read(4, 2, heard=9) == 2
    assert [one.read(h, 0) for h in (10, 11, 12, 13)] == [2, 2, 2, 0]


def test_a_triggered_station_has_no_age():
    standing = Standing(standing_array(1), HOLD)
    for hour, level in enumerate([3, 0, 0, 0, 0]):
        standing.update_one(0, level, T0 + hour * HOUR, True, T0 + 1000 * HOUR, 0)
    assert standing.array["level"][0] == 0


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [(1.25, 1, 1.2), (-0.04, 1, 0.0), (float("nan"), 2, None), (float("inf"), 2, None), (49.96, 0, 50.0)],
)
def test_figures_are_rounded_and_finite(value, digits, shown):
    assert figure(value, digits) == shown
    assert str(figure(value, digits)) != "-0.0"
