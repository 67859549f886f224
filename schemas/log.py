"""The log: the ordered record of all that a decision may depend on, one for each association area.

A record is a packet, a tick, an act, the hash of a configuration bundle, or a finding forwarded by a
neighbour. Its bytes are msgpack; columns are little-endian arrays, so that a packet is read without a loop.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import numpy as np

from schemas.act import Act
from schemas.errors import PlainError
from schemas.finding import Finding, Forward
from schemas.packet import COLUMNS, COMMON, NOT_EVALUATED, PARTS, Packet
from schemas.times import Micros

FORMAT = 1
"""Version of the records' bytes; each release reads the one before."""
_NO_FORMAT = 0x20
"""Formats stay below it: a first byte from here on is a text's or some other program's."""


class Tick(msgspec.Struct, frozen=True, tag="tick"):
    """Time passed: moves `now`, nothing else."""

    at_us: Micros


class ActRecord(msgspec.Struct, frozen=True, tag="act"):
    """An act, to be judged at its place in the log. `act` is its JSON."""

    at_us: Micros
    act: bytes

    def model(self) -> Act:
        """The act itself."""
        return Act.model_validate_json(self.act)


class ConfigurationRecord(msgspec.Struct, frozen=True, tag="configuration"):
    """From here on the bundle of that hash holds."""

    at_us: Micros
    bundle: str


class FindingRecord(msgspec.Struct, frozen=True, tag="finding"):
    """A finding forwarded by another association area's pipeline. `finding` is its JSON."""

    at_us: Micros
    finding: bytes

    @classmethod
    def of(cls, forward: Forward) -> FindingRecord:
        """The record that brings a finding to another area's log."""
        return cls(forward.at_us, forward.finding.model_dump_json().encode())

    def model(self) -> Finding:
        """The finding itself."""
        return Finding.model_validate_json(self.finding)


class _PacketBytes(msgspec.Struct, frozen=True, tag="packet"):
    kind: str
    bundle: str
    row: bytes
    observed_us: bytes
    received_us: bytes
    columns: dict[str, bytes]
    offsets: bytes | None
    parts: dict[str, bytes]
    texts: dict[str, tuple[str, ...]]


Record = Packet | Tick | ActRecord | ConfigurationRecord | FindingRecord
_Body = _PacketBytes | Tick | ActRecord | ConfigurationRecord | FindingRecord
_DECODER: msgspec.msgpack.Decoder[_Body] = msgspec.msgpack.Decoder(_Body)
_ENCODER = msgspec.msgpack.Encoder()


class Broken(msgspec.Struct, frozen=True):
    """Bytes in the log that are no record: whoever reads the log passes over them, for this reason."""

    reason: str


class Positioned(NamedTuple):
    """A record and its place in its area's log; places grow."""

    position: int
    record: Record | Broken


class Dead(msgspec.Struct, frozen=True):
    """A record that was passed over: its place in its area's log, and why. It changed no state."""

    area: str
    position: int
    reason: str


class UnreadableRecord(PlainError):
    """A record of a later release's format: stop, and say so; to pass over it would lose what that release knows."""


class BrokenRecord(PlainError):
    """Bytes that no release has written as a record."""


def encode_record(record: Record) -> bytes:
    """Bytes of a record, one format byte first. What the pipeline adds to a packet is not written."""
    body: Any = record
    if isinstance(record, Packet):
        body = _PacketBytes(
            record.kind,
            record.bundle,
            record.row.astype("<i4", copy=False).tobytes(),
            record.observed_us.astype("<i8", copy=False).tobytes(),
            record.received_us.astype("<i8", copy=False).tobytes(),
            {name: column.tobytes() for name, column in record.columns.items()},
            None if record.offsets is None else record.offsets.astype("<i8", copy=False).tobytes(),
            {name: part.tobytes() for name, part in record.parts.items()},
            record.texts,
        )
    return bytes([FORMAT]) + _ENCODER.encode(body)


def decode_record(data: bytes) -> Record:
    """A record from its bytes.

    Raises
    ------
    UnreadableRecord
        The format is a later release's.
    BrokenRecord
        The bytes are no record.
    """
    if data and FORMAT < data[0] < _NO_FORMAT:
        raise UnreadableRecord(
            f"log record of format {data[0]}, this release reads {FORMAT}: use the release that wrote it"
        )
    if not data or data[0] != FORMAT:
        raise BrokenRecord(f"no log record: {bytes(data[:16])!r}" if data else "no log record: empty")
    try:
        body = _DECODER.decode(memoryview(data)[1:])
        if not isinstance(body, _PacketBytes):
            return body
        _check_lengths(body)
        received = np.frombuffer(body.received_us, dtype="<i8")
        types = {**COMMON, **COLUMNS[body.kind]}
        part_types = PARTS.get(body.kind, {})
        return Packet(
            body.kind,
            body.bundle,
            np.frombuffer(body.row, dtype="<i4"),
            np.frombuffer(body.observed_us, dtype="<i8"),
            received,
            received,
            np.full(len(received), NOT_EVALUATED, dtype=np.uint8),
            np.ones(len(received), dtype=bool),
            {name: np.frombuffer(column, dtype=types[name]) for name, column in body.columns.items()},
            None if body.offsets is None else np.frombuffer(body.offsets, dtype="<i8"),
            {name: np.frombuffer(part, dtype=part_types[name]) for name, part in body.parts.items()},
            body.texts,
        )
    except (msgspec.MsgspecError, ValueError, KeyError) as error:
        raise BrokenRecord(f"broken log record: {error}") from error


def read_record(data: bytes | None) -> Record | Broken:
    """A record from what stands at a place of the log, or why that is none.

    Raises
    ------
    UnreadableRecord
        The format is a later release's.
    """
    try:
        return decode_record(data or b"")
    except BrokenRecord as error:
        return Broken(str(error))


def _check_lengths(body: _PacketBytes) -> None:
    """Raise ValueError where columns do not fit each other: stages index them without asking."""
    types = {**COMMON, **COLUMNS[body.kind]}
    count, part_types = len(body.row) // 4, PARTS.get(body.kind, {})
    fits = len(body.row) == 4 * count and len(body.observed_us) == len(body.received_us) == 8 * count
    fits = fits and all(
        len(column) == count * np.dtype(types[name]).itemsize for name, column in body.columns.items()
    )
    fits = fits and all(len(texts) == count for texts in body.texts.values())
    if body.offsets is not None and fits:
        offsets = np.frombuffer(body.offsets, dtype="<i8")
        fits = len(offsets) == count + 1 and offsets[0] == 0 and bool((np.diff(offsets) >= 0).all())
        fits = fits and all(
            len(part) == offsets[-1] * np.dtype(part_types[name]).itemsize
            for name, part in body.parts.items()
        )
    if not fits:
        raise ValueError(f"the columns of a {body.kind} packet do not fit each other")
