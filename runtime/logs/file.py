"""An exported log: one association area's log with its configurations, in one file that needs nothing else.

File    gzip of a first line, then frames: four bytes of length (little-endian), then msgpack with a `type`
        head, [bundle …] record [bundle …] record …, end; a bundle stands before the first record that names it
Used by `runtime.logs.export`, which writes it, and `runtime.replay.logs`, which plays it

The bytes follow from what is exported: the same log gives the same file. docs/reference/exported-log.md has each field.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO

import msgspec

from alerting.ledger import UnknownBundle
from schemas.errors import PlainError
from schemas.log import Broken, ConfigurationRecord, Positioned, UnreadableRecord, read_record
from schemas.packet import Packet

SUFFIX = ".fhlog"
FORMAT = 1
_FIRST_LINE = b"fenghuo log %d\n"
_LENGTH = struct.Struct("<I")
_LONGEST = 256 * 1024 * 1024
"""No frame is longer: a length beyond it is a broken file's."""
_PART_BYTES = 32 * 1024 * 1024
_MOST_HELD = 10_000
"""Records that are held back until one names a configuration; every log names one at its beginning."""
_COMPRESSION = 3
"""Readings in columns hardly shrink more at higher levels, which take several times as long."""


class Head(msgspec.Struct, frozen=True, tag="head"):
    """What the file is.

    Attributes
    ----------
    bundle
        Hash of the configuration that holds until a record names another.
    whole
        Whether it begins with the first record of the log; else what went before was dropped by its retention.
    source
        Where it was read, for people.
    """

    area: str
    bundle: str
    whole: bool
    source: str


class BundleFrame(msgspec.Struct, frozen=True, tag="bundle"):
    """A configuration: its canonical bytes, whose SHA-256 is `hash`."""

    hash: str
    canonical: bytes


class RecordFrame(msgspec.Struct, frozen=True, tag="record"):
    """A record: its place in the log, and its bytes as they stand there, even where they are broken."""

    position: int
    body: bytes


class End(msgspec.Struct, frozen=True, tag="end"):
    """That the file is complete.

    Attributes
    ----------
    first, last
        Positions of the first and the last record; 0 where there is none.
    decided
        How far the engine's checkpoint had come when this was exported.
    dead
        Positions of records that the engine passed over, with its reasons.
    """

    records: int
    first: int
    last: int
    decided: int
    dead: dict[int, str]


Frame = Head | BundleFrame | RecordFrame | End
_ENCODER = msgspec.msgpack.Encoder()
_DECODER: msgspec.msgpack.Decoder[Frame] = msgspec.msgpack.Decoder(Frame)


class BrokenLogFile(PlainError):
    """A file that is no exported log, or not all of one."""


class LogFileWriter:
    """Writes one file, which bears its name only once it is complete.

    Parameters
    ----------
    path
        Replaced where it is there.
    bundles
        Finds the canonical bytes of a configuration by its hash; raises `UnknownBundle` where it is not kept.
    fallback
        The hash that holds where no record names a configuration.
    """

    def __init__(
        self,
        path: Path,
        area: str,
        *,
        whole: bool,
        source: str,
        bundles: Callable[[str], bytes],
        fallback: str,
    ) -> None:
        self.path = path
        self._area, self._whole, self._source = area, whole, source
        self._bundles, self._fallback = bundles, fallback
        self._held: list[RecordFrame] | None = []
        """What comes before a record that names a configuration; None once the head is written."""
        self._named: set[str] = set()
        self.missing: set[str] = set()
        """Configurations that records name and nobody keeps."""
        self.records = self.first = self.last = 0
        self._part = path.with_name(f"{path.name}.part")
        self._raw = self._part.open("wb")
        # Without a name and a time in it, so that the same log gives the same bytes.
        self._file = gzip.GzipFile("", "wb", _COMPRESSION, self._raw, mtime=0)
        self._file.write(_FIRST_LINE % FORMAT)

    def add(self, position: int, body: bytes) -> None:
        """Write the record that follows."""
        record = RecordFrame(position, body)
        named = _named_bundle(body)
        self.records += 1
        self.first = self.first or position
        self.last = position
        if self._held is not None:
            if named is None and len(self._held) < _MOST_HELD:
                self._held.append(record)
                return
            self._begin(named or self._fallback)
        if named is not None:
            self._name(named)
        self._write(record)

    def finish(self, dead: Mapping[int, str], decided: int) -> None:
        """Write the end; the file is complete."""
        if self._held is not None:
            self._begin(self._fallback)
        here = {position: reason for position, reason in dead.items() if self.first <= position <= self.last}
        self._write(End(self.records, self.first, self.last, decided, dict(sorted(here.items()))))
        self._file.close()
        self._raw.flush()
        os.fsync(self._raw.fileno())
        self._raw.close()
        self._part.replace(self.path)

    def discard(self) -> None:
        """Leave nothing of a file that was not finished."""
        if not self._raw.closed:
            self._raw.close()
            self._part.unlink(missing_ok=True)

    def _begin(self, bundle: str) -> None:
        held, self._held = self._held or [], None
        self._write(Head(self._area, bundle, self._whole, self._source))
        self._name(bundle)
        for record in held:
            self._write(record)

    def _name(self, bundle: str) -> None:
        if bundle in self._named:
            return
        self._named.add(bundle)
        try:
            self._write(BundleFrame(bundle, self._bundles(bundle)))
        except UnknownBundle:
            self.missing.add(bundle)

    def _write(self, frame: Frame) -> None:
        data = _ENCODER.encode(frame)
        self._file.write(_LENGTH.pack(len(data)) + data)


