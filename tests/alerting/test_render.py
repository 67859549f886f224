"""Texts: order, words, marks and length, in both languages."""

from __future__ import annotations

from typing import Any

import pytest

from alerting.lifecycle import LifecyclePolicy
from alerting.render import Places, notice_text, sms_parts, ucs2_units
from alerting.render.guidance import EN, ZH
from schemas.alert import Alert, Status
from schemas.hazard import Hazard
from schemas.level import Level
from schemas.times import HOUR, MINUTE, SECOND, from_micros
from tests.alerting.town import STATIONS, T0, VILLAGE, Core, act, bundle, finding, flood, rain, silence

PLACES = Places(bundle().areas, bundle().stations)
PEOPLE = [hazard for hazard in Hazard if hazard is not Hazard.STATION]


def said(found: Any, status: Status = Status.ACTUAL, **policy: Any) -> Alert:
    """The first version that a finding makes."""
    core = Core(lifecycle=LifecyclePolicy(**policy), configuration=bundle(status))
    return core.find(found)[0]


def sms(alert: Alert, **options: Any) -> str:
    return notice_text([alert], PLACES, alert.issued_at, **options)


def test_a_flash_flood_says_who_when_what_where_how_much_and_what_to_do():
    alert = said(flood(3))
    assert alert.headline == "发布南江县光雾山镇山洪灾害橙色预警（II级）"
    assert alert.description == (
        "巴中市应急指挥中心7月18日14时00分发布山洪灾害橙色预警（II级）：7月18日14时00分至20时00分，"
        "南江县光雾山镇发生山洪灾害可能性大，过去1小时雨量52毫米（标准45毫米）。来源：铁炉坝雨量站。"
    )
    assert alert.instruction == "请危险区群众立即做好转移准备，提前避让，老人儿童先行转移。"
    assert alert.speech == (
        "巴中市应急指挥中心发布南江县光雾山镇山洪灾害橙色预警，二级。请危险区群众立即做好转移准备，提前避让，老人儿童先行转移。"
    )
    assert alert.repeat == 3


def test_a_landslide_says_how_fast_and_when_it_may_fail():
    evidence = {
        "velocity_mm_day": 31.5,
        "tangential_angle_deg": 86.0,
        "failure_at": "2026-07-18T12:00:00Z",
        "failure_earliest_at": "2026-07-18T10:00:00Z",
        "failure_latest_at": "2026-07-18T16:30:00Z",
    }
    alert = said(finding(4, evidence=evidence))
    assert "变形速率31.5毫米/天，切线角86度，推算7月18日18时00分至7月19日0时30分可能失稳" in alert.description
    assert "立即紧急撤离" in alert.instruction


def test_a_sum_below_its_figure_has_come_down():
    evidence = {"window_h": 3, "rain_mm": 16.2, "threshold_mm": 50.0}
    alert = said(finding(2, hazard=Hazard.RAINSTORM, evidence=evidence))
    assert "南江县，过去3小时雨量降至16.2毫米。" in alert.description
    assert "标准" not in alert.description


def test_failure_times_that_have_not_narrowed_are_not_said():
    evidence = {"velocity_mm_day": 31.5, "failure_at": None, "failure_earliest_at": None}
    assert "失稳" not in said(finding(4, evidence=evidence)).description


def test_a_rainstorm_counts_the_townships_that_stand():
    core = Core()
    core.find(rain(3))
    core.find(rain(3, T0 + MINUTE, station="R-2", area="511922102"))
    assert (
        "南江县，2个乡镇（街道）达到预警标准，过去3小时雨量53.5毫米（标准50毫米）"
        in core.alerts[-1].description
    )


@pytest.mark.parametrize(
    ("seconds", "says"),
    [(12, "地震波约12秒后（14时00分12秒）到达"), (0, "震动已到达"), (-5, "震动已到达")],
)
def test_a_quake_counts_down_until_the_shaking_is_there(seconds, says):
    evidence = {
        "event": "e",
        "magnitude": 5.5,
        "intensity": 6.4,
        "origin_at": "2026-07-18T05:59:51Z",
        "s_arrival_at": from_micros(T0 + seconds * SECOND).isoformat(),
    }
    alert = said(finding(3, hazard=Hazard.EARTHQUAKE, station="S-1", evidence=evidence))
    assert f"13时59分51秒监测到约5.5级地震，预计巴中市最大烈度VI度，{says}。" in alert.description
    assert says.replace("（14时00分12秒）", "") in alert.speech
    assert ("秒后" in alert.speech) is (seconds > 0)


