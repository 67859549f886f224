"""Chinese texts: order and words of Chinese warnings.

Order   issuer, time, 发布/变更/解除, hazard, colour, 预警, grade; period; area; figures; guidance; source
Source  usual practice of Sichuan's notices; no text with the force of a standard was found
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from alerting.render import guidance
from alerting.render.content import HEADLINE_CHARACTERS, OLD, Deed, deed, groups_of, measured, spoken_level
from alerting.render.moments import minute_zh, moment_of, number, second_zh, until_zh
from alerting.render.places import Places
from alerting.render.quake import counties_of, table_of
from schemas.alert import Alert, Origin, Status
from schemas.hazard import Hazard
from schemas.level import Level

_MARK = {Status.EXERCISE: "演练", Status.TEST: "测试"}
_VERBS = {Deed.ISSUE: "发布", Deed.CHANGE: "变更", Deed.EXTEND: "延续", Deed.END: "解除"}
_LIKELY = (
    "可能发生山洪灾害",
    "发生山洪灾害可能性较大",
    "发生山洪灾害可能性大",
    "发生山洪灾害可能性很大",
)
_RISK = ("有一定风险", "风险较高", "风险高", "风险很高")
_SPOKEN_GRADE = ("", "四级", "三级", "二级", "一级")
_ROMAN = ("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")
_FAULTS = {
    "gap_test": "没有数据",
    "flat_line_test": "读数长时间不变",
    "gross_range_test": "读数超出量程",
    "spike_test": "读数突跳",
    "rate_of_change_test": "读数变化过快",
    "attenuated_signal_test": "信号衰减",
}
"""What the QARTOD tests find, in words for those who mend."""
_UNSPEAKABLE = str.maketrans("（）()【】[]：；", "，" * 10)
_FIGURES: Sequence[tuple[str, str]] = (
    ("velocity_mm_day", "变形速率{}毫米/天"),
    ("tangential_angle_deg", "切线角{}度"),
    ("displacement_mm", "位移{}毫米"),
    ("crack_mm", "裂缝{}毫米"),
    ("water_level_m", "水位{}米"),
    ("max_temperature_c", "最高温度{}摄氏度"),
)


def mark(status: Status) -> str:
    """演练·模拟数据 and the like; empty where it is real."""
    word = _MARK.get(status)
    return f"{word}·模拟数据" if word else ""


def verb(alert: Alert) -> str:
    """发布, 变更, 延续, 解除: what this version does."""
    return _VERBS[deed(alert)]


def named(hazard: Hazard, level: int) -> str:
    """暴雨橙色预警（II级）; of a station 监测设备故障."""
    if hazard is Hazard.STATION:
        return "监测设备故障"
    grade = Level(level)
    return f"{hazard.zh}{grade.colour_zh}预警（{grade.grade}级）"


def subject(alert: Alert, places: Places) -> str:
    """What the warning is called, with the event of a quake or the fault of a station."""
    if alert.hazard is Hazard.STATION:
        return fault(alert, places)
    return named(alert.hazard, spoken_level(alert))


def fault(alert: Alert, places: Places) -> str:
    """监测设备失联：名称（编号）."""
    if alert.type == "cancel":
        word = "恢复正常"
    else:
        word = "失联" if alert.evidence.get("detector") == "silence" else "故障"
    stations = [f"{places.station(s)}（{s}）" for s in alert.evidence.get("stations", [])]
    return f"监测设备{word}" + (f"：{'、'.join(stations)}" if stations else "")


def clause(alert: Alert, places: Places, at: datetime) -> str:
    """Issuer, time, verb and what: the first clause of every text."""
    if alert.hazard is Hazard.STATION:
        return f"{minute_zh(at)}{fault(alert, places)}"
    return f"{alert.issuer}{minute_zh(at)}{verb(alert)}{subject(alert, places)}"


def headline(alert: Alert, places: Places) -> str:
    """At most 40 characters: mark, place, what, verb."""
    sign = f"【{_MARK[alert.status]}】" if alert.status in _MARK else ""
    if alert.hazard is Hazard.STATION:
        what, does = fault(alert, places), ""
    else:
        what, does = named(alert.hazard, spoken_level(alert)), verb(alert)
    room = HEADLINE_CHARACTERS - len(sign) - len(does)
    for place in (places.full(alert.area), places.own(alert.area), ""):
        if len(place) + len(what) <= room:
            return f"{sign}{does}{place}{what}"
    return f"{sign}{does}{what[:room]}"


def figures(alert: Alert, places: Places, at: datetime) -> str:
    """Area, what to expect and what was measured, without a full stop."""
    evidence = alert.evidence
    if alert.hazard is Hazard.EARTHQUAKE:
        return _quake(alert, places, at)
    place = places.full(alert.area)
    expected = {
        Hazard.FLASH_FLOOD: f"{place}{_LIKELY[alert.level - 1]}",
        Hazard.LANDSLIDE: f"{place}滑坡{_RISK[alert.level - 1]}",
        Hazard.DEBRIS_FLOW: f"{place}泥石流{_RISK[alert.level - 1]}",
        Hazard.FOREST_FIRE: f"{place}监测到疑似林火",
        Hazard.FIRE_DANGER: f"{place}森林火险{_RISK[alert.level - 1]}",
    }.get(alert.hazard, place)
    parts = [expected, *_rain(evidence), *measured(evidence, _FIGURES), *_failure(evidence), *_fire(evidence)]
    towns = len(evidence.get("by_area", {}))
    if alert.hazard is Hazard.RAINSTORM and towns > 1:
        parts.insert(1, f"{towns}个乡镇（街道）达到预警标准")
    return "，".join(part for part in parts if part)


def _rain(evidence: Mapping[str, Any]) -> list[str]:
    if "rain_mm" not in evidence:
        return []
    window = f"过去{number(evidence['window_h'])}小时" if "window_h" in evidence else ""
    rain_mm, threshold_mm = evidence["rain_mm"], evidence.get("threshold_mm")
    if threshold_mm is not None and rain_mm < threshold_mm:
        # What a level fell on is below the figure beside it; a sum that reached its figure names it.
        return [f"{window}雨量降至{number(rain_mm)}毫米"]
    limit = "" if threshold_mm is None else f"（标准{number(threshold_mm)}毫米）"
    return [f"{window}雨量{number(rain_mm)}毫米{limit}"]


def _failure(evidence: Mapping[str, Any]) -> list[str]:
    first, last = moment_of(evidence.get("failure_earliest_at")), moment_of(evidence.get("failure_latest_at"))
    if first and last:
        return [f"推算{minute_zh(first)}至{until_zh(first, last)}可能失稳"]
    at = moment_of(evidence.get("failure_at"))
    return [f"推算{minute_zh(at)}前后可能失稳"] if at else []


def _fire(evidence: Mapping[str, Any]) -> list[str]:
    cameras = evidence.get("cameras")
    if isinstance(cameras, list) and len(cameras) > 1:
        return [f"{len(cameras)}台摄像机交会定位"]
    bearing = evidence.get("bearing_deg")
    return [f"摄像机所见方位{number(bearing)}度"] if isinstance(bearing, int | float) else []


def _quake(alert: Alert, places: Places, at: datetime) -> str:
    evidence = alert.evidence
    origin, magnitude = moment_of(evidence.get("origin_at")), evidence.get("magnitude")
    size = f"约{number(magnitude)}级" if isinstance(magnitude, int | float) else ""
    parts = [f"{second_zh(origin) if origin else ''}监测到{size}地震"]
    counties = counties_of(alert, places)
    degree = _degree(evidence)
    if degree:
        where = evidence.get("intensity_area") if not counties else None
        parts.append(f"预计{places.full(where) if where else places.own(alert.area) + '最大'}烈度{degree}")
    if counties:
        table = table_of(alert)
        parts += [f"{places.own(c)}{_degree(table[c])}{_arrival(table[c], at)}" for c in counties]
    else:
        parts.append(_arrival(evidence, at, with_clock=True))
    return "，".join(part for part in parts if part)


def _degree(evidence: Mapping[str, Any]) -> str:
    """VI度; GB/T 17742: the whole number is floor(I + 0.5), in Roman numerals."""
    intensity = evidence.get("intensity")
    if not isinstance(intensity, int | float) or intensity < 1:
        return ""
    return f"{_ROMAN[min(12, int(intensity + 0.5))]}度"


def _arrival(evidence: Mapping[str, Any], at: datetime, with_clock: bool = False) -> str:
    """The countdown to the shaking; no number once it is there."""
    arrival = moment_of(evidence.get("s_arrival_at"))
    if arrival is None:
        return ""
    left_s = round((arrival - at).total_seconds())
    if left_s <= 0:
        return "震动已到达"
    return f"地震波约{left_s}秒后{f'（{second_zh(arrival)}）' if with_clock else ''}到达"


def description(alert: Alert, places: Places) -> str:
    """The whole text but for the guidance."""
    sign = mark(alert.status)
    opening = (f"【{sign}】" if sign else "") + clause(alert, places, alert.issued_at)
    if alert.hazard is Hazard.STATION:
        since = moment_of(alert.evidence.get("since"))
        test = alert.evidence.get("test")
        details = [f"自{minute_zh(since)}起" if since else "", _FAULTS.get(str(test), "")]
        tail = "，".join(part for part in details if part) if alert.type != "cancel" else ""
        return f"{opening}{'，' if tail else ''}{tail}。"
    if alert.type == "cancel":
        return f"{opening}：{places.full(alert.area)}。"
    period = f"{minute_zh(alert.effective_at)}至{until_zh(alert.effective_at, alert.expires_at)}，"
    if alert.hazard is Hazard.EARTHQUAKE:
        period = ""
    sentences = [f"{opening}：{period}{figures(alert, places, alert.issued_at)}"]
    if alert.issued_at - alert.observed_at >= OLD:
        sentences.append(f"观测截至{minute_zh(alert.observed_at)}")
    if alert.missing_since:
        sentences.append(f"自{minute_zh(alert.missing_since)}起无有效数据，等级维持不变，请值班人员核实")
    sentences.append(source(alert, places))
    return "。".join(sentences) + "。"


def written(alert: Alert, places: Places) -> str:
    """Place and description where a person wrote one (a rendered one is left out before); else empty."""
    if not alert.description:
        return ""
    end = "" if alert.description.endswith(tuple("。！？")) else "。"
    return f"{places.full(alert.area)}，{alert.description}{end}"


def source(alert: Alert, places: Places) -> str:
    """Where it comes from: the stations, a person, a department."""
    if alert.origin is not Origin.DETECTOR:
        return f"来源：{alert.issuer}"
    stations = [places.station(station) for station in alert.evidence.get("stations", [])]
    more = f"等{len(stations)}个监测站" if len(stations) > 3 else ""
    return f"来源：{'、'.join(stations[:3])}{more}" if stations else "来源：自动监测"


def instruction(alert: Alert) -> str:
    """What to do."""
    if alert.type == "cancel":
        return guidance.MENDED_ZH if alert.hazard is Hazard.STATION else guidance.CANCEL_ZH
    return guidance.ZH[alert.hazard][alert.level - 1]


def speech(alert: Alert, places: Places, at: datetime, automatic: bool = False) -> str:
    """To be read aloud: no brackets, no codes, no Roman numerals."""
    level = spoken_level(alert)
    name = f"{alert.hazard.zh}{Level(level).colour_zh}预警，{_SPOKEN_GRADE[level]}"
    if alert.hazard is Hazard.STATION:
        name = "监测设备故障"
    opening = f"{alert.issuer}{verb(alert)}{places.full(alert.area)}{name}。"
    if alert.hazard is Hazard.EARTHQUAKE and alert.type != "cancel" and not table_of(alert):
        arrival = _arrival(alert.evidence, at)
        opening += f"{arrival}。" if arrival else ""
    return _spoken(alert.status, automatic, opening + written(alert, places) + instruction_of(alert))


def speech_of_several(alerts: Sequence[Alert], places: Places, at: datetime, automatic: bool = False) -> str:
    """Several alerts to be read aloud one after the other, the highest first."""
    body = ""
    for group in groups_of(alerts):
        level = spoken_level(group[0])
        name = f"{group[0].hazard.zh}{Level(level).colour_zh}预警，{_SPOKEN_GRADE[level]}"
        where = "、".join(places.full(alert.area) for alert in group)
        body += f"{group[0].issuer}{verb(group[0])}{where}{name}。{instruction_of(group[0])}"
    return _spoken(alerts[0].status, automatic, body)


def instruction_of(alert: Alert) -> str:
    """The alert's own instruction, which a person may have written."""
    return alert.instruction or instruction(alert)


