"""Rows of state: a stage's arrays as the smallest parts that change together, keyed by station id.

Stages of the quality room and of the detectors keep their state with these; see `schemas.stage.Kept`.

Source  EXACT, rule 13
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.stage import UnknownState


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

    Notes
    -----
    Stations that were never touched have no row.
    """

    def __init__(self, name: str, version: int, ids: Sequence[str], array: NDArray[Any]) -> None:
        self.name = name
        self.version = version
        self.ids = tuple(ids)
        self.array = array
        self._present = np.zeros(len(ids), dtype=bool)
        self._dirty = np.zeros(len(ids), dtype=bool)
        self._handed = np.zeros(len(ids), dtype=bool)

    def touch(self, places: NDArray[np.intp] | int) -> None:
        """These rows changed."""
        self._present[places] = True
        self._dirty[places] = True

    def changed(self) -> dict[str, bytes | None]:
        """Rows changed since the last saved checkpoint."""
        self._handed |= self._dirty
        self._dirty[:] = False
        return dict(self._rows(np.flatnonzero(self._handed)))

    def saved(self) -> None:
        """The checkpoint of the last `changed()` is durable; what changed since then stays unsaved."""
        self._handed[:] = False

    def state(self) -> dict[str, bytes]:
        """All rows."""
        return self._rows(np.flatnonzero(self._present))

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Take up rows; keys of stations that are gone are ignored."""
        place_of = {station: place for place, station in enumerate(self.ids)}
        for key, value in state.items():
            place = place_of.get(key)
            if place is None:
                continue
            check_version(self.name, value, self.version)
            self.array[place] = np.frombuffer(value, dtype=self.array.dtype, offset=1)[0]
            self._present[place] = True

    def _rows(self, places: NDArray[np.intp]) -> dict[str, bytes]:
        head = bytes([self.version])
        return {self.ids[place]: head + self.array[place].tobytes() for place in places.tolist()}


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
        raise UnknownState(f"{name}: state of version {found}, this release reads {version}")
