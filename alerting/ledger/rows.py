"""Rows that are written once: insert what is new, pass over what is there, refuse what contradicts it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import Connection, Insert, Table, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from alerting.ledger.errors import Contradiction

Row = dict[str, Any]
T = TypeVar("T")

_CHUNK = 400


def content(model: BaseModel, *, include: set[str] | None = None, exclude: set[str] | None = None) -> str:
    """Canonical JSON of a model: keys sorted, so that equal content gives equal bytes."""
    data = model.model_dump(mode="json", include=include, exclude=exclude)
    return json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def digest(text: str) -> str:
    """SHA-256 of a text, hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Parts of at most 400: a statement takes only so many variables."""
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]


def insert_new(connection: Connection, table: Table) -> Insert:
    """An INSERT that passes over rows whose key is taken."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return postgresql.insert(table).on_conflict_do_nothing()


def upsert(connection: Connection, table: Table, keys: Sequence[str]) -> Insert:
    """An INSERT that replaces the row whose key is taken."""
    statement: Any = sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)
    changed = {
        column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys
    }
    result: Insert = statement.on_conflict_do_update(index_elements=list(keys), set_=changed)
    return result


def known(
    connection: Connection, table: Table, keys: Sequence[tuple[Any, ...]]
) -> dict[tuple[Any, ...], Any]:
    """Rows of a table by their primary keys, those that exist."""
    columns = list(table.primary_key.columns)
    found: dict[tuple[Any, ...], Any] = {}
    for part in chunks(keys):
        where = columns[0].in_([key[0] for key in part]) if len(columns) == 1 else tuple_(*columns).in_(part)
        for row in connection.execute(select(table).where(where)):
            found[tuple(getattr(row, column.name) for column in columns)] = row
    return found


def add_once(connection: Connection, table: Table, rows: Sequence[Row]) -> list[Row]:
    """Insert rows that are new by primary key; return them, in order.

    Raises
    ------
    Contradiction
        A key is there, or comes twice in `rows`, with another `hash`.
    """
    names = [column.name for column in table.primary_key.columns]
    keys = [tuple(row[name] for name in names) for row in rows]
    hashes = {key: row.hash for key, row in known(connection, table, keys).items()}
    new: list[Row] = []
    for key, row in zip(keys, rows, strict=True):
        if key not in hashes:
            hashes[key] = row["hash"]
            new.append(row)
        elif hashes[key] != row["hash"]:
            raise Contradiction(table.name.rstrip("s").replace("_", " "), "/".join(map(str, key)))
    for part in chunks(new):
        # Two areas may write one forwarded finding at the same moment: the second passes over it.
        connection.execute(insert_new(connection, table), list(part))
    return new
