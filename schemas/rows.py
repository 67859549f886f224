"""Rows of state: a stage's arrays as the smallest parts that change together, keyed by station id.

Stages of the quality room and of the detectors keep their state with these; see `schemas.stage.Kept`.

Source  EXACT, rule 13
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.stage import UnknownState

PARTS = 64
BLOCKS_FROM = 4096
"""Below so many stations a row is a station's."""
_KEPT = 8 * PARTS
_BLOCK = "*"
"""Stands in the key of a part's row; no station id begins with it."""


class Parts:
    """Stations in parts by a hash of their ids, which holds whatever the configuration; `parts_of` makes them.

    Attributes
    ----------
    of
        By place, its part, (n,).
    members
        By part, the places in it, ascending.
    place_of
        Places by id.
    """

    def __init__(self, ids: tuple[str, ...]) -> None:
        self._ids = ids
        self.place_of = {station: place for place, station in enumerate(ids)}
        self.of = np.array([zlib.crc32(i.encode()) % PARTS for i in ids], dtype=np.uint8)
        self.members = [np.flatnonzero(self.of == part) for part in range(PARTS)]
        self._names: dict[tuple[int, bytes], msgspec.Raw] = {}
        self._places: dict[bytes, NDArray[np.intp]] = {}

    def names(self, part: int, chosen: NDArray[np.bool_]) -> msgspec.Raw:
        """Ids of the chosen members of a part, encoded; nearly always the same ones are chosen, so they are kept."""
        key = (part, np.packbits(chosen).tobytes())
        if key not in self._names:
            if len(self._names) >= _KEPT:
                self._names.clear()
            ids = [self._ids[place] for place in self.members[part][chosen].tolist()]
            self._names[key] = msgspec.Raw(msgspec.msgpack.encode(ids))
        return self._names[key]

    def places(self, names: msgspec.Raw) -> NDArray[np.intp]:
        """Places of what `names` encoded, maybe for another configuration; -1 for stations that are gone."""
        key = bytes(names)
        if key not in self._places:
            if len(self._places) >= _KEPT:
                self._places.clear()
            ids = msgspec.msgpack.decode(key, type=list[str])
            self._places[key] = np.array([self.place_of.get(i, -1) for i in ids], dtype=np.intp)
        return self._places[key]


@functools.lru_cache(maxsize=8)
def parts_of(ids: tuple[str, ...]) -> Parts:
    """The parts of some stations; several stages keep rows of the same ones, and it takes a while for very many."""
    return Parts(ids)


class StationRows:
    """State of a detector as rows keyed by station id, and which of them are not saved yet.

    Parameters
    ----------
    name, version
        The stage's name, for its errors, and the version of its state; the first byte of every row.
    ids
        Station ids by place.
    array
        (n,) of a structured type, the state itself; a row's bytes are its element's.
    head
        What the keys of its rows begin with, where a stage has several of these.

    Notes
    -----
    Stations that were never touched have no row. From `BLOCKS_FROM` stations on, those of one part share a row: in a
    few seconds most of them change, and a database takes a large row as fast as a small one. Rows of either form are
    read whatever the number of stations.
    """

    def __init__(
        self, name: str, version: int, ids: Sequence[str], array: NDArray[Any], head: str = ""
    ) -> None:
        self.name = name
        self.version = version
        self.ids = tuple(ids)
        self.array = array
        self._head = head
        self._present = np.zeros(len(ids), dtype=bool)
        self._dirty = np.zeros(len(ids), dtype=bool)
        self._handed = np.zeros(len(ids), dtype=bool)
        self._parts = parts_of(self.ids) if len(ids) >= BLOCKS_FROM else None

    def touch(self, places: NDArray[np.intp] | int) -> None:
        """These rows changed."""
        self._present[places] = True
        self._dirty[places] = True

    def changed(self) -> dict[str, bytes | None]:
        """Rows changed since the last saved checkpoint."""
        self._handed |= self._dirty
        self._dirty[:] = False
        return dict(self._rows(self._handed))

    def saved(self) -> None:
        """The checkpoint of the last `changed()` is durable; what changed since then stays unsaved."""
        self._handed[:] = False

    def state(self) -> dict[str, bytes]:
        """All rows."""
        return self._rows(self._present)

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Take up rows; keys of stations that are gone are ignored."""
        parts = parts_of(self.ids)
        place_of = parts.place_of
        head, block = len(self._head), f"{self._head}{_BLOCK}"
        blocks = []
        for key, value in state.items():
            if not key.startswith(self._head):
                continue
            if key.startswith(block):
                blocks.append(value)
                continue
            place = place_of.get(key[head:])
            if place is not None:
                check_version(self.name, value, self.version)
                self.array[place] = np.frombuffer(value, dtype=self.array.dtype, offset=1)[0]
                self._present[place] = True
        for value in blocks:
            check_version(self.name, value, self.version)
            names, rows = msgspec.msgpack.decode(memoryview(value)[1:], type=tuple[msgspec.Raw, bytes])
            places = parts.places(names)
            known = places >= 0
            self.array[places[known]] = np.frombuffer(rows, dtype=self.array.dtype)[known]
            self._present[places[known]] = True

    def _rows(self, chosen: NDArray[np.bool_]) -> dict[str, bytes]:
        head = bytes([self.version])
        if self._parts is None:
            return {
                self._head + self.ids[place]: head + self.array[place].tobytes()
                for place in np.flatnonzero(chosen).tolist()
            }
        rows = {}
        for part in np.unique(self._parts.of[chosen]).tolist():
            members = self._parts.members[part]
            there = self._present[members]
            body = (self._parts.names(part, there), self.array[members[there]].tobytes())
            rows[f"{self._head}{_BLOCK}{part:02x}"] = head + msgspec.msgpack.encode(body)
        return rows


class Marks:
    """Which keys of a stage's state are not saved yet, where the state is not one array."""

    def __init__(self) -> None:
        self._new: set[str] = set()
        self._handed: set[str] = set()

    def touch(self, key: str) -> None:
        """What stands under this key changed, came or went."""
        self._new.add(key)

    def take(self) -> list[str]:
        """Keys changed since the last saved checkpoint, sorted; to be called by `changed()`."""
        self._handed |= self._new
        self._new.clear()
        return sorted(self._handed)

    def saved(self) -> None:
        """The checkpoint of the last `take()` is durable."""
        self._handed.clear()


def check_version(name: str, value: bytes, version: int) -> None:
    """See that a row was written by a release that this one reads.

    Raises
    ------
    UnknownState
        It was not.
    """
    found = value[0] if value else None
    if found != version:
        raise UnknownState(
            f"{name}: state of version {found}, this release reads {version}; start the release that wrote it"
        )
