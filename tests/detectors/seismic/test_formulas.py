"""Travel times, magnitudes, attenuation, intensity, levels: the published figures."""

import math

import numpy as np
import pytest
from pydantic import ValidationError

from detectors.seismic.intensity import (
    blind_radius_km,
    instrumental,
    intensity_of,
    mean_intensity,
    mean_pga_gal,
    pga_gal,
    pgv_cm_s,
    zone_of,
)
from detectors.seismic.locate import Observed, Waiting, direct_s, distance_km, locate, p_travel_s
from detectors.seismic.magnitude import (
    magnitude_from_pga,
    magnitude_kuyuk_allen,
    magnitude_tau_c,
    magnitude_wu_zhao,
    median,
    tau_c,
)
from detectors.seismic.parameters import SeismicParameters

MODEL = SeismicParameters()


@pytest.mark.parametrize(
    ("epicentral_km", "depth_km", "p_s", "s_s"),
    [(50, 10, 8.498, 14.737), (100, 10, 16.750, 29.046), (330, 15, 55.057, 95.474)],
)
def test_straight_rays(epicentral_km, depth_km, p_s, s_s):
    assert direct_s(epicentral_km, depth_km, 6.0) == pytest.approx(p_s, abs=5e-4)
    assert direct_s(epicentral_km, depth_km, 3.46) == pytest.approx(s_s, abs=1e-3)


def test_far_p_comes_along_the_bottom_of_the_crust():
    assert p_travel_s(50, 10, MODEL) == direct_s(50, 10, 6.0)
    assert p_travel_s(330, 15, MODEL) == pytest.approx(48.42, abs=0.01)


def test_location_of_the_reference_case():
    east = 111.195 * math.cos(math.radians(32))
    picks = [(0, 0, 8.3980), (40, 0, 8.7951), (0, 40, 7.2459), (35, 38, 6.9370)]
    found = locate([Observed(106 + x / east, 32 + y / 111.195, t) for x, y, t in picks], [], MODEL)
    assert (found.lon - 106) * east == pytest.approx(18, abs=0.5)
    assert (found.lat - 32) * 111.195 == pytest.approx(25, abs=0.5)
    assert found.depth_km == 10
    assert found.origin_s == pytest.approx(3.0, abs=0.05)
    assert found.misfit_s < 0.05


def test_a_station_that_waits_pushes_the_source_away():
    # Three stations in a row say nothing of the side; a fourth that still waits does.
    picks = [Observed(106 + 0.2 * k, 32, t) for k, t in ((0, 8.0), (1, 7.0), (2, 7.0), (3, 8.0))]
    north, south = Waiting(106.3, 32.35, 9.0), Waiting(106.3, 31.65, 9.0)
    assert locate(picks, [north], MODEL).lat < 32 < locate(picks, [south], MODEL).lat


