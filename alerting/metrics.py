"""Metrics of sending. Every name stands in docs/reference/metrics.md."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

sends_total = Counter(
    "fenghuo_alerting_sends_total",
    "Tries to send a notice, by what came of them.",
    ["channel", "outcome", "reason"],
)
send_seconds = Histogram(
    "fenghuo_alerting_send_seconds",
    "How long a channel took for one notice.",
    ["channel"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
due_to_sent_seconds = Histogram(
    "fenghuo_alerting_due_to_sent_seconds",
    "From when a notice was due until its channel took it, in the log's seconds.",
    ["channel", "level"],
    buckets=(0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800),
)
resends_total = Counter(
    "fenghuo_alerting_resends_total",
    "Notices sent a second time, marked as a repeat, after no answer.",
    ["channel"],
)
receipts_total = Counter("fenghuo_alerting_receipts_total", "Receipts that came in.", ["channel", "state"])
notices = Gauge(
    "fenghuo_alerting_notices", "Notices in the ledger by their newest state.", ["channel", "state"]
)
oldest_due_seconds = Gauge(
    "fenghuo_alerting_oldest_due_seconds",
    "How long the oldest notice that is due waits to be sent, in the log's seconds; 0 where none waits.",
    ["channel"],
)
acts_owed = Gauge(
    "fenghuo_alerting_acts_owed",
    "Acts of the system that are in the ledger and not yet in the log: who was not reached by an orange or red notice.",
)
topics_behind = Gauge(
    "fenghuo_alerting_topics_behind",
    "MQTT topics that could not be brought up to date with the released alerts.",
)