class LogFileReader:
    """Reads one file from its beginning to its end; `head` is there at once, `end` when the records are through.

    Raises
    ------
    BrokenLogFile
        It is no exported log, of a later format, or broken; also while records are read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bundles: dict[str, bytes] = {}
        """By hash: the configurations met so far."""
        self.end: End | None = None
        self._raw: IO[bytes] = path.open("rb")
        self._file = gzip.GzipFile(fileobj=self._raw, mode="rb")
        try:
            self._check_first_line()
            head = self._next()
            if not isinstance(head, Head):
                raise self._broken("it has no head")
        except BaseException:
            self.close()
            raise
        self.head = head

    def parts(self, most: int) -> Iterator[list[Positioned]]:
        """The records in order, at most so many at once, and no more than the memory bears.

        Raises
        ------
        schemas.log.UnreadableRecord
            A record of a later release's format.
        """
        count = size = 0
        part: list[Positioned] = []
        while not isinstance(frame := self._next(), End):
            if isinstance(frame, BundleFrame):
                self._keep(frame)
            if not isinstance(frame, RecordFrame):
                continue
            part.append(self._read(frame))
            count += 1
            size += len(frame.body)
            if len(part) >= most or size >= _PART_BYTES:
                yield part
                part, size = [], 0
        if part:
            yield part
        self._check_nothing_follows()
        if count != frame.records:
            raise self._broken(f"it holds {count} records, and says {frame.records}")
        self.end = frame

    def bundle(self, identity: str) -> bytes:
        """A configuration's canonical bytes by their hash; raises `UnknownBundle` where the file lacks them."""
        if identity not in self.bundles:
            raise UnknownBundle(identity)
        return self.bundles[identity]

    def first_bundle(self) -> bytes:
        """The canonical bytes of the head's configuration, which follow it; ask before the records."""
        frame = self._next()
        if not isinstance(frame, BundleFrame):
            raise BrokenLogFile(
                f"{self.path}: configuration {self.head.bundle[:12]} is missing: the ledger did not have it when this"
                " was exported; store it, and export again"
            )
        self._keep(frame)
        return frame.canonical

    def read_bytes(self) -> int:
        """How many bytes of the file have been read."""
        return self._raw.tell()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._raw.close()

    def _read(self, frame: RecordFrame) -> Positioned:
        try:
            return Positioned(frame.position, read_record(frame.body))
        except UnreadableRecord as error:
            raise BrokenLogFile(f"{self.path}: position {frame.position}: {error}") from error

    def _keep(self, frame: BundleFrame) -> None:
        if hashlib.sha256(frame.canonical).hexdigest() != frame.hash:
            raise self._broken(f"configuration {frame.hash[:12]} is not what its hash says")
        self.bundles[frame.hash] = frame.canonical

    def _check_first_line(self) -> None:
        try:
            line = self._file.readline(64)
        except (OSError, EOFError, zlib.error):
            line = b""
        if not line.startswith(_FIRST_LINE.partition(b"%")[0]):
            raise BrokenLogFile(f"{self.path} is no exported log; `fenghuo log export` writes one")
        if line != _FIRST_LINE % FORMAT:
            raise BrokenLogFile(
                f"{self.path} is an exported log of another format ({line.decode(errors='replace').strip()});"
                f" this release reads {FORMAT}"
            )

    def _check_nothing_follows(self) -> None:
        """Read past the end: only there does gzip compare its checksum."""
        try:
            more = self._file.read(1)
        except (OSError, EOFError, zlib.error) as error:
            raise self._broken(str(error)) from error
        if more:
            raise self._broken("something follows its end")

    def _next(self) -> Frame:
        try:
            (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
            if length > _LONGEST:
                raise self._broken("a frame of impossible length")
            return _DECODER.decode(self._exactly(length))
        except (OSError, EOFError, zlib.error, msgspec.MsgspecError) as error:
            raise self._broken(str(error)) from error

    def _exactly(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) != size:
            raise EOFError("it ends early")
        return data

    def _broken(self, why: str) -> BrokenLogFile:
        return BrokenLogFile(f"{self.path} is broken: {why}; export the log again")


def _named_bundle(body: bytes) -> str | None:
    """The configuration that a record names; None where it names none, or cannot be read."""
    try:
        record = read_record(body)
    except UnreadableRecord:
        return None
    if isinstance(record, Broken):
        return None
    return record.bundle if isinstance(record, Packet | ConfigurationRecord) else None
