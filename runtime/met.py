"""Met: ids that came already, so that a repeat of an act or of a forwarded finding counts once.

State   one row an id: when it came and what it was; layout 2, and reads layout 1, which had no content
Source  EXACT, rules 9, 12 and 18
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from schemas.errors import PlainError
from schemas.stage import UnknownState
from schemas.times import DAY, Micros

_FOR_US = 30 * DAY
"""How long an id is remembered; a repeat comes within minutes."""
_TIME_BYTES, _DIGEST_BYTES = 8, 8


class OtherContent(PlainError):
    """An id came again with other content, so something was not a function of the log: stop that area."""


class Met:
    """A part of the pipeline's own state, kept as stages keep theirs."""

    name = "met"
    state_version = 2

    def __init__(self) -> None:
        self._seen: dict[str, tuple[Micros, bytes]] = {}
        self._unsaved: dict[str, bytes | None] = {}
        self._handed: dict[str, bytes | None] = {}

    def first(self, key: str, now: Micros, content: bytes = b"") -> bool:
        """Whether `key` comes for the first time; remembers it.

        Raises
        ------
        OtherContent
            It came before with another `content`; where none is given, it is not compared.
        """
        digest = hashlib.sha256(content).digest()[:_DIGEST_BYTES] if content else b""
        before = self._seen.get(key)
        if before is not None:
            if digest and before[1] and digest != before[1]:
                raise OtherContent(
                    f"{key} came again with other content; something was not a function of the log"
                )
            return False
        self._seen[key] = now, digest
        self._unsaved[key] = self._row(key)
        for old in [k for k, (at, _) in self._seen.items() if at < now - _FOR_US]:
            del self._seen[old]
            self._unsaved[old] = None
        return True

    def changed(self) -> Mapping[str, bytes | None]:
        """Rows changed since the last saved checkpoint."""
        self._handed = dict(self._unsaved)
        return self._handed

    def saved(self, token: Any) -> None:
        """The checkpoint of the last `changed()` is durable."""
        del token
        self._unsaved = {
            k: v for k, v in self._unsaved.items() if k not in self._handed or self._handed[k] != v
        }

    def state(self) -> Mapping[str, bytes]:
        """All rows."""
        return {key: self._row(key) for key in self._seen}

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Take up the rows of earlier checkpoints."""
        for key, value in state.items():
            if value[0] not in (1, self.state_version):
                raise UnknownState(
                    f"{self.name}: state of version {value[0]}, this release reads {self.state_version}"
                )
            at = int.from_bytes(value[1 : 1 + _TIME_BYTES], "little", signed=True)
            self._seen[key] = at, value[1 + _TIME_BYTES :]

    def _row(self, key: str) -> bytes:
        at, digest = self._seen[key]
        return bytes([self.state_version]) + at.to_bytes(_TIME_BYTES, "little", signed=True) + digest
