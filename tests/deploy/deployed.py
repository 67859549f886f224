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

from tests.servers.base import Server, program

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
