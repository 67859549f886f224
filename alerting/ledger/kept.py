"""What else is kept: rejects with their replays, configuration bundles by their hash, and which was in force when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Tuple, exists, func, select, tuple_

from alerting.ledger import tables
from alerting.ledger.database import Database
from alerting.ledger.errors import UnknownBundle
from alerting.ledger.rows import chunks, content, insert_new
from schemas.reject import Reject, RejectReason
from schemas.times import Micros, to_micros

_CONFIGURING = 0x66656E6768756F + 1
"""The key of the lock, in PostgreSQL, that one of several who put a configuration in force holds."""


class Configured(NamedTuple):
    """A configuration that the logs follow, by the hash of its bundle, since a time of the log's."""

    hash: str
    at_us: Micros


def add_rejects(connection: Connection, rejects: Sequence[Reject]) -> None:
    """Keep rejects, each once by its id."""
    rows = [
        {
            "id": reject.id,
            "received_us": to_micros(reject.received_at),
            "reason": reject.reason.value,
            "body": content(reject),
        }
        for reject in rejects
    ]
    for part in chunks(rows):
        connection.execute(insert_new(connection, tables.rejects), list(part))


def rejects(
    connection: Connection,
    *,
    reason: RejectReason | None = None,
    since_us: Micros | None = None,
    replayed: bool | None = None,
    newest: int | None = None,
) -> list[Reject]:
    """Rejects in order of arrival, of many the newest; with `replayed` only those that were, or were not, replayed."""
    table, replays = tables.rejects, tables.reject_replays
    was_replayed = exists().where(replays.c.reject == table.c.id)
    statement = select(table.c.body).order_by(table.c.received_us.desc(), table.c.id.desc()).limit(newest)
    if reason is not None:
        statement = statement.where(table.c.reason == reason.value)
    if since_us is not None:
        statement = statement.where(table.c.received_us >= since_us)
    if replayed is not None:
        statement = statement.where(was_replayed if replayed else ~was_replayed)
    bodies = connection.execute(statement).scalars().all()
    return [Reject.model_validate_json(body) for body in reversed(bodies)]


def rejects_to_replay(database: Database, reason: RejectReason | None, rows_at_once: int) -> Iterator[Reject]:
    """Rejects that were not replayed when this began, in order of arrival; only `rows_at_once` of them in memory."""
    table, replays = tables.rejects, tables.reject_replays
    wanted = select(table.c.body).where(~exists().where(replays.c.reject == table.c.id))
    if reason is not None:
        wanted = wanted.where(table.c.reason == reason.value)
    with database.read() as connection:
        last = connection.execute(wanted.order_by(table.c.received_us.desc(), table.c.id.desc()).limit(1))
        newest = last.scalar()
    if newest is None:
        return
    place = tuple_(table.c.received_us, table.c.id)
    # What is refused again while the caller replays is a new reject, and lies behind this one.
    page = wanted.where(place <= _place(Reject.model_validate_json(newest)))
    page = page.order_by(table.c.received_us, table.c.id).limit(rows_at_once)
    following = page
    while True:
        with database.read() as connection:
            bodies = connection.execute(following).scalars().all()
        if not bodies:
            return
        found = [Reject.model_validate_json(body) for body in bodies]
        yield from found
        following = page.where(place > _place(found[-1]))


def _place(reject: Reject) -> Tuple:
    return tuple_(to_micros(reject.received_at), reject.id)


def mark_replayed(connection: Connection, ids: Sequence[str], at_us: Micros) -> None:
    """Remember that rejects were read again after mending."""
    for part in chunks([{"reject": one, "at_us": at_us} for one in ids]):
        connection.execute(insert_new(connection, tables.reject_replays), list(part))


def store_bundle(connection: Connection, identity: str, canonical: bytes) -> None:
    """Keep a configuration's canonical bytes by their hash."""
    connection.execute(insert_new(connection, tables.bundles), {"hash": identity, "canonical": canonical})


def load_bundle(connection: Connection, identity: str) -> bytes:
    """A configuration's canonical bytes by their hash.

    Raises
    ------
    UnknownBundle
        The ledger lacks it.
    """
    table = tables.bundles
    found = connection.execute(select(table.c.canonical).where(table.c.hash == identity)).scalar_one_or_none()
    if found is None:
        raise UnknownBundle(identity)
    return bytes(found)


def hold_configuration(connection: Connection) -> None:
    """Let nobody else put a configuration in force until the transaction ends."""
    if connection.dialect.name != "sqlite":  # whose writers exclude each other
        connection.execute(select(func.pg_advisory_xact_lock(_CONFIGURING)))


def add_configuration(connection: Connection, configured: Configured) -> None:
    """Remember that the logs follow a configuration from now on."""
    connection.execute(tables.configurations.insert(), configured._asdict())


def configuration(connection: Connection) -> Configured | None:
    """The configuration in force; None where none ever was."""
    table = tables.configurations
    newest = select(table.c.hash, table.c.at_us).order_by(table.c.sequence.desc()).limit(1)
    found = connection.execute(newest).one_or_none()
    return None if found is None else Configured(found.hash, int(found.at_us))
