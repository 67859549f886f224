"""Application acknowledgements: which numbers of each station are durable, kept in a few machine words a station.

In      (station, `sequence`, `observed_at`) of what has become durable, in any order
Out     `Acknowledgement`s of stations with news, each at most once a second
State   one row a station: the highest number, its time, and a bit for each of the 1,001 numbers down from it

Nothing here is claimed that was not noted: a station that is forgotten for want of room, or that was never seen,
has its numbers missing, which costs its sender a repeat and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from schemas.acknowledgement import WINDOW, Acknowledgement
from schemas.times import Micros, from_micros, to_micros
from schemas.wire import RAW, Count, Moment, ShortText

EVERY_S = 1.0
"""Least time between two acknowledgements of one station, seconds."""
MOST_STATIONS = 200_000
_FULL = (1 << (WINDOW + 1)) - 1
_SEEN_BYTES = (WINDOW + 1 + 7) // 8
_NO_LEVEL_OF_A_TOPIC = frozenset("/+#")

_FIELDS: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Durable(NamedTuple):
    """One message of a station that is in the log or kept as a reject; `observed_us` is None where it has no time."""

    station: str
    number: int
    observed_us: Micros | None


class NumbersRow(NamedTuple):
    """The state of one station as it is stored. `seen`: little-endian, bit i for the number `highest` - i."""

    station: str
    highest: int
    observed_us: Micros | None
    seen: bytes


@dataclass(slots=True)
class _Numbers:
    highest: int
    observed_us: Micros | None
    seen: int
    told_s: float = float("-inf")


class Acknowledgements:
    """The numbers of many stations.

    Parameters
    ----------
    most_stations
        How many are kept; the one that was told least recently goes first.
    """

    def __init__(self, most_stations: int = MOST_STATIONS) -> None:
        self._most = most_stations
        self._stations: dict[str, _Numbers] = {}
        self._untold: dict[str, None] = {}
        self._unsaved: dict[str, None] = {}

    def note(self, station: str, number: int, observed_us: Micros | None) -> None:
        """Take a message that is durable; a number met again is told again."""
        numbers = self._stations.get(station)
        if numbers is None:
            if not is_level(station):
                return
            self._stations[station] = _Numbers(number, observed_us, 1)
            if len(self._stations) > self._most:
                self._drop(next(iter(self._stations)))
        else:
            above = number - numbers.highest
            if above > 0:
                numbers.seen = ((numbers.seen << above) | 1) & _FULL if above <= WINDOW else 1
                numbers.highest, numbers.observed_us = number, observed_us
            elif above >= -WINDOW:
                numbers.seen |= 1 << -above
            else:  # a restarted counter
                numbers.highest, numbers.observed_us, numbers.seen = number, observed_us, 1
        self._untold[station] = None
        self._unsaved[station] = None

    def note_all(
        self, stations: Iterable[str], numbers: Iterable[int], observed_us: Iterable[Micros | None]
    ) -> None:
        """Take messages that are durable, in their order: most are the next of a station that is known."""
        known, untold, unsaved = self._stations, self._untold, self._unsaved
        for station, number, moment in zip(stations, numbers, observed_us, strict=True):
            row = known.get(station)
            if row is not None and number == row.highest + 1:
                row.seen = ((row.seen << 1) | 1) & _FULL
                row.highest, row.observed_us = number, moment
                untold[station] = unsaved[station] = None
            else:
                self.note(station, number, moment)

    def merge(self, station: str, told: Acknowledgement) -> None:
        """Take what another process has acknowledged: it is as durable as what we know.

        It is told again only where we know more than was told, so that the newest word says all that is known.
        """
        observed_us = None if told.observed_at is None else to_micros(told.observed_at)
        below = min(WINDOW, told.sequence)
        gaps = sum(
            1 << (told.sequence - number) for number in told.missing if 0 < told.sequence - number <= below
        )
        theirs = ((1 << (below + 1)) - 1) & ~gaps
        numbers = self._stations.get(station)
        if numbers is None:
            self.note(station, told.sequence, observed_us)
            numbers = self._stations.get(station)
            if numbers is None:  # no name of a station
                return
            del self._untold[station]
        above = told.sequence - numbers.highest
        if above < -WINDOW:  # of before a restart of the counter, or of behind one that we have not met
            return
        ours = numbers.seen >> -above if above <= 0 else numbers.seen << above if above <= WINDOW else 0
        if above > 0:
            numbers.highest, numbers.observed_us = told.sequence, observed_us
            numbers.seen = (ours | theirs) & _FULL
        else:
            numbers.seen |= (theirs << -above) & _FULL
        if above < 0 or ours & ((1 << (below + 1)) - 1) & ~theirs:
            self._untold[station] = None
        self._unsaved[station] = None

    def due(self, now_s: float) -> list[NumbersRow]:
        """What is to be told at a time in seconds of any clock that never goes back; it counts as told then."""
        due = [name for name in self._untold if now_s - self._stations[name].told_s >= EVERY_S]
        for station in due:
            del self._untold[station]
            numbers = self._stations[station] = self._stations.pop(station)
            numbers.told_s = now_s
        return self._rows(due)

    def not_told(self, station: str) -> None:
        """What was due could not be sent: it is due again a second later."""
        if station in self._stations:
            self._untold[station] = None

    def changed(self) -> list[NumbersRow]:
        """Rows that changed since this was last asked."""
        unsaved, self._unsaved = self._unsaved, {}
        return self._rows(unsaved)

    def not_saved(self, rows: Iterable[NumbersRow]) -> None:
        """These could not be stored: they count as changed again."""
        self._unsaved |= dict.fromkeys(row.station for row in rows if row.station in self._stations)

    def restore(self, rows: Iterable[NumbersRow]) -> None:
        """Begin with what an earlier process stored."""
        for row in rows:
            seen = int.from_bytes(row.seen, "little") & _FULL
            self._stations[row.station] = _Numbers(row.highest, row.observed_us, seen | 1)

    def _rows(self, stations: Iterable[str]) -> list[NumbersRow]:
        found = ((station, self._stations[station]) for station in stations)
        return [
            NumbersRow(station, n.highest, n.observed_us, n.seen.to_bytes(_SEEN_BYTES, "little"))
            for station, n in found
        ]

    def _drop(self, station: str) -> None:
        del self._stations[station]
        self._untold.pop(station, None)
        self._unsaved.pop(station, None)


def acknowledgement_of(row: NumbersRow) -> Acknowledgement:
    """What a station is told."""
    below = min(WINDOW, row.highest)
    gaps = ~int.from_bytes(row.seen, "little") & ((1 << (below + 1)) - 1)
    missing = (row.highest - i for i in range(below, 0, -1) if gaps >> i & 1) if gaps else ()
    return Acknowledgement(
        sequence=row.highest,
        observed_at=None if row.observed_us is None else from_micros(row.observed_us),
        missing=tuple(missing),
    )


def is_level(name: str) -> bool:
    """Whether a name can be one level of a topic; brokers part from whoever uses control characters."""
    return name.isprintable() and not _NO_LEVEL_OF_A_TOPIC & set(name)


def durable_of(payload: bytes) -> Iterator[Durable]:
    """The numbered messages in a payload that was kept as a reject: an object, or an array of them."""
    for fields in members(payload):
        station, number = station_of(fields), number_of(fields)
        if station is not None and number is not None:
            yield Durable(station, number, _observed_us(fields))


def members(payload: bytes) -> Iterator[dict[str, msgspec.Raw]]:
    """The objects of a payload as fields whose values are not decoded; what is no object is passed over."""
    text = payload.strip()
    try:
        parts = [bytes(part) for part in RAW.decode(text)] if text.startswith(b"[") else [text]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    for part in parts:
        fields = fields_of(part)
        if fields is not None:
            yield fields


def fields_of(text: bytes) -> dict[str, msgspec.Raw] | None:
    """The fields of one JSON object, their values not decoded; None where it is none."""
    try:
        return _FIELDS.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def station_of(fields: dict[str, msgspec.Raw]) -> str | None:
    """Whose `acks/<station>` a message is acknowledged on; of a forecast its area's. None where that is no topic."""
    named_by = "area" if _value(fields, "kind", str) == "forecast" else "station"
    name = _value(fields, named_by, ShortText)
    return name if isinstance(name, str) and is_level(name) else None


def number_of(fields: dict[str, msgspec.Raw]) -> int | None:
    """The `sequence` of a message; None where it has none that counts."""
    number = _value(fields, "sequence", Count)
    return number if isinstance(number, int) else None


def _observed_us(fields: dict[str, msgspec.Raw]) -> Micros | None:
    observed_at = _value(fields, "observed_at", Moment)
    return None if observed_at is None else to_micros(observed_at)  # type: ignore[arg-type]


def _value(fields: dict[str, msgspec.Raw], name: str, kind: object) -> object:
    raw = fields.get(name)
    if raw is None:
        return None
    try:
        value: object = msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return value
