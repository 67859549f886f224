"""The disk buffer of a gateway that is cut off: records and rejects that wait for the log, oldest first.

In      records as they would go into the log, rejects
Out     the same, in their order, until they are forgotten
State   one SQLite file; one process has it at a time

Source  SQLite in WAL mode with synchronous FULL: what `keep` returned from survives a crash of the machine
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from runtime.intake.durable import Records
from runtime.logs.store import LogFull
from schemas.errors import PlainError
from schemas.log import encode_record
from schemas.reject import Reject
from schemas.times import Micros

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, area TEXT NOT NULL, at_us INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS rejects (sequence INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
ROW_BYTES = 64
"""What a row takes beside its body, about."""


class BufferInUse(PlainError):
    """Another process has the file."""


class Kept(NamedTuple):
    """A record that waits: its place among those that wait, its area, when it was taken, its bytes."""

    sequence: int
    area: str
    at_us: Micros
    body: bytes


class DiskBuffer:
    """One SQLite file, used by several threads in turn.

    Parameters
    ----------
    path
        The file, made where it is missing.
    most_bytes
        Above this nothing more is kept: what is oldest stays.

    Raises
    ------
    BufferInUse
        Another gateway has it.
    """

    def __init__(self, path: Path, most_bytes: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._most = most_bytes
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1)
        try:
            # Two gateways over one file would each forget what the other has kept.
            self._database.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")
            self._database.executescript(_SCHEMA)
            self._database.execute("BEGIN EXCLUSIVE")
            self._database.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise BufferInUse(
                f"{path} cannot be had: {error}; give each gateway a --name of its own, or a folder"
            ) from error
        self._counts: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        for table in ("records", "rejects"):
            self._counts[table], self._sizes[table] = self._database.execute(
                f"SELECT count(*), coalesce(sum(length(body) + {ROW_BYTES}), 0) FROM {table}"
            ).fetchone()

    @property
    def records(self) -> int:
        """How many records wait."""
        return self._counts["records"]

    @property
    def rejects(self) -> int:
        """How many rejects wait."""
        return self._counts["rejects"]

    @property
    def size(self) -> int:
        """About how many bytes all that waits takes."""
        return sum(self._sizes.values())

    def keep(self, records: Records) -> None:
        """Keep records behind those that wait; durable when it returns.

        Raises
        ------
        LogFull
            There is no room, or the disk cannot be written. Nothing was kept.
        """
        rows = [(area, at_us, encode_record(record)) for area, at_us, record in records]
        size = sum(len(body) for _, _, body in rows)
        self._keep("records", "INSERT INTO records (area, at_us, body) VALUES (?, ?, ?)", rows, size)

    def keep_rejects(self, rejects: Sequence[Reject]) -> None:
        """Keep rejects; durable when it returns.

        Raises
        ------
        LogFull
            As of `keep`.
        """
        rows = [(reject.model_dump_json(),) for reject in rejects]
        size = sum(len(body) for (body,) in rows)
        self._keep("rejects", "INSERT INTO rejects (body) VALUES (?)", rows, size)

    def _keep(self, table: str, statement: str, rows: Sequence[tuple[object, ...]], size: int) -> None:
        size += ROW_BYTES * len(rows)
        with self._lock:
            if self.size + size > self._most:
                raise LogFull(
                    f"{self.path} is full ({self.records} records wait in it); nothing more is taken until Kafka is back"
                )
            try:
                self._database.execute("BEGIN IMMEDIATE")
                self._database.executemany(statement, rows)
                self._database.execute("COMMIT")
            except sqlite3.Error as error:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise LogFull(f"{self.path} cannot be written: {error}") from error
            self._counts[table] += len(rows)
            self._sizes[table] += size

    def oldest(self, most: int, most_bytes: int) -> list[Kept]:
        """The records that have waited longest, at most so many and, but for the first, so many bytes."""
        return self.after(0, most, most_bytes)

    def after(self, sequence: int, most: int, most_bytes: int) -> list[Kept]:
        """The records behind a place, in their order, bounded as in `oldest`."""
        with self._lock:
            rows = self._database.execute(
                "SELECT sequence, area, at_us, body FROM records WHERE sequence > ? ORDER BY sequence LIMIT ?",
                (sequence, most),
            )
            found: list[Kept] = []
            size = 0
            for row in rows:
                one = Kept(*row)
                size += len(one.body)
                if found and size > most_bytes:
                    break
                found.append(one)
            rows.close()
        return found

    def oldest_rejects(self, most: int) -> list[tuple[int, Reject]]:
        """The rejects that have waited longest, with their places."""
        with self._lock:
            rows = self._database.execute(
                "SELECT sequence, body FROM rejects ORDER BY sequence LIMIT ?", (most,)
            ).fetchall()
        return [(sequence, Reject.model_validate_json(body)) for sequence, body in rows]

    def oldest_us(self) -> Micros | None:
        """When the record that has waited longest was taken; None where none waits."""
        with self._lock:
            found = self._database.execute("SELECT at_us FROM records ORDER BY sequence LIMIT 1").fetchone()
        return None if found is None else int(found[0])

    def forget(self, sequence: int) -> None:
        """Forget the records up to a place: the log has them."""
        self._forget("records", sequence)

    def forget_rejects(self, sequence: int) -> None:
        """Forget the rejects up to a place."""
        self._forget("rejects", sequence)

    def _forget(self, table: str, sequence: int) -> None:
        with self._lock:
            count, size = self._database.execute(
                f"SELECT count(*), coalesce(sum(length(body) + {ROW_BYTES}), 0) FROM {table} WHERE sequence <= ?",
                (sequence,),
            ).fetchone()
            self._database.execute(f"DELETE FROM {table} WHERE sequence <= ?", (sequence,))
            self._counts[table] -= count
            self._sizes[table] -= size

    def note(self, name: str, value: str) -> None:
        """Remember a word over a restart."""
        with self._lock:
            self._database.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, value))

    def noted(self, name: str) -> str | None:
        """A word that was remembered."""
        with self._lock:
            found = self._database.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def close(self) -> None:
        """Close the file; what waits in it stays."""
        with self._lock:
            self._database.close()