def _spoken(status: Status, automatic: bool, body: str) -> str:
    sign = f"{_MARK[status]}，{_MARK[status]}，以下是模拟数据。" if status in _MARK else ""
    text = sign + ("自动发布。" if automatic else "") + body
    return text.translate(_UNSPEAKABLE).replace("，。", "。")


def sms(alert: Alert, places: Places, at: datetime, automatic: bool = False) -> str:
    """One alert as a short message."""
    if alert.hazard is Hazard.STATION:
        return _signed(alert, places, automatic, description_tail(alert, places) + instruction(alert))
    if alert.type == "cancel":
        body = f"{clause(alert, places, alert.issued_at)}：{places.full(alert.area)}。{instruction_of(alert)}"
    else:
        said = written(alert, places) or f"{figures(alert, places, at)}。"
        body = f"{clause(alert, places, alert.issued_at)}：{said}{instruction_of(alert)}"
    return _signed(alert, places, automatic, body)


def description_tail(alert: Alert, places: Places) -> str:
    """A station's fault in one sentence."""
    since = moment_of(alert.evidence.get("since"))
    tail = f"，自{minute_zh(since)}起" if since and alert.type != "cancel" else ""
    return f"{fault(alert, places)}{tail}。"


def sms_of_several(
    alerts: Sequence[Alert], places: Places, at: datetime, names: int, automatic: bool = False
) -> str:
    """Several alerts in one message: what and where by group, at most `names` places a group."""
    parts, issuer, advised = [], "", set[Hazard]()
    groups = groups_of(alerts)
    for group in groups:
        first = group[0]
        if first.hazard is Hazard.STATION:
            faults = [fault(alert, places).removeprefix("监测设备") for alert in group]
            more = f"等{len(group)}台" if len(group) > names else ""
            parts.append(f"监测设备{'，'.join(faults[:names])}{more}。{instruction(first)}")
            continue
        # Who and when is said once, what to do once a hazard: that of its highest level.
        who = "" if first.issuer == issuer else f"{first.issuer}{minute_zh(at)}"
        issuer = first.issuer
        advice = "" if first.hazard in advised else instruction_of(first)
        if first.type == "cancel" and len(groups) > 1:
            advice = ""
        advised.add(first.hazard)
        where = place_list([alert.area for alert in group], places, names)
        parts.append(f"{who}{verb(first)}{subject(first, places)}：{where}。{advice}")
    return _signed(alerts[0], places, automatic, "".join(parts))


def place_list(codes: Sequence[str], places: Places, names: int) -> str:
    """南江县光雾山镇、关坝镇，通江县诺水河镇等12处."""
    left, texts, total = names, [], 0
    for county, below in places.grouped(codes):
        total += max(1, len(below))
        if left <= 0:
            continue
        texts.append(county + "、".join(below[:left]))
        left -= max(1, len(below))
    return "，".join(texts) + (f"等{total}处" if total > names else "")


def _signed(alert: Alert, places: Places, automatic: bool, body: str) -> str:
    marks = [places.city(alert.area), mark(alert.status), "自动发布" if automatic else ""]
    return f"【{'·'.join(part for part in marks if part)}】{body}"
