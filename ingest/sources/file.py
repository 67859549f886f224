"""Files of recorded readings: the source that sets the log's time by what the records say (EXACT, rule 2).

In      .jsonl, .jsonl.gz and .mseed files
Out     readings and rejects in order, each with its log time

A reading's log time is its `received_at`, else the end of what it reports. A line without `received_at` that is
more than an hour ahead of all before it moves time only if the next line agrees, or if it is the file's last and
at most 30 days ahead; else it is the reject `clock_ahead`.
"""

from __future__ import annotations

import gzip
import heapq
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import msgspec

from ingest.decoders.canonical import decode, decode_lines
from ingest.decoders.mseed import decode_mseed
from ingest.packing import report_end
from schemas.reject import Reject, RejectReason, make_reject
from schemas.times import DAY, EARLIEST, HOUR, LATEST, Micros, rfc3339, to_micros
from schemas.wire import Said

_BLOCK_BYTES = 4 * 1024 * 1024
_TRUSTED_AHEAD_US = 1 * HOUR
_LAST_LINE_AHEAD_US = 30 * DAY
_BEGINNING: Micros = -(2**62)


class FromFile(NamedTuple):
    """One reading or reject of a file. `now`: the greatest log time of the file so far, with this one."""

    now: Micros
    log_us: Micros
    item: Said | Reject
    source: str


_Checked = tuple[Said | Reject, str, Micros]
"""What an entry is, where it stands, and a reading's log time."""


def read_files(
    paths: Sequence[Path], on_bytes: Callable[[int], None], mseed_station: Callable[[str], str | None]
) -> Iterator[FromFile]:
    """Readings and rejects of several files, merged by the greatest log time so far of each; none is re-sorted.

    Parameters
    ----------
    paths
        Ties go by their order, then by that of the lines.
    on_bytes
        Told how many bytes of the files (as stored) have been read since it was last told.
    mseed_station
        The station id for a miniSEED source ``NET.STA``, or None where the configuration has none.
    """
    streams = [_read_file(path, on_bytes, mseed_station) for path in paths]
    if len(streams) == 1:
        yield from streams[0]
    else:
        yield from heapq.merge(*streams, key=lambda entry: entry.now)


def _read_file(
    path: Path, on_bytes: Callable[[int], None], mseed_station: Callable[[str], str | None]
) -> Iterator[FromFile]:
    if path.suffix == ".mseed":
        content = path.read_bytes()
        on_bytes(len(content))
        return _timed(decode_mseed(content, path.name, mseed_station))
    return _timed(_decoded_lines(path, on_bytes))


def _timed(entries: Iterable[tuple[Said | Reject, str]]) -> Iterator[FromFile]:
    """Give each entry its log time; hold one that is far ahead until the next has been seen."""
    now = _BEGINNING
    held: tuple[Micros, Said, str] | None = None
    waiting: list[FromFile] = []
    checked = (_checked(entry, source) for entry, source in entries)
    opening, first_lies = _opening(checked)
    for item, source, log_us in chain(opening, checked):
        if isinstance(item, Reject):
            if held is None:
                yield _reject_at(now, item, source)
            else:
                waiting.append(_reject_at(now, item, source))
            continue
        trusted = item.received_at is not None
        if held is not None:
            ahead_us, held_item, held_source = held
            if log_us >= ahead_us - _TRUSTED_AHEAD_US:
                now = ahead_us
                yield FromFile(now, ahead_us, held_item, held_source)
            else:
                yield _ahead(now, ahead_us, held_item, held_source)
            yield from waiting
            held, waiting = None, []
        if now == _BEGINNING and first_lies:
            first_lies = False
            yield _ahead(now, log_us, item, source)
            continue
        if not trusted and now != _BEGINNING and log_us > now + _TRUSTED_AHEAD_US:
            held = (log_us, item, source)
            continue
        now = max(now, log_us)
        yield FromFile(now, log_us, item, source)
    if held is not None:
        ahead_us, held_item, held_source = held
        if ahead_us <= now + _LAST_LINE_AHEAD_US:
            yield FromFile(ahead_us, ahead_us, held_item, held_source)
        else:
            yield _ahead(now, ahead_us, held_item, held_source)
        yield from waiting


