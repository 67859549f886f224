"""What the demo came to: a table on the terminal and a page to keep."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.columns import Columns
from rich.console import Console
from rich.table import Table

from alerting.ledger import Ledger
from alerting.ledger.hops import Hops
from runtime.demo.pace import DemoClock
from runtime.demo.told import MEANS
from schemas.area import TIERS, Tier
from schemas.level import Level
from schemas.notice import NoticeState
from schemas.times import CHINA, from_micros

_TIER_ZH = {
    Tier.CITY: "市\ncity",
    Tier.COUNTY: "县区\ncounty",
    Tier.TOWNSHIP: "乡镇街道\ntownship",
    Tier.VILLAGE: "村社区\nvillage",
}
_STATE_ZH = {
    NoticeState.HELD: "待发布\nheld",
    NoticeState.DUE: "待发送\ndue",
    NoticeState.SENDING: "发送中\nsending",
    NoticeState.SENT: "已发送\nsent",
    NoticeState.DELIVERED: "已送达\ndelivered",
    NoticeState.FAILED: "失败\nfailed",
    NoticeState.UNKNOWN: "结果未知\nunknown",
    NoticeState.PARKED: "搁置\nparked",
    NoticeState.SUPERSEDED: "被取代\nsuperseded",
    NoticeState.EXPIRED: "过期\nexpired",
}

_COLOURS = {Level.RED: "#c62828", Level.ORANGE: "#e65100", Level.YELLOW: "#f9a825", Level.BLUE: "#1565c0"}
Hop = tuple[str, float, float]
"""A part of the way: its name, and how long it took in the machine's seconds, median and 95 %."""
_HOPS = (
    ("到达→记录 log", "received_us", "logged_us"),
    ("记录→研判 decide", "logged_us", "decided_us"),
    ("应发→发出 send", "due_us", "sent_us"),
    ("发出→送达 deliver", "sent_us", "delivered_us"),
)
"""Names of hops and the steps that they lie between (see `alerting.ledger.hops`)."""
_MOST = 20
"""So many recipients and hours stand on the page, those with the most messages first."""

_STYLE = """
body { font: 16px/1.6 sans-serif; max-width: 72rem; margin: 0 auto 3rem; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 1rem 0 }
td, th { border: 1px solid #ccc; padding: .3rem .7rem; text-align: left; vertical-align: top }
td.figure { text-align: right; font-variant-numeric: tabular-nums }
td.level { white-space: nowrap; border-left: .5rem solid var(--level) }
.banner { background: #b35c00; color: #fff; padding: .5rem 1rem; font-weight: bold; position: sticky; top: 0 }
"""
_PAGE = """<!doctype html>
<html lang="zh"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>烽火演练报告</title><style>{style}</style>
<p class="banner">演练 · 模拟数据 &nbsp; exercise on simulated data</p>
<h1>烽火演练报告 <small>Fenghuo: report of an exercise</small></h1>
{body}
</html>
"""


@dataclass(frozen=True)
class Summary:
    """Figures of one run.

    Attributes
    ----------
    alerts
        Chains by tier told and highest level.
    hops
        Seconds of the machine: name, median, 95 %; in order of the way.
    busiest
        SMS of one recipient in one hour of the storm, most first: recipient, hour (UTC micros), all, below red.
    """

    readings: int
    findings: int
    alerts: dict[tuple[Tier, Level], int]
    notices: dict[tuple[str, NoticeState], int]
    hops: list[Hop]
    busiest: list[tuple[str, int, int, int]]

    @property
    def slowest(self) -> Hop:
        """The hop whose 95 % is the longest."""
        return max(self.hops, key=lambda hop: hop[2])


def summarise(ledger: Ledger, readings: int, clock: DemoClock) -> Summary:
    """Figures from the ledger; `clock` turns the demo's seconds into the machine's."""
    versions = [alert for alert in ledger.newest_alerts(1_000_000) if alert.hazard != "station"]
    highest = Counter[str]()
    tiers: dict[str, set[Tier]] = {}
    for alert in versions:
        highest[alert.id] = max(highest[alert.id], alert.level)
        tiers.setdefault(alert.id, set()).update(alert.tiers)
    alerts: Counter[tuple[Tier, Level]] = Counter()
    for chain, level in highest.items():
        alerts.update((tier, Level(level)) for tier in tiers[chain])
    ways = ledger.hops_of(
        sorted({n.id for chain in highest for n in ledger.notices_of_alert(chain)})
    ).values()
    busiest = sorted(ledger.sent_by_hour(), key=lambda sent: (-sent.messages, sent.recipient, sent.hour_us))
    return Summary(
        readings,
        len(ledger.newest_findings(1_000_000)),
        dict(alerts),
        ledger.notice_counts(),
        [(name, *_between(ways, first, second, clock)) for name, first, second in _HOPS],
        [(s.recipient, s.hour_us, s.messages, s.below_red) for s in busiest[:_MOST]],
    )


