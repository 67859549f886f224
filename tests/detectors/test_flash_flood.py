"""Flash floods: critical rain by wetness, townships and their gauges, rises and falls."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from detectors.flash_flood import FlashFlood, FlashFloodParameters
from detectors.rain import RainParameters, RainSignal
from detectors.rain.critical import CriticalRain
from schemas.times import DAY, HOUR, MINUTE
from tests.detectors.contract import Drive
from tests.detectors.rainy import T0, TOWNSHIP, bundle, rain, series

FIVE = 5 * MINUTE
WORKED = CriticalRain(
    depths_mm={1: (None, None, 35, None), 3: (None, None, 60, None), 6: (None, None, 90, None)},
    wetness_share={1: (40 / 35, 1, 30 / 35), 3: (65 / 60, 1, 50 / 60), 6: (95 / 90, 1, 80 / 90)},
)


def drive(parameters: FlashFloodParameters | None = None, **options) -> Drive:
    flood = parameters or FlashFloodParameters()
    configuration = bundle(policy={"flash_flood": flood.model_dump(mode="json")}, **options)
    return Drive([RainSignal(RainParameters(), configuration), FlashFlood(flood, configuration)])


def floods(watch: Drive) -> list:
    return [f for f in watch.found if f.detector == "rain.flash_flood" and f.area == TOWNSHIP]


@pytest.mark.parametrize(
    ("wetness", "mm"), [(0.35, 37.5), (0.65, 32.5), (0.9, 30), (0.0, 40), (0.2, 40), (0.5, 35)]
)
def test_critical_rain_is_interpolated_by_wetness(wetness, mm):
    """Vector of the domain page, the one hour set 40/35/30 mm."""
    assert 35 * WORKED.share(1, wetness) == pytest.approx(mm)


def test_a_township_rises_by_the_four_depths_of_an_hour():
    watch = drive()
    watch.take(rain("", series(0, [7.0] * 12)))
    found = floods(watch)
    assert [f.level for f in found] == [1, 2, 3, 4]
    assert [(f.observed_us - T0) // FIVE for f in found] == [5, 7, 9, 12]
    assert [f.evidence["threshold_mm"] for f in found] == [35, 45, 60, 80]
    assert [f.evidence["rain_mm"] for f in found] == [35, 49, 63, 84]
    assert {f.subject for f in found} == {TOWNSHIP}
    assert found[0].stations == ("R-000",)
    assert found[0].hazard == "flash_flood"
    assert found[0].evidence["window_h"] == 1
    assert found[0].evidence["soil_wetness"] == 0.2


def test_wet_soil_lowers_critical_rain():
    """30.1 mm in an hour are nothing on dry ground, and blue after days of rain (35 mm x 0.857)."""
    burst = [7.525] * 4
    dry = drive()
    dry.take(rain("", series(0, burst)))
    assert floods(dry) == []
    wet = drive()
    days = [(0, T0 + (k + 1) * HOUR, 2.0) for k in range(72)]
    wet.take(rain("", days, interval_us=HOUR))
    wet.take(rain("", series(0, burst, start=T0 + 3 * DAY)))
    (finding,) = floods(wet)
    assert finding.level == 1
    assert finding.evidence["threshold_mm"] == 30.0
    assert finding.evidence["soil_wetness"] == 0.8


def test_a_township_stands_at_the_highest_of_its_gauges_and_falls_with_the_last():
    """A day of dry readings first, so that every window is whole and can say that it is over."""
    watch = drive()
    dry = [(row, T0 + (k + 1) * FIVE, 0.0) for k in range(288) for row in (0, 1)]
    watch.take(rain("", dry))
    start = T0 + DAY
    storm = [(0, 10.0, 7), (1, 10.0, 4)]
    readings = [
        (row, start + (k + 1) * FIVE, mm if k < n else 0.0) for k in range(288) for row, mm, n in storm
    ]
    watch.take(rain("", readings))
    found = floods(watch)
    steps = [(f.level, (f.observed_us - start) // FIVE) for f in found]
    assert steps[:3] == [(1, 4), (2, 5), (3, 6)]
    # 60 mm in 1 h until step 13, 45 until 14, 70 in 6 h until 72; an hour of good readings later each is over.
    assert steps[3:] == [(2, 14 + 12), (1, 15 + 12), (0, 73 + 12)]
    assert found[2].stations == found[5].stations == ("R-000",)
    assert "3个雨量站中1个达到" in found[2].against


def test_a_township_without_gauges_takes_the_nearest():
    watch = drive()
    watch.take(rain("", series(0, [7.0] * 5)))
    assert {f.area for f in watch.found if f.detector == "rain.flash_flood"} == {TOWNSHIP, "511921101"}
    far = drive(FlashFloodParameters(reach_km=1))
    far.take(rain("", series(0, [7.0] * 5)))
    assert {f.area for f in far.found if f.detector == "rain.flash_flood"} == {TOWNSHIP}


def test_an_area_may_have_critical_rain_of_its_own():
    own = CriticalRain(depths_mm={1: (None, None, 20, 30)})
    watch = drive(FlashFloodParameters(areas={TOWNSHIP: own}))
    watch.take(rain("", series(0, [7.0] * 5)))
    assert [(f.level, f.evidence["threshold_mm"]) for f in floods(watch)] == [(3, 20), (4, 30)]


def test_a_late_reading_raises_for_what_is_past_and_says_so():
    watch = drive()
    readings = [r for k, r in enumerate(series(0, [7.0] * 5 + [0.0] * 48)) if k != 2]
    watch.take(rain("", readings))
    assert floods(watch) == []
    watch.take(rain("", [(0, T0 + 3 * FIVE, 7.0)], received_us=[readings[-1][1]]))
    (finding,) = floods(watch)
    assert finding.level == 1
    assert finding.observed_us == T0 + 5 * FIVE
    assert "由迟到读数判定，为过去时段" in finding.against


def test_critical_rain_out_of_order_is_refused():
    with pytest.raises(ValidationError, match="must rise from blue to red"):
        CriticalRain(depths_mm={1: (35, 30, 60, 80)})
    with pytest.raises(ValidationError, match="must not rise with wetness"):
        CriticalRain(depths_mm={1: (35, 45, 60, 80)}, wetness_share={1: (0.8, 1, 1)})


def test_a_fall_told_by_an_older_reading_is_no_older_than_what_it_ends():
    """Gauge 1 is heard ten minutes behind gauge 0; what both held up ends at a time that can end it."""
    watch = drive()
    dry = [(row, T0 + (k + 1) * FIVE, 0.0) for k in range(288) for row in (0, 1)]
    watch.take(rain("", dry))
    start = T0 + DAY
    readings = [
        (row, start + (k + 1) * FIVE, 10.0 if k < 4 else 0.0, start + (k + 1 + 2 * row) * FIVE)
        for k in range(288)
        for row in (0, 1)
    ]
    readings.sort(key=lambda r: r[3])
    watch.take(rain("", [r[:3] for r in readings], received_us=[r[3] for r in readings]))
    found = floods(watch)
    assert [f.level for f in found] == [1, 0]
    assert found[1].observed_us >= found[0].observed_us
    assert found[1].stations == ("R-001",)
