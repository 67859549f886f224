"""The formulas of landslide kinematics against worked vectors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.landslide.kinematics import (
    inverse_velocity_failure,
    line,
    saito_failure,
    tangential_angle_deg,
    velocity_class,
)
from detectors.landslide.parameters import LandslideParameters


def test_tangential_angles_and_levels_of_the_worked_series():
    s = np.array([0, 2, 4, 6, 8, 11, 15, 22, 35, 60, 110], dtype=float)
    angles = [tangential_angle_deg(v, 2.0) for v in np.diff(s)]
    assert [round(a, 2) for a in angles] == [45, 45, 45, 45, 56.31, 63.43, 74.05, 81.25, 85.43, 87.71]
    grade = LandslideParameters().angle_level
    assert [grade(a) for a in angles] == [1, 1, 1, 1, 2, 2, 2, 3, 4, 4]


def test_velocity_is_the_least_squares_slope():
    fit = line(np.array([0.0, 1, 2, 3, 4]), np.array([1.0, 3, 5, 7, 9]))
    assert fit is not None
    assert fit.slope == pytest.approx(2.0)
    assert fit.r2 == pytest.approx(1.0)
    assert line(np.array([1.0, 1.0]), np.array([0.0, 1.0])) is None


def test_inverse_velocity_meets_the_true_time_of_failure():
    t = np.arange(8.0)
    v = np.array([2, 2.222222, 2.5, 2.857143, 3.333333, 4, 5, 6.666667])
    found = inverse_velocity_failure(t, v)
    assert found is not None
    assert found.at == pytest.approx(10.0, abs=1e-4)
    assert found.earliest <= found.at


def test_inverse_velocity_of_a_noisy_series():
    y = np.array([0.50, 0.46, 0.38, 0.36, 0.29, 0.26, 0.19, 0.16])
    found = inverse_velocity_failure(np.arange(8.0), 1.0 / y)
    assert found is not None
    assert found.at == pytest.approx(10.0625, abs=1e-4)
    assert found.r2 == pytest.approx(0.9905, abs=1e-4)
    assert found.latest is not None
    assert found.earliest < found.at < found.latest


def test_inverse_velocity_with_another_exponent():
    y = 0.40 - 0.04 * np.arange(8.0)
    v = y ** (1.0 / (1.0 - 1.8))
    assert v[0] == pytest.approx(3.144, abs=1e-3)
    assert v[7] == pytest.approx(14.159, abs=1e-3)
    found = inverse_velocity_failure(np.arange(8.0), v, alpha=1.8)
    assert found is not None
    assert found.at == pytest.approx(10.0, abs=1e-6)


@pytest.mark.parametrize("v", [[5, 4, 3, 2.5, 2, 1.5], [2, 2, 2, 2, 2, 2], [1, 9, 1, 9, 1, 9], [1, 2, 3]])
def test_inverse_velocity_says_nothing_without_acceleration(v):
    assert inverse_velocity_failure(np.arange(float(len(v))), np.array(v, dtype=float)) is None


@pytest.mark.parametrize(("times", "failure"), [((0, 4, 6), 8.0), ((0, 3, 5.1), 10.0), ((0, 2, 5), None)])
def test_saito(times, failure):
    found = saito_failure(*map(float, times))
    assert found == (None if failure is None else pytest.approx(failure))


@given(st.floats(0.1, 50), st.floats(0.1, 50), st.floats(0.1, 50))
def test_saito_is_after_the_last_time_where_it_is_near(first, ratio, start):
    # the displacement-time law behind it: equal steps take times in a fixed ratio below one
    ratio = ratio / 60.0
    second = first * ratio
    found = saito_failure(start, start + first, start + first + second)
    assert found is not None
    assert found > start + first


@pytest.mark.parametrize(
    ("speed", "name"),
    [(30.0, "slow"), (24_000.0, "moderate"), (1e9, "extremely_rapid"), (0, "extremely_slow")],
)
def test_velocity_classes(speed, name):
    assert velocity_class(speed) == name