def _opening(entries: Iterator[_Checked]) -> tuple[list[_Checked], bool]:
    """The file's beginning up to its third reading, and whether the first reading lies about its time.

    Before the first there is no `now` to be ahead of. Where the second is long before it, one of the two is wrong: late,
    if the third agrees with the first; else the first was ahead, and must not make all others late.
    """
    opening: list[_Checked] = []
    times: list[Micros] = []
    trusted = False
    for item, source, log_us in entries:
        opening.append((item, source, log_us))
        if isinstance(item, Reject):
            continue
        trusted = trusted or (not times and item.received_at is not None)
        times.append(log_us)
        if len(times) == 3:
            break
    ahead = len(times) == 3 and max(times[1:]) < times[0] - _TRUSTED_AHEAD_US
    return opening, ahead and not trusted


def _checked(said: Said | Reject, source: str) -> _Checked:
    """The reading with its log time, or its reject where no calendar has that: such a time must not become `now`."""
    if isinstance(said, Reject):
        return said, source, 0
    log_us = report_end(said) if said.received_at is None else to_micros(said.received_at)
    if EARLIEST <= log_us <= LATEST:
        return said, source, log_us
    name = "observed_at" if said.received_at is None else "received_at"
    detail = f"{name}: beyond the years 1 to 8999 in UTC; mend the time"
    return make_reject(0, source, RejectReason.INVALID, detail, msgspec.json.encode(said)), source, 0


def _ahead(now: Micros, log_us: Micros, said: Said, source: str) -> FromFile:
    before = "the line behind it" if now == _BEGINNING else rfc3339(now)
    detail = f"observed_at: {rfc3339(log_us)} is more than 1 h ahead of {before}, and no line agrees; mend the time"
    at = max(now, 0)
    return FromFile(
        now, at, make_reject(at, source, RejectReason.CLOCK_AHEAD, detail, msgspec.json.encode(said)), source
    )


def _reject_at(now: Micros, reject: Reject, source: str) -> FromFile:
    # Arrival is told by the file's own time; before its first reading there is none but the beginning of time.
    at = max(now, 0)
    return FromFile(now, at, reject.received(at), source)


def _decoded_lines(path: Path, on_bytes: Callable[[int], None]) -> Iterator[tuple[Said | Reject, str]]:
    try:
        yield from _decoded_blocks(path, on_bytes)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        detail = f"{path.name} breaks off or is no gzip file ({error}); what stood before was read"
        yield make_reject(0, path.name, RejectReason.UNREADABLE, detail, b""), path.name


def _decoded_blocks(path: Path, on_bytes: Callable[[int], None]) -> Iterator[tuple[Said | Reject, str]]:
    name, number = path.name, 0
    for lines in _blocks(path, on_bytes):
        readings = decode_lines(lines)
        if readings is not None:
            for said in readings:
                number += 1
                yield said, f"{name}:{number}"
            continue
        for line in lines:
            number += 1
            source = f"{name}:{number}"
            decoded = decode(line, source, 0)
            for said in decoded.readings:
                yield said, source
            for reject in decoded.rejects:
                yield reject, source


def _blocks(path: Path, on_bytes: Callable[[int], None]) -> Iterator[list[bytes]]:
    """Lines of a file in lists, without their ends."""
    with path.open("rb") as raw, gzip.open(raw) if path.suffix == ".gz" else nullcontext(raw) as stream:
        rest, told = b"", 0
        while block := stream.read(_BLOCK_BYTES):
            on_bytes(raw.tell() - told)
            told = raw.tell()
            lines = (rest + block).split(b"\n")
            rest = lines.pop()
            yield [line.removesuffix(b"\r") for line in lines]
        if rest:
            yield [rest.removesuffix(b"\r")]
