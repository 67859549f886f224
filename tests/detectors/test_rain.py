"""Rain: the four signals, windows of event time, late readings, gaps, and how levels fall."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from detectors.flash_flood import FlashFlood, FlashFloodParameters
from detectors.rain import RainParameters, RainSignal, Signal
from detectors.rain.buckets import Rainfall
from detectors.rain.rings import BUCKETS
from schemas.packet import Packet
from schemas.times import HOUR, MINUTE, from_micros
from tests.detectors.contract import Drive, Subject, every_detector_passes
from tests.detectors.rainy import T0, bundle, rain, series

BUNDLE = bundle()
FIVE = 5 * MINUTE


def stages():
    return [
        RainSignal(RainParameters(), BUNDLE),
        FlashFlood(FlashFloodParameters(), BUNDLE),
    ]


def stormy_packets() -> list[Packet]:
    """Three gauges in a storm of five hours; one drops out, one has a gap, then all is dry for a day."""
    chance = np.random.Generator(np.random.PCG64(7))
    readings = []
    for k in range(36 * 12):
        for row in range(3):
            storm = 12 <= k < 72
            mm = round(float(chance.gamma(0.7, 1.6 * (row + 1))), 1) if storm else 0.0
            if (row == 1 and 40 <= k < 44) or (row == 2 and 80 <= k < 110):
                continue
            readings.append((row, T0 + (k + 1) * FIVE, mm))
    return [rain(BUNDLE.hash, readings[i : i + 150]) for i in range(0, len(readings), 150)]


@pytest.mark.parametrize("check", every_detector_passes, ids=lambda check: check.__name__)
def test_rain_and_flash_flood_keep_the_contract(check):
    check(Subject(stages, stormy_packets()))


@pytest.mark.parametrize("check", every_detector_passes, ids=lambda check: check.__name__)
def test_rain_of_very_many_gauges_keeps_the_contract(check, monkeypatch):
    monkeypatch.setattr("schemas.rows.BLOCKS_FROM", 1)
    check(Subject(stages, stormy_packets()))


def play(readings, **options) -> Drive:
    drive = Drive([RainSignal(RainParameters(), BUNDLE)])
    drive.take(rain(BUNDLE.hash, readings, **options))
    return drive


def levels(drive: Drive) -> list[tuple[int, int]]:
    """(minutes after T0, level) of what was found."""
    return [((f.observed_us - T0) // MINUTE, f.level) for f in drive.found]


def test_the_vector_of_the_domain_page():
    depths = [2.5] * 12 + [0.5] * 24
    drive = play(series(0, depths))
    assert drive.found == []
    drive.take(rain(BUNDLE.hash, [(0, T0 + 37 * FIVE, 8.0)]))
    (finding,) = drive.found
    assert finding.level == 2
    assert finding.hazard == "rainstorm"
    assert finding.detector == "rain.signal"
    assert finding.evidence["window_h"] == 6
    assert finding.evidence["rain_mm"] == 50.0
    assert finding.evidence["threshold_mm"] == 50.0
    assert finding.evidence["rain_3h_mm"] == 47.5
    assert finding.evidence["reached_at"] == from_micros(T0 + 37 * FIVE).isoformat().replace("+00:00", "Z")


def test_500_tips_of_a_tenth_reach_50_mm_exactly():
    drive = play([(0, T0 + (k + 1) * MINUTE // 5, 0.1) for k in range(500)], interval_us=12_000_000)
    assert [f.level for f in drive.found] == [3]
    assert drive.found[0].observed_us == T0 + 500 * MINUTE // 5
    assert drive.found[0].evidence["rain_mm"] == 50.0


@pytest.mark.parametrize(
    ("hours", "mm_an_hour", "level"),
    [(12, 50 / 12, 1), (6, 50 / 6, 2), (3, 50 / 3, 3), (3, 100 / 3, 4), (12, 49.8 / 12, 0)],
)
def test_each_signal_is_reached_at_its_depth_and_not_before(hours, mm_an_hour, level):
    n = hours * 12
    whole = round(mm_an_hour * hours * 10)
    tenths = [whole * (k + 1) // n - whole * k // n for k in range(n)]
    drive = play(series(0, [t / 10 for t in tenths]))
    assert max((f.level for f in drive.found), default=0) == level
    if level:
        assert drive.found[-1].observed_us == T0 + n * FIVE


def test_levels_fall_one_hour_after_the_sums_did_and_name_what_ended():
    drive = play(series(0, [10.0] * 5 + [0.0] * 160))
    assert levels(drive) == [
        (25, 3),  # 50 mm in 25 min
        (5 * 37 + 60, 2),  # the 3 h sum is below from 3 h 5 min on, and good readings span an hour
        (5 * 73 + 60, 1),
        (5 * 145 + 60, 0),
    ]
    assert [f.evidence["window_h"] for f in drive.found] == [3, 3, 6, 12]
    assert [f.evidence["rain_mm"] for f in drive.found] == [50.0, 0.0, 0.0, 0.0]


def test_a_late_reading_counts_in_the_hour_in_which_it_fell():
    drive = play([(0, T0 + 65 * MINUTE, 31.0)])
    drive.take(rain(BUNDLE.hash, [(0, T0 + 45 * MINUTE, 22.5)], received_us=[T0 + 66 * MINUTE]))
    (finding,) = drive.found
    assert finding.level == 3
    assert finding.observed_us == T0 + 65 * MINUTE
    assert finding.evidence["rain_mm"] == 53.5


def test_a_late_reading_regrades_windows_that_have_passed():
    wet, dry = [4.0] * 12, [0.0] * 96
    missing = 6
    readings = [r for k, r in enumerate(series(0, wet + dry)) if k != missing]
    drive = play(readings)
    assert drive.found == []
    late = (0, T0 + (missing + 1) * FIVE, 6.1)
    drive.take(rain(BUNDLE.hash, [late], received_us=[readings[-1][1]]))
    (finding,) = drive.found
    assert finding.level == 3, "50.1 mm fell within 3 h, long ago"
    assert finding.observed_us == T0 + 60 * MINUTE
    assert finding.evidence["rain_mm"] == 50.1
    assert "由迟到读数判定，为过去时段" in finding.against
    after = [(0, readings[-1][1] + (k + 1) * FIVE, 0.0) for k in range(15)]
    drive.take(rain(BUNDLE.hash, after))
    assert [f.level for f in drive.found] == [3, 1], "good readings since then end what is over"


def test_a_backlog_counts_by_its_own_times():
    """A gauge silent in a storm sends all of it at once: it rises, and falls only when it is up to date."""
    readings = series(0, [10.0] * 6 + [0.0] * 200)
    now = readings[-1][1]
    backlog = [now] * len(readings)
    drive = play(readings[:-30], received_us=backlog[:-30])
    assert [f.level for f in drive.found] == [3], "the newest of these is hours old: it lowers nothing"
    drive.take(rain(BUNDLE.hash, readings[-30:], received_us=backlog[-30:]))
    assert [f.level for f in drive.found] == [3, 0]


def test_suspect_readings_raise_and_say_so_and_lower_nothing():
    drive = play(series(0, [10.0] * 5), flag=3)
    (finding,) = drive.found
    assert finding.level == 3
    assert "时段内有存疑读数" in finding.against
    dry = series(0, [0.0] * 400, start=T0 + 5 * FIVE)
    drive.take(rain(BUNDLE.hash, dry, flag=3))
    assert len(drive.found) == 1
    drive.take(rain(BUNDLE.hash, series(0, [0.0] * 13, start=dry[-1][1])))
    assert [f.level for f in drive.found] == [3, 0]


def test_failed_readings_are_not_summed():
    assert play(series(0, [10.0] * 50), flag=4).found == []


def test_a_window_with_gaps_can_raise_but_not_end():
    readings = series(0, [10.0] * 5 + [0.0] * 60)
    holes = [r for k, r in enumerate(readings) if k < 5 or k % 3 == 0]
    drive = play(holes)
    assert [f.level for f in drive.found] == [3], "two thirds of each window are missing"


def test_the_first_minutes_of_a_gauge_can_raise():
    drive = play([(0, T0 + FIVE, 55.0)])
    (finding,) = drive.found
    assert finding.level == 3
    assert finding.evidence["missing_share"] > 0.9
    assert any("缺测" in text for text in finding.against)


def test_an_hourly_reading_is_spread_evenly():
    drive = play([(0, T0 + 1 * HOUR, 30.0), (0, T0 + 2 * HOUR, 25.0)], interval_us=HOUR)
    assert [(f.level, f.observed_us) for f in drive.found] == [(3, T0 + 2 * HOUR)]
    assert drive.found[0].evidence["rain_1h_mm"] == 25.0


def test_a_dry_gauge_does_not_rise_on_what_fell_long_ago():
    parameters = RainParameters(signals=(Signal(level=1, window_h=12, rain_mm=50),))
    drive = Drive([RainSignal(parameters, BUNDLE)])
    readings = series(0, [24.0] + [0.0] * 30)
    drive.take(rain(BUNDLE.hash, readings))
    late = (0, T0, 26.0)
    drive.take(rain(BUNDLE.hash, [late], received_us=[readings[-1][1]]))
    assert [f.level for f in drive.found] == [1], "at the time of the rain itself it did continue"
    assert drive.found[0].observed_us == T0 + FIVE


def test_signals_out_of_order_are_refused():
    with pytest.raises(ValidationError, match="no later than that of level 3"):
        RainParameters(
            signals=(
                Signal(level=3, window_h=3, rain_mm=100),
                Signal(level=4, window_h=3, rain_mm=50),
            )
        )


# --- sums ---------------------------------------------------------------------------------------------------------

READING = st.tuples(
    st.integers(0, 1), st.integers(0, 200), st.sampled_from([1, 3, 5, 60]), st.integers(0, 99_999)
)


@settings(max_examples=60, deadline=None)
@given(readings=st.lists(READING, max_size=40), seed=st.randoms(use_true_random=False))
def test_any_order_gives_the_same_sums(readings, seed):
    """Buckets of event time: whatever order readings come in, every window has the same sum."""

    def fill(order):
        rain_ = Rainfall("rain", 1, ["a", "b"], (1, 3, 24), 0.84)
        for row, last, spread, um in order:
            one = (np.array([row]), np.array([last + 9000]), np.array([um]), np.array([spread]))
            rain_.add(*one, np.array([False]))
        return rain_

    shuffled = list(readings)
    seed.shuffle(shuffled)
    left, right = fill(readings), fill(shuffled)
    assert (left.sums_um == right.sums_um).all()
    for place in (0, 1):
        newest = int(left.newest[place])
        if newest > 0:
            assert (left.um(place, newest - 400, newest) == right.um(place, newest - 400, newest)).all()
            total = sum(um for row, _, _, um in readings if row == place)
            assert left.sum_um(place, newest, 24 * 60) == total


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(st.tuples(st.integers(1, 90), st.integers(0, 30_000)), min_size=1, max_size=30),
    spread=st.sampled_from([1, 5, 30]),
)
def test_running_sums_equal_sums_of_buckets(steps, spread):
    """The fast way of readings in order and the plain sum over buckets agree, gaps or not."""
    rain_, last = Rainfall("rain", 1, ["a", "b", "c"], (1, 3, 24), 0.84), 5000
    for step, um in steps:
        last += max(step, spread)
        places = np.array([0, 2])
        ones = np.ones(2, dtype=np.int64)
        rain_.add(places, last * ones, um * ones, spread * ones, np.zeros(2, dtype=bool))
    for place in (0, 2):
        for k, window in enumerate(rain_.windows.tolist()):
            assert int(rain_.sums_um[place, k]) == rain_.sum_um(place, last, window)
    assert not rain_.sums_um[1].any()


def test_parts_of_a_spread_reading_are_whole_numbers_that_add_up():
    rain_ = Rainfall("rain", 1, ["a"], (1,), 0.84)
    rain_.add(np.array([0]), np.array([100]), np.array([10]), np.array([7]), np.array([False]))
    assert rain_.um(0, 94, 100).tolist() == [1, 1, 2, 1, 2, 1, 2]


def test_what_left_the_ring_is_forgotten():
    rain_ = Rainfall("rain", 1, ["a"], (1, 24), 0.84)
    for last in (100, 100 + BUCKETS + 50):
        rain_.add(np.array([0]), np.array([last]), np.array([7]), np.array([1]), np.array([False]))
    assert rain_.sums_um.tolist() == [[7, 7]]
    hours = {key for key in rain_.state() if key.startswith("hour=")}
    rain_.forget((100 + BUCKETS + 50) * MINUTE)
    left = {key for key in rain_.state() if key.startswith("hour=")}
    gone = {key for key, value in rain_.changed().items() if value is None}
    assert (len(hours), len(left)) == (2, 1)
    assert gone == hours - left


@pytest.mark.parametrize(("decay", "um"), [(0.84, 54_200), (0.8, 47_537)])
def test_effective_rain_of_the_days_before(decay, um):
    """Vector of the domain page: 10, 0, 25, 5, 0, 40, 12 mm give 54.1996 mm at K 0.84 and 47.5372 at 0.8."""
    rain_ = Rainfall("rain", 1, ["a"], (1,), decay)
    for day, mm in enumerate([10, 0, 25, 5, 0, 40, 12, 0]):
        one = np.array([100 + day * 1440]), np.array([mm * 1000]), np.array([5])
        rain_.add(np.array([0]), *one, np.array([False]))
    assert rain_.antecedent_um(0, [0]) == (um,)