def test_a_source_beyond_the_search_is_placed_on_the_right_side_and_not_trusted():
    # Wenchuan as seen from Bazhong, 320 km off.
    stations = [(106.5 + 0.3 * (k % 4), 31.4 + 0.4 * (k // 4)) for k in range(8)]
    picks = [Observed(*at, p_travel_s(distance_km(103.4, 31.0, *at), 14, MODEL)) for at in stations]
    found = locate(picks, [], MODEL)
    assert found.lon < 105.5
    assert found.sigma_km == MODEL.search_radius_km


def test_distance_of_a_degree():
    assert distance_km(106, 32, 106, 33) == pytest.approx(111.195)


def test_magnitudes():
    assert magnitude_wu_zhao(0.1, 30) == pytest.approx(6.163, abs=5e-4)
    assert magnitude_kuyuk_allen(0.1, 30) == pytest.approx(6.198, abs=5e-4)
    assert magnitude_wu_zhao(0.02, 50) == pytest.approx(5.622, abs=5e-4)
    assert magnitude_tau_c(1) == pytest.approx(4.939, abs=5e-4)
    assert magnitude_tau_c(2) == pytest.approx(5.956, abs=5e-4)
    assert median([3.0, 1.0, 2.0, 10.0]) == 2.5


def test_period_of_a_sine():
    time_s = np.arange(300) / 100
    sine = np.sin(2 * np.pi * time_s)
    assert tau_c(2 * np.pi * np.cos(2 * np.pi * time_s), sine) == pytest.approx(1.0, abs=0.01)
    assert tau_c(np.zeros(3), np.zeros(3)) is None


@pytest.mark.parametrize(
    ("ms", "km", "zone", "axis", "gal", "cm_s", "degree"),
    [
        (7.5, 100, "qinghai_tibet", "long", 49.60, 4.530, 6.642),
        (7.5, 100, "qinghai_tibet", "short", 33.11, 3.012, 6.180),
        (5.5, 20, "central", "long", 92.66, 4.082, 6.085),
        (5.5, 20, "central", "short", 64.88, 2.527, 5.762),
        (8.0, 330, "qinghai_tibet", "long", 7.31, 0.901, 5.253),
    ],
)
def test_attenuation(ms, km, zone, axis, gal, cm_s, degree):
    assert pga_gal(ms, km, zone, axis) == pytest.approx(gal, abs=5e-3)
    assert pgv_cm_s(ms, km, zone, axis) == pytest.approx(cm_s, abs=5e-4)
    assert intensity_of(ms, km, zone, axis) == pytest.approx(degree, abs=5e-4)


def test_magnitude_of_an_acceleration_inverts_the_attenuation():
    for ms in (4.5, 5.5, 6.4, 7.2):
        gal = mean_pga_gal(ms, 30, "central")
        assert magnitude_from_pga(gal / 100, 30, "central") == pytest.approx(ms, abs=0.02)


def test_mean_intensity_lies_between_the_axes_and_within_the_scale():
    assert 5.762 < mean_intensity(5.5, 20, "central") < 6.085
    assert mean_intensity(2.0, 300, "central") == 1.0


@pytest.mark.parametrize(
    ("gal", "cm_s", "degree"),
    [
        (195, 17.7, 7.5),
        (100, 10, 6.8),
        (50, 5, 5.8),
        (62, 9, 6.3),
        (400, 30, 8.2),
        (2, 0.1, 1.0),
        (0, 0, 1.0),
    ],
)
def test_instrumental_intensity(gal, cm_s, degree):
    assert instrumental(gal / 100, cm_s / 100) == degree


@pytest.mark.parametrize(("alert_s", "radius_km"), [(8, 25.81), (5.7, 17.00), (10, 33.12), (2, 0.0)])
def test_blind_radius(alert_s, radius_km):
    assert blind_radius_km(alert_s, 10, 3.46) == pytest.approx(radius_km, abs=5e-3)


def test_zones():
    assert zone_of(103.4, 31.0) == "qinghai_tibet"  # Wenchuan
    assert zone_of(107.3, 32.1) == "central"  # Bazhong
    assert zone_of(-98.7, 16.5) == "central"


@pytest.mark.parametrize(
    ("intensity", "level"),
    [(1.4, 0), (1.5, 1), (2.4, 1), (2.5, 2), (4.4, 2), (4.5, 3), (6.4, 3), (6.5, 4), (9.0, 4)],
)
def test_levels_by_rounded_intensity(intensity, level):
    assert MODEL.level_of(intensity) == level


def test_thresholds_of_levels_are_where_an_intensity_rounds_up_to_their_degree():
    assert [MODEL.threshold_of(level) for level in range(5)] == [None, 1.5, 2.5, 4.5, 6.5]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"orange_intensity": 8}, "must rise from blue to red"),
        ({"trigger_off": 5.0}, "trigger_off"),
        ({"vs_km_s": 7.0}, "vs_km_s"),
        ({"depths_km": (50.0,)}, "above moho_km"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_parameters_out_of_order_are_refused(wrong, sentence):
    with pytest.raises(ValidationError, match=sentence):
        SeismicParameters(**wrong)
