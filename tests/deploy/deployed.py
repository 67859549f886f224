"""deploy/compose.yaml as its tests see it, and its broker as a server of theirs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.servers.base import Server, program, spare_port
from tests.servers.kafka import LOG4J, Kafka

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
SETUP = DEPLOY / "setup" / "credentials.py"
SECRETS = "/run/secrets"


@cache
def compose() -> dict[str, Any]:
    """The file with its anchors and merges resolved."""
    content: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return content


def programs() -> dict[str, dict[str, Any]]:
    """The services that run our image."""
    return {name: one for name, one in compose()["services"].items() if one["image"] == "fenghuo"}


def make_credentials(folder: Path, *users: str) -> dict[str, str]:
    """The secrets of a deployment in a folder, and the password of each user named."""
    made = subprocess.run(
        [sys.executable, str(SETUP), "--folder", str(folder), *users],
        check=True,
        capture_output=True,
        text=True,
    )
    return dict(line.split() for line in made.stdout.splitlines())


class DeployedMosquitto(Server):
    """Mosquitto on deploy/mosquitto/: only the port and the places of files are another's.

    Parameters
    ----------
    secrets
        Folder of the secrets that `make_credentials` made.
    """

    name = "deployed-mosquitto"

    def __init__(self, secrets: Path) -> None:
        super().__init__()
        self._secrets = secrets

    def prepare(self) -> None:
        """Put the shipped configuration where this machine has its files."""
        (self.folder / "data").mkdir()
        # Root would drop to a user who cannot read these folders; in its container it is that user from the start.
        text = "user root\n" if os.geteuid() == 0 else ""
        text += (DEPLOY / "mosquitto" / "mosquitto.conf").read_text()
        for shipped, here in {
            "listener 1883\n": f"listener {self.port} {self.host}\n",
            "/mosquitto/config/acl": str(DEPLOY / "mosquitto" / "acl"),
            "/mosquitto/data/": f"{self.folder}/data/",
            f"{SECRETS}/mosquitto_passwords": str(self._secrets / "mosquitto_passwords"),
        }.items():
            assert shipped in text, f"mosquitto.conf no longer says {shipped!r}"
            text = text.replace(shipped, here)
        (self.folder / "mosquitto.conf").write_text(text)

    def command(self) -> Sequence[str]:
        """Run in the foreground."""
        return [program("mosquitto"), "-c", str(self.folder / "mosquitto.conf")]


class DeployedKafka(Kafka):
    """Kafka on the environment that the compose file gives it, as its image turns that into properties.

    Only names, ports and folders are another's, and what makes a group wait.
    """

    name = "deployed-kafka"

    def prepare(self) -> None:
        """Write the properties and format the folder of the data."""
        environment = compose()["services"]["kafka"]["environment"]
        properties = {
            key.removeprefix("KAFKA_").lower().replace("_", "."): value for key, value in environment.items()
        }
        loopback = spare_port()
        text = "".join(f"{key}={value}\n" for key, value in properties.items())
        for shipped, here in {
            "PLAINTEXT://:9092": f"PLAINTEXT://{self.bootstrap}",
            "PLAINTEXT://kafka:9092": f"PLAINTEXT://{self.bootstrap}",
            "CONTROLLER://:9093": f"CONTROLLER://{self.host}:{self.controller_port}",
            "1@kafka:9093": f"1@{self.host}:{self.controller_port}",
            "LOOPBACK://:19092": f"LOOPBACK://{self.host}:{loopback}",
            "LOOPBACK://127.0.0.1:19092": f"LOOPBACK://{self.host}:{loopback}",
            "/var/lib/kafka/data": f"{self.folder}/data",
        }.items():
            assert shipped in text, f"compose.yaml no longer says {shipped!r}"
            text = text.replace(shipped, here)
        text += "offsets.topic.num.partitions=4\ngroup.initial.rebalance.delay.ms=0\n"
        path = self.folder / "server.properties"
        path.write_text(text)
        (self.folder / "log4j2.yaml").write_text(LOG4J)
        words = ["format", "-t", "5L6g3nShT-eMCtK--X86sw", "-c", str(path)]
        formatted = subprocess.run(
            self._java("kafka.tools.StorageTool", *words), check=False, capture_output=True, text=True
        )
        if formatted.returncode:
            raise RuntimeError(f"kafka format failed:\n{formatted.stdout}{formatted.stderr}")
