"""The relay's disk: messages that the engine has not acknowledged, oldest first, and the stations' last numbers.

State   `relay.db`: one row a message held, one row a station

Source  SQLite in WAL mode with synchronous FULL: what `keep` returned from survives a crash of the machine
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from runtime.relay.numbering import Held, Message

_SCHEMA = """
CREATE TABLE IF NOT EXISTS held (
    id INTEGER PRIMARY KEY AUTOINCREMENT, station TEXT, number INTEGER, topic TEXT NOT NULL, body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS numbers (station TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
"""
_AT_ONCE = 500
ROW_BYTES = 64
"""What a row takes beside its text, about."""


class RelayStore:
    """One SQLite file, used by several threads in turn.

    Parameters
    ----------
    path
        The file, made where it is missing.
    most_bytes
        Above this `full` is true.
    """

    def __init__(self, path: Path, most_bytes: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._most = most_bytes
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.executescript(_SCHEMA)
        self.count, self.size = self._database.execute(
            "SELECT count(*), coalesce(sum(length(topic) + length(body) + ?), 0) FROM held", (ROW_BYTES,)
        ).fetchone()
        """Messages held, and about how many bytes they take."""

    @property
    def full(self) -> bool:
        """Whether nothing more is to be kept."""
        return bool(self.size >= self._most)

    def keep(self, messages: Sequence[Message], last: Mapping[str, int]) -> None:
        """Write messages and the last numbers of their stations in one durable transaction.

        Raises
        ------
        sqlite3.Error
            Nothing was written.
        """
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._database.executemany(
                    "INSERT INTO held (station, number, topic, body) VALUES (?, ?, ?, ?)", messages
                )
                self._database.executemany("INSERT OR REPLACE INTO numbers VALUES (?, ?)", last.items())
                self._database.execute("COMMIT")
            except sqlite3.Error:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise
            self.count += len(messages)
            self.size += sum(len(m.topic) + len(m.body) + ROW_BYTES for m in messages)

    def after(self, id: int, limit: int) -> list[Held]:
        """Messages behind an id, oldest first."""
        with self._lock:
            rows = self._database.execute(
                "SELECT id, station, number FROM held WHERE id > ? ORDER BY id LIMIT ?", (id, limit)
            ).fetchall()
        return [Held(*row) for row in rows]

    def bodies(self, ids: Sequence[int]) -> dict[int, tuple[str, bytes]]:
        """Topic and body by id; at most 500 ids."""
        with self._lock:
            rows = self._database.execute(
                f"SELECT id, topic, body FROM held WHERE id IN ({','.join('?' * len(ids))})", ids
            ).fetchall()
        return {id: (topic, body) for id, topic, body in rows}

    def forget(self, ids: Iterable[int]) -> None:
        """Drop messages that the engine has."""
        wanted = list(ids)
        with self._lock:
            for start in range(0, len(wanted), _AT_ONCE):
                part = wanted[start : start + _AT_ONCE]
                gone = self._database.execute(
                    f"DELETE FROM held WHERE id IN ({','.join('?' * len(part))})"
                    " RETURNING length(topic) + length(body)",
                    part,
                ).fetchall()
                self.count -= len(gone)
                self.size -= sum(length + ROW_BYTES for (length,) in gone)

    def last_numbers(self) -> dict[str, int]:
        """The last number of each station that was ever met."""
        with self._lock:
            return dict(self._database.execute("SELECT station, last FROM numbers").fetchall())

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()
