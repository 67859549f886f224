"""Landslide points: real prisms, slopes that fail, a calm month, and what must hold whatever the stream's cuts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.landslide import InstrumentParameters, LandslideParameters
from detectors.landslide.ring import SLOTS
from schemas.times import DAY, HOUR, to_micros
from tests.detectors.contract import Subject, every_detector_passes
from tests.detectors.landslides import START, findings, grid, points, prism, series, stage


def prism_findings(name):
    times, values, _ = prism(name)
    bundle = points(1, {"interval_s": 86400})
    return findings(stage(bundle), [series(bundle, times, {"displacement_mm": values})]), times


def local(text):
    from datetime import datetime, timedelta, timezone

    return to_micros(datetime.fromisoformat(text).replace(tzinfo=timezone(timedelta(hours=10))))


def test_prism_that_failed_is_orange_before_its_record_ends():
    found, times = prism_findings("31-2008")
    assert all(f.level <= 2 for f in found if f.observed_us < local("2014-02-07T00:00:00"))
    orange = [f.observed_us for f in found if f.level >= 3]
    assert orange
    assert local("2014-02-07T00:00:00") <= orange[0] <= local("2014-02-18T19:33:59")
    assert all(f.level < 4 for f in found if f.observed_us < local("2014-02-18T19:33:00"))
    last = found[-1]
    assert last.observed_us == times[-1]
    assert "2014-02-19T14" <= last.evidence["failure_at"] <= "2014-02-25"
    assert last.evidence["failure_r2"] == pytest.approx(0.88, abs=0.01)


def test_prism_beside_it_is_yellow():
    found, _ = prism_findings("40-1981")
    assert all(f.level <= 2 for f in found if f.observed_us < local("2014-02-17T00:00:00"))
    yellow = [f.observed_us for f in found if f.level == 2]
    assert local("2014-02-13T00:00:00") <= yellow[0] <= local("2014-02-18T23:59:59")
    assert all(f.observed_us >= local("2014-02-13T00:00:00") for f in found if f.level >= 3)


def test_prism_with_outliers_is_never_orange():
    found, _ = prism_findings("22-1917")
    assert all(f.level <= 2 for f in found)


def test_prism_as_gnss_coordinates_says_the_same():
    times, _, where = prism("31-2008")
    east, north, up = (1000.0 * (np.array(column) - column[0]) for column in zip(*where, strict=True))
    bundle = points(1, {"interval_s": 86400})
    packet = series(bundle, times, {"gnss_east_mm": east, "gnss_north_mm": north, "gnss_up_mm": up})
    found = findings(stage(bundle), [packet])
    assert max(f.level for f in found) == 3
    assert all(f.level <= 2 for f in found if f.observed_us < local("2014-02-07T00:00:00"))


def failing(chance, quiet_h, lasts_h, creep_mm_day, k_mm, noise_mm, cycle_mm):
    """Hourly displacement of a slope that creeps and then fails by v = creep + K / (t_f - t)."""
    fails = quiet_h + lasts_h
    fine = np.arange(0.0, fails - 0.5, 0.01)
    speed = creep_mm_day + np.clip((fine - quiet_h) / 2, 0, 1) * 24 * k_mm / (fails - fine)
    hours = np.arange(1, fails - 0.5)
    path = np.interp(hours, fine, np.cumsum(speed) * 0.01 / 24)
    wave = cycle_mm * np.sin(2 * np.pi * (hours / 24 + chance.random()))
    return hours, path + wave + noise_mm * chance.standard_normal(len(hours)), fails


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("quiet_h", "lasts_h", "creep", "k", "noise", "cycle"),
    [
        (8, 10.5, 3.5, 14, 0.12, 0.12),
        (24, 24, 2.0, 6, 0.12, 0.2),
        (72, 48, 1.5, 5, 1.0, 1.0),
        (240, 72, 1.0, 8, 1.5, 1.0),
    ],
)
def test_a_slope_that_fails_is_red_before(seed, quiet_h, lasts_h, creep, k, noise, cycle):
    chance = np.random.default_rng(seed)
    hours, values, fails = failing(chance, quiet_h, lasts_h, creep, k, noise, cycle)
    bundle = points(1)
    found = findings(
        stage(bundle), [series(bundle, [START + int(h * HOUR) for h in hours], {"displacement_mm": values})]
    )
    red = [f for f in found if f.level == 4]
    assert red
    left_h = fails - (red[0].observed_us - START) / HOUR
    assert 0.5 < left_h < 0.85 * lasts_h
    evidence = red[0].evidence
    assert evidence["tangential_angle_deg"] is None or evidence["tangential_angle_deg"] > 48
    assert found[-1].level == 4
    assert red[0].area == "511902001200"
    assert red[0].subject == "LS-0"


@pytest.mark.parametrize("seed", range(3))
def test_a_point_put_in_hours_before_it_fails_has_a_noise_of_its_own(seed):
    # Sixteen readings in all: the older ones alone would tell its noise when it is over, and the prior is ten times that.
    hours, values, fails = failing(np.random.default_rng(seed), 7, 9, 3.5, 14, 0.12, 0.12)
    bundle = points(1)
    found = findings(
        stage(bundle), [series(bundle, [START + int(h * HOUR) for h in hours], {"displacement_mm": values})]
    )
    assert found[0].level == 4
    assert fails - (found[0].observed_us - START) / HOUR >= 4


def test_red_stays_when_the_point_dies():
    hours, values, _ = failing(np.random.default_rng(1), 24, 24, 2.0, 6, 0.12, 0.2)
    bundle = points(2)
    point = stage(bundle)
    found = findings(
        point, [series(bundle, [START + int(h * HOUR) for h in hours], {"displacement_mm": values})]
    )
    assert found[-1].level == 4
    others = np.arange(len(hours) + 1, len(hours) + 240) * HOUR + START
    quiet = np.random.default_rng(2).normal(0, 0.2, len(others))
    assert findings(point, [series(bundle, others, {"displacement_mm": quiet}, place=1)]) == []
    assert point.next_due() is None
    assert point.tick(int(others[-1])) == []


def test_levels_fall_after_a_day_of_good_readings_and_not_of_suspect_ones():
    chance = np.random.default_rng(3)
    bundle = points(1)
    rise = np.concatenate([np.zeros(72), np.linspace(0, 40, 24), np.full(300, 40.0)]) + chance.normal(
        0, 0.2, 396
    )
    times = START + np.arange(396) * HOUR
    found = findings(stage(bundle), [series(bundle, times, {"displacement_mm": rise})])
    top = max(found, key=lambda f: f.level)
    assert top.level >= 3
    falls = [f for f in found if f.observed_us > START + 96 * HOUR]
    assert falls[-1].level == 0
    assert all(f.observed_us > START + (96 + 24) * HOUR for f in falls if f.level < top.level)
    point = stage(bundle)
    findings(point, [series(bundle, times[:110], {"displacement_mm": rise[:110]})])
    suspect = findings(point, [series(bundle, times[110:], {"displacement_mm": rise[110:]}, flag=3)])
    assert all(f.level >= top.level for f in suspect)


@pytest.mark.parametrize(("name", "thresholds"), [("crack_mm", "crack"), ("displacement_mm", "displacement")])
def test_thresholds_of_24_hours(name, thresholds):
    """A point whose v0 is high says nothing by its angle: the 24 h thresholds still speak."""
    bundle = points(1, {"v0_mm_day": 500.0})
    chance = np.random.default_rng(5)
    values = np.concatenate([np.zeros(72), np.linspace(0, 24, 48)]) + chance.normal(0, 0.1, 120)
    found = findings(stage(bundle), [series(bundle, START + np.arange(120) * HOUR, {name: values})])
    assert [f.level for f in found] == [1, 2]
    assert found[-1].evidence["threshold_24h_mm"] == 10.0
    assert found[-1].evidence["moved_24h_mm"] >= 10.0
    assert found[-1].evidence["instruments"] == [thresholds]


def test_tilt_speaks_by_its_24_hours():
    bundle = points(1)
    chance = np.random.default_rng(5)
    x = np.concatenate([np.zeros(72), np.linspace(0, 1.2, 48)]) + chance.normal(0, 0.005, 120)
    found = findings(
        stage(bundle),
        [
            series(
                bundle,
                START + np.arange(120) * HOUR,
                {"tilt_x_deg": x, "tilt_y_deg": chance.normal(0, 0.005, 120)},
            )
        ],
    )
    assert [f.level for f in found] == [1, 2]
    assert found[-1].evidence["moved_24h_deg"] >= 0.5
    assert found[-1].evidence["velocity_mm_day"] is None


def test_two_kinds_at_yellow_raise_one_level():
    chance = np.random.default_rng(6)
    path = np.concatenate([np.zeros(96), np.linspace(0, 9, 72)])
    noisy = {name: path + chance.normal(0, 0.1, 168) for name in ("displacement_mm", "crack_mm")}
    times = START + np.arange(168) * HOUR
    alone, both = points(1), points(1)
    one = findings(stage(alone), [series(alone, times, {"crack_mm": noisy["crack_mm"]})])
    two = findings(stage(both), [series(both, times, noisy)])
    assert max(f.level for f in one) == 2
    assert max(f.level for f in two) == 3
    assert next(f for f in two if f.level == 3).evidence["raised_by_two_kinds"] is True


@pytest.mark.parametrize("jump", [10.0, 80.0, -80.0, 5000.0])
def test_a_lone_jump_is_no_finding(jump):
    chance = np.random.default_rng(8)
    values = chance.normal(0, 0.3, 240)
    for at in (100, 150, 151 + 24, 239):
        values[at] += jump
    bundle = points(1)
    assert (
        findings(stage(bundle), [series(bundle, START + np.arange(240) * HOUR, {"displacement_mm": values})])
        == []
    )


def quiet_month(chance, count, days):
    """Noise, cycles, drifts, stuck and silent stretches; values of four instruments, (hours, points)."""
    hours = days * 24
    day = np.arange(hours)[:, None] / 24
    kind = np.arange(count) % 4
    stuck = {k: (int(chance.integers(0, hours)), int(chance.integers(6, 200))) for k in range(0, count, 20)}

    def made(noise, cycle, drift, of):
        drifts = np.where(chance.random(count) < 0.2, chance.uniform(0.1, 0.3, count) * drift, 0) * day
        wave = chance.uniform(0, cycle, count) * np.sin(2 * np.pi * (day + chance.random(count)))
        values = chance.uniform(0, 60, count) + drifts + wave + chance.standard_normal((hours, count)) * noise
        for k, (at, length) in stuck.items():
            values[at : at + length, k] = values[at, k]
        values[:, kind != of] = np.nan
        return values.round(2 if of < 3 else 4)

    gone = chance.random((hours, count)) < 0.02
    for k in range(7, count, 10):
        at = int(chance.integers(0, hours))
        gone[at : at + int(chance.integers(3, 120)), k] = True
    values = {
        "displacement_mm": made(chance.uniform(0.1, 2.0, count), 1.5, 1.0, 0),
        "crack_mm": made(chance.uniform(0.05, 1.0, count), 1.0, 1.0, 1),
        "gnss_east_mm": made(chance.uniform(2, 5, count), 1.0, 1.0, 2),
        "gnss_north_mm": made(chance.uniform(2, 5, count), 1.0, 1.0, 2),
        "gnss_up_mm": made(7.0, 2.0, 1.0, 2),
        "tilt_x_deg": made(chance.uniform(0.003, 0.03, count), 0.03, 0.01, 3),
        "tilt_y_deg": made(0.01, 0.03, 0.01, 3),
    }
    for column in values.values():
        column[gone] = np.nan
    return values


@pytest.mark.parametrize("seed", [1, 2])
def test_a_calm_month_raises_nothing(seed):
    chance = np.random.default_rng(seed)
    bundle = points(240, [{"slope_azimuth_deg": int(a)} for a in chance.integers(0, 360, 240)])
    assert findings(stage(bundle), grid(bundle, quiet_month(chance, 240, 30))) == []


def eventful():
    """Twelve points, one failing, one with a late stretch, one with two kinds: four days."""
    chance = np.random.default_rng(11)
    values = np.full((110, 12), np.nan)
    values[:] = chance.normal(20, 0.3, (110, 12))
    _, path, _ = failing(chance, 72, 24, 2.0, 6, 0.12, 0.2)
    values[:95, 3] = path[:95]
    values[95:, 3] = np.nan
    values[60:, 5] += np.linspace(0, 30, 50)
    crack = np.full((110, 12), np.nan)
    crack[:, 5] = values[:, 5] + chance.normal(0, 0.1, 110)
    return {"displacement_mm": values, "crack_mm": crack}


@pytest.mark.parametrize("check", every_detector_passes, ids=lambda check: check.__name__)
def test_landslide_keeps_the_contract(check):
    bundle = points(12)
    check(Subject(lambda: [stage(bundle)], grid(bundle, eventful())))


@settings(max_examples=5, deadline=None)
@given(st.permutations(range(48)))
def test_any_order_gives_the_same_state_of_the_ring(order):
    chance = np.random.default_rng(4)
    values = np.cumsum(chance.normal(0.2, 0.3, 48))
    bundle = points(1)
    times = [START + k * HOUR for k in range(48)]
    rings = []
    for turn in (range(48), order):
        point = stage(bundle)
        packet = series(bundle, [times[k] for k in turn], {"displacement_mm": [values[k] for k in turn]})
        point.process(packet.with_log_time(np.full(48, START + 3 * DAY)), START + 3 * DAY)
        rings.append({key: row for key, row in point.state().items() if "/" in key})
    assert rings[0] == rings[1]


def test_a_late_reading_regrades_the_hours_behind_it():
    hours, values, _ = failing(np.random.default_rng(1), 24, 24, 2.0, 6, 0.12, 0.2)
    bundle = points(1)
    times = START + (hours * HOUR).astype(np.int64)
    point = stage(bundle)
    held = slice(len(hours) - 20, len(hours) - 1)
    on_time = np.r_[0 : held.start, len(hours) - 1]
    first = findings(point, [series(bundle, times[on_time], {"displacement_mm": values[on_time]})])
    late = series(bundle, times[held][::-1], {"displacement_mm": values[held][::-1]})
    again = findings(point, [late.with_log_time(np.full(len(late), times[-1] + HOUR))])
    assert max((f.level for f in first), default=0) < 4
    assert again[-1].level == 4


def test_readings_past_the_ring_change_nothing():
    bundle = points(1)
    point = stage(bundle)
    findings(point, [series(bundle, [START + SLOTS * HOUR], {"crack_mm": [1.0]})])
    before = dict(point.state())
    findings(point, [series(bundle, [START], {"crack_mm": [900.0]})])
    assert dict(point.state()) == before


def test_rows_of_state_are_small():
    bundle = points(1)
    point = stage(bundle)
    findings(point, [series(bundle, START + np.arange(300) * HOUR, {"crack_mm": np.zeros(300)})])
    point.changed()
    point.saved(None)
    findings(point, [series(bundle, [START + 300 * HOUR], {"crack_mm": [0.0]})])
    changed = point.changed()
    assert 1 <= len(changed) <= 2
    assert sum(len(row or b"") for row in changed.values()) < 900


def test_parameters_out_of_order_are_refused():
    with pytest.raises(ValueError, match="angles_deg"):
        LandslideParameters(angles_deg=(42, 80, 48, 85))
    with pytest.raises(ValueError, match="remaining_life_h"):
        LandslideParameters(remaining_life_h=(6, 24, 168))
    with pytest.raises(ValueError, match="day_thresholds"):
        InstrumentParameters(noise=1, least_noise=1, daily_cycle=1, day_thresholds=(5, 4, 20, 50))