def _between(ways: Collection[Hops], first: str, second: str, clock: DemoClock) -> tuple[float, float]:
    waits = sorted(
        clock.machine_s(getattr(way, second)) - clock.machine_s(getattr(way, first))
        for way in ways
        if getattr(way, first) is not None and getattr(way, second) is not None
    )
    return (waits[len(waits) // 2], waits[int(len(waits) * 0.95)]) if waits else (0.0, 0.0)


def tables(summary: Summary) -> list[Table]:
    """The figures as tables."""
    alerts = Table(title="预警 alerts：各级所知 told in each tier")
    alerts.add_column("最高级别\nhighest level")
    for tier in TIERS:
        alerts.add_column(_TIER_ZH[tier], justify="right")
    for level in _COLOURS:
        alerts.add_row(level.words_zh, *[str(summary.alerts.get((tier, level), 0)) for tier in TIERS])
    notices = Table(title="通知 notices")
    states = [state for state in NoticeState if any(s is state for _, s in summary.notices)]
    notices.add_column("途径\nchannel")
    for state in states:
        notices.add_column(_STATE_ZH[state], justify="right")
    for channel, names in MEANS.items():
        notices.add_row(
            " ".join(names), *[f"{summary.notices.get((channel, state), 0):,}" for state in states]
        )
    hops = Table(title="各段用时 hops, s")
    for column in ("段\nhop", "中位数\nmedian", "95 %"):
        hops.add_column(column, justify="left" if column.endswith("hop") else "right")
    for name, median, high in summary.hops:
        mark = " ← 最慢 slowest" if name == summary.slowest[0] else ""
        hops.add_row(name + mark, f"{median:.2f}", f"{high:.2f}")
    return [alerts, notices, hops]


def show(summary: Summary, screen: Console) -> None:
    """Print the figures."""
    screen.rule("演练小结 · 模拟数据（summary of the exercise, simulated data）", style="dark_orange3")
    screen.print(
        f"读数 readings {summary.readings:,}   发现 findings {summary.findings:,}   {_most(summary)}",
        highlight=False,
    )
    screen.print(Columns(tables(summary), padding=(0, 3)))


def _most(summary: Summary) -> str:
    most, below_red = (max((one[place] for one in summary.busiest), default=0) for place in (2, 3))
    return f"一人一小时最多短信 most SMS to one post in an hour {most}（below red {below_red}）"


def write_page(summary: Summary, ledger: Ledger, posts: Mapping[str, str], path: Path) -> None:
    """Write the figures and every warning's text as a page that needs nothing beside it."""
    figures = "".join(_html(table) for table in tables(summary))
    texts = "".join(
        f'<tr><td class="level" style="--level: {_COLOURS.get(Level(a.level), "#777")}">'
        f"{html.escape(Level(a.level).words_zh)}</td><td>{html.escape(a.headline)}</td>"
        f"<td>{html.escape(a.description)} {html.escape(a.instruction)}</td></tr>"
        for a in sorted(ledger.newest_alerts(1_000_000), key=lambda a: (a.issued_at, a.id))
        if a.hazard != "station" and a.reaches_people
    )
    hours = "".join(
        f"<tr><td>{html.escape(posts[recipient])}</td>"
        f"<td>{from_micros(hour).astimezone(CHINA):%m-%d %H:00}</td>"
        f'<td class="figure">{messages}</td><td class="figure">{below_red}</td></tr>'
        for recipient, hour, messages, below_red in summary.busiest
    )
    body = (
        f"<p>读数 readings {summary.readings:,}，发现 findings {summary.findings:,}。</p>{figures}"
        f"<h2>短信最多的岗位与时段 SMS by recipient and hour, the most first</h2><table>"
        f"<tr><th>岗位</th><th>时段</th><th>短信</th><th>红色以下</th></tr>{hours}</table>"
        f"<h2>预警全文 every warning</h2>"
        f"<table><tr><th>级别</th><th>标题</th><th>内容</th></tr>{texts}</table>"
    )
    path.write_text(_PAGE.format(style=_STYLE, body=body), encoding="utf-8")


def _html(table: Table) -> str:
    head = "".join(f"<th>{html.escape(str(column.header))}</th>" for column in table.columns)
    cells = [list(column.cells) for column in table.columns]
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td{' class=figure' if place else ''}>{html.escape(str(column[row]))}</td>"
            for place, column in enumerate(cells)
        )
        + "</tr>"
        for row in range(table.row_count)
    )
    return f"<h2>{html.escape(str(table.title))}</h2><table><tr>{head}</tr>{rows}</table>"
