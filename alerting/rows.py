"""Which rows of state changed since the last saved checkpoint; shared by lifecycle and routing.

A row that changes between `changed()` and `saved()` is changed still: the checkpoint does not have it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping


class ChangedRows:
    """Keys of rows that a checkpoint has still to write.

    Parameters
    ----------
    encode
        Gives the bytes of a row, or None where the row is gone.
    """

    def __init__(self, encode: Callable[[str], bytes | None]) -> None:
        self._encode = encode
        self._since: dict[str, None] = {}
        self._handed: dict[str, None] = {}

    def touch(self, key: str) -> None:
        """The row of that key changed, came or went."""
        self._since[key] = None

    def changed(self) -> Mapping[str, bytes | None]:
        """The rows to write now, by key in order."""
        self._handed.update(self._since)
        self._since.clear()
        return {key: self._encode(key) for key in sorted(self._handed)}

    def saved(self) -> None:
        """What the last `changed()` gave is durable."""
        self._handed.clear()
