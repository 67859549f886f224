"""What the console, the command line and the topics ask: alerts in force, who was told, how often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, or_, select, union_all

from alerting.ledger import tables
from alerting.ledger.composed import notices_of
from schemas.act import Act
from schemas.alert import Alert, Release
from schemas.finding import Finding
from schemas.notice import Notice, NoticeState, Receipt
from schemas.times import DAY, HOUR, Micros, to_micros

_ALERTS, _RELEASES, _STATES = tables.alerts, tables.releases, tables.notice_states


class Told(NamedTuple):
    """One recipient of one version by one channel, and how that stands."""

    notice: str
    version: int
    recipient: str
    channel: str
    state: NoticeState
    at_us: Micros | None


class Sent(NamedTuple):
    """Messages to one recipient by one channel in one hour; `below_red` of them below red."""

    recipient: str
    hour_us: Micros
    messages: int
    below_red: int


class StateChange(NamedTuple):
    """One row of a notice's life; `sequence` grows."""

    sequence: int
    notice: str
    state: NoticeState
    at_us: Micros | None
    recipient: str
    channel: str


class Decided(NamedTuple):
    """What an association area's pipeline has decided behind a place in its log, and the place up to which it is all."""

    position: int
    alerts: list[Alert]
    releases: list[Release]
    acts: list[Act]


def alerts_in_force(connection: Connection, now_us: Micros | None = None) -> list[Alert]:
    """The newest version of each chain that no cancel has ended, the highest level first.

    With `now_us` also without those that have run out (chains that end by the clock).
    """
    table = _ALERTS
    statement = select(table.c.body).where(_is_newest(), table.c.type != "cancel")
    if now_us is not None:
        statement = statement.where(table.c.expires_us > now_us)
    return _models(connection, Alert, statement.order_by(table.c.level.desc(), table.c.issued_us, table.c.id))


def alert_versions(connection: Connection, alert: str) -> list[Alert]:
    """All versions of a chain, in order."""
    return _models(
        connection, Alert, select(_ALERTS.c.body).where(_ALERTS.c.id == alert).order_by(_ALERTS.c.version)
    )


def association_of_alert(connection: Connection, alert: str) -> str | None:
    """The association area that keeps a chain: of a quake's the chain's own area does not say."""
    found = connection.execute(select(_ALERTS.c.association).where(_ALERTS.c.id == alert).limit(1)).scalar()
    return None if found is None else str(found)


def newest_alerts(connection: Connection, limit: int, hazards: Sequence[str] | None = None) -> list[Alert]:
    """The newest alert versions, newest first."""
    statement = select(_ALERTS.c.body).order_by(
        _ALERTS.c.issued_us.desc(), _ALERTS.c.id, _ALERTS.c.version.desc()
    )
    if hazards is not None:
        statement = statement.where(_ALERTS.c.hazard.in_(hazards))
    return _models(connection, Alert, statement.limit(limit))


def newest_released(connection: Connection, since_us: Micros) -> list[Alert]:
    """Of each chain the newest version released to the public, those issued or running out after `since_us`."""
    newer, newer_release = _ALERTS.alias("newer"), _RELEASES.alias("newer_release")
    released = and_(
        _RELEASES.c.alert == _ALERTS.c.id,
        _RELEASES.c.version == _ALERTS.c.version,
        _RELEASES.c.audience == "public",
    )
    same = and_(newer_release.c.alert == newer.c.id, newer_release.c.version == newer.c.version)
    has_newer = exists(
        select(1)
        .select_from(newer.join(newer_release, same))
        .where(
            newer_release.c.audience == "public",
            newer.c.id == _ALERTS.c.id,
            newer.c.version > _ALERTS.c.version,
        )
    )
    statement = (
        select(_ALERTS.c.body)
        .select_from(_ALERTS.join(_RELEASES, released))
        .where(~has_newer, or_(_ALERTS.c.issued_us > since_us, _ALERTS.c.expires_us > since_us))
        .order_by(_ALERTS.c.issued_us, _ALERTS.c.id)
    )
    return _models(connection, Alert, statement)


