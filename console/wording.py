"""Wording: an alert's figures in words, for the list and for the page of one alert.

In      alerts with their evidence, the names of places
Out     short sentences and (label, value) rows; never a level as a number
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from alerting.render import Places, en, zh
from alerting.render.moments import local, minute_en, minute_zh, moment_of, number
from console import words
from console.words import Language
from schemas.alert import Alert
from schemas.hazard import Hazard
from schemas.times import SECOND, Micros, from_micros

_ROWS: Mapping[str, tuple[str, str, str, str]] = {
    # key: Chinese label, English label, Chinese unit, English unit
    "window_h": ("统计时段", "Period", "小时", "h"),
    "rain_mm": ("时段雨量", "Rain in the period", "毫米", "mm"),
    "threshold_mm": ("预警标准", "Threshold", "毫米", "mm"),
    "rain_1h_mm": ("过去1小时雨量", "Rain in 1 h", "毫米", "mm"),
    "rain_3h_mm": ("过去3小时雨量", "Rain in 3 h", "毫米", "mm"),
    "rain_6h_mm": ("过去6小时雨量", "Rain in 6 h", "毫米", "mm"),
    "rain_12h_mm": ("过去12小时雨量", "Rain in 12 h", "毫米", "mm"),
    "rain_24h_mm": ("过去24小时雨量", "Rain in 24 h", "毫米", "mm"),
    "reached_at": ("达到时间", "Reached at", "", ""),
    "soil_wetness": ("土壤湿润程度", "Soil wetness", "", ""),
    "missing_share": ("时段内缺测", "Missing in the period", "%", "%"),
    "velocity_mm_day": ("变形速率", "Velocity", "毫米/天", "mm/day"),
    "velocity_sigma_mm_day": ("速率误差", "Its error", "毫米/天", "mm/day"),
    "acceleration_mm_day2": ("加速度", "Acceleration", "毫米/天²", "mm/day²"),
    "tangential_angle_deg": ("改进切线角", "Improved tangential angle", "度", "degrees"),
    "threshold_deg": ("切线角标准", "Its threshold", "度", "degrees"),
    "v0_mm_day": ("等速阶段速率", "Steady velocity", "毫米/天", "mm/day"),
    "moved_24h_mm": ("24小时位移", "Moved in 24 h", "毫米", "mm"),
    "threshold_24h_mm": ("24小时位移标准", "Its threshold", "毫米", "mm"),
    "failure_at": ("推算失稳时间", "Failure expected", "", ""),
    "failure_earliest_at": ("最早", "At the earliest", "", ""),
    "failure_latest_at": ("最晚", "At the latest", "", ""),
    "failure_r2": ("推算拟合度", "Fit of that", "", ""),
    "origin_at": ("发震时刻", "Origin", "", ""),
    "magnitude": ("震级", "Magnitude", "级", ""),
    "magnitude_sigma": ("震级误差", "Its error", "级", ""),
    "depth_km": ("震源深度", "Depth", "公里", "km"),
    "epicentre_sigma_km": ("震中误差", "Error of the epicentre", "公里", "km"),
    "intensity": ("预计最大烈度", "Highest intensity expected", "度", ""),
    "threshold_intensity": ("烈度标准", "Its threshold", "度", ""),
    "threshold_magnitude": ("震级标准", "Least magnitude", "级", ""),
    "s_arrival_at": ("震动到达", "Shaking arrives", "", ""),
    "stations_used": ("参与定位台站", "Stations used", "个", ""),
    "stations_against": ("未见震相台站", "Stations that saw nothing", "个", ""),
    "blind_radius_km": ("盲区半径", "Blind radius", "公里", "km"),
    "bearing_deg": ("所见方位", "Bearing", "度", "degrees"),
    "bearing_sigma_deg": ("方位误差", "Its error", "度", "degrees"),
    "frames": ("确认帧数", "Frames with it", "帧", ""),
    "threshold_frames": ("帧数标准", "Frames needed", "帧", ""),
    "confidence": ("识别置信度", "Confidence", "", ""),
    "threshold_confidence": ("置信度标准", "Its threshold", "", ""),
    "max_temperature_c": ("最高温度", "Highest temperature", "摄氏度", "°C"),
    "ellipse_m": ("定位误差椭圆半轴", "Error ellipse, semi-axes", "米", "m"),
    "since": ("开始时间", "Since", "", ""),
    "silent_s": ("静默时长", "Silent for", "", ""),
    "limit_s": ("静默标准", "Its limit", "", ""),
    "same_s": ("不变时长", "Unchanged for", "", ""),
    "note": ("说明", "Note", "", ""),
}
_DURATIONS = {"silent_s", "limit_s", "same_s"}
_SHARES = {"missing_share"}
_TESTS = {
    "gap_test": ("没有数据", "no data"),
    "flat_line_test": ("读数长时间不变", "reading does not change"),
    "gross_range_test": ("读数超出量程", "reading out of range"),
    "spike_test": ("读数突跳", "reading jumps"),
    "rate_of_change_test": ("读数变化过快", "reading changes too fast"),
    "attenuated_signal_test": ("信号衰减", "signal is weak"),
}


def measured(alert: Alert, places: Places, language: Language, now: datetime) -> str:
    """What was measured, as the alert's own texts say it, without the place; the description of a person's warning.

    Seconds until the shaking are those from `now`: a page stands longer than a message.
    """
    if alert.hazard is Hazard.STATION:
        return fault(alert, language)[1]
    if alert.origin != "detector":
        return alert.description
    figures = en.figures if language == "en" else zh.figures
    text = figures(alert, places, now)
    return text.removeprefix(places.full(alert.area)).lstrip("，, ")


def fault(alert: Alert, language: Language) -> tuple[str, str]:
    """失联 or 故障 of a station's alert, and what the test found."""
    at = 1 if language == "en" else 0
    silent = alert.evidence.get("detector") == "silence"
    word = ("失联", "Silent")[at] if silent else ("故障", "Faulty")[at]
    test = str(alert.evidence.get("test", ""))
    return word, _TESTS[test][at] if test in _TESTS else test


