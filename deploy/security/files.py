"""Files of a deployment's secrets: readable to their owner only, and never half written."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from schemas.errors import PlainError


class NoSecret(PlainError):
    """A secret is asked for that was never made."""


def write_secret(path: Path, content: bytes | str) -> None:
    """Write a file that only its owner reads."""
    _write(path, content, 0o600)


def write_public(path: Path, content: bytes | str) -> None:
    """Write a file that everybody may read."""
    _write(path, content, 0o644)


def new_password() -> str:
    """256 bits, without a sign that any format would have to quote."""
    return secrets.token_urlsafe(32)


def password(path: Path) -> str:
    """The password in a file, made where there is none."""
    if not path.exists():
        write_secret(path, new_password() + "\n")
    return known_password(path)


def known_password(path: Path) -> str:
    """The password in a file.

    Raises
    ------
    NoSecret
        It is not there.
    """
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError as error:
        raise NoSecret(f"{path} is not there; make it by `python -m deploy.security make`") from error


def _write(path: Path, content: bytes | str, mode: int) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    # With its mode from the start: there is no moment in which another could read it.
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
    beside.chmod(mode)
    beside.replace(path)
