"""The station stage: onsets, gaps, late packets, the rail, noise, and what it says of them."""

import numpy as np
import pytest
from numpy.typing import NDArray

from detectors.seismic.items import Motion, Pick
from detectors.seismic.parameters import SeismicParameters
from detectors.seismic.pick import at_the_rail
from schemas.finding import Finding
from schemas.packet import FAIL, merged
from schemas.times import SECOND, Micros
from tests.detectors.seismic.quakes import (
    START_US,
    burst,
    network,
    noise,
    one_station,
    picked,
    seconds_of,
)

ONE = network({"SM-01": (106.8, 31.9)}, {"channels": ["HNZ"], "gain": 1000.0, "unit": "m/s2"})
ONSET_S = 30.4


def shaken(frequency_hz: float = 5.0, peak: float = 0.02, length_s: float = 3.0) -> NDArray[np.float64]:
    return noise(60) + burst(60, ONSET_S, length_s, frequency_hz, peak)


def new_picks(items: list[object]) -> list[Pick]:
    return [item for item in items if isinstance(item, Pick) and item.window_s == 0]


def since_start(at_us: Micros) -> float:
    return (at_us - START_US) / SECOND


def test_an_onset_is_picked_to_a_few_hundredths_and_told_with_its_amplitude():
    items = picked(ONE, one_station(seconds_of(shaken()), ONE))
    (first,) = new_picks(items)
    assert since_start(first.picked_us) == pytest.approx(ONSET_S, abs=0.05)
    assert [item.window_s for item in items if isinstance(item, Pick)] == [0, 1, 2, 3]
    findings = [item for item in items if isinstance(item, Finding)]
    assert [finding.level for finding in findings] == [0, 0]
    assert findings[0].evidence["phase"] == "P"
    assert findings[0].evidence["sta_lta"] > findings[0].evidence["sta_lta_threshold"]
    assert findings[1].evidence["pd_cm"] > 0
    assert findings[1].evidence["tau_c_s"] > 0
    assert findings[1].evidence["pga_m_s2"] == pytest.approx(0.02, rel=0.3)


