"""Make overview.json, the one Grafana dashboard, from code.

    python -m deploy.grafana.build           write it
    python -m deploy.grafana.build --check   exit 1 where it is not what the code says

Needs Prometheus only; the data source is a variable, so that the file imports anywhere. Names are the console's words.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import dashboard, statetimeline
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import VisibilityMode
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)

from console import words
from deploy.grafana.panels import SOURCE, bars, figure, lines, named, override, query, stacked
from schemas.area import TIERS
from schemas.level import Level
from schemas.notice import NoticeState
from schemas.station import INTERVAL_S

FILE = Path(__file__).resolve().parent / "overview.json"
UID = "fenghuo-overview"
COLOURS = {"red": "#e5484d", "orange": "#f08c2e", "yellow": "#e6c229", "blue": "#4a9eff"}
STATE_COLOURS: dict[str, str] = {
    NoticeState.HELD.value: "#c9a45c",
    NoticeState.DUE.value: "#8ea3b0",
    NoticeState.SENDING.value: "#b7c7d1",
    NoticeState.SENT.value: "#6d9eeb",
    NoticeState.DELIVERED.value: "#5cb87a",
    NoticeState.FAILED.value: "#e5484d",
    NoticeState.UNKNOWN.value: "#d97bb6",
    NoticeState.PARKED.value: "#f08c2e",
    NoticeState.SUPERSEDED.value: "#56646e",
    NoticeState.EXPIRED.value: "#3f4a52",
}
CHANNELS = ("sms", "broadcast", "webhook")
LEVELS = [level for level in sorted(Level, reverse=True) if level]


def highest_by_county() -> str:
    """The highest level of each county as a number from 0 to 4: its mapping turns it into words."""
    parts = [
        f'(sum by (name, level) (fenghuo_alerts_in_force{{level="{level.colour}"}}) > bool 0) * {int(level)}'
        for level in LEVELS
    ]
    return f"max by (name) ({' or '.join(parts)})"


def level_words() -> list[ValueMapping]:
    """0 to 4 in words and colours: the number never reaches a person."""
    return [
        ValueMap(
            options={
                str(int(level)): ValueMappingResult(
                    text=level.words_zh, color=COLOURS.get(level.colour, "#2b3740"), index=int(level)
                )
                for level in Level
            }
        )
    ]


def now_row(made: dashboard.Dashboard) -> dashboard.Dashboard:
    """What stands just now."""
    health = figure("运行状态", "min(fenghuo_healthy)", "#2f7d4f").mappings(
        [
            ValueMap(
                options={
                    "0": ValueMappingResult(text="异常", color="#b3303a", index=0),
                    "1": ValueMappingResult(text="正常", color="#2f7d4f", index=1),
                }
            )
        ]
    )
    made = made.with_row(dashboard.Row("此刻")).with_panel(health)
    for level in LEVELS:
        expression = f'sum(fenghuo_alerts_in_force{{level="{level.colour}"}})'
        made = made.with_panel(figure(f"在效 · {level.words_zh}", expression, COLOURS[level.colour]))
    undelivered = 'sum(fenghuo_notices{state=~"failed|unknown|parked"})'
    return (
        made.with_panel(figure("失联设备", "sum(fenghuo_stations_silent)", "#7a4fa3"))
        .with_panel(figure("故障设备", "sum(fenghuo_stations_faulty)", "#7a4fa3"))
        .with_panel(figure("未送达通知", undelivered, "#b3303a"))
    )


def county_row(made: dashboard.Dashboard) -> dashboard.Dashboard:
    """Levels by county."""
    highest = (
        statetimeline.Panel()
        .title("各区县最高等级")
        .description("每个区县在效预警的最高等级；全市预警计入“巴中市”一行。")
        .datasource(SOURCE)
        .height(8)
        .span(14)
        .with_target(query(highest_by_county(), "{{name}}"))
        .mappings(level_words())
        .show_value(VisibilityMode.NEVER)
        .merge_values(True)
        .row_height(0.85)
        .fill_opacity(85)
    )
    by_level = lines(
        "各等级在效预警",
        "全市在效预警条数，按等级叠加。",
        10,
        "short",
        *[
            query(f'sum by (level) (fenghuo_alerts_in_force{{level="{level.colour}"}})', "{{level}}")
            for level in LEVELS
        ],
    )
    level_names = {level.colour: level.words_zh for level in LEVELS}
    return (
        made.with_row(dashboard.Row("各区县"))
        .with_panel(highest)
        .with_panel(override(stacked(by_level), named(level_names, COLOURS)))
    )


def told_row(made: dashboard.Dashboard) -> dashboard.Dashboard:
    """Alerts by tier, and notices by state."""
    tiers = {tier.value: words.tier(tier, "zh") for tier in TIERS}
    states = {state.value: words.state(state, "zh") for state in NoticeState}
    channels = {channel: words.channel(channel, "zh") for channel in CHANNELS}
    in_force = bars(
        "在效预警 · 按层级",
        "通知到该层级的在效预警条数。",
        "sum by (tier) (fenghuo_alerts_in_force_by_tier)",
        "{{tier}}",
        6,
    )
    issued = lines(
        "预警版本 · 按层级",
        "每个时间间隔内发出的预警版本（首发、变更、解除），按通知到的层级。",
        9,
        "short",
        query("sum by (tier) (increase(fenghuo_alerts_total[$__rate_interval]))", "{{tier}}"),
    )
    by_state = bars(
        "通知 · 按状态",
        "近 24 小时通知的当前状态，以及所有待发布和搁置的通知。",
        "sum by (state) (fenghuo_notices)",
        "{{state}}",
        9,
    )
    over_time = lines(
        "通知状态变化",
        "近 24 小时通知按状态叠加；被取代和过期的不计。",
        12,
        "short",
        query('sum by (state) (fenghuo_notices{state!~"superseded|expired"})', "{{state}}"),
    )
    delay = lines(
        "从应发到发出（95%）",
        "按系统时间，95% 的通知在此时间内由渠道接收。",
        12,
        "s",
        query(
            "histogram_quantile(0.95, sum by (le, channel) "
            "(rate(fenghuo_alerting_due_to_sent_seconds_bucket[$__rate_interval])))",
            "{{channel}}",
        ),
    )
    return (
        made.with_row(dashboard.Row("四级发布"))
        .with_panel(override(in_force, named(tiers)))
        .with_panel(override(stacked(issued, as_bars=True), named(tiers)))
        .with_panel(override(by_state, named(states, STATE_COLOURS)))
        .with_panel(override(stacked(over_time), named(states, STATE_COLOURS)))
        .with_panel(override(delay, named(channels)))
    )


def running_row(made: dashboard.Dashboard) -> dashboard.Dashboard:
    """Silent stations, and how the engine keeps up."""
    kinds = {kind: words.kind(kind, "zh") for kind in INTERVAL_S}
    silent = lines(
        "失联设备",
        "没有数据的监测站，按类型。",
        8,
        "short",
        query("sum by (kind) (fenghuo_stations_silent)", "{{kind}}"),
    )
    readings = lines(
        "接收读数",
        "每秒写入日志的读数，按类型。",
        8,
        "short",
        query("sum by (kind) (rate(fenghuo_readings_total[$__rate_interval]))", "{{kind}}"),
    )
    decided = lines(
        "从读数到决定",
        "从记录时间到决定写入台账，按系统时间。",
        8,
        "s",
        query(
            "histogram_quantile(0.5, sum by (le) (rate(fenghuo_decision_seconds_bucket[$__rate_interval])))",
            "50%",
        ),
        query(
            "histogram_quantile(0.95, sum by (le) (rate(fenghuo_decision_seconds_bucket[$__rate_interval])))",
            "95%",
        ),
    )
    rejects = lines(
        "被拒数据",
        "不能作为读数的数据，按原因；保留在台账中，可修正后重放。",
        12,
        "short",
        query("sum by (reason) (increase(fenghuo_rejects_total[$__rate_interval]))", "{{reason}}"),
    )
    sends = lines(
        "发送结果",
        "每个时间间隔内的发送尝试，按渠道与结果。",
        12,
        "short",
        query(
            "sum by (channel, outcome) (increase(fenghuo_alerting_sends_total[$__rate_interval]))",
            "{{channel}} {{outcome}}",
        ),
    )
    return (
        made.with_row(dashboard.Row("监测与运行"))
        .with_panel(override(stacked(silent), named(kinds)))
        .with_panel(override(stacked(readings), named(kinds)))
        .with_panel(decided)
        .with_panel(stacked(rejects, as_bars=True))
        .with_panel(stacked(sends, as_bars=True))
    )


def keeping_up_row(made: dashboard.Dashboard) -> dashboard.Dashboard:
    """How far the machines are behind, hop by hop."""
    hops = {
        name: words.hop(name, "zh") for name in ("received", "logged", "decided", "dispatched", "delivered")
    }
    latency = lines(
        "各段用时（95%）",
        "从观测到接收、入日志、研判，从应发到开始发送、到送达，按系统时间。",
        12,
        "s",
        query(
            "histogram_quantile(0.95, sum by (le, hop) (rate(fenghuo_hop_seconds_bucket[$__rate_interval])))",
            "{{hop}}",
        ),
    )
    lag = lines(
        "研判落后",
        "还没有处理的日志记录所等的时间，按联动区域取最大；没有积压时为 0。",
        12,
        "s",
        query("max by (area) (fenghuo_lag_seconds)", "{{area}}"),
    )
    records = lines(
        "日志积压",
        "还没有处理的日志记录数。",
        8,
        "short",
        query("sum by (log) (fenghuo_lag_records)", "{{log}}"),
    )
    checkpoints = lines(
        "检查点",
        "距上次保存状态的时间（有新记录时），按联动区域取最大。",
        8,
        "s",
        query("max by (area) (fenghuo_checkpoint_age_seconds)", "{{area}}"),
    )
    waiting = lines(
        "最久未发的通知",
        "应发而未发的通知中等得最久的，按渠道。",
        8,
        "s",
        query("max by (channel) (fenghuo_alerting_oldest_due_seconds)", "{{channel}}"),
    )
    channels = {channel: words.channel(channel, "zh") for channel in CHANNELS}
    return (
        made.with_row(dashboard.Row("时效"))
        .with_panel(override(latency, named(hops)))
        .with_panel(lag)
        .with_panel(records)
        .with_panel(checkpoints)
        .with_panel(override(waiting, named(channels)))
    )


def overview() -> str:
    """The dashboard's JSON."""
    made = (
        dashboard.Dashboard("烽火 · 监测预警总览")
        .uid(UID)
        .tags(["fenghuo", "烽火"])
        .description(
            "在效预警、四级发布、通知状态、失联设备；只需要 Prometheus。由 deploy/grafana/build.py 生成。"
        )
        .timezone("Asia/Shanghai")
        .time("now-6h", "now")
        .refresh("10s")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
        .with_variable(dashboard.DatasourceVariable("datasource").label("数据源").type("prometheus"))
    )
    for row in (now_row, county_row, told_row, keeping_up_row, running_row):
        made = row(made)
    content = json.loads(json.dumps(made.build(), cls=JSONEncoder))
    _number(content["panels"])
    return json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def _number(panels: list[dict[str, Any]]) -> None:
    """Ids by place and references by letter: the builders leave both to Grafana, which would make new ones each time."""
    for number, panel in enumerate(panels, 1):
        panel["id"] = number
        for target, letter in zip(panel.get("targets", []), "ABCDEFGH", strict=False):
            target["refId"] = letter


def main(given: list[str]) -> int:
    """Write the file, or tell whether it is out of date."""
    text = overview()
    if "--check" in given:
        same = FILE.exists() and FILE.read_text(encoding="utf-8") == text
        if not same:
            print(
                "deploy/grafana/overview.json is not what the code says; run: python -m deploy.grafana.build"
            )
        return 0 if same else 1
    FILE.write_text(text, encoding="utf-8")
    print(f"wrote {FILE.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
