"""Quality: flags, repeats and overlaps, horizons, cut samples, blanked fields, sick stations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ingest.quality import Quality, QualityParameters
from ingest.quality.parameters import Limits
from schemas.finding import Finding
from schemas.packet import Packet, merged
from schemas.times import DAY, HOUR, MINUTE
from tests.ingest.readings import FIVE, T0, judged, quality, rain, slope, verdicts

# --- rain ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("interval_us", "mm", "flag"),
    [
        (MINUTE, 31.2, 3),
        (MINUTE, 31.3, 4),
        (FIVE, 25.4, 1),
        (FIVE, 25.5, 3),
        (FIVE, 60.0, 3),
        (FIVE, 60.1, 4),
        (HOUR, 120.0, 1),
        (HOUR, 120.1, 3),
        (HOUR, 305.0, 3),
        (HOUR, 305.1, 4),
        (DAY, 1062.0, 3),
        (DAY, 1062.1, 4),
        (15 * MINUTE, 40.0, 1),
        (FIVE, 0.0, 1),
    ],
)
def test_rain_beyond_the_records_fails(interval_us, mm, flag):
    assert verdicts(judged(quality("rain"), rain([(0, T0, mm)], interval_us))) == [(flag, True)]


def test_possible_readings_can_be_an_impossible_hour():
    packet = judged(quality("rain"), rain([(0, T0 + (k + 1) * FIVE, 25.4) for k in range(24)]))
    assert packet.flag[:12].tolist() == [1, 1, 1, 1, *[3] * 8], "120 mm are passed by the fifth reading"
    packet = judged(quality("rain"), rain([(0, T0 + (k + 1) * FIVE, 40.0) for k in range(12)]))
    assert packet.flag.tolist() == [*[3] * 7, *[4] * 5], "and 305 mm by the eighth"


def test_a_gauge_may_have_limits_of_its_own():
    stage = quality("rain", qc={"rain_mm": {"suspect_max": 5, "fail_max": 10}})
    readings = [(0, T0 + (k + 1) * FIVE, mm) for k, mm in enumerate([5.0, 5.1, 10.1])]
    assert judged(stage, rain(readings)).flag.tolist() == [1, 3, 4]


def test_the_first_in_the_log_counts():
    stage = quality("rain")
    reading = (0, T0, 1.0)
    other = (0, T0, 2.0)
    packet = judged(stage, rain([reading, reading, other, (1, T0, 2.0)]))
    assert verdicts(packet) == [(1, True), (1, False), (4, False), (1, True)]


def test_rain_that_overlaps_rain_already_counted_fails():
    stage = quality("rain")
    judged(stage, rain([(0, T0 + HOUR, 3.0)], HOUR))
    packet = judged(stage, rain([(0, T0 + 30 * MINUTE, 1.0), (0, T0 + HOUR + FIVE, 1.0)]))
    assert verdicts(packet) == [(4, False), (1, True)]
    assert verdicts(judged(stage, rain([(0, T0 + HOUR + 15 * MINUTE, 2.0)], HOUR))) == [(4, False)]


def test_late_rain_counts_within_72_hours_and_not_past_them():
    stage = quality("rain")
    judged(stage, rain([(0, T0, 0.0)]))
    late = [(0, T0 - 72 * HOUR, 1.0), (0, T0 - 72 * HOUR - 1, 1.0), (1, 0, 1.0)]
    packet = judged(stage, rain(late, FIVE, [T0] * 3))
    assert verdicts(packet) == [(1, True), (1, False), (1, False)]


def test_memory_is_bounded_by_the_horizon():
    stage = quality("rain", 3)
    for k in range(5 * 288):
        judged(stage, rain([(row, T0 + k * FIVE, 0.0) for row in range(3)]))
    hours = {key.split("/")[1] for key in stage.state() if key.startswith("rain_said/")}
    assert len(hours) <= 75
    stage.changed()
    stage.saved(None)
    judged(stage, rain([(0, T0 + 20 * DAY, 0.0)]))
    assert sum(value is None for value in stage.changed().values()) >= 72


@settings(max_examples=50, deadline=None)
@given(order=st.permutations(range(14)), cut=st.integers(1, 14))
def test_whatever_the_order_each_reading_counts_once(order, cut):
    """Seven readings, each twice: seven count, and their rain is the same."""
    readings = [(0, T0 + (k % 7 + 1) * FIVE, float(k % 7)) for k in range(14)]
    packet = rain([readings[k] for k in order], FIVE, [T0 + HOUR] * 14)
    stage = quality("rain")
    parts = [judged(stage, packet.span(i, min(i + cut, 14))) for i in range(0, 14, cut)]
    whole = merged(parts)
    assert int(whole.counts.sum()) == 7
    assert int(whole.columns["rain_um"][whole.counts].sum()) == 21_000
    assert (whole.flag == 1).all()


def findings(stage: Quality, packet: Packet) -> list[Finding]:
    return [e.item for e in stage.process(packet, int(packet.log_us[-1]))[1]]


def test_a_stuck_reed_is_named_once_and_once_when_it_lives_again():
    stage = quality("rain")
    wet = [(0, T0 + (k + 1) * FIVE, 0.1 if k < 2 else 0.4) for k in range(100)]
    dry = [(0, wet[-1][1] + (k + 1) * HOUR, 0.0) for k in range(30)]
    stuck, well = findings(stage, rain([*wet, *dry]))
    assert (stuck.detector, stuck.level, stuck.hazard) == ("quality.flat_line", 2, "station")
    assert stuck.observed_us == T0 + (2 + 1 + 36) * FIVE, "3 h after the first of the equal readings"
    assert stuck.evidence["test"] == "flat_line_test"
    assert stuck.evidence["since"] == "2026-07-11T00:15:00Z"
    assert stuck.evidence["still_s"] == stuck.evidence["threshold_s"] == 3 * 3600
    assert (well.level, well.observed_us) == (0, wet[-1][1] + 24 * HOUR), "a day after the last equal one"
    flags = judged(quality("rain"), rain(wet)).flag
    assert [int((flags == f).sum()) for f in (1, 3, 4)] == [38, 36, 26]


def test_drizzle_of_single_tips_is_no_stuck_reed():
    readings = [(0, T0 + (k + 1) * FIVE, 0.1) for k in range(200)]
    stage = quality("rain")
    packet, found = stage.process(rain(readings), T0)
    assert found == []
    assert (packet.flag == 1).all()


def test_a_gauge_out_of_range_is_named_until_it_has_passed_for_a_day():
    stage = quality("rain")
    sick, *rest = findings(stage, rain([(0, T0, 95.0), (0, T0 + FIVE, 80.0)]))
    assert (sick.detector, sick.level, rest) == ("quality.gross_range", 2, [])
    assert sick.evidence["rain_mm"] == 95.0 > sick.evidence["threshold_mm"] == 60.0
    assert (sick.evidence["hour_mm"], sick.evidence["threshold_hour_mm"]) == (95.0, 305.0)
    good = [(0, T0 + FIVE + (k + 1) * HOUR, 0.0) for k in range(30)]
    (well,) = findings(stage, rain(good))
    assert (well.level, well.observed_us) == (0, T0 + FIVE + 24 * HOUR)


# --- landslide ----------------------------------------------------------------------------------------------------


def test_landslide_repeats_are_told_field_by_field():
    stage = quality("landslide")
    judged(stage, slope([(0, T0, {"displacement_mm": 1.0, "crack_mm": 2.0})]))
    again = [
        (0, T0, {"displacement_mm": 1.0}),
        (0, T0, {"displacement_mm": 1.5}),
        (0, T0, {"displacement_mm": 1.0, "tilt_x_deg": 0.1}),
        (0, T0, {"tilt_x_deg": 0.1}),
    ]
    packet = judged(stage, slope(again, T0))
    assert verdicts(packet) == [(1, False), (4, False), (1, True), (1, False)]
    assert np.isnan(packet.columns["displacement_mm"]).all()
    assert packet.columns["tilt_x_deg"][2] == 0.1


def test_a_late_landslide_reading_counts_within_seven_days():
    stage = quality("landslide")
    judged(stage, slope([(0, T0, {"crack_mm": 1.0})]))
    late = [(0, T0 - 7 * DAY, {"crack_mm": 0.5}), (0, T0 - 7 * DAY - 1, {"crack_mm": 0.5})]
    assert verdicts(judged(stage, slope(late, T0))) == [(1, True), (1, False)]


def test_a_lone_jump_is_suspect_and_a_movement_is_not():
    stage = quality("landslide")
    values = [0.0, 0.1, 60.0, 0.2, 0.2, 50.0, 50.1, 80.0, 120.0, 170.0]
    packet = judged(stage, slope([(0, T0 + k * HOUR, {"displacement_mm": v}) for k, v in enumerate(values)]))
    assert packet.flag.tolist() == [1, 1, 3, 1, 1, 3, 1, 3, 1, 1]
    assert packet.columns["displacement_mm"].tolist() == values, "suspect values stay in"


def test_an_impossible_field_is_blanked_and_the_others_score():
    stage = quality("landslide")
    packet, found = stage.process(
        slope(
            [
                (0, T0, {"displacement_mm": 1.0, "pore_pressure_kpa": 9999.0}),
                (1, T0, {"pore_pressure_kpa": 9999.0}),
            ]
        ),
        T0,
    )
    assert verdicts(packet) == [(3, True), (4, True)]
    assert np.isnan(packet.columns["pore_pressure_kpa"]).all()
    assert packet.columns["displacement_mm"][0] == 1.0
    assert [(e.item.subject, e.item.evidence["fields"]) for e in found] == [
        ("landslide-0", ["pore_pressure_kpa"]),
        ("landslide-1", ["pore_pressure_kpa"]),
    ]
    assert found[0].item.evidence["values"] == {"pore_pressure_kpa": 9999.0}
    assert found[0].item.evidence["thresholds"] == {"pore_pressure_kpa": [-200.0, 2000.0]}


def test_a_point_that_lived_and_stands_still_for_days_is_stuck():
    stage = quality("landslide")
    chance = np.random.Generator(np.random.PCG64(3))
    noise = np.round(chance.normal(0, 0.3, 500), 2)
    noise[200:340] = noise[199]
    readings = [
        (0, T0 + k * HOUR, {"displacement_mm": float(v), "soil_moisture_pct": 30.0})
        for k, v in enumerate(noise)
    ]
    packet, found = stage.process(slope(readings), T0)
    stuck, well = (e.item for e in found)
    assert (stuck.detector, stuck.level) == ("quality.flat_line", 2)
    assert stuck.observed_us == T0 + (199 + 72) * HOUR
    assert stuck.evidence["fields"] == ["displacement_mm"]
    assert stuck.evidence["still_s"] == stuck.evidence["threshold_s"] == 72 * 3600
    assert (well.level, well.observed_us) == (0, T0 + 340 * HOUR)
    assert np.isnan(packet.columns["displacement_mm"][271:340]).all()
    assert (packet.columns["soil_moisture_pct"] == 30.0).all()
    assert (packet.flag[271:340] == 3).all()
    assert (packet.flag[340:] == 1).all()


def test_a_point_that_rounds_and_hardly_moves_is_not_stuck():
    values = np.floor(np.arange(2000) / 240) / 10
    readings = [(0, T0 + k * HOUR, {"crack_mm": float(v)}) for k, v in enumerate(values)]
    packet, found = quality("landslide").process(slope(readings), T0)
    assert found == []
    assert (packet.flag == 1).all()


def test_ranges_that_do_not_nest_are_refused():
    with pytest.raises(ValidationError, match="suspect range must lie inside"):
        Limits(fail_max=10, suspect_max=20)
    with pytest.raises(ValidationError, match="suspect range must lie inside"):
        QualityParameters(rain_suspect_mm_5min=61, rain_suspect_mm_1h=200)
