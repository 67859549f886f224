"""Makes the secrets of deploy/compose.yaml, each in a file of its own, where they are missing.

Usage: ``python3 deploy/setup/credentials.py [--folder deploy/secrets] [USER ...]``

Each USER is a station (its id), a player or another client of the MQTT broker: it gets a new password, which is printed
once and kept only as its hash. Restart the broker, or send it SIGHUP, to let it in. Needs nothing but Python.

Files are readable to all and their folder to its owner only: containers read them under users of their own, and nobody
else on the machine comes so far.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import secrets
import sys
from pathlib import Path

GENERATED = ("mqtt_password", "postgres_password", "console_token", "webhook_secret", "grafana_password")
PASSWORDS = "mosquitto_passwords"
ENGINE = "fenghuo"
_ITERATIONS = 10_000


def main(words: list[str]) -> None:
    """Make what is missing, then a password for each user that is named."""
    parser = argparse.ArgumentParser(description="Make the secrets of deploy/compose.yaml.")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parents[1] / "secrets")
    parser.add_argument("users", nargs="*", metavar="USER", help="a client of the MQTT broker")
    arguments = parser.parse_args(words)
    for user in arguments.users:
        if user == ENGINE or set(user) & set(":/+#\n"):
            parser.error(f"{user!r} cannot be a user's name")
    folder: Path = arguments.folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in GENERATED:
        if not (folder / name).exists():
            _write(folder / name, secrets.token_urlsafe(32) + "\n")
    hashes = _hashes(folder / PASSWORDS)
    hashes[ENGINE] = _hash((folder / "mqtt_password").read_text().strip())
    for user in arguments.users:
        password = secrets.token_urlsafe(24)
        hashes[user] = _hash(password)
        print(f"{user} {password}")
    _write(folder / PASSWORDS, "".join(f"{user}:{kept}\n" for user, kept in hashes.items()))


def _hashes(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    return {user: kept for user, _, kept in (line.partition(":") for line in path.read_text().splitlines())}


def _hash(password: str) -> str:
    """As mosquitto_passwd writes it: $7$ iterations $ salt $ PBKDF2 of SHA-512."""
    salt = os.urandom(12)
    derived = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    return f"$7${_ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(derived).decode()}"


def _write(path: Path, text: str) -> None:
    # In place: a container that has the file mounted would never see another of that name.
    if path.exists():
        path.chmod(0o600)
    path.write_text(text)
    path.chmod(0o444)


if __name__ == "__main__":
    main(sys.argv[1:])
