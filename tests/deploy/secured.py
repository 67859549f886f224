"""A secured deployment on this machine: three servers, our programs' settings, and a place to serve."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from tests.chaos.programs import Program
from tests.servers.base import spare_port
from tests.servers.secured import SecuredKafka, SecuredMosquitto, SecuredPostgres

ROOT = Path(__file__).resolve().parents[2]
SMALL = ROOT / "tests" / "data" / "configurations" / "small"
INTEGRATOR, SUBSCRIBER = "weather-bureau", "media"
RELAY, RELAYED = "relay-1", "RG-014"


class Secured:
    """Everything of one deployment; servers are started by `start`."""

    def __init__(self, folder: Path, *, client_certificates: bool = False) -> None:
        self.folder = folder
        self.out = folder / "secrets"
        self.kafka, self.mosquitto, self.postgres = SecuredKafka(), SecuredMosquitto(), SecuredPostgres()
        for server in (self.kafka, self.mosquitto, self.postgres):
            server.deployment = self.out
        self.console = f"http://127.0.0.1:{spare_port()}"
        self.place = self._place(folder / "place")
        more = ["--client-certificates"] if client_certificates else []
        self.script(
            *("make", "--config", str(self.place)),
            *("--kafka", self.kafka.bootstrap),
            *("--mosquitto", f"127.0.0.1:{self.mosquitto.port}"),
            *("--postgres", f"127.0.0.1:{self.postgres.port}"),
            *("--integrator", INTEGRATOR, "--subscriber", SUBSCRIBER),
            *("--relay", f"{RELAY}={RELAYED}", *more),
        )
        self.settings: dict[str, Any] = {
            "status": "exercise",
            "ports": {"console": int(self.console.rpartition(":")[2])},
            **yaml.safe_load((self.out / "fenghuo.yaml").read_text()),
        }
        self.write_settings(self.settings)
        self._servers = ExitStack()
        self._programs: list[Program] = []

    @staticmethod
    def _place(place: Path) -> Path:
        shutil.copytree(SMALL, place)
        (place / "policy.yaml").write_text("routing: {exercise_release_by: nobody}\n")
        return place

    def write_settings(self, settings: dict[str, Any]) -> None:
        """Write fenghuo.yaml."""
        (self.place / "fenghuo.yaml").write_text(yaml.safe_dump(settings))

    def script(self, command: str, *words: str) -> str:
        """Run deploy/security as an administrator does; return what it says."""
        done = subprocess.run(
            [sys.executable, "-m", "deploy.security", command, "--out", str(self.out), *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self) -> None:
        """Start the servers, and make users, roles, topics and tables, in the order of docs/how-to/secure.md."""
        for server in (self.kafka, self.mosquitto, self.postgres):
            self._servers.enter_context(server)
        self.script("kafka")
        self.postgres.make_roles()
        for words in (["migrate"], ["topics"], ["configure", str(self.place)]):
            self.run(*words)

    def run(self, command: str, *words: str, status: int = 0) -> str:
        """Run one of our commands to its end; return what it says."""
        place = [] if command == "configure" else ["--config", str(self.place)]
        done = subprocess.run(
            [sys.executable, "-m", "runtime.cli", command, *words, *place],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=180,
        )
        assert done.returncode == status, done.stdout
        return done.stdout

    def program(self, command: str, *words: str) -> Program:
        """One of our programs, started; it is stopped with the rest."""
        folder = self.folder / "logs"
        folder.mkdir(exist_ok=True)
        more = {} if command != "console" else {"FENGHUO_TOKEN": "token"}
        made = Program(command, [command, "--config", str(self.place), *words], folder, more)
        self._programs.append(made)
        made.start()
        return made

    def password(self, name: str) -> str:
        """The password in a file of the deployment."""
        return (self.out / "passwords" / name).read_text().strip()

    def device_password(self, file: str, device: str) -> str:
        """The password of a station or a player."""
        lines = (self.out / file).read_text().splitlines()
        return dict(line.split(",") for line in lines)[device]

    def close(self) -> None:
        """Stop everything."""
        for program in self._programs:
            program.stop()
        self._servers.close()
