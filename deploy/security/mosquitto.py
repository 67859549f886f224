"""Mosquitto's part: users with passwords, who may speak and hear on which topics, and an encrypted listener."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

PROGRAMS: Mapping[str, Sequence[str]] = {
    "gateway": ("topic read readings/#", "topic readwrite acks/#"),
    "dispatch": (
        "topic read receipts/+",
        "topic write alerts/#",
        "topic write loudspeakers/#",
        "topic write exercise/#",
    ),
}
"""What each program of ours does, by the name of its command."""

_ITERATIONS = 10_000
_SHIPPED = Path(__file__).parents[1] / "mosquitto" / "mosquitto.conf"
_BEFORE_THE_REST = "acl_file /mosquitto/config/acl\n"
# A station's user name is its id. Every line here would hold for everybody, so it names the user.
_STATIONS = ("pattern write readings/+/%u", "pattern read acks/%u")


def player_rights(address: str) -> tuple[str, ...]:
    """A loudspeaker's player hears its own topics, and answers for notices."""
    return (
        f"topic read loudspeakers/{address}/+",
        f"topic read exercise/loudspeakers/{address}/+",
        "topic write receipts/+",
    )


def relay_rights(stations: Iterable[str]) -> tuple[str, ...]:
    """A relay speaks for the stations that it serves."""
    return tuple(
        line
        for station in stations
        for line in (f"topic write readings/+/{station}", f"topic read acks/{station}")
    )


def access_list(users: Mapping[str, Sequence[str]]) -> str:
    """The file of rights: by user, and for stations by their names."""
    parts = ["# Made by deploy/security. What is not allowed here is forbidden.\n", "\n".join(_STATIONS)]
    parts += [f"\nuser {name}\n" + "\n".join(lines) for name, lines in users.items()]
    return "\n".join(parts) + "\n"


def password_file(users: Mapping[str, str], before: str) -> str:
    """The file of passwords, each salted and hashed; a user's line stays while the password is the same."""
    kept = dict(line.split(":", 1) for line in before.splitlines() if ":" in line)
    lines = []
    for name, password in users.items():
        line = kept.get(name)
        lines.append(f"{name}:{line if line is not None and _is(line, password) else _hashed(password)}")
    return "\n".join(lines) + "\n"


def configuration(folder: Path, authority: Path, port: int) -> str:
    """A whole mosquitto.conf with one, encrypted listener; behind it as deploy/mosquitto/mosquitto.conf has it."""
    _, found, rest = _SHIPPED.read_text(encoding="utf-8").partition(_BEFORE_THE_REST)
    if not found:
        raise ValueError(f"{_SHIPPED} no longer says {_BEFORE_THE_REST!r}")
    return f"""\
# Made by deploy/security.
per_listener_settings false

listener {port}
cafile {authority}
certfile {folder}/server.pem
keyfile {folder}/server.key
tls_version tlsv1.2
allow_anonymous false
password_file {folder}/passwords
acl_file {folder}/acl
{rest}"""


def _hashed(password: str, salt: bytes | None = None) -> str:
    """As mosquitto_passwd writes it: $7$ iterations $ salt $ PBKDF2 of SHA-512."""
    salt = salt or os.urandom(12)
    derived = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    return f"$7${_ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(derived).decode()}"


def _is(line: str, password: str) -> bool:
    salt = base64.b64decode(line.split("$")[3])
    return _hashed(password, salt) == line