def moment(value: Any, language: Language) -> str:
    """7月18日14时00分, `18 Jul 14:00`; empty for what is no time."""
    at = moment_of(value)
    if at is None:
        return ""
    return minute_en(at) if language == "en" else minute_zh(at)


def clock(value: Any) -> str:
    """07-18 14:00, on Chinese clocks; empty for what is no time."""
    at = moment_of(value)
    return f"{local(at):%m-%d %H:%M}" if at else ""


def way(steps: Mapping[str, Micros | None], language: Language) -> list[tuple[str, str, str]]:
    """The steps of a notice's way that are known: word, clock with seconds, how long since the step before."""
    known = [(name, at_us) for name, at_us in steps.items() if at_us is not None]
    lines: list[tuple[str, str, str]] = []
    for index, (name, at_us) in enumerate(known):
        since_s = 0.0 if index == 0 else (at_us - known[index - 1][1]) / SECOND
        took = (
            "" if index == 0 else f"+{since_s:.2f} s" if since_s < 60 else f"+{duration(since_s, language)}"
        )
        lines.append((words.hop(name, language), f"{local(from_micros(at_us)):%H:%M:%S}", took))
    return lines


def duration(seconds: float, language: Language) -> str:
    """3小时1分, `3 h 1 min`."""
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    if language == "en":
        return f"{hours} h {rest} min" if hours else f"{rest} min"
    return f"{hours}小时{rest}分" if hours else f"{rest}分钟"


def evidence(alert: Alert, language: Language) -> list[tuple[str, str]]:
    """The figures of an alert as rows, those that the page has words for, in the order of that table."""
    at = 1 if language == "en" else 0
    rows: list[tuple[str, str]] = []
    for key, row in _ROWS.items():
        value = alert.evidence.get(key)
        said = "" if value is None else _value(key, value, row[2 + at], language)
        if said:
            rows.append((row[at], said))
    return rows


def _value(key: str, value: Any, unit: str, language: Language) -> str:
    gap = " " if language == "en" and unit not in ("", "%") else ""
    if key in _DURATIONS and _is_number(value):
        return duration(float(value), language)
    if key in _SHARES and _is_number(value):
        return f"{number(round(100 * value))}%"
    if _is_number(value):
        return f"{number(value)}{gap}{unit}"
    if isinstance(value, list | tuple):
        counted = key.startswith("stations_")
        said = str(len(value)) if counted else " × ".join(number(v) for v in value if _is_number(v))
        return f"{said}{gap}{unit}" if said else ""
    return moment(value, language) or (value if isinstance(value, str) else "")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def by_area(alert: Alert, places: Places, language: Language, limit: int) -> list[tuple[str, int, str]]:
    """Place, level and figure of each area that the evidence tells apart, the highest level first."""
    table = alert.evidence.get("by_area") or alert.evidence.get("areas")
    if not isinstance(table, Mapping):
        return []
    lines = [
        (places.full(code), int(line.get("level") or 0), _line(line, language))
        for code, line in table.items()
        if isinstance(line, Mapping)
    ]
    lines.sort(key=lambda one: -one[1])
    return lines[:limit]


def _line(line: Mapping[str, Any], language: Language) -> str:
    at = 1 if language == "en" else 0
    parts: list[str] = []
    for key in ("window_h", "rain_mm", "velocity_mm_day", "intensity", "s_arrival_at"):
        if line.get(key) is not None:
            row = _ROWS[key]
            value = _value(key, line[key], row[2 + at], language)
            parts.append(value if key in ("window_h", "rain_mm") else f"{row[at]} {value}")
    return " · ".join(parts)


def against(alert: Alert) -> Sequence[str]:
    """What speaks against it, as the detectors say it."""
    found = alert.evidence.get("against")
    return [str(one) for one in found] if isinstance(found, list) else []
