"""Packets: many readings of one kind and one association area, as columns.

A packet holds n readings: `row` (the station's row in the bundle), times as int64 microseconds, and the
kind's own columns of length n. What varies in length (samples, detections) lies flat in `parts`, with
`offsets` of length n + 1. Packets are never changed: every operation returns another.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Column = NDArray[Any]

PASS, NOT_EVALUATED, SUSPECT, FAIL, MISSING = 1, 2, 3, 4, 9
"""Flags of the IOOS QARTOD scheme."""

UNITS: tuple[str, ...] = ("m/s2", "m/s", "count")
"""Units of seismic samples; a packet's `unit` column holds the place in this tuple."""
LABELS: tuple[str, ...] = ("smoke", "flame")
"""Labels of camera detections; a packet's `label` part holds the place in this tuple."""

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "rain": {"rain_um": "<i8", "interval_us": "<i8"},
    "landslide": {
        "displacement_mm": "<f8",
        "crack_mm": "<f8",
        "gnss_east_mm": "<f8",
        "gnss_north_mm": "<f8",
        "gnss_up_mm": "<f8",
        "tilt_x_deg": "<f8",
        "tilt_y_deg": "<f8",
        "soil_moisture_pct": "<f8",
        "pore_pressure_kpa": "<f8",
        "groundwater_m": "<f8",
    },
    "seismic": {"channel": "S8", "sample_rate_hz": "<f8", "unit": "u1"},
    "camera": {"azimuth_deg": "<f8", "field_of_view_deg": "<f8", "max_temperature_c": "<f8"},
    "object": {},
}
"""Columns of each kind and their types; rain in whole thousandths of a millimetre (`rain_um`), absent floats NaN."""
PARTS: Mapping[str, Mapping[str, str]] = {
    "seismic": {"samples": "<f8"},
    "camera": {"label": "u1", "confidence": "<f8", "x0": "<f8", "y0": "<f8", "x1": "<f8", "y1": "<f8"},
}
"""Flat columns of what varies in length, one entry a sample or detection."""
TEXTS: Mapping[str, tuple[str, ...]] = {"camera": ("image_url", "video_url"), "object": ("payload",)}
"""Text columns, one text (maybe empty) a reading; an object's `payload` is its JSON."""

COMMON: Mapping[str, str] = {"sequence": "<i8", "battery_v": "<f4", "signal_dbm": "<f4"}
"""Columns that every kind has beside row and times; -1 or NaN where the station did not say."""


@dataclass(frozen=True, slots=True)
class Packet:
    """Readings as columns; see the module.

    Attributes
    ----------
    kind : str
        `rain`, `landslide`, `seismic`, `camera`, or `object` for all others.
    bundle : str
        Hash of the configuration bundle whose rows `row` counts.
    row : (n,) int32
    observed_us, received_us : (n,) int64
    log_us : (n,) int64
        `now` of the log at each row, never falling; set by the pipeline, equal to `received_us` before.
    flag : (n,) uint8
        QARTOD flag; set by the quality stage.
    counts : (n,) bool
        False for a repeat, a conflict, an overlap and a reading past the horizon: kept, but it scores nothing.
    """

    kind: str
    bundle: str
    row: Column
    observed_us: Column
    received_us: Column
    log_us: Column
    flag: Column
    counts: Column
    columns: dict[str, Column]
    offsets: Column | None = None
    parts: dict[str, Column] = field(default_factory=dict)
    texts: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.row)

    def with_log_time(self, log_us: Column) -> Packet:
        """The same readings under the log's time, (n,) int64."""
        return replace(self, log_us=log_us)

    def assessed(self, flag: Column, counts: Column) -> Packet:
        """The same readings with their flags, (n,) uint8, and whether they count, (n,) bool."""
        return replace(self, flag=flag, counts=counts)

    def span(self, start: int, stop: int) -> Packet:
        """Rows `start` to before `stop`, as views."""
        if start == 0 and stop == len(self):
            return self
        cut = slice(start, stop)
        offsets, parts = self.offsets, self.parts
        if offsets is not None:
            low, high = int(offsets[start]), int(offsets[stop])
            parts = {name: part[low:high] for name, part in parts.items()}
            offsets = offsets[start : stop + 1] - low
        return Packet(
            self.kind,
            self.bundle,
            self.row[cut],
            self.observed_us[cut],
            self.received_us[cut],
            self.log_us[cut],
            self.flag[cut],
            self.counts[cut],
            {name: column[cut] for name, column in self.columns.items()},
            offsets,
            parts,
            {name: texts[cut] for name, texts in self.texts.items()},
        )

    def only(self, chosen: Column) -> Packet:
        """The readings where `chosen`, (n,) bool, is true."""
        if chosen.all():
            return self
        offsets, parts = self.offsets, self.parts
        if offsets is not None:
            lengths = np.diff(offsets)
            of_chosen = np.repeat(chosen, lengths)
            parts = {name: part[of_chosen] for name, part in parts.items()}
            offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths[chosen])])
        return Packet(
            self.kind,
            self.bundle,
            self.row[chosen],
            self.observed_us[chosen],
            self.received_us[chosen],
            self.log_us[chosen],
            self.flag[chosen],
            self.counts[chosen],
            {name: column[chosen] for name, column in self.columns.items()},
            offsets,
            parts,
            {name: tuple(itertools.compress(texts, chosen)) for name, texts in self.texts.items()},
        )

    def part(self, name: str, index: int) -> Column:
        """What reading `index` has of a part, (k,): its samples, or one field of its detections."""
        assert self.offsets is not None
        return self.parts[name][int(self.offsets[index]) : int(self.offsets[index + 1])]

    def turns(self) -> Iterator[NDArray[np.intp]]:
        """Indices of the readings, a station at most once a turn, each turn in row order.

        The k-th turn holds every station's k-th reading in the packet, so a station's own readings keep
        their order. What is found must be put back in order of the index before it is handed on.
        """
        n = len(self)
        if n == 0:
            return
        again = _of_stations_met_again(self.row)
        if not len(again):
            yield np.arange(n)
            return
        rows = self.row[again]
        order = np.argsort(rows, kind="stable")
        starts = np.flatnonzero(np.diff(rows[order], prepend=rows[order[0]] - 1))
        turn = np.zeros(n, dtype=np.intp)
        turn[again[order]] = np.arange(len(again)) - np.repeat(starts, np.diff(np.append(starts, len(again))))
        yield np.flatnonzero(turn == 0)
        later = again[turn[again] > 0]
        later = later[np.argsort(turn[later], kind="stable")]
        edges = np.flatnonzero(np.diff(turn[later], prepend=0, append=n))
        for start, stop in itertools.pairwise(edges):
            yield later[start:stop]