def test_a_notice_counts_down_from_when_it_is_due():
    evidence = {"event": "e", "s_arrival_at": from_micros(T0 + 20 * SECOND).isoformat()}
    alert = said(finding(3, hazard=Hazard.EARTHQUAKE, station="S-1", evidence=evidence))
    assert "约15秒后" in notice_text([alert], PLACES, from_micros(T0 + 5 * SECOND))
    assert "震动已到达" in notice_text([alert], PLACES, from_micros(T0 + 30 * SECOND))


def quake_with_table() -> Alert:
    arrivals = {"511921": (6.4, 0), "511922": (4.6, 12), "511922101": (4.9, 10)}
    table = {
        code: {"intensity": intensity, "s_arrival_at": from_micros(T0 + after * SECOND).isoformat()}
        for code, (intensity, after) in arrivals.items()
    }
    evidence = {
        "event": "e",
        "magnitude": 5.5,
        "intensity": 6.8,
        "intensity_area": "511921102",
        "s_arrival_at": from_micros(T0 - 2 * SECOND).isoformat(),
        "areas": table,
    }
    return said(finding(4, hazard=Hazard.EARTHQUAKE, station="S-1", evidence=evidence))


def test_of_a_quake_the_city_sees_every_county_and_each_place_its_own_arrival():
    alert = quake_with_table()
    city = sms(alert, area="5119")
    assert "预计巴中市最大烈度VII度，通江县VI度震动已到达，南江县V度地震波约12秒后到达。" in city
    assert "预计南江县烈度V度，地震波约12秒后（14时00分12秒）到达" in sms(alert, area="511922")
    # A village takes the line of the smallest area around it.
    village = sms(alert, area=VILLAGE)
    assert "预计南江县光雾山镇铁炉坝村烈度V度，地震波约10秒后（14时00分10秒）到达" in village
    assert "预计通江县诺水河镇烈度VI度，震动已到达" in sms(alert, area="511921102")
    assert "地震波约10秒后到达" in sms(alert, area=VILLAGE, spoken=True)
    assert "shaking in about 10 s" in sms(alert, area=VILLAGE, language="en")


@pytest.mark.parametrize(
    ("language", "words"), [("zh", "观测截至7月18日14时00分。"), ("en", "Observed until 18 Jul 14:00. ")]
)
def test_a_text_says_how_far_old_figures_reach(language, words):
    core = Core(lifecycle=LifecyclePolicy(language=language))
    core.find(flood(3))
    core.until(T0 + 6 * HOUR)
    assert words in core.alerts[-1].description
    assert words[:6] not in core.alerts[0].description


def test_a_silent_station_has_no_colour():
    alert = said(silence(2))
    assert alert.headline == "南江县光雾山镇铁炉坝村监测设备失联：铁炉坝滑坡点（LS-1）"
    assert "自7月18日14时00分起" in alert.description
    text = alert.headline + alert.description + alert.instruction + alert.speech + sms(alert)
    assert not any(word in text for word in ("红色", "橙色", "黄色", "蓝色", "预警", "级）"))


def test_a_faulty_station_is_called_faulty_and_a_mended_one_well():
    core = Core()
    stuck = finding(
        2, hazard=Hazard.STATION, detector="quality.flat_line", evidence={"test": "flat_line_test", "flag": 4}
    )
    (issue,) = core.find(stuck)
    assert "监测设备故障" in issue.headline
    assert "读数长时间不变" in issue.description
    well = finding(0, T0 + HOUR, hazard=Hazard.STATION, detector="quality.flat_line", number=2)
    (end,) = core.find(well)
    assert end.headline == "南江县光雾山镇铁炉坝村监测设备恢复正常：铁炉坝滑坡点（LS-1）"


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("level", [1, 2, 3, 4])
@pytest.mark.parametrize("hazard", PEOPLE)
def test_every_hazard_and_level_has_words_for_its_issue_and_its_end(hazard, level, language):
    core = Core(lifecycle=LifecyclePolicy(language=language))
    (issue,) = core.find(finding(level, hazard=hazard, evidence={"event": "e"}))
    (end,) = core.find(finding(0, T0 + MINUTE, hazard=hazard, number=2, evidence={"event": "e"}))
    for alert in (issue, end):
        assert 0 < len(alert.headline) <= 40
        assert alert.description
        assert alert.instruction
        assert alert.speech
        assert str(level) not in alert.headline
    if language == "zh":
        grade = Level(level)
        assert f"{grade.colour_zh}预警（{grade.grade}级）" in issue.headline
        assert issue.instruction == ZH[hazard][level - 1]
        assert end.headline.startswith("解除")
    else:
        assert issue.instruction == EN[hazard][level - 1]


@pytest.mark.parametrize("hazard", PEOPLE)
def test_speech_has_neither_brackets_nor_codes(hazard):
    alert = said(finding(4, hazard=hazard, evidence={"event": "e"}), Status.EXERCISE)
    assert not set("（）()【】[]") & set(alert.speech)
    assert not any(c.isascii() and c.isalpha() for c in alert.speech)


