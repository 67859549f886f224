"""Metrics of what stands just now, set at each scrape. Every name stands in docs/reference/metrics.md."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence

from prometheus_client import Gauge
from sqlalchemy.exc import SQLAlchemyError

from console.board import Board
from console.site import Site
from schemas.alert import Alert
from schemas.area import TIERS, AreaIndex, Tier
from schemas.hazard import Hazard
from schemas.level import Level
from schemas.notice import NoticeState

healthy = Gauge("fenghuo_healthy", "1 while /health says that all is well, else 0.")
alerts_in_force = Gauge(
    "fenghuo_alerts_in_force",
    "Alerts in force; one of a whole city counts at the city. `county` is a code, `name` its name.",
    ["county", "name", "hazard", "level"],
)
alerts_in_force_by_tier = Gauge(
    "fenghuo_alerts_in_force_by_tier", "Alerts in force of which a tier is told.", ["tier", "level"]
)
notices = Gauge(
    "fenghuo_notices",
    "Notices of the last 24 hours of the log, and all that are held or parked, by their newest state.",
    ["tier", "channel", "state"],
)
stations_silent = Gauge("fenghuo_stations_silent", "Stations that send nothing (失联).", ["kind"])
stations_faulty = Gauge("fenghuo_stations_faulty", "Stations whose readings are at fault (故障).", ["kind"])

_WARNINGS = tuple(hazard for hazard in Hazard if hazard is not Hazard.STATION)
_LEVELS = tuple(level for level in Level if level)
_one_at_a_time = threading.Lock()


def update(site: Site, board: Board) -> None:
    """Set all gauges; where the ledger cannot be read, they keep what they said and only `fenghuo_healthy` falls."""
    with _one_at_a_time:
        try:
            alerts = board.refresh()
        except SQLAlchemyError:
            healthy.set(0)
            return
        healthy.set(site.health().healthy)
        _count_alerts([alert for alert in alerts if alert.hazard is not Hazard.STATION], site)
        _count_stations([alert for alert in alerts if alert.hazard is Hazard.STATION], site)
        _count_notices(site, board)


def _count_alerts(alerts: Sequence[Alert], site: Site) -> None:
    areas = site.bundle.areas
    by_county = Counter((_county(alert.area, areas), alert.hazard, alert.level) for alert in alerts)
    for area in areas:
        if area.tier in (Tier.CITY, Tier.COUNTY):
            for hazard in _WARNINGS:
                for level in _LEVELS:
                    labels = (area.code, area.name, hazard.value, level.colour)
                    alerts_in_force.labels(*labels).set(by_county[area.code, hazard, level])
    by_tier = Counter((tier, alert.level) for alert in alerts for tier in alert.tiers)
    for tier in TIERS:
        for level in _LEVELS:
            alerts_in_force_by_tier.labels(tier.value, level.colour).set(by_tier[tier, level])


def _county(code: str, areas: AreaIndex) -> str:
    return areas.at_tier(code, Tier.COUNTY) or code


def _count_stations(alerts: Sequence[Alert], site: Site) -> None:
    stations = site.bundle.stations
    sick: Counter[tuple[bool, str]] = Counter()
    for alert in alerts:
        for station in alert.evidence.get("stations", []):
            row = stations.row_of.get(str(station))
            if row is not None:
                sick[alert.evidence.get("detector") == "silence", stations[row].kind] += 1
    for kind in {station.kind for station in stations}:
        stations_silent.labels(kind).set(sick[True, kind])
        stations_faulty.labels(kind).set(sick[False, kind])


def _count_notices(site: Site, board: Board) -> None:
    counted = board.told.counts()
    for channel in {channel for recipient in site.bundle.recipients for channel in recipient.channels}:
        for tier in TIERS:
            for state in NoticeState:
                notices.labels(tier.value, channel, state.value).set(counted[tier, channel, state])
