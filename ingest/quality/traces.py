"""Quality of seismic samples: repeats, conflicts, and overlaps cut to what is new, channel by channel.

In      seismic readings, one by one
Out     whether each counts, and which of its samples are new
State   one row a channel: the spans that came within the last hour
Source  EXACT, rules 4 and 7: a reading is told by station, time and channel
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import msgspec
import numpy as np

from schemas.bundle import Bundle
from schemas.packet import FAIL, PASS, Packet
from schemas.rows import Marks, check_version
from schemas.times import HOUR, SECOND, Micros

HORIZON_US: Micros = HOUR
_SPAN = tuple[int, int, int]
"""First sample, end of the last, and a digest of the samples."""


class Cut(msgspec.Struct, frozen=True):
    """What is new of a reading: samples `start` to before `stop`."""

    start: int
    stop: int


class SeismicQuality:
    """Judges samples of all channels."""

    def __init__(self, name: str, version: int, bundle: Bundle) -> None:
        self._name, self._version = name, version
        self._stations = bundle.stations
        self._spans: dict[str, list[_SPAN]] = {}
        self._marks = Marks()

    def assess(self, packet: Packet, index: int) -> tuple[int, bool, Cut]:
        """Flag of a reading, whether it counts, and which of its samples are new."""
        samples = packet.part("samples", index)
        n = len(samples)
        whole = Cut(0, n)
        rate_hz = float(packet.columns["sample_rate_hz"][index])
        start_us = int(packet.observed_us[index])
        end_us = start_us + round(n * SECOND / rate_hz)
        now = int(packet.log_us[index])
        if end_us < now - HORIZON_US:
            return PASS, False, whole
        channel = packet.columns["channel"][index].decode()
        key = f"seismic/{self._stations[int(packet.row[index])].id}/{channel}"
        spans = [span for span in self._spans.get(key, ()) if span[1] >= now - HORIZON_US]
        digest = zlib.crc32(np.ascontiguousarray(samples).tobytes())
        for first, last, crc in spans:
            if first == start_us:
                return PASS if (last, crc) == (end_us, digest) else FAIL, False, whole
        new_us = _longest_new(start_us, end_us, spans)
        self._spans[key] = sorted([*spans, (start_us, end_us, digest)])
        self._marks.touch(key)
        if new_us is None:
            return PASS, False, whole
        # Times to samples: the first sample at or after the new span's start, half a sample of slack.
        low = max(0, _ceil_samples(new_us[0] - start_us, rate_hz))
        high = min(n, _ceil_samples(new_us[1] - start_us, rate_hz))
        return PASS, high > low, Cut(low, high) if high > low else whole

    def changed(self) -> dict[str, bytes | None]:
        """Rows changed since the last saved checkpoint."""
        return {key: self._row(key) if key in self._spans else None for key in self._marks.take()}

    def saved(self) -> None:
        """The checkpoint of the last `changed()` is durable."""
        self._marks.saved()

    def state(self) -> dict[str, bytes]:
        """All rows."""
        return {key: self._row(key) for key in self._spans}

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Take up rows of channels."""
        for key, value in state.items():
            if key.startswith("seismic/"):
                check_version(self._name, value, self._version)
                self._spans[key] = msgspec.msgpack.decode(memoryview(value)[1:], type=list[_SPAN])

    def _row(self, key: str) -> bytes:
        return bytes([self._version]) + msgspec.msgpack.encode(self._spans[key])


def _longest_new(start_us: Micros, end_us: Micros, spans: list[_SPAN]) -> tuple[Micros, Micros] | None:
    """The longest part of a span that none of `spans` (ascending) covers; the earlier of two as long."""
    best: tuple[Micros, Micros] | None = None
    at = start_us
    for first, last, _ in [*spans, (end_us, end_us, 0)]:
        if last < start_us or first > end_us:
            continue
        stop = min(first, end_us)
        if stop > at and (best is None or stop - at > best[1] - best[0]):
            best = (at, stop)
        at = max(at, last)
    return best


def _ceil_samples(span_us: Micros, rate_hz: float) -> int:
    return int(np.ceil(span_us * rate_hz / SECOND - 0.5))