@pytest.mark.parametrize("found", [finding(4), rain(1), silence(2)], ids=["landslide", "rain", "station"])
def test_an_exercise_says_so_in_every_text(found):
    alert = said(found, Status.EXERCISE)
    assert alert.headline.startswith("【演练】")
    for text in (alert.description, alert.speech, sms(alert), sms(alert, spoken=True)):
        assert "演练" in text
        assert "模拟数据" in text


def test_an_exercise_is_marked_whoever_wrote_the_words():
    core = Core(configuration=bundle(Status.EXERCISE))
    content = {
        "hazard": "flood",
        "level": 2,
        "area": VILLAGE,
        "headline": "河水上涨",
        "description": "水位上涨。",
    }
    core.do(act("issue", content=content))
    (alert,) = core.alerts
    assert alert.headline == "【演练】河水上涨"
    assert alert.description == "【演练·模拟数据】水位上涨。"
    assert "演练" in alert.speech


@pytest.mark.parametrize("status", list(Status))
def test_what_a_person_wrote_is_what_people_get(status):
    core = Core(configuration=bundle(status))
    content = {
        "hazard": "flood",
        "level": 2,
        "area": VILLAGE,
        "description": "桥已封闭",
        "instruction": "请绕行。",
    }
    core.do(act("issue", content=content))
    text, speech = sms(core.alerts[0]), core.alerts[0].speech
    assert "发布洪水黄色预警（III级）：南江县光雾山镇铁炉坝村，桥已封闭。请绕行。" in text
    assert "桥已封闭。请绕行。" in speech
    english = notice_text(core.alerts, PLACES, core.alerts[0].issued_at, language="en")
    assert "桥已封闭" in english


def test_a_real_text_speaks_of_no_exercise():
    alert = said(finding(4))
    assert "演练" not in alert.headline + alert.description + alert.speech + sms(alert)


def test_what_a_deadline_released_is_marked():
    alert = said(finding(4))
    assert sms(alert, automatic=True).startswith("【巴中市·自动发布】")
    assert sms(alert, spoken=True, automatic=True).startswith("自动发布。")


def test_several_alerts_in_one_message_the_highest_first_and_ends_last():
    core = Core()
    core.find(flood(2))
    core.find(flood(2, area="511921102"))
    core.find(finding(3))
    core.find(rain(1))
    core.find(rain(0, T0 + MINUTE, number=2))
    flood_, other, slide, _, end = core.alerts
    text = notice_text([end, flood_, slide, other], PLACES, from_micros(T0 + MINUTE))
    assert text == (
        "【巴中市】巴中市应急指挥中心7月18日14时01分发布滑坡橙色预警（II级）：南江县光雾山镇铁炉坝村。"
        "请受威胁群众提前避让，停止坡下作业；雨大、有异常、险情难判时，立即紧急撤离。"
        "发布山洪灾害黄色预警（III级）：通江县诺水河镇，南江县光雾山镇。"
        "请加强巡查，危险区群众做好转移准备，远离河道沟谷。解除暴雨蓝色预警（IV级）：南江县。"
    )


def test_a_long_list_names_what_fits_and_counts_the_rest():
    core = Core()
    core.find(flood(2))
    alerts = [core.alerts[0].model_copy(update={"id": f"a-{n}", "area": f"area {n:02d}"}) for n in range(60)]
    text = notice_text(alerts, PLACES, from_micros(T0), max_parts=3)
    assert sms_parts(text) <= 3
    assert "等60处" in text


@pytest.mark.parametrize(("units", "parts"), [(1, 1), (70, 1), (71, 2), (134, 2), (135, 3)])
def test_parts_of_a_message(units, parts):
    assert sms_parts("雨" * units) == parts


def test_a_character_outside_the_bmp_counts_two():
    assert ucs2_units("𠮷") == 2


def test_places_are_called_from_the_county_down():
    assert PLACES.full(VILLAGE) == "南江县光雾山镇铁炉坝村"
    assert PLACES.full("511922") == "南江县"
    assert PLACES.full("5119") == "巴中市"
    assert PLACES.full("999") == "999"
    assert PLACES.station("R-1") == STATIONS[0].name


def test_english_by_a_setting():
    alert = said(finding(4, evidence={"velocity_mm_day": 31.5}), language="en")
    assert "issues red landslide warning (grade I)" in alert.description
    assert "moving 31.5 mm/day" in alert.description
    assert sms(alert, language="en").startswith(
        "巴中市应急指挥中心 18 Jul 14:00 issues red landslide warning"
    )
