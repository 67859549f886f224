"""Panels: what all panels of the dashboard share, so that each is said in a few words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BigValueColorMode,
    BigValueGraphMode,
    GraphDrawStyle,
    StackingMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
)

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
"""The variable: no panel names a server."""


def query(expression: str, legend: str = "", *, instant: bool = False) -> prometheus.Dataquery:
    """One query of the variable's data source."""
    made = prometheus.Dataquery().expr(expression).legend_format(legend).datasource(SOURCE)
    return made.instant() if instant else made.range()


def named(names: Mapping[str, str], colours: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """Overrides that give series their Chinese names, and perhaps their colours."""
    found = []
    for key, name in names.items():
        properties = [DynamicConfigValue(id_val="displayName", value=name)]
        if colours is not None and key in colours:
            fixed = {"mode": "fixed", "fixedColor": colours[key]}
            properties.append(DynamicConfigValue(id_val="color", value=fixed))
        found.append({"name": key, "properties": properties})
    return found


def override(panel: Any, overrides: Sequence[dict[str, Any]]) -> Any:
    """The panel with overrides by the name of the series."""
    for one in overrides:
        panel = panel.override_by_name(one["name"], one["properties"])
    return panel


def figure(title: str, expression: str, colour: str, *, bad_from: float = 1, width: int = 3) -> stat.Panel:
    """One large number: grey at nought, coloured from `bad_from` on."""
    return (
        stat.Panel()
        .title(title)
        .datasource(SOURCE)
        .height(4)
        .span(width)
        .with_target(query(expression, title, instant=True))
        .color_mode(BigValueColorMode.BACKGROUND_SOLID)
        .graph_mode(BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(steps((None, "#2b3740"), (bad_from, colour)))
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
    )


def steps(*values: tuple[float | None, str]) -> dashboard.ThresholdsConfig:
    """Thresholds: from each value on its colour."""
    made = [Threshold(value=value, color=colour) for value, colour in values]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(made)


def bars(title: str, description: str, expression: str, legend: str, width: int) -> bargauge.Panel:
    """Horizontal bars, one a series."""
    return (
        bargauge.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .height(8)
        .span(width)
        .with_target(query(expression, legend, instant=True))
        .orientation(VizOrientation.HORIZONTAL)
        .display_mode(BarGaugeDisplayMode.BASIC)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.FIXED).fixed_color("#6d9eeb"))
        .min(0)
    )


def lines(title: str, description: str, width: int, unit: str, *targets: prometheus.Dataquery) -> Any:
    """Values over time."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .height(8)
        .span(width)
        .unit(unit)
        .min(0)
        .line_width(2)
        .show_points(VisibilityMode.NEVER)
        .fill_opacity(12)
    )
    for target in targets:
        panel = panel.with_target(target)
    return panel


def stacked(panel: Any, *, as_bars: bool = False) -> Any:
    """The same, one series on the other."""
    panel = panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL)).fill_opacity(55).line_width(1)
    return panel.draw_style(GraphDrawStyle.BARS) if as_bars else panel
