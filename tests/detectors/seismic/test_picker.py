"""The picker's formulas give the published vectors, and its running averages the same bits for any cut."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.seismic.picker import (
    akaike,
    akaike_onset,
    classic_sta_lta,
    is_spike,
    power_share_above,
    recursive_sta_lta,
    running_mean,
    trigger_onset,
)

SERIES = np.array([1, -1, 1, -1, 1, -1, 1, -1, 5, -4, 3, -2, 1, -1, 1, -1], dtype=float)
CLASSIC = [0] * 7 + [1, 3.25, 3.489362, 1.818182, 0.896552, 0.344828, 0.137931, 0.137931, 0.137931]
RECURSIVE = [0] * 8 + [3.55435, 2.788439, 2.070522, 1.440867, 0.904274, 0.615268, 0.465844, 0.39522]
ONSET = np.array([0.1, -0.1, 0.2, -0.1, 0.1, -0.2, 0.1, 2, -3, 2.5, -2, 1.5])


def test_classic_ratio_is_that_of_obspy():
    ratio = classic_sta_lta(SERIES, 2, 8)
    assert ratio == pytest.approx(CLASSIC, abs=1e-6)
    assert trigger_onset(ratio, 3, 1.5) == [(8, 10)]


def test_recursive_ratio_is_that_of_obspy():
    ratio = recursive_sta_lta(SERIES, 2, 8)
    assert ratio == pytest.approx(RECURSIVE, abs=1e-6)
    assert trigger_onset(ratio, 2, 1) == [(8, 11)]


def test_a_trigger_that_never_ends_ends_with_the_series():
    assert trigger_onset(np.array([0.0, 5.0, 5.0]), 4, 1.5) == [(1, 2)]
    assert trigger_onset(np.zeros(3), 4, 1.5) == []


def test_akaike_finds_the_last_quiet_sample():
    information = akaike(ONSET)
    assert int(np.argmin(information)) == akaike_onset(ONSET) == 6
    assert information[6] == pytest.approx(-21.4948, abs=1e-4)
    assert information[-1] == information[-2]


def test_akaike_bears_a_silence_of_equal_samples():
    series = np.concatenate([np.zeros(50), np.sin(np.arange(50.0))])
    assert abs(akaike_onset(series) - 50) <= 1


@given(
    energy=st.lists(st.floats(0, 1e6), min_size=1, max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=6),
    n=st.integers(1, 30),
)
def test_running_mean_is_the_same_to_the_bit_for_any_cut(energy, cuts, n):
    whole, carry = running_mean(np.array(energy), n, 0, 0.0)
    edges = sorted({0, len(energy), *(c for c in cuts if c <= len(energy))})
    parts, carried = [], 0.0
    for start, stop in itertools.pairwise(edges):
        means, carried = running_mean(np.array(energy[start:stop]), n, start, carried)
        parts.append(means)
    assert np.concatenate(parts).tobytes() == whole.tobytes()
    assert carried == carry


def test_running_mean_begins_unbiased():
    means, _ = running_mean(np.full(50, 3.0), 20, 0, 0.0)
    assert means == pytest.approx(np.full(50, 3.0))


def test_power_above_a_frequency():
    time_s = np.arange(100) / 100
    assert power_share_above(np.sin(2 * np.pi * 5 * time_s), 100, 20) < 0.01
    assert power_share_above(np.sin(2 * np.pi * 35 * time_s), 100, 20) > 0.99
    assert power_share_above(np.zeros(10), 100, 20) == 0


def test_a_spike_is_told_from_an_onset():
    spike = np.zeros(30)
    spike[20] = 5
    assert is_spike(spike)
    assert not is_spike(np.sin(np.arange(30.0)))
