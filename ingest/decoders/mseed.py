"""miniSEED: records of one file or stream become seismic readings, in order of the end of their last sample.

In      bytes of miniSEED 2 or 3 records, one after the other
Out     seismic readings of unit `count` (a station's `gain` and `unit` say what a count is), and rejects
Source  FDSN miniSEED 2.4 and 3, read by libmseed (pymseed)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import numpy as np
import pymseed

from schemas.reject import Reject, RejectReason, make_reject
from schemas.times import SECOND, from_micros
from schemas.wire import Said, Seismic

_BEGINNING = re.compile(rb"MS\x03|[0-9]{6}[DRQM][ \x00]")
"""How a record of miniSEED 3 or 2 begins."""
_NUMERIC = {"i", "f", "d"}
_LIMIT = 1e12
_KEPT_BYTES = 4096
_LATEST_US = 253_402_300_799_000_000
"""The end of the year 9999."""


def decode_mseed(
    content: bytes, source: str, station_of: Callable[[str], str | None]
) -> Iterator[tuple[Said | Reject, str]]:
    """Readings of all records, in order of the end of their last sample; a broken record is a reject.

    Parameters
    ----------
    station_of
        The station id for ``NET.STA``; None where the configuration has none.

    Yields
    ------
    item, source
        A reading or a reject, and ``<source>@<byte>`` of its record. Rejects come first.
    """
    rejects: list[tuple[Reject, str]] = []
    readings: list[tuple[int, int, Seismic, str]] = []
    view, at = memoryview(content), 0
    while at < len(content):
        place = f"{source}@{at}"
        try:
            record = pymseed.MS3Record.parse(view[at:], unpack_data=True)
            length = int(record.reclen)
            reading, end_us = _reading(record, station_of)
        except pymseed.PymseedError as error:
            length = _next_record(content, at) - at
            detail = f"miniSEED record at byte {at}: {str(error).strip() or type(error).__name__}"
            rejects.append(
                (_reject(source, RejectReason.UNREADABLE, detail, content[at : at + length]), place)
            )
        except _Refused as refused:
            rejects.append((_reject(source, refused.reason, str(refused), content[at : at + length]), place))
        else:
            readings.append((end_us, at, reading, place))
        at += max(length, 1)
    pymseed.clear_error_messages()
    yield from rejects
    for _, _, reading, place in sorted(readings, key=lambda entry: entry[:2]):
        yield reading, place


class _Refused(Exception):
    """A record that can be read, and cannot be a reading."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def _reading(record: pymseed.MS3Record, station_of: Callable[[str], str | None]) -> tuple[Seismic, int]:
    try:
        # Reading the identifier itself fails where its bytes are no text.
        identifier = record.sourceid
    except UnicodeDecodeError as error:
        raise _Refused(RejectReason.INVALID, f"source identifier: {error}") from error
    try:
        network, station, _, channel = pymseed.sourceid2nslc(identifier)
    except (ValueError, pymseed.PymseedError) as error:
        raise _Refused(RejectReason.INVALID, f"source identifier {identifier!r}: {error}") from error
    name = f"{network}.{station}"
    known = station_of(name)
    if known is None:
        raise _Refused(
            RejectReason.UNKNOWN_STATION, f"station: neither {name!r} nor {station!r} is in stations.csv"
        )
    if record.sampletype not in _NUMERIC or record.numsamples < 1:
        raise _Refused(RejectReason.INVALID, "samples: the record holds no numbers")
    rate_hz = float(record.samprate)
    if not 0.001 <= rate_hz <= 2000:
        raise _Refused(RejectReason.INVALID, f"sample_rate_hz: {rate_hz} is not from 0.001 to 2000")
    if (
        not channel
        or len(channel) > 8
        or not channel.isascii()
        or not channel.replace("_", "").isalnum()
        or channel != channel.upper()
    ):
        raise _Refused(RejectReason.INVALID, f"channel: {channel!r} is no SEED code")
    samples = np.asarray(record.np_datasamples, dtype=np.float64)
    if not bool((np.abs(samples) <= _LIMIT).all()):
        raise _Refused(RejectReason.INVALID, f"samples: a value is not a number or above {_LIMIT:g}")
    start_us = (int(record.starttime) + 500) // 1000
    end_us = start_us + round((len(samples) - 1) * SECOND / rate_hz)
    if not 0 <= start_us <= end_us <= _LATEST_US:
        raise _Refused(RejectReason.INVALID, f"observed_at: record begins {record.starttime} ns from 1970")
    reading = Seismic(
        station=known,
        observed_at=from_micros(start_us),
        channel=channel,
        sample_rate_hz=rate_hz,
        unit="count",
        samples=samples.tolist(),
    )
    return reading, end_us


def _next_record(content: bytes, at: int) -> int:
    """Where the next record seems to begin, after one that is broken; the end where none does."""
    found = _BEGINNING.search(content, at + 1)
    return len(content) if found is None else found.start()


def _reject(source: str, reason: RejectReason, detail: str, record: bytes) -> Reject:
    return make_reject(0, source, reason, detail, record[:_KEPT_BYTES])
