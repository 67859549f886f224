"""Metrics and the log of the engines. Every name stands in docs/reference/metrics.md."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

if TYPE_CHECKING:
    from runtime.pipeline import Decisions

log = logging.getLogger("fenghuo")

readings_total = Counter("fenghuo_readings_total", "Readings taken into the log.", ["kind"])
rejects_total = Counter("fenghuo_rejects_total", "Payloads that could not be readings.", ["reason"])
unknown_fields_total = Counter("fenghuo_unknown_fields_total", "Fields that no reading has, left out.")
records_total = Counter("fenghuo_log_records_total", "Records of the log that pipelines have processed.")
dead_records_total = Counter(
    "fenghuo_dead_records_total", "Records that no pipeline could process, kept and passed over."
)
findings_total = Counter("fenghuo_findings_total", "Findings.", ["hazard", "level"])
alerts_total = Counter(
    "fenghuo_alerts_total", "Alert versions by tier told.", ["hazard", "level", "type", "tier"]
)
notices_decided_total = Counter(
    "fenghuo_notices_decided_total", "Notices that came to be.", ["channel", "level"]
)
acknowledgements_total = Counter(
    "fenghuo_acknowledgements_total", "Application acknowledgements published on acks/<station>."
)
log_writable = Gauge("fenghuo_log_writable", "1 while the log can be written, else 0.")
areas_stopped = Gauge("fenghuo_areas_stopped", "Association areas that have stopped and need a person.")
relay_taken_total = Counter("fenghuo_relay_taken_total", "Relay: readings taken from devices, on the disk.")
relay_unnumbered_total = Counter(
    "fenghuo_relay_unnumbered_total",
    "Relay: payloads without a station, which the engine cannot acknowledge; the broker's word must do.",
)
relay_forwarded_total = Counter(
    "fenghuo_relay_forwarded_total", "Relay: readings sent to the engine's broker: first, or again.", ["try"]
)
relay_acknowledged_total = Counter(
    "fenghuo_relay_acknowledged_total", "Relay: readings that the engine has acknowledged, forgotten since."
)
relay_untaken = Gauge(
    "fenghuo_relay_untaken",
    "Relay: readings sent to the engine's broker that it has not yet taken (no PUBACK).",
)
relay_held = Gauge("fenghuo_relay_held", "Relay: readings held, not yet acknowledged by the engine.")
relay_held_bytes = Gauge("fenghuo_relay_held_bytes", "Relay: about how many bytes they take on the disk.")
relay_full = Gauge("fenghuo_relay_full", "Relay: 1 while nothing more can be taken, else 0.")
relay_connected = Gauge("fenghuo_relay_connected", "Relay: 1 while the engine's broker is there, else 0.")
hop_seconds = Histogram(
    "fenghuo_hop_seconds",
    "From the hop before to this one, in the log's seconds: received, logged, decided (each record), dispatched,"
    " delivered (each notice).",
    ["hop"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600),
)
decision_seconds = Histogram(
    "fenghuo_decision_seconds",
    "From a record's log time to its decisions in the ledger, in the log's seconds.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)


def count(decisions: Decisions) -> None:
    """Count what was decided."""
    for finding in decisions.findings:
        findings_total.labels(finding.hazard, str(finding.level)).inc()
    for alert in decisions.alerts:
        for tier in alert.tiers:
            alerts_total.labels(alert.hazard, str(alert.level), alert.type, tier).inc()
    for notice in decisions.notices:
        if notice.state in ("held", "due"):
            notices_decided_total.labels(notice.channel, str(notice.level)).inc()