def _of_stations_met_again(row: Column) -> NDArray[np.intp]:
    """Indices of the readings of stations that have several, ascending: in most packets few or none."""
    low, high = int(row.min()), int(row.max())
    if high - low > 16 * len(row):
        # Counting would go over more stations than there are readings to sort.
        order = np.argsort(row, kind="stable")
        same = row[order[1:]] == row[order[:-1]]
        return np.union1d(order[1:][same], order[:-1][same])
    counts = np.bincount(row - low)
    if len(row) == np.count_nonzero(counts):
        return np.empty(0, dtype=np.intp)
    return np.flatnonzero(counts[row - low] > 1)


def make_packet(
    kind: str,
    bundle: str,
    row: Sequence[int] | Column,
    observed_us: Sequence[int] | Column,
    received_us: Sequence[int] | Column,
    columns: Mapping[str, Sequence[Any] | Column],
    *,
    lengths: Sequence[int] | Column | None = None,
    parts: Mapping[str, Sequence[Any] | Column] | None = None,
    texts: Mapping[str, Sequence[str]] | None = None,
) -> Packet:
    """A packet from plain sequences, not yet assessed; `lengths`: parts a reading, where the kind has parts.

    Columns that are left out are filled with "not said" (NaN, -1, empty text).
    """
    n = len(row)
    types = {**COMMON, **COLUMNS[kind]}
    full: dict[str, Column] = {}
    for name, dtype in types.items():
        given = columns.get(name)
        if given is None:
            blank: Any = np.nan if dtype[1] == "f" else -1
            full[name] = np.full(n, blank, dtype=dtype)
        else:
            full[name] = np.asarray(given, dtype=dtype)
    offsets: Column | None = None
    if kind in PARTS:
        offsets = np.zeros(n + 1, dtype=np.int64)
        np.cumsum(np.asarray(lengths if lengths is not None else [0] * n), out=offsets[1:])
    received = np.asarray(received_us, dtype=np.int64)
    return Packet(
        kind,
        bundle,
        np.asarray(row, dtype=np.int32),
        np.asarray(observed_us, dtype=np.int64),
        received,
        received,
        np.full(n, NOT_EVALUATED, dtype=np.uint8),
        np.ones(n, dtype=bool),
        full,
        offsets,
        {
            name: np.asarray((parts or {}).get(name, ()), dtype=dtype)
            for name, dtype in PARTS.get(kind, {}).items()
        },
        {name: tuple((texts or {}).get(name) or ("",) * n) for name in TEXTS.get(kind, ())},
    )


def merged(packets: Sequence[Packet]) -> Packet:
    """One packet of several of the same kind and bundle, in their order."""
    head = packets[0]
    if len(packets) == 1:
        return head
    offsets: Column | None = None
    if head.offsets is not None:
        lengths = np.concatenate([np.diff(p.offsets) for p in packets if p.offsets is not None])
        offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])

    def joined(name: str) -> Column:
        return np.concatenate([getattr(p, name) for p in packets])

    return Packet(
        head.kind,
        head.bundle,
        joined("row"),
        joined("observed_us"),
        joined("received_us"),
        joined("log_us"),
        joined("flag"),
        joined("counts"),
        {name: np.concatenate([p.columns[name] for p in packets]) for name in head.columns},
        offsets,
        {name: np.concatenate([p.parts[name] for p in packets]) for name in head.parts},
        {name: tuple(text for p in packets for text in p.texts[name]) for name in head.texts},
    )
