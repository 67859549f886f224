"""Words: what the page says besides the alerts' own texts, Chinese first.

A page names a word by its key; a key that one language lacks is an error of ours, not of the reader (a test compares).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from schemas.area import Tier
from schemas.hazard import Hazard
from schemas.level import Level
from schemas.notice import NoticeState

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")

PAGE: Mapping[str, tuple[str, str]] = {
    "title": ("烽火 · 多灾种监测预警", "Fenghuo · hazard monitoring and warning"),
    "name": ("烽火", "Fenghuo"),
    "subtitle": ("多灾种监测预警", "Multi-hazard monitoring and early warning"),
    "exercise": ("演练 · 模拟数据 · 非真实灾情", "EXERCISE · SIMULATED DATA · NOT A REAL EMERGENCY"),
    "test": ("测试 · 模拟数据 · 非真实灾情", "TEST · SIMULATED DATA · NOT A REAL EMERGENCY"),
    "clock": ("系统时间（北京时间）", "System time (UTC+8)"),
    "healthy": ("运行正常", "Running well"),
    "sick": ("运行异常", "Not running well"),
    "checking": ("正在检查", "Checking"),
    "lost": ("连接中断，正在重连", "Connection lost, reconnecting"),
    "in_force": ("在效预警", "Alerts in force"),
    "none_in_force": ("当前没有在效预警", "No alert is in force"),
    "more_alerts": ("另有 {n} 条未列出", "{n} more are not listed"),
    "all_hazards": ("全部", "All"),
    "map": ("态势图", "Map"),
    "sketch": ("示意图，非行政区域界线", "Sketch, not administrative boundaries"),
    "loading_map": ("正在绘制地图", "Drawing the map"),
    "no_outlines": ("没有区域轮廓，只显示位置", "No outlines: positions only"),
    "zoom_in": ("放大", "Zoom in"),
    "zoom_out": ("缩小", "Zoom out"),
    "whole": ("全图", "Whole area"),
    "legend": ("图例", "Legend"),
    "told": ("四级发布", "Four tiers told"),
    "told_hint": ("近 24 小时通知，按当前状态", "Notices of the last 24 hours by state"),
    "recent": ("最新发布动态", "Latest notices"),
    "none_recent": ("近 24 小时没有发出通知", "No notice left in the last 24 hours"),
    "instruments": ("故障与失联设备", "Faulty and silent instruments"),
    "none_instruments": ("没有故障或失联设备", "No instrument is faulty or silent"),
    "more_instruments": ("另有 {n} 台未列出", "{n} more are not listed"),
    "since": ("自 {at}", "since {at}"),
    "issued": ("发布 {at}", "issued {at}"),
    "version": ("第 {n} 版", "version {n}"),
    "missing": ("自 {at} 起无有效数据，等级维持", "no valid data since {at}; the level stays"),
    "acknowledged": ("已确认", "acknowledged"),
    "close": ("关闭", "Close"),
    "detail": ("预警详情", "Alert"),
    "text": ("预警内容", "What is said"),
    "instruction": ("防御指南", "What to do"),
    "speech": ("广播用语", "Read aloud"),
    "sms": ("短信用语", "By SMS"),
    "evidence": ("监测依据", "What was measured"),
    "against": ("存疑之处", "What speaks against it"),
    "stations": ("监测站", "Stations"),
    "by_area": ("分区情况", "By area"),
    "who": ("通知对象", "Who was told"),
    "none_told": ("尚无通知", "Nobody yet"),
    "more_told": ("另有 {n} 条未列出", "{n} more are not listed"),
    "versions": ("版本记录", "Versions"),
    "acts": ("处置记录", "Acts and releases"),
    "none_acts": ("尚无处置", "None yet"),
    "ends": ("有效至 {at}", "until {at}"),
    "unsaid": ("仅内部更新", "not told to people"),
    "post": ("岗位", "Post"),
    "tier": ("层级", "Tier"),
    "channel": ("渠道", "Channel"),
    "state": ("状态", "State"),
    "time": ("时间", "Time"),
    "new_red": ("新的红色预警：{text}", "New red alert: {text}"),
    "waiting": ("待发布", "Held"),
    "under_way": ("发送中", "Under way"),
    "left": ("已发出", "Sent"),
    "arrived": ("已送达", "Delivered"),
    "trouble": ("未送达", "Not delivered"),
    "tab_alerts": ("预警", "Alerts"),
    "tab_map": ("地图", "Map"),
    "tab_told": ("发布", "Told"),
    "tab_instruments": ("设备", "Instruments"),
    "load_failed": ("读取失败，正在重试", "Could not be read; trying again"),
    "not_found": ("没有这条预警", "There is no such alert"),
    "other_language": ("English", "中文"),
    "no_script": (
        "浏览器未启用脚本：以下为打开页面时的在效预警，不会自动更新。",
        "Scripts are off: these are the alerts in force when the page was opened; they will not renew themselves.",
    ),
}

_COLOURS_EN = ("none", "Blue", "Yellow", "Orange", "Red")
_HAZARDS_EN = {
    Hazard.RAINSTORM: "Rainstorm",
    Hazard.FLASH_FLOOD: "Flash flood",
    Hazard.FLOOD: "Flood",
    Hazard.LANDSLIDE: "Landslide",
    Hazard.DEBRIS_FLOW: "Debris flow",
    Hazard.EARTHQUAKE: "Earthquake",
    Hazard.FOREST_FIRE: "Forest fire",
    Hazard.FIRE_DANGER: "Fire danger",
    Hazard.STATION: "Instrument",
}
_TIERS: Mapping[Tier, tuple[str, str]] = {
    Tier.CITY: ("市", "City"),
    Tier.COUNTY: ("县区", "County"),
    Tier.TOWNSHIP: ("乡镇街道", "Township"),
    Tier.VILLAGE: ("村社区", "Village"),
}
_STATES: Mapping[NoticeState, tuple[str, str]] = {
    NoticeState.HELD: ("待发布", "held"),
    NoticeState.DUE: ("待发送", "due"),
    NoticeState.SENDING: ("发送中", "sending"),
    NoticeState.SENT: ("已发出", "sent"),
    NoticeState.DELIVERED: ("已送达", "delivered"),
    NoticeState.FAILED: ("发送失败", "failed"),
    NoticeState.UNKNOWN: ("结果不明", "unknown"),
    NoticeState.PARKED: ("搁置待处理", "parked"),
    NoticeState.SUPERSEDED: ("已被新版取代", "superseded"),
    NoticeState.EXPIRED: ("已过期", "expired"),
}
_CHANNELS = {
    "sms": ("短信", "SMS"),
    "broadcast": ("村村响广播", "loudspeaker"),
    "webhook": ("系统对接", "webhook"),
}
_KINDS = {
    "rain": ("雨量站", "Rain gauge"),
    "landslide": ("地灾监测点", "Landslide point"),
    "seismic": ("地震台", "Seismic station"),
    "camera": ("林火摄像机", "Fire camera"),
    "weather": ("气象站", "Weather station"),
    "water": ("水位站", "Water gauge"),
    "report": ("信息员", "Reporter"),
    "hotspot": ("卫星", "Satellite"),
    "measure": ("其他监测站", "Other"),
}
_ACTS = {
    "issue": ("发布", "issued"),
    "release": ("批准发布", "released"),
    "acknowledge": ("确认收到", "acknowledged"),
    "answer": ("回复", "answered"),
    "update": ("变更", "updated"),
    "cancel": ("解除", "cancelled"),
    "silence": ("静默", "silenced"),
    "undelivered": ("通知未送达", "could not be told"),
}
_HOPS = {
    "observed": ("观测", "observed"),
    "received": ("接收", "received"),
    "logged": ("入日志", "logged"),
    "decided": ("研判", "decided"),
    "due": ("应发", "due"),
    "dispatched": ("开始发送", "dispatched"),
    "sent": ("已发出", "sent"),
    "delivered": ("已送达", "delivered"),
}
_AUDIENCES = {"responsible": ("责任人", "persons in charge"), "public": ("公众", "the public")}
_SYSTEM = {
    "system": ("系统", "system"),
    "policy": ("预案规则", "policy"),
    "deadline": ("到时自动发布", "by deadline"),
}


def _at(language: str) -> int:
    return 1 if language == "en" else 0


def language_of(asked: str | None, default: str) -> Language:
    """The language asked for where there is such, else the site's own."""
    word = asked if asked in LANGUAGES else default
    return "en" if word == "en" else "zh"


