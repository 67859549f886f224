"""Rows of state: their bytes, and which changed since the last saved checkpoint; shared by lifecycle and routing.

A row that changes between `changed()` and `saved()` is changed still: the checkpoint does not have it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

import msgspec

from schemas.rows import check_version

Row = TypeVar("Row", bound=msgspec.Struct)
_ENCODER = msgspec.msgpack.Encoder()


def to_bytes(row: msgspec.Struct, version: int) -> bytes:
    """A row of state: the version of its layout, then its fields."""
    return bytes([version]) + _ENCODER.encode(row)


class RowReader(Generic[Row]):
    """Makes a row of one kind from its bytes.

    Parameters
    ----------
    stage
        Whose rows they are.
    version
        The layout that this release writes.
    """

    def __init__(self, stage: str, version: int, kind: type[Row]) -> None:
        self._stage, self._version = stage, version
        self._decoder = msgspec.msgpack.Decoder(kind)

    def __call__(self, data: bytes) -> Row:
        """The row; raises `UnknownState` where another release wrote it."""
        check_version(self._stage, data, self._version)
        return self._decoder.decode(memoryview(data)[1:])


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