def test_the_packets_length_changes_no_pick():
    series = shaken()
    second = new_picks(picked(ONE, one_station(seconds_of(series), ONE)))
    half = [(START_US + k * SECOND // 2, series[k * 50 : k * 50 + 50]) for k in range(120)]
    whole = [(START_US, series)]
    for pieces in (half, whole):
        assert new_picks(picked(ONE, one_station(pieces, ONE))) == second


def test_counts_are_divided_by_the_gain():
    in_counts = picked(ONE, one_station(seconds_of(shaken() * 1000), ONE, unit="count"))
    direct = picked(ONE, one_station(seconds_of(shaken()), ONE))
    amplitudes = [
        [item.pd_cm for item in items if isinstance(item, Pick) and item.window_s == 3]
        for items in (in_counts, direct)
    ]
    assert amplitudes[0] == pytest.approx(amplitudes[1])


def test_without_a_gain_there_is_a_pick_and_no_amplitude():
    bare = network({"SM-01": (106.8, 31.9)}, {})
    items = picked(bare, one_station(seconds_of(shaken() * 1e6), bare, unit="count"))
    assert new_picks(items)
    assert all(item.pd_cm is None for item in items if isinstance(item, Pick))
    assert all(item.pga_m_s2 is None for item in items if isinstance(item, Motion))


def test_a_large_offset_makes_no_trigger():
    assert not new_picks(picked(ONE, one_station(seconds_of(noise(40) + 16.0), ONE)))


@pytest.mark.parametrize("rate_hz", [20, 50, 200, 250])
def test_any_rate(rate_hz):
    series = noise(40, rate_hz=rate_hz)
    time_s = np.arange(len(series)) / rate_hz - 20
    series = series + np.where(time_s >= 0, 0.02 * np.sin(2 * np.pi * 4 * time_s), 0)
    items = picked(ONE, one_station(seconds_of(series, rate_hz), ONE, rate_hz=rate_hz))
    assert since_start(new_picks(items)[0].picked_us) == pytest.approx(20, abs=0.1)


def test_a_record_that_has_just_begun_does_not_trigger():
    early = noise(30) + burst(30, 3.0, 2.0, 5.0, 0.02)
    assert not new_picks(picked(ONE, one_station(seconds_of(early), ONE)))


def test_a_gap_restarts_the_filters_without_a_trigger():
    pieces = seconds_of(noise(60) + 3.0)
    del pieces[30:33]
    assert not new_picks(picked(ONE, one_station(pieces, ONE)))


def test_a_packet_that_is_late_by_a_second_is_waited_for():
    pieces = seconds_of(shaken())
    in_order = new_picks(picked(ONE, one_station(pieces, ONE)))
    pieces[30], pieces[31] = pieces[31], pieces[30]
    assert new_picks(picked(ONE, one_station(pieces, ONE))) == in_order


def test_a_packet_that_is_missing_holds_up_the_rest_for_no_more_than_two_seconds():
    pieces = seconds_of(shaken())
    del pieces[25]
    packet = one_station(pieces, ONE)
    (pick,) = new_picks(picked(ONE, packet))
    assert since_start(pick.picked_us) == pytest.approx(ONSET_S, abs=0.05)


def test_overlapping_samples_count_once():
    pieces = seconds_of(shaken())
    twice = [pieces[0]]
    for piece in pieces[1:]:
        before = twice[-1]
        twice.append((piece[0] - SECOND // 2, np.concatenate([before[1][-50:], piece[1]])))
    assert new_picks(picked(ONE, one_station(twice, ONE))) == new_picks(picked(ONE, one_station(pieces, ONE)))


def test_a_declared_rate_that_is_a_little_wrong_is_borne():
    # 4 per cent off, as real devices are: each packet says when it begins.
    series = shaken()
    pieces = [(START_US + k * SECOND, series[k * 100 : (k + 1) * 100]) for k in range(60)]
    picks = new_picks(picked(ONE, one_station(pieces, ONE, rate_hz=104.0)))
    assert since_start(picks[0].picked_us) == pytest.approx(ONSET_S, abs=0.1)


def test_spikes_and_hum_are_no_picks():
    spike = noise(60)
    spike[3000] = 1.0
    assert not new_picks(picked(ONE, one_station(seconds_of(spike), ONE)))
    hum = shaken(frequency_hz=35.0, peak=0.5)
    assert not new_picks(picked(ONE, one_station(seconds_of(hum), ONE)))


def test_clipped_samples_give_a_pick_and_no_amplitude():
    counts = np.clip(shaken(peak=2.0) * 1e7, -8_388_608, 8_388_607)
    items = picked(ONE, one_station(seconds_of(counts), ONE, unit="count"))
    assert new_picks(items)
    assert all(item.pd_cm is None for item in items if isinstance(item, Pick))
    assert any(item.clipped for item in items if isinstance(item, Motion))
    last = [item for item in items if isinstance(item, Finding)][-1]
    assert last.against


def test_rows_that_failed_a_quality_test_give_no_amplitude():
    packet = one_station(seconds_of(shaken()), ONE)
    flag = packet.flag.copy()
    flag[30:32] = FAIL
    items = picked(ONE, packet.assessed(flag, packet.counts))
    assert new_picks(items)
    assert all(item.pd_cm is None for item in items if isinstance(item, Pick))


def test_the_rail_is_three_equal_samples_near_full_scale():
    high = 8_388_607.0
    assert at_the_rail(np.array([0, high, high, high, 0]), 8_388_608)
    assert not at_the_rail(np.array([0, high, high, 0, high]), 8_388_608)
    assert not at_the_rail(np.array([0.0, 5, 5, 5, 0]), 8_388_608)


def test_each_second_says_the_vector_sum_of_three_components():
    three = network(
        {"SM-01": (106.8, 31.9)}, {"channels": ["HNZ", "HNN", "HNE"], "gain": 1.0, "unit": "m/s2"}
    )
    series = noise(20) + burst(20, 10.0, 100.0, 2.0, 0.3)
    packets = [one_station(seconds_of(series), three, channel=c) for c in ("HNZ", "HNN", "HNE")]
    order = [packets[c].span(k, k + 1) for k in range(20) for c in range(3)]
    motions = [item for item in picked(three, merged(order)) if isinstance(item, Motion)]
    assert [m.until_us for m in motions] == [START_US + (k + 1) * SECOND for k in range(20)]
    assert all(m.components == 3 for m in motions)
    assert motions[15].pga_m_s2 == pytest.approx(0.3 * np.sqrt(3), rel=0.05)
    assert motions[15].pgv_m_s == pytest.approx(0.3 * np.sqrt(3) / (4 * np.pi), rel=0.1)


def test_a_component_that_is_silent_is_not_waited_for():
    two = network({"SM-01": (106.8, 31.9)}, {"channels": ["HNZ", "HNN"], "gain": 1.0, "unit": "m/s2"})
    motions = [m for m in picked(two, one_station(seconds_of(noise(20)), two)) if isinstance(m, Motion)]
    assert len(motions) >= 16
    assert {m.components for m in motions} == {1}


def test_a_higher_threshold_picks_less():
    faint = noise(60) + burst(60, ONSET_S, 3.0, 5.0, 1.3e-4)
    packet = one_station(seconds_of(faint), ONE)
    assert new_picks(picked(ONE, packet))
    assert not new_picks(picked(ONE, packet, SeismicParameters(trigger_on=9.0)))
