"""Secrets: a password or token is named by where it is found, never written into a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


class SecretMissing(Exception):
    """A secret is not where the configuration says it is. The text names the place, never the secret."""


class Secret(BaseModel):
    """Where a secret is found: `env`, the name of an environment variable, or `file`, a path."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    env: str | None = None
    file: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _is_a_place(cls, value: Any) -> Any:
        if not isinstance(value, Mapping | Secret):
            # The value itself is not repeated: a fault is printed, and this may be the secret.
            raise ValueError("a secret is not written here; write {env: NAME} or {file: PATH}")
        return value

    @model_validator(mode="after")
    def _is_one_place(self) -> Secret:
        if (self.env is None) == (self.file is None):
            raise ValueError("write either env or file")
        return self

    def read(self, environment: Mapping[str, str]) -> str:
        """The secret itself.

        Raises
        ------
        SecretMissing
            Where the variable is not set or the file cannot be read.
        """
        if self.env is not None:
            if self.env not in environment:
                raise SecretMissing(f"environment variable {self.env} is not set")
            return environment[self.env]
        try:
            return Path(str(self.file)).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SecretMissing(f"{self.file} cannot be read ({error.strerror})") from error
