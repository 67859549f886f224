"""Health: stations whose readings fail a test for a while, as one finding when they fall sick and one when well.

In      verdicts of the tests, reading by reading
Out     `station` findings of detectors `quality.flat_line` and `quality.gross_range`
State   one row a station that was ever sick
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.bundle import Bundle
from schemas.finding import Finding, make_finding
from schemas.hazard import Hazard
from schemas.packet import FAIL, PASS
from schemas.rows import StationRows
from schemas.times import Micros, rfc3339

FLAT_LINE, GROSS_RANGE = 0, 1
_DETECTOR = ("quality.flat_line", "quality.gross_range")
_TEST = ("flat_line_test", "gross_range_test")
_LEVEL = 2

_ROW = np.dtype(
    [("sick", "?", (2,)), ("since_us", "<i8", (2,)), ("failed_us", "<i8", (2,)), ("number", "<i4", (2,))]
)


class Health:
    """Which stations are sick, by test; a station's readings come in the order of the log.

    Parameters
    ----------
    hold_us
        How long a station must pass before its `gross_range` finding ends.

    Notes
    -----
    Verdicts and times of one station may come in any order; a finding's end is told by event time.
    """

    def __init__(self, name: str, version: int, bundle: Bundle, hold_us: Micros) -> None:
        self._stations = bundle.stations
        self._hold_us = hold_us
        self._state = np.zeros(len(bundle.stations), dtype=_ROW)
        ids = [station.id for station in bundle.stations]
        self.rows = StationRows(name, version, ids, self._state, head="health/")

    def flat_line(
        self, row: int, since_us: Micros, observed_us: Micros, evidence: dict[str, Any]
    ) -> Finding | None:
        """A station's values stand still since `since_us`; a finding where it was well."""
        self._state["failed_us"][row, FLAT_LINE] = max(
            observed_us, int(self._state["failed_us"][row, FLAT_LINE])
        )
        self.rows.touch(row)
        if self._state["sick"][row, FLAT_LINE]:
            return None
        self._state["since_us"][row, FLAT_LINE] = since_us
        return self._turn(row, FLAT_LINE, True, observed_us, evidence)

    def moves(
        self, row: int, observed_us: Micros, evidence: dict[str, Any], hold_us: Micros = 0
    ) -> Finding | None:
        """A station that stood still moves again; a finding where it has done so for `hold_us`."""
        if observed_us - int(self._state["failed_us"][row, FLAT_LINE]) < hold_us:
            return None
        return self._turn(row, FLAT_LINE, False, observed_us, evidence)

    def is_flat(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
        """Which stations have an open `flat_line` finding, (m,)."""
        flat: NDArray[np.bool_] = self._state["sick"][rows, FLAT_LINE]
        return flat

    def is_out_of_range(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
        """Which stations have an open `gross_range` finding, (m,)."""
        out: NDArray[np.bool_] = self._state["sick"][rows, GROSS_RANGE]
        return out

    def out_of_range(self, row: int, observed_us: Micros, evidence: dict[str, Any]) -> Finding | None:
        """A reading failed the gross range; a finding where the station was well."""
        self._state["failed_us"][row, GROSS_RANGE] = max(
            observed_us, int(self._state["failed_us"][row, GROSS_RANGE])
        )
        self.rows.touch(row)
        if self._state["sick"][row, GROSS_RANGE]:
            return None
        self._state["since_us"][row, GROSS_RANGE] = observed_us
        return self._turn(row, GROSS_RANGE, True, observed_us, evidence)

    def in_range(self, row: int, observed_us: Micros, evidence: dict[str, Any]) -> Finding | None:
        """A reading of a sick station passed; a finding where it has passed for long enough."""
        if observed_us - int(self._state["failed_us"][row, GROSS_RANGE]) < self._hold_us:
            return None
        return self._turn(row, GROSS_RANGE, False, observed_us, evidence)

    def _turn(
        self, row: int, test: int, sick: bool, observed_us: Micros, evidence: dict[str, Any]
    ) -> Finding:
        self._state["sick"][row, test] = sick
        self._state["number"][row, test] += 1
        self.rows.touch(row)
        station = self._stations[row]
        return make_finding(
            hazard=Hazard.STATION,
            detector=_DETECTOR[test],
            level=_LEVEL if sick else 0,
            area=station.area,
            stations=(station.id,),
            observed_us=observed_us,
            evidence={
                "test": _TEST[test],
                "flag": FAIL if sick else PASS,
                "since": rfc3339(int(self._state["since_us"][row, test])),
                **evidence,
            },
            number=int(self._state["number"][row, test]),
            subject=station.id,
            position=(station.lon, station.lat),
        )