def page(language: Language) -> dict[str, str]:
    """All words of the page in one language."""
    return {key: both[_at(language)] for key, both in PAGE.items()}


def level(value: int, language: Language) -> str:
    """红色（I级）, `Red (grade I)`: never the number."""
    grade = Level(value)
    if language == "zh":
        return grade.words_zh
    return f"{_COLOURS_EN[value]} (grade {grade.grade})" if value else _COLOURS_EN[0]


def colour(value: int, language: Language) -> str:
    """红色, `Red`."""
    return Level(value).colour_zh if language == "zh" else _COLOURS_EN[value]


def hazard(value: Hazard, language: Language) -> str:
    """暴雨, `Rainstorm`."""
    return value.zh if language == "zh" else _HAZARDS_EN[value]


def tier(value: Tier, language: Language) -> str:
    """市, `City`."""
    return _TIERS[value][_at(language)]


def state(value: NoticeState, language: Language) -> str:
    """已送达, `delivered`."""
    return _STATES[value][_at(language)]


def channel(value: str, language: Language) -> str:
    """短信, `SMS`; a channel that we have no word for by its own name."""
    return _CHANNELS[value][_at(language)] if value in _CHANNELS else value


def kind(value: str, language: Language) -> str:
    """雨量站, `Rain gauge`; a kind that we have no word for by its own name."""
    return _KINDS[value][_at(language)] if value in _KINDS else value


def hop(value: str, language: Language) -> str:
    """研判, `decided`: a step of a notice's way."""
    return _HOPS[value][_at(language)]


def act(value: str, language: Language) -> str:
    """批准发布, `released`."""
    return _ACTS[value][_at(language)] if value in _ACTS else value


def audience(value: str, language: Language) -> str:
    """责任人, `persons in charge`."""
    return _AUDIENCES[value][_at(language)]


def actor(value: str, language: Language) -> str:
    """系统, `system`; a person's post as it is."""
    return _SYSTEM[value][_at(language)] if value in _SYSTEM else value
