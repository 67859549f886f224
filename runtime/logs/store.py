"""The embedded log: records in SQLite, one order for each association area.

In      records, appended in one transaction that is durable when `append` returns
Out     records after a position
State   `log.db`: one row a record, keyed by (area, position); positions count from 1 without holes

Source  SQLite in WAL mode with synchronous FULL: a commit survives a crash of the process and of the machine
"""

from __future__ import annotations

import itertools
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from ingest.acknowledgement import NumbersRow
from schemas.errors import PlainError
from schemas.log import Positioned, Record, encode_record, read_record
from schemas.times import Micros

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    area TEXT NOT NULL,
    position INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (area, position)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead (
    area TEXT NOT NULL, position INTEGER NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (area, position)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ends (area TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS numbers (
    station TEXT PRIMARY KEY, highest INTEGER NOT NULL, observed_us INTEGER, seen BLOB NOT NULL
);
"""

_READ_BYTES = 32 * 1024 * 1024
_PRUNE_RECORDS = 1000


class LogFull(PlainError):
    """The log cannot be written (a full disk, a broken one): acknowledge nothing until it can."""


class LogUnreadable(PlainError):
    """There is no log at a place, or it cannot be read."""


class LogStore:
    """One SQLite file; appends come from one thread at a time, reads from any.

    Parameters
    ----------
    path
        The file, made where it is missing.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._writer = self._connect()
        self._writing = threading.Lock()
        self._local = threading.local()
        self._writer.executescript(_SCHEMA)
        self._ends = dict(self._writer.execute("SELECT area, position FROM ends").fetchall())

    def append(self, records: Sequence[tuple[str, Micros, Record]]) -> None:
        """Write records, each with its area and the log's time of writing, in one durable transaction.

        Raises
        ------
        LogFull
            Nothing was written; the same records may be given again.
        """
        with self._writing:
            ends = dict(self._ends)
            rows = []
            for area, at_us, record in records:
                ends[area] = ends.get(area, 0) + 1
                rows.append((area, ends[area], at_us, encode_record(record)))
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                self._writer.executemany("INSERT INTO records VALUES (?, ?, ?, ?)", rows)
                self._writer.executemany("INSERT OR REPLACE INTO ends VALUES (?, ?)", list(ends.items()))
                self._writer.execute("COMMIT")
            except sqlite3.Error as error:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise LogFull(f"{self.path.name} cannot be written: {error}") from error
            self._ends = ends

    def read(self, area: str, after: int, limit: int = 1000) -> list[Positioned]:
        """Records of an area behind a position, in order, at most `limit`, and no more than the memory bears."""
        rows = self._reader().execute(
            "SELECT position, body FROM records WHERE area = ? AND position > ? ORDER BY position LIMIT ?",
            (area, after, limit),
        )
        records: list[Positioned] = []
        size = 0
        for position, body in rows:
            records.append(Positioned(position, read_record(body)))
            size += len(body)
            if size >= _READ_BYTES:
                break
        rows.close()
        return records

    def bury(self, area: str, position: int, reason: str) -> None:
        """Mark a record that no pipeline can process: it is kept with its reason, and passed over from now on."""
        with self._writing:
            self._writer.execute("INSERT OR IGNORE INTO dead VALUES (?, ?, ?)", (area, position, reason))

    def dead(self, area: str) -> dict[int, str]:
        """Positions of an area's dead records, with the reasons."""
        rows = self._reader().execute("SELECT position, reason FROM dead WHERE area = ?", (area,))
        return dict(rows.fetchall())

    def end(self, area: str) -> int:
        """Position of an area's last record; 0 while its log is empty."""
        return int(self._ends.get(area, 0))

    @property
    def areas(self) -> frozenset[str]:
        """Areas that have ever had a record."""
        return frozenset(self._ends)

    def prune(self, behind: Mapping[str, int], older_than: Micros) -> int:
        """Drop records at or behind each area's position that were written before a time; return how many.

        Give the position of a checkpoint: what lies behind it is needed by no restart. It goes from the oldest on, in
        steps, so that neither what stays is read nor an append waits for long.
        """
        return sum(self._prune(area, position, older_than) for area, position in behind.items())

    def _prune(self, area: str, position: int, older_than: Micros) -> int:
        dropped = 0
        while True:
            oldest = self._reader().execute(
                "SELECT position, at_us FROM records WHERE area = ? AND position <= ? ORDER BY position LIMIT ?",
                (area, position, _PRUNE_RECORDS),
            )
            old = [at for at, _ in itertools.takewhile(lambda row: row[1] < older_than, oldest.fetchall())]
            if old:
                with self._writing:
                    self._writer.execute(
                        "DELETE FROM records WHERE area = ? AND position <= ?", (area, old[-1])
                    )
                dropped += len(old)
            if len(old) < _PRUNE_RECORDS:
                return dropped

    def save_numbers(self, rows: Sequence[NumbersRow]) -> None:
        """Keep what of stations' numbers is in the log, in place of their earlier rows.

        Raises
        ------
        LogFull
            Nothing was written.
        """
        with self._writing:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                self._writer.executemany("INSERT OR REPLACE INTO numbers VALUES (?, ?, ?, ?)", rows)
                self._writer.execute("COMMIT")
            except sqlite3.Error as error:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise LogFull(f"{self.path.name} cannot be written: {error}") from error

    def numbers(self) -> list[NumbersRow]:
        """What of stations' numbers was in the log when it was last saved."""
        rows = self._reader().execute("SELECT station, highest, observed_us, seen FROM numbers")
        return [NumbersRow(*row) for row in rows]

    def close(self) -> None:
        """Close the writer's connection; readers' close with their threads."""
        with self._writing:
            self._writer.close()

    def _reader(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=10)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        return connection


class StoredLog:
    """A log as it stood at one moment, to be read while an engine goes on writing and pruning it; changes nothing.

    Parameters
    ----------
    path
        `log.db` of an engine, running or not.

    Raises
    ------
    LogUnreadable
        There is none, or it is none; also while it is read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            raise LogUnreadable(f"{path} is not there: no engine has run on this configuration's data yet")
        try:
            self._connection = self._connect()
            # The view that the first question takes holds for all that follow.
            self._connection.execute("BEGIN")
            self.ends: dict[str, int] = dict(self._rows("SELECT area, position FROM ends"))
        except sqlite3.Error as error:
            raise self._unreadable(error) from error

    def first(self, area: str) -> int:
        """Position of the oldest record that is still there; 0 where there is none."""
        ((position,),) = self._rows("SELECT min(position) FROM records WHERE area = ?", area)
        return int(position or 0)

    def bodies(self, area: str) -> Iterator[tuple[int, bytes]]:
        """Positions and bytes of an area's records, in order, one at a time."""
        return self._rows("SELECT position, body FROM records WHERE area = ? ORDER BY position", area)

    def dead(self, area: str) -> dict[int, str]:
        """Positions of the records of an area that are dead by now, with the reasons."""
        try:
            with closing(self._connect()) as connection:
                rows = connection.execute("SELECT position, reason FROM dead WHERE area = ?", (area,))
                return dict(rows.fetchall())
        except sqlite3.Error as error:
            raise self._unreadable(error) from error

    def close(self) -> None:
        """Let go of the view."""
        self._connection.close()

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{self.path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=10
        )

    def _rows(self, question: str, *values: str) -> Iterator[Any]:
        try:
            yield from self._connection.execute(question, values)
        except sqlite3.Error as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: sqlite3.Error) -> LogUnreadable:
        return LogUnreadable(f"{self.path} cannot be read: {error}")
