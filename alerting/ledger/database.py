"""Opening the database: SQLite as one durable file, or PostgreSQL; the schema by Alembic.

SQLite  WAL, synchronous FULL; one writer at a time in the process (a lock), readers beside it
PostgreSQL  psycopg 3; many processes, fenced by epochs
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from alerting.ledger.errors import UnknownSchema

MIGRATIONS = Path(__file__).parent / "migrations"
_WRITES = "fenghuo_writes"
_BUSY_S = 30
_IDLE_S = 10.0
"""How long PostgreSQL lets a session that does nothing keep its locks: a program that is put to sleep in the middle of a
transaction would keep all others from deciding and sending."""
_COLLISIONS = 10
_MIGRATING = 0x66656E6768756F
"""The key of the lock, in PostgreSQL, that one of several programs that open a new database holds."""
_COLLIDED = {"40P01", "40001"}
"""Deadlock, and serialization failure."""

T = TypeVar("T")


def normal_url(url: str) -> str:
    """A file path or a URL as SQLAlchemy takes it; ``postgresql://`` means psycopg 3."""
    if "://" not in url:
        return f"sqlite:///{url}"
    head, _, rest = url.partition("://")
    return f"postgresql+psycopg://{rest}" if head in {"postgresql", "postgres"} else url


class Database:
    """One database and the way to its transactions.

    Parameters
    ----------
    url
        A path of an SQLite file, or a SQLAlchemy URL of SQLite or PostgreSQL.
    explain
        What an error of a connection to PostgreSQL means for whoever mends it; None: the driver's own words.
    """

    def __init__(self, url: str, explain: Callable[[Exception], str] | None = None) -> None:
        self.url = normal_url(url)
        self.sqlite = make_url(self.url).get_backend_name() == "sqlite"
        self._lock = threading.RLock()
        if self.sqlite:
            self.engine = create_engine(
                self.url, connect_args={"check_same_thread": False, "timeout": _BUSY_S}, pool_size=8
            )
            event.listen(self.engine, "connect", _durable)
            event.listen(self.engine, "begin", _begin)
        else:
            self.engine = create_engine(self.url, pool_size=8, pool_pre_ping=True)
            event.listen(self.engine, "connect", _not_asleep)
            if explain is not None:
                event.listen(self.engine, "do_connect", partial(_connect, explain))
        self._writer: Engine = self.engine.execution_options(**{_WRITES: True})

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction, durable when the block ends; in SQLite the process's only writer."""
        if self.sqlite:
            with self._lock, self._writer.begin() as connection:
                yield connection
        else:
            with self._writer.begin() as connection:
                yield connection

    def write_again(self, work: Callable[[Connection], T]) -> T:
        """Do a work in one transaction, from its beginning again where it collided with another's.

        Dispatchers and pipelines lock places in one queue; PostgreSQL lets one of two that wait for each other fail.
        """
        for tried in range(1, _COLLISIONS + 1):
            try:
                with self.write() as connection:
                    return work(connection)
            except DBAPIError as error:
                if tried == _COLLISIONS or getattr(error.orig, "sqlstate", None) not in _COLLIDED:
                    raise
        raise AssertionError("the last try returns or raises")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view; never waits for the writer."""
        with self.engine.begin() as connection:
            yield connection

    def migrate(self) -> None:
        """Bring the schema to this release's head.

        Raises
        ------
        UnknownSchema
            A later release has written the database.
        """
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        script = ScriptDirectory.from_config(config)
        with self.write() as connection:
            if not self.sqlite:
                connection.execute(select(func.pg_advisory_xact_lock(_MIGRATING)))
            current = MigrationContext.configure(connection).get_current_revision()
            if current == script.get_current_head():
                return
            if current is not None and current not in {one.revision for one in script.walk_revisions()}:
                raise UnknownSchema(current)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _connect(
    explain: Callable[[Exception], str],
    dialect: Any,
    _record: Any,
    arguments: Sequence[Any],
    keywords: Mapping[str, Any],
) -> Any:
    try:
        return dialect.connect(*arguments, **keywords)
    except dialect.loaded_dbapi.OperationalError as error:
        raise type(error)(explain(error)) from error


def _durable(connection: Any, _record: Any) -> None:
    # The driver must not open transactions by itself: `_begin` says which kind.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _not_asleep(connection: Any, _record: Any) -> None:
    connection.execute(f"SET idle_in_transaction_session_timeout = {int(_IDLE_S * 1000)}")
    connection.commit()


def _begin(connection: Connection) -> None:
    # A writer takes the lock at once; a deferred one could fail half-way with a stale view.
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