def released_to_public(connection: Connection, now_us: Micros) -> list[Alert]:
    """What topics and feeds should hold now: of the newest released, those in force or cancelled within 24 h."""
    return [
        alert
        for alert in newest_released(connection, now_us - DAY)
        if to_micros(alert.issued_at if alert.type == "cancel" else alert.expires_at)
        > now_us - (DAY if alert.type == "cancel" else 0)
    ]


def releases_of(connection: Connection, alert: str) -> list[Release]:
    """Who released which version of a chain, to whom."""
    statement = select(_RELEASES.c.body).where(_RELEASES.c.alert == alert)
    return _models(connection, Release, statement.order_by(_RELEASES.c.version, _RELEASES.c.audience))


def acts(connection: Connection, alert: str | None, limit: int) -> list[Act]:
    """The newest acts, of one chain or of all, newest first."""
    statement = select(tables.acts.c.body).order_by(tables.acts.c.at_us.desc(), tables.acts.c.id)
    if alert is not None:
        statement = statement.where(tables.acts.c.alert == alert)
    return _models(connection, Act, statement.limit(limit))


def act(connection: Connection, identity: str) -> Act | None:
    """One judged act; None while it is not in the ledger."""
    found = _models(connection, Act, select(tables.acts.c.body).where(tables.acts.c.id == identity))
    return found[0] if found else None


def newest_findings(connection: Connection, limit: int, area: str | None = None) -> list[Finding]:
    """The newest findings by event time, newest first; of one area where it is given."""
    table = tables.findings
    statement = select(table.c.body).order_by(table.c.observed_us.desc(), table.c.id)
    return _models(
        connection,
        Finding,
        (statement if area is None else statement.where(table.c.area == area)).limit(limit),
    )


def findings_by_id(connection: Connection, ids: Sequence[str]) -> list[Finding]:
    """Findings by their ids, by event time."""
    table = tables.findings
    return _models(
        connection, Finding, select(table.c.body).where(table.c.id.in_(ids)).order_by(table.c.observed_us)
    )


def notices_of_alert(connection: Connection, alert: str) -> list[Notice]:
    """All notices that name a chain, as they stand, in order of decision."""
    named, notices = tables.notice_alerts, tables.notices
    statement = (
        select(notices.c.id)
        .join(named, named.c.notice == notices.c.id)
        .where(named.c.alert == alert)
        .order_by(notices.c.position, notices.c.id)
    )
    return list(notices_of(connection, list(connection.execute(statement).scalars())).values())


def notices_in(connection: Connection, state: NoticeState, limit: int) -> list[Notice]:
    """Notices that stand in a state (parked ones wait for an operator), the newest first."""
    statement = select(_STATES.c.notice).where(_newest_state(), _STATES.c.state == state.value)
    ids = connection.execute(statement.order_by(_STATES.c.sequence.desc()).limit(limit)).scalars()
    return list(notices_of(connection, list(ids)).values())


def notice_counts(connection: Connection) -> dict[tuple[str, NoticeState], int]:
    """How many notices stand in each state, by channel."""
    notices = tables.notices
    statement = (
        select(notices.c.channel, _STATES.c.state, func.count())
        .select_from(_STATES.join(notices, notices.c.id == _STATES.c.notice))
        .where(_newest_state())
        .group_by(notices.c.channel, _STATES.c.state)
    )
    return {(channel, NoticeState(state)): count for channel, state, count in connection.execute(statement)}


def oldest_due(connection: Connection) -> dict[str, Micros]:
    """By channel: since when the oldest notice waits that is due and in nobody's hand."""
    leases = tables.leases
    oldest = func.min(leases.c.first_due_us).label("since_us")
    statement = select(leases.c.channel, oldest).where(leases.c.worker.is_(None)).group_by(leases.c.channel)
    return {row.channel: row.since_us for row in connection.execute(statement)}


def told(connection: Connection, alert: str) -> list[Told]:
    """Who was told of a chain: each notice with its newest state, by version, recipient and channel."""
    named = tables.notice_alerts
    statement = (
        select(
            named.c.notice,
            named.c.version,
            named.c.recipient,
            named.c.channel,
            _STATES.c.state,
            _STATES.c.at_us,
        )
        .select_from(named.join(_STATES, _STATES.c.notice == named.c.notice))
        .where(named.c.alert == alert, _newest_state())
        .order_by(named.c.version, named.c.recipient, named.c.channel)
    )
    return [
        Told(row.notice, row.version, row.recipient, row.channel, NoticeState(row.state), row.at_us)
        for row in connection.execute(statement)
    ]


