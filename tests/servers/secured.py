"""The three servers on what deploy/security made: encrypted lines, users, rights.

Only ports and folders are the tests' own. Their ports stand in certificates' settings before they start, so a test makes
the servers first, the deployment for them next, and starts them last.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.servers.base import program, spare_port
from tests.servers.kafka import Kafka
from tests.servers.mosquitto import Mosquitto
from tests.servers.postgres import Postgres, postgres_programs

DATABASE = "fenghuo"


class SecuredKafka(Kafka):
    """Kafka with its one listener for clients encrypted, SCRAM users and rights."""

    name = "secured-kafka"
    deployment: Path

    def __init__(self, heap_mb: int = 512) -> None:
        super().__init__(heap_mb)
        self.broker_port = spare_port()

    def settings(self) -> dict[str, str]:
        """Return the plain broker's, with what the deployment says in place of what it says otherwise."""
        text = (self.deployment / "kafka" / "secure.properties").read_text()
        secured = dict(line.split("=", 1) for line in text.splitlines())
        listeners = f"SASL_SSL://{self.bootstrap},BROKER://{self.host}:{self.broker_port}"
        return {
            **super().settings(),
            "listeners": f"{listeners},CONTROLLER://{self.host}:{self.controller_port}",
            "advertised.listeners": listeners,
            **secured,
        }

    def format_words(self) -> list[str]:
        """Return the users of the first start."""
        users = (self.deployment / "kafka" / "scram").read_text().splitlines()
        return [word for user in users for word in ("--add-scram", user)]


class SecuredMosquitto(Mosquitto):
    """Mosquitto on the configuration that was made."""

    name = "secured-mosquitto"
    deployment: Path

    def prepare(self) -> None:
        """Put the configuration where this machine has its files."""
        (self.folder / "data").mkdir()
        text = (self.deployment / "mosquitto" / "mosquitto.conf").read_text()
        assert "/mosquitto/data/" in text
        text = text.replace("/mosquitto/data/", f"{self.folder}/data/")
        assert f"listener {self.port}\n" in text
        text = text.replace(f"listener {self.port}\n", f"listener {self.port} {self.host}\n")
        # Root would drop to a user who cannot read these folders; in its container it is that user from the start.
        (self.folder / "mosquitto.conf").write_text(("user root\n" if os.geteuid() == 0 else "") + text)

    def command(self) -> Sequence[str]:
        """Run in the foreground."""
        return [program("mosquitto"), "-c", str(self.folder / "mosquitto.conf")]


class SecuredPostgres(Postgres):
    """PostgreSQL with encrypted lines and the roles that were made, in a database without tables."""

    name = "secured-postgres"
    deployment: Path

    def prepare(self) -> None:
        """Make the cluster and give it its certificate and who may connect."""
        super().prepare()
        shutil.copyfile(self.deployment / "postgres" / "pg_hba.conf", self.folder / "data" / "pg_hba.conf")
        self.take_certificate()

    def take_certificate(self) -> None:
        """Copy the certificate, owned by the server's user, as PostgreSQL asks for."""
        for name in ("server.crt", "server.key"):
            path = self.folder / name
            shutil.copyfile(self.deployment / "postgres" / name, path)
            path.chmod(0o600)
            if self.run_as is not None:
                shutil.chown(path, self.run_as, self.run_as)

    def command(self) -> Sequence[str]:
        """Run with encryption on."""
        words = list(super().command())
        for key, value in {
            "ssl": "on",
            "ssl_cert_file": str(self.folder / "server.crt"),
            "ssl_key_file": str(self.folder / "server.key"),
        }.items():
            words += ["-c", f"{key}={value}"]
        return words

    def ready(self) -> bool:
        """Tell whether it answers its own user on its socket."""
        try:
            return self.run_sql("select 1", "postgres").returncode == 0
        except OSError:
            return False

    def run_sql(self, script: str, database: str = DATABASE) -> subprocess.CompletedProcess[str]:
        """Run SQL as the superuser, on the socket."""
        words = [str(postgres_programs() / "psql"), "-h", str(self.folder), "-p", str(self.port)]
        words += ["-U", "postgres", "-d", database, "-v", "ON_ERROR_STOP=1", "-q"]
        return subprocess.run(
            words,
            input=script,
            text=True,
            capture_output=True,
            check=False,
            cwd=self.folder,
            user=self.run_as,
            group=self.run_as,
            extra_groups=None if self.run_as is None else [],
        )

    def make_roles(self) -> None:
        """Make the database and the roles, as an administrator would with the script that was made."""
        for script, database in (
            (
                f"select 'create database {DATABASE}' where not exists"
                f" (select from pg_database where datname = '{DATABASE}')\\gexec\n",
                "postgres",
            ),
            ((self.deployment / "postgres" / "roles.sql").read_text(), DATABASE),
        ):
            done = self.run_sql(script, database)
            assert done.returncode == 0, done.stderr
