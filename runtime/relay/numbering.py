"""Numbering: a payload of a device becomes messages, each with the `sequence` by which it is acknowledged.

In      payloads as devices sent them; the last number of each station
Out     messages of one reading each, their content untouched but for `sequence`

A station's numbers only grow: its own is kept where it is greater than the last, else the next one is given (a device
that numbers nothing, one whose counter began anew, a repeat). A station that was never met begins at the clock's
milliseconds, so that a relay that lost its disk goes on above what the engine knows. What has no station, or is no
JSON, gets no number: it goes as it came, for the engine to keep as a reject.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from ingest.acknowledgement import fields_of, is_level, number_of, station_of
from ingest.decoders.canonical import MAX_BYTES
from ingest.sources.mqtt import TOPIC_ROOT
from schemas.wire import RAW

UNNUMBERED_TOPIC = f"{TOPIC_ROOT}/unnumbered"
MOST_OWN = 2**62
"""A number of a device's own from here on is not kept: none could follow it."""


class Message(NamedTuple):
    """What is forwarded. `station` and `number` are None where the engine could not acknowledge it."""

    station: str | None
    number: int | None
    topic: str
    body: bytes


class Held(NamedTuple):
    """A message on the disk, without its body."""

    id: int
    station: str | None
    number: int | None


class Numbering:
    """Gives numbers.

    Parameters
    ----------
    last
        The last number of each station that was met.
    first
        The number of a station that was never met: milliseconds of the clock.
    """

    def __init__(self, last: Mapping[str, int], first: Callable[[], int]) -> None:
        self._last = dict(last)
        self._first = first
        self._changed: dict[str, int] = {}

    def take(self, payload: bytes, named: tuple[str, str] | None) -> list[Message]:
        """The messages of a payload; `named`: kind and station of the topic on which it came, where it names them."""
        return [self._number(part, named) for part in _parts(payload)]

    def changed(self) -> dict[str, int]:
        """Last numbers that changed since this was last asked."""
        changed, self._changed = self._changed, {}
        return changed

    def _number(self, text: bytes, named: tuple[str, str] | None) -> Message:
        fields = fields_of(text)
        station = None if fields is None else station_of(fields)
        # The topic stays that on which it came, so that the engine still sees one that names another station.
        kind, place = named or (_kind_of(fields), station)
        topic = f"{TOPIC_ROOT}/{kind}/{place}" if _is_level(kind) and _is_level(place) else UNNUMBERED_TOPIC
        if fields is None or station is None:
            return Message(None, None, topic, text)
        last, own = self._last.get(station), number_of(fields)
        if own is not None and own < MOST_OWN and (last is None or own > last):
            number, body = own, text
        else:
            number = self._first() if last is None else last + 1
            body = msgspec.json.encode({**fields, "sequence": number})
        if len(body) > MAX_BYTES:  # the engine keeps only its beginning, which has no number
            return Message(None, None, topic, body)
        self._last[station] = self._changed[station] = number
        return Message(station, number, topic, body)


def _parts(payload: bytes) -> list[bytes]:
    text = payload.strip()
    if not text.startswith(b"[") or len(text) > MAX_BYTES:
        return [text]
    try:
        return [bytes(part) for part in RAW.decode(text)] or [text]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return [text]


def _kind_of(fields: dict[str, msgspec.Raw] | None) -> str | None:
    if fields is None or "kind" not in fields:
        return None
    try:
        kind = msgspec.json.decode(fields["kind"], type=str)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return kind


def _is_level(name: str | None) -> bool:
    return name is not None and 0 < len(name) <= 64 and is_level(name)
