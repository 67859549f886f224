"""PostgreSQL: the ledger of the Kafka deployment."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import psycopg

from tests.servers.base import Server, ServerMissing

_number = itertools.count(1)


def postgres_programs() -> Path:
    """Return the folder of `initdb` and `postgres`; Debian keeps it out of PATH, one a major version."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if versions:
        return versions[-1]
    found = shutil.which("initdb")
    if found is None:
        raise ServerMissing("postgresql (initdb) is not installed")
    return Path(found).parent


class Postgres(Server):
    """One cluster with trust on loopback; `new_database` gives each test a database of its own.

    The server refuses to run as root, so as root it runs as the user `postgres`. It is a child of the tests and not
    started by pg_ctl, whose killed postmaster nobody would reap and whose data folder would stay locked.
    Writes are not synced: a killed process loses nothing by that, only a lost machine would.
    """

    name = "postgres"
    stop_signal = signal.SIGINT  # fast: ends sessions instead of waiting for them

    def __init__(self) -> None:
        super().__init__()
        self.run_as = "postgres" if os.geteuid() == 0 else None

    def prepare(self) -> None:
        """Make the cluster."""
        programs = postgres_programs()
        if self.run_as is not None:
            shutil.chown(self.folder, self.run_as, self.run_as)
        words = [str(programs / "initdb"), "-D", str(self.folder / "data"), "-A", "trust", "-U", "postgres"]
        made = subprocess.run(
            [*words, "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"],
            check=False,  # its own words are better than the exit code
            cwd=self.folder,
            capture_output=True,
            text=True,
            user=self.run_as,
            group=self.run_as,
            extra_groups=None if self.run_as is None else [],
        )
        if made.returncode:
            raise RuntimeError(f"initdb failed:\n{made.stderr}")

    def command(self) -> Sequence[str]:
        """Run the postmaster itself, on loopback and on a socket in the folder."""
        settings = {
            "listen_addresses": self.host,
            "unix_socket_directories": str(self.folder),
            "fsync": "off",
            "shared_buffers": "64MB",
        }
        words = [str(postgres_programs() / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port)]
        for key, value in settings.items():
            words += ["-c", f"{key}={value}"]
        return words

    def ready(self) -> bool:
        """Tell whether it lets a session in, which it does not while it recovers from a kill."""
        try:
            psycopg.connect(self.dsn("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def dsn(self, database: str) -> str:
        """Return the address of a database as psycopg takes it."""
        return f"postgresql://postgres@{self.host}:{self.port}/{database}"

    def url(self, database: str) -> str:
        """Return the address of a database as SQLAlchemy takes it."""
        return self.dsn(database).replace("postgresql://", "postgresql+psycopg://", 1)

    def new_database(self, hint: str = "test") -> str:
        """Make an empty database and return its name."""
        database = f"{re.sub('[^a-z0-9]+', '_', hint.lower())[:40]}_{next(_number)}"
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as session:
            session.execute(f'create database "{database}"')
        return database

    def drop_database(self, database: str) -> None:
        """Drop a database, and the sessions that are left in it."""
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as session:
            session.execute(f'drop database "{database}" with (force)')