def sent_by_hour(connection: Connection, channel: str) -> list[Sent]:
    """Messages that left by a channel, by recipient and whole hour (UTC) of sending; a repeat counts again."""
    notices = tables.notices
    statement = (
        select(notices.c.recipient, notices.c.level, _STATES.c.at_us)
        .select_from(_STATES.join(notices, notices.c.id == _STATES.c.notice))
        .where(
            notices.c.channel == channel,
            _STATES.c.state.in_([NoticeState.SENT.value, NoticeState.UNKNOWN.value]),
        )
    )
    counts: dict[tuple[str, Micros], list[int]] = {}
    for recipient, level, at_us in connection.execute(statement):
        count = counts.setdefault((recipient, at_us // HOUR * HOUR), [0, 0])
        count[0] += 1
        count[1] += level < 4
    return [Sent(recipient, hour, *count) for (recipient, hour), count in sorted(counts.items())]


def receipts_of(connection: Connection, notice: str) -> list[Receipt]:
    """What the channel said of a notice, in order of arrival."""
    table = tables.receipts
    return _models(
        connection, Receipt, select(table.c.body).where(table.c.notice == notice).order_by(table.c.sequence)
    )


def state_changes(connection: Connection, after: int, limit: int) -> list[StateChange]:
    """Rows of notices' lives behind a sequence number: what a live page asks again and again."""
    notices = tables.notices
    statement = (
        select(
            _STATES.c.sequence,
            _STATES.c.notice,
            _STATES.c.state,
            _STATES.c.at_us,
            notices.c.recipient,
            notices.c.channel,
        )
        .select_from(_STATES.join(notices, notices.c.id == _STATES.c.notice))
        .where(_STATES.c.sequence > after)
        .order_by(_STATES.c.sequence)
        .limit(limit)
    )
    return [
        StateChange(row.sequence, row.notice, NoticeState(row.state), row.at_us, row.recipient, row.channel)
        for row in connection.execute(statement)
    ]


def decided_position(connection: Connection, area: str) -> int | None:
    """The greatest position in the log at which something of an area was decided; None where nothing was."""
    positions = [
        connection.execute(select(func.max(table.c.position)).where(table.c.association == area)).scalar_one()
        for table in (tables.findings, tables.alerts, tables.releases, tables.acts, tables.notices)
    ]
    return max((position for position in positions if position is not None), default=None)


def decided_after(connection: Connection, area: str, position: int) -> Decided:
    """Alert versions, releases and judged acts of an association area behind a position, in the order of its log."""
    decided = (_ALERTS, _RELEASES, tables.acts)
    # One statement sees one state of all three, each with all that was decided at a position; what comes to be
    # between the statements that follow waits for the next time.
    newest = union_all(
        *[
            select(func.max(one.c.position).label("position")).where(one.c.association == area)
            for one in decided
        ]
    ).subquery()
    until = connection.execute(select(func.max(newest.c.position))).scalar_one()
    if until is None or until <= position:
        return Decided(position, [], [], [])
    found = [
        _models(
            connection,
            model,
            select(table.c.body)
            .where(table.c.association == area, table.c.position > position, table.c.position <= until)
            .order_by(table.c.position, *table.primary_key.columns),
        )
        for table, model in zip(decided, (Alert, Release, Act), strict=True)
    ]
    return Decided(int(until), *found)


def _is_newest() -> ColumnElement[bool]:
    newer = _ALERTS.alias("newer")
    return ~exists().where(newer.c.id == _ALERTS.c.id, newer.c.version > _ALERTS.c.version)


def _newest_state() -> ColumnElement[bool]:
    later = _STATES.alias("later")
    return ~exists().where(later.c.notice == _STATES.c.notice, later.c.sequence > _STATES.c.sequence)


def _models(connection: Connection, model: Any, statement: Select[Any]) -> list[Any]:
    return [model.model_validate_json(body) for body in connection.execute(statement).scalars()]
