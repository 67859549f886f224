"""What the demo came to: a table on the terminal and a page to keep."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from alerting.ledger import Ledger
from runtime import metrics
from schemas.area import TIERS, Tier
from schemas.level import Level
from schemas.notice import Notice, NoticeState
from schemas.times import to_micros

_TIER_ZH = {Tier.CITY: "市", Tier.COUNTY: "县区", Tier.TOWNSHIP: "乡镇街道", Tier.VILLAGE: "村社区"}
_STATE_ZH = {
    NoticeState.HELD: "待发布",
    NoticeState.DUE: "待发送",
    NoticeState.SENDING: "发送中",
    NoticeState.SENT: "已发送",
    NoticeState.DELIVERED: "已送达",
    NoticeState.FAILED: "失败",
    NoticeState.UNKNOWN: "结果未知",
    NoticeState.PARKED: "搁置",
    NoticeState.SUPERSEDED: "被取代",
    NoticeState.EXPIRED: "过期",
}
_CHANNEL_ZH = {"sms": "短信", "broadcast": "广播", "webhook": "接口"}


_STYLE = """
body { font: 16px/1.6 sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 }
td, th { border: 1px solid #bbb; padding: .3rem .7rem; text-align: left; vertical-align: top }
.banner { background: #b35c00; color: #fff; padding: .5rem 1rem }
"""
_PAGE = """<!doctype html>
<html lang="zh"><meta charset="utf-8"><title>烽火演练报告</title><style>{style}</style>
<p class="banner">演练 · 模拟数据</p>
<h1>烽火演练报告</h1>
{body}
</html>
"""


@dataclass(frozen=True)
class Summary:
    """Figures of one run. `hops` in the machine's seconds: name, median, 95 %; in order of the way."""

    readings: int
    findings: int
    alerts: dict[tuple[Tier, Level], int]
    notices: dict[tuple[str, NoticeState], int]
    hops: list[tuple[str, float, float]]

    @property
    def slowest(self) -> tuple[str, float, float]:
        """The hop whose 95 % is the longest."""
        return max(self.hops, key=lambda hop: hop[2])


def summarise(ledger: Ledger, readings: int, rate: float) -> Summary:
    """Figures from the ledger; `rate` turns the demo's seconds into the machine's."""
    versions = ledger.newest_alerts(1_000_000)
    chains = {alert.id: alert for alert in reversed(versions) if alert.hazard != "station"}
    highest = Counter[str]()
    tiers: dict[str, set[Tier]] = {}
    for alert in versions:
        if alert.id in chains:
            highest[alert.id] = max(highest[alert.id], alert.level)
            tiers.setdefault(alert.id, set()).update(alert.tiers)
    alerts: Counter[tuple[Tier, Level]] = Counter()
    for chain, level in highest.items():
        alerts.update((tier, Level(level)) for tier in tiers[chain])
    told = {n.id: n for chain in chains for n in ledger.notices_of_alert(chain)}.values()
    hops = [
        ("记录→研判", *_of_histogram(rate)),
        ("应发→发出", *_between(told, "first_due_at", "sent_at", rate)),
        ("发出→送达", *_between(told, "sent_at", "delivered_at", rate)),
    ]
    return Summary(
        readings, len(ledger.newest_findings(1_000_000)), dict(alerts), ledger.notice_counts(), hops
    )


def _between(notices: Collection[Notice], first: str, second: str, rate: float) -> tuple[float, float]:
    waits = sorted(
        (to_micros(getattr(n, second)) - to_micros(getattr(n, first))) / 1e6 / rate
        for n in notices
        if getattr(n, first) is not None and getattr(n, second) is not None
    )
    return (waits[len(waits) // 2], waits[int(len(waits) * 0.95)]) if waits else (0.0, 0.0)


def _of_histogram(rate: float) -> tuple[float, float]:
    samples = next(iter(metrics.decision_seconds.collect())).samples
    buckets = [(float(s.labels["le"]), s.value) for s in samples if s.name.endswith("_bucket")]
    total = buckets[-1][1] if buckets else 0
    median, high = (next((le for le, count in buckets if count >= total * part), 0.0) for part in (0.5, 0.95))
    return median / rate, high / rate


def tables(summary: Summary) -> list[Table]:
    """The figures as tables."""
    alerts = Table(title="预警（条链，按最高级别）")
    alerts.add_column("级别")
    for tier in TIERS:
        alerts.add_column(_TIER_ZH[tier], justify="right")
    for level in (Level.RED, Level.ORANGE, Level.YELLOW, Level.BLUE):
        alerts.add_row(level.words_zh, *[str(summary.alerts.get((tier, level), 0)) for tier in TIERS])
    notices = Table(title="通知")
    states = [state for state in NoticeState if any(s is state for _, s in summary.notices)]
    notices.add_column("途径")
    for state in states:
        notices.add_column(_STATE_ZH[state], justify="right")
    for channel, name in _CHANNEL_ZH.items():
        notices.add_row(name, *[str(summary.notices.get((channel, state), 0)) for state in states])
    hops = Table(title="各段用时（秒）")
    for column in ("段", "中位数", "95 %"):
        hops.add_column(column, justify="left" if column == "段" else "right")
    for name, median, high in summary.hops:
        mark = "  ← 最慢" if name == summary.slowest[0] else ""
        hops.add_row(name + mark, f"{median:.2f}", f"{high:.2f}")
    return [alerts, notices, hops]


def show(summary: Summary, screen: Console) -> None:
    """Print the figures."""
    screen.rule("演练小结（模拟数据）")
    screen.print(f"读数 {summary.readings:,}    发现 {summary.findings:,}")
    for table in tables(summary):
        screen.print(table)


def write_page(summary: Summary, ledger: Ledger, path: Path) -> None:
    """Write the figures and every warning's text as a page that needs nothing beside it."""
    figures = "".join(_html(table) for table in tables(summary))
    texts = "".join(
        f"<tr><td>{html.escape(Level(a.level).words_zh)}</td><td>{html.escape(a.headline)}</td>"
        f"<td>{html.escape(a.description)} {html.escape(a.instruction)}</td></tr>"
        for a in sorted(ledger.newest_alerts(1_000_000), key=lambda a: (a.issued_at, a.id))
        if a.hazard != "station" and a.reaches_people
    )
    body = (
        f"<p>读数 {summary.readings:,}，发现 {summary.findings:,}。</p>{figures}<h2>预警全文</h2>"
        f"<table><tr><th>级别</th><th>标题</th><th>内容</th></tr>{texts}</table>"
    )
    path.write_text(_PAGE.format(style=_STYLE, body=body), encoding="utf-8")


def _html(table: Table) -> str:
    head = "".join(f"<th>{html.escape(str(column.header))}</th>" for column in table.columns)
    cells = [list(column.cells) for column in table.columns]
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(column[row]))}</td>" for column in cells) + "</tr>"
        for row in range(table.row_count)
    )
    return f"<h2>{html.escape(str(table.title))}</h2><table><tr>{head}</tr>{rows}</table>"
