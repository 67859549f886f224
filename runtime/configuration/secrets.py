"""Secrets: a password or token stands in a file that a setting names, or in an environment variable; never in a setting."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from schemas.errors import PlainError


class SecretMissing(PlainError):
    """A secret is not where it should be. The text names the place, never the secret."""


def read_secret(file: Path | str | None, variable: str, environment: Mapping[str, str]) -> str | None:
    """The secret in `file` if a setting names one, else in the environment's `variable`; None where neither is there.

    Raises
    ------
    SecretMissing
        Where the file cannot be read or is empty.
    """
    if file is None:
        return environment.get(variable) or None
    try:
        secret = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SecretMissing(f"{file} cannot be read: {getattr(error, 'strerror', 'no text')}") from error
    if not secret:
        raise SecretMissing(f"{file} is empty; write the secret into it")
    return secret
