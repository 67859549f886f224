"""Bearings and fixes against worked vectors."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from detectors.fire.geometry import Plane, Sight, apart_deg, bearing_deg, crossing_deg, fix


def test_bearing_of_a_box_by_the_pinhole_formula():
    assert bearing_deg(10.0, 60.0, 0.75) == pytest.approx(26.10, abs=0.005)
    assert bearing_deg(350.0, 60.0, 0.75) == pytest.approx(6.10, abs=0.005)
    assert bearing_deg(10.0, 60.0, 0.5) == pytest.approx(10.0)
    assert bearing_deg(0.0, 360.0, 0.75) == pytest.approx(90.0)


@given(st.floats(0, 360), st.floats(1, 179), st.floats(0, 1))
def test_bearings_stay_within_the_view(azimuth, view, x):
    assert abs(apart_deg(bearing_deg(azimuth, view, x), azimuth)) <= view / 2 + 1e-6


A, B, TARGET = (106.70, 31.85), (106.85, 31.90), (106.80, 31.97)


def test_fix_of_two_cameras_with_its_ellipse():
    found = fix([Sight(A, 35.3801, 1.0), Sight(B, 328.6668, 1.0)])
    assert found is not None
    assert found.position == (pytest.approx(106.799969, abs=2e-6), pytest.approx(31.970126, abs=2e-6))
    assert found.ranges_m == (pytest.approx(16325.4, abs=30), pytest.approx(9088.6, abs=30))
    assert found.semi_major_m == pytest.approx(784.1, abs=1.0)
    assert found.semi_minor_m == pytest.approx(376.8, abs=1.0)
    assert found.azimuth_deg == pytest.approx(156.7, abs=0.1)
    assert crossing_deg(35.3801, 328.6668) == pytest.approx(66.7, abs=0.1)


def test_plane_scale():
    plane = Plane(106.8, 31.91)
    middle = Plane.around([A, B])
    assert middle.x_m_per_deg == pytest.approx(94621.1, abs=60)
    assert plane.y_m_per_deg == pytest.approx(110884.6, abs=2)


def test_parallel_bearings_have_no_fix_and_a_crossing_behind_has_a_negative_range():
    assert fix([Sight(A, 40.0, 1.0), Sight(B, 40.0, 1.0)]) is None
    found = fix([Sight(A, 215.3801, 1.0), Sight(B, 328.6668, 1.0)])
    assert found is not None
    assert found.ranges_m[0] < 0 < found.ranges_m[1]


@given(st.floats(-0.15, 0.15), st.floats(-0.15, 0.15), st.floats(-0.1, 0.1), st.floats(-0.1, 0.1))
def test_exact_bearings_of_three_cameras_meet_at_the_target(x, y, u, v):
    target, third = (106.8 + x, 31.95 + y), (106.9 + u, 31.8 + v)
    plane = Plane.around([A, B, third])
    sights = []
    for place in (A, B, third):
        (tx, ty), (px, py) = plane.metres(target), plane.metres(place)
        assume(math.hypot(tx - px, ty - py) > 500)
        sights.append(Sight(place, math.degrees(math.atan2(tx - px, ty - py)) % 360, 1.0))
    assume(any(15 < crossing_deg(a.bearing_deg, b.bearing_deg) < 165 for a in sights for b in sights))
    found = fix(sights)
    assert found is not None
    assert plane.metres(found.position) == pytest.approx(plane.metres(target), abs=0.5)
    assert all(distance > 0 for distance in found.ranges_m)
