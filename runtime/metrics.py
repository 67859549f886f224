"""Metrics and the log of the engines. Every name stands in docs/reference/metrics.md."""

from __future__ import annotations

import contextlib
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
forwards_total = Counter(
    "fenghuo_forwards_total", "Findings forwarded to another association area's log.", ["hazard", "area"]
)
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
log_readings_total = Counter(
    "fenghuo_log_readings_total", "Readings of the log that pipelines have processed.", ["kind"]
)
lag_records = Gauge(
    "fenghuo_lag_records",
    "Records of the log that are not processed yet; `log` is an area's code, on Kafka a partition's number.",
    ["log"],
)
lag_seconds = Gauge(
    "fenghuo_lag_seconds",
    "How far behind the clock an area's pipeline is while records wait for it, in the log's seconds; else 0.",
    ["area"],
)
uncommitted_records = Gauge(
    "fenghuo_uncommitted_records", "Worker: records of a partition that no checkpoint includes yet.", ["log"]
)
partitions_recovering = Gauge(
    "fenghuo_partitions_recovering",
    "Worker: partitions that stand behind where their log ended when they were given to this worker.",
)
recovery_seconds = Gauge(
    "fenghuo_recovery_seconds",
    "Worker: from the last time that partitions were given until all that stood in them was processed.",
)
worker_restarts_total = Counter(
    "fenghuo_worker_restarts_total", "Worker: how often the watchdog has started it anew."
)
checkpoint_age_seconds = Gauge(
    "fenghuo_checkpoint_age_seconds",
    "Since an area's last checkpoint, while something has come since; else 0.",
    ["area"],
)
checkpoint_bytes = Gauge(
    "fenghuo_checkpoint_bytes", "Rows of state that an area's last checkpoint has written.", ["area"]
)
checkpoint_seconds = Histogram(
    "fenghuo_checkpoint_seconds",
    "How long a checkpoint took.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
restore_seconds = Gauge(
    "fenghuo_restore_seconds",
    "How long an area's state took to come back from its last checkpoint.",
    ["area"],
)
hop_seconds = Histogram(
    "fenghuo_hop_seconds",
    "From the hop before to this one, in the log's seconds: received, logged, decided (each record), dispatched,"
    " delivered (each notice).",
    ["hop"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600),
)
gateway_cut_off = Gauge(
    "fenghuo_gateway_cut_off", "Gateway: 1 while Kafka does not answer and the disk takes what comes."
)
gateway_local_warnings = Gauge(
    "fenghuo_gateway_local_warnings", "Gateway: 1 while it is cut off and tells people by itself."
)
gateway_waiting = Gauge("fenghuo_gateway_waiting", "Gateway: records on its disk that wait for Kafka.")
gateway_waiting_bytes = Gauge(
    "fenghuo_gateway_waiting_bytes", "Gateway: about how many bytes wait on its disk."
)
gateway_waiting_seconds = Gauge(
    "fenghuo_gateway_waiting_seconds",
    "Gateway: how long ago the oldest of them was taken, in the log's seconds.",
)
gateway_refused_total = Counter(
    "fenghuo_gateway_refused_total",
    "Gateway: times that its disk could not take what came; it stays unacknowledged.",
)
gateway_drained_total = Counter(
    "fenghuo_gateway_drained_total", "Gateway: records that went from its disk into the log."
)
decision_seconds = Histogram(
    "fenghuo_decision_seconds",
    "From a record's log time to its decisions in the ledger, in the log's seconds.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)


def forget_area(code: str) -> None:
    """An area is another worker's: what was told of it here is of the past."""
    for gauge in (lag_seconds, checkpoint_age_seconds, checkpoint_bytes, restore_seconds):
        with contextlib.suppress(KeyError):
            gauge.remove(code)


def count(decisions: Decisions) -> None:
    """Count what was decided."""
    for finding in decisions.findings:
        findings_total.labels(finding.hazard, str(finding.level)).inc()
    for forward in decisions.forwards:
        forwards_total.labels(forward.finding.hazard, forward.area).inc()
    for alert in decisions.alerts:
        for tier in alert.tiers:
            alerts_total.labels(alert.hazard, str(alert.level), alert.type, tier).inc()
    for notice in decisions.notices:
        if notice.state in ("held", "due"):
            notices_decided_total.labels(notice.channel, str(notice.level)).inc()
