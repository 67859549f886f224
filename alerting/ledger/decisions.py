"""Writing what a pipeline decided: findings, alert versions, releases, acts and notices, each once by its id."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from alerting.ledger import queue, tables
from alerting.ledger.rows import Row, add_once, chunks, content, digest, known
from schemas.act import Act
from schemas.alert import Alert, Release
from schemas.finding import Finding
from schemas.notice import Notice
from schemas.times import to_micros

DISPATCHERS = {"state", "attempts", "sent_at", "delivered_at", "answer", "answered_at", "error"}
"""Fields of a notice that no replay compares."""

_IDENTITY = {
    "id",
    "alerts",
    "audience",
    "tier",
    "area",
    "recipient",
    "channel",
    "hazard",
    "level",
    "cancel",
    "status",
}

"""Fields that a notice keeps from held to due; its text, due time and expiry may be settled at the release."""


def write_findings(connection: Connection, area: str, position: int, findings: Sequence[Finding]) -> None:
    """Add findings that are not there yet."""
    rows: list[Row] = []
    for finding in findings:
        body = content(finding)
        rows.append(
            {
                "id": finding.id,
                "association": area,
                "position": position,
                "hazard": finding.hazard.value,
                "detector": finding.detector,
                "subject": finding.subject,
                "area": finding.area,
                "level": finding.level,
                "observed_us": finding.observed_us,
                "hash": digest(body),
                "body": body,
            }
        )
    add_once(connection, tables.findings, rows)


def write_alerts(connection: Connection, area: str, position: int, alerts: Sequence[Alert]) -> bool:
    """Add alert versions that are not there yet; whether there were any."""
    rows: list[Row] = []
    for alert in alerts:
        body = content(alert)
        rows.append(
            {
                "id": alert.id,
                "version": alert.version,
                "association": area,
                "position": position,
                "status": alert.status.value,
                "type": alert.type,
                "hazard": alert.hazard.value,
                "level": alert.level,
                "area": alert.area,
                "issued_us": to_micros(alert.issued_at),
                "expires_us": to_micros(alert.expires_at),
                "hash": digest(body),
                "body": body,
            }
        )
    return bool(add_once(connection, tables.alerts, rows))


def write_releases(connection: Connection, area: str, position: int, releases: Sequence[Release]) -> None:
    """Add releases that are not there yet."""
    rows: list[Row] = []
    for release in releases:
        body = content(release)
        rows.append(
            {
                "alert": release.alert,
                "version": release.version,
                "audience": release.audience,
                "association": area,
                "position": position,
                "at_us": to_micros(release.at),
                "hash": digest(body),
                "body": body,
            }
        )
    add_once(connection, tables.releases, rows)


def write_acts(connection: Connection, area: str, position: int, acts: Sequence[Act]) -> None:
    """Add judged acts that are not there yet.

    An act's id is its sender's, who may use one twice: the first counts, and another is no contradiction of ours.
    """
    known_ids = {key[0] for key in known(connection, tables.acts, [(act.id,) for act in acts])}
    rows: dict[str, Row] = {}
    for act in acts:
        if act.id in known_ids or act.id in rows:
            continue
        body = content(act)
        rows[act.id] = {
            "id": act.id,
            "association": area,
            "position": position,
            "act": act.act,
            "alert": act.alert,
            "at_us": to_micros(act.at),
            "hash": digest(body),
            "body": body,
        }
    add_once(connection, tables.acts, list(rows.values()))


def write_notices(connection: Connection, area: str, position: int, notices: Sequence[Notice]) -> None:
    """Add notices, and their steps from held to due, that are not there yet; queue what became due."""
    add_once(connection, tables.notices, [_notice_row(area, position, notice) for notice in notices])
    named = [row for notice in notices for row in _named_alerts(notice)]
    new_names = {(row["notice"], row["alert"]): row for row in named}
    for key in known(connection, tables.notice_alerts, list(new_names)):
        del new_names[(key[0], key[1])]
    for part in chunks(list(new_names.values())):
        connection.execute(tables.notice_alerts.insert(), list(part))

    decided = {(notice.id, notice.state.value): notice for notice in notices}
    rows = [_decision_row(position, notice) for notice in notices]
    new = add_once(connection, tables.notice_decisions, rows)
    queue.decide(connection, [decided[(row["notice"], row["state"])] for row in new])


def _notice_row(area: str, position: int, notice: Notice) -> Row:
    return {
        "id": notice.id,
        "association": area,
        "position": position,
        "recipient": notice.recipient,
        "channel": notice.channel,
        "level": notice.level,
        "cancel": notice.cancel,
        "hash": digest(content(notice, include=_IDENTITY)),
    }


def _named_alerts(notice: Notice) -> list[Row]:
    # Where one notice lists several versions of a chain, the newest is what it tells.
    newest: dict[str, int] = {}
    for named in notice.alerts:
        newest[named.id] = max(named.version, newest.get(named.id, 0))
    return [
        {
            "notice": notice.id,
            "alert": chain,
            "version": version,
            "recipient": notice.recipient,
            "channel": notice.channel,
        }
        for chain, version in newest.items()
    ]


def _decision_row(position: int, notice: Notice) -> Row:
    body = content(notice, exclude=DISPATCHERS)
    return {
        "notice": notice.id,
        "state": notice.state.value,
        "position": position,
        "hash": digest(body),
        "body": body,
    }
