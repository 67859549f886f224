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
from schemas.finding import Finding
from schemas.packet import COLUMNS, COMMON, NOT_EVALUATED, PARTS, Packet
from schemas.times import Micros

FORMAT = 1
"""Version of the records' bytes; each release reads the one before."""


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


class Positioned(NamedTuple):
    """A record and its place in its area's log; places grow."""

    position: int
    record: Record


class UnreadableRecord(PlainError):
    """A record's bytes are of another format or broken: stop, and say which release wrote them."""


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
        The format is not this release's, or the bytes are broken.
    """
    if not data or data[0] != FORMAT:
        raise UnreadableRecord(
            f"log record of format {data[0] if data else 'none'}, this release reads {FORMAT}"
        )
    try:
        body = _DECODER.decode(memoryview(data)[1:])
        if not isinstance(body, _PacketBytes):
            return body
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
        raise UnreadableRecord(f"broken log record: {error}") from error
