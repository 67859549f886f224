"""Silence: stations that were heard and are heard no more.

In      packets of every kind, whether their readings count or not: a station that speaks is not silent
Out     `station` findings of detector `silence`: level 2 when a station falls silent, 0 when it is heard again
State   one row a station that was ever heard; layout 1
Source  DOMAIN, section 6, silent station: 3 intervals with a floor by kind; floors and factor are our choice

A station is watched from its first reading in the log; a triggered one (interval null) never. Silence lowers
no level of any hazard: these findings tell the people who mend, and since when data are missing.

When most stations of a kind miss a reading at once, the fault lies in what carries them: each is then named
only after twice its limit, so that a short gap of a whole network does not call out every instrument.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from detectors.base import NEVER, StationRows
from schemas.bundle import Bundle
from schemas.finding import Finding, make_finding
from schemas.hazard import Hazard
from schemas.packet import MISSING, PASS, Packet
from schemas.stage import Emitted
from schemas.times import MINUTE, SECOND, Micros, rfc3339, seconds

_NO_DEADLINE: Micros = 2**62
_TEST = "gap_test"
_LEVEL = 2


class SilenceParameters(BaseModel):
    """When a station counts as silent.

    Attributes
    ----------
    intervals
        How many of its own intervals a station may miss.
    floor_s
        The least limit by kind, seconds; kinds that are not named have `other_floor_s`.
    network_share, network_stations
        Where at least this share of a kind's watched stations, and at least so many, are over two thirds of
        their limit, the network is taken to be at fault.
    other_floor_s
        The least limit of the other kinds, seconds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    intervals: Annotated[float, Field(gt=1, le=1000)] = 3.0
    floor_s: dict[str, Annotated[float, Field(gt=0)]] = {
        "rain": 900.0,
        "landslide": 10_800.0,
        "seismic": 30.0,
        "camera": 600.0,
    }
    other_floor_s: Annotated[float, Field(gt=0)] = 900.0
    network_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    network_stations: Annotated[int, Field(ge=2)] = 10


class Silence:
    """Watch all stations at once; a tick costs nothing while no station can be over its limit.

    Dues lie on full minutes of log time. A station that speaks again moves its own limit later; one that is
    heard for the first time gets a due of its own, at a later full minute than its reading.
    """

    name = "silence"
    state_version = 1
    kinds = frozenset({"rain", "landslide", "seismic", "camera", "object"})

    _ROW = np.dtype(
        [("heard_us", "<i8"), ("interval_us", "<i8"), ("silent", "?"), ("put_off", "?"), ("number", "<i4")]
    )

    def __init__(self, parameters: SilenceParameters, bundle: Bundle) -> None:
        self.parameters = parameters
        self.stations = bundle.stations
        n = len(self.stations)
        self._own_us = self.stations.interval_us
        self._floor_us = np.array(
            [
                seconds(parameters.floor_s.get(station.kind, parameters.other_floor_s))
                for station in self.stations
            ],
            dtype=np.int64,
        )
        kinds = sorted({station.kind for station in self.stations})
        self._members = [self.stations.rows_of(kind) for kind in kinds]
        self._state = np.zeros(n, dtype=self._ROW)
        self._state["heard_us"] = NEVER
        self._deadline_us = np.full(n, _NO_DEADLINE, dtype=np.int64)
        self._earliest_us: Micros = _NO_DEADLINE
        self._rows = StationRows(
            self.name, self.state_version, [station.id for station in self.stations], self._state
        )

    def process(self, packet: Packet, now: Micros) -> list[Emitted]:
        del now
        # A forecast has row -1: it is no station's word.
        heard = packet.row >= 0
        row = packet.row[heard]
        interval_us = self._own_us[row]
        if "interval_us" in packet.columns:
            # A gauge that reports by the hour is not late by its configured five minutes.
            stated = packet.columns["interval_us"][heard]
            interval_us = np.where(interval_us > 0, np.maximum(interval_us, stated), 0)
        emitted: list[Emitted] = []
        if self._state["silent"][row].any():
            emitted = self._heard_again(packet)
        # Log time never falls, so that of a station's several rows the last one's is the newest.
        self._state["heard_us"][row] = packet.log_us[heard]
        self._state["interval_us"][row] = interval_us
        self._state["put_off"][row] = False
        self._rows.touch(row)
        self._set_deadlines(row)
        return emitted

    def tick(self, now: Micros) -> list[Finding]:
        if now <= self._earliest_us:
            return []
        over = self._deadline_us < now
        put_off = over & ~self._state["put_off"] & self._of_a_silent_network(now)
        self._state["put_off"][put_off] = True
        self._deadline_us[put_off] += self._limit_us(put_off)
        silent = np.flatnonzero(over & ~put_off)
        self._state["silent"][silent] = True
        self._deadline_us[silent] = _NO_DEADLINE
        findings = [
            self._finding(row, _LEVEL, now, int(self._state["heard_us"][row]), now) for row in silent.tolist()
        ]
        self._rows.touch(np.flatnonzero(over))
        self._earliest_us = int(self._deadline_us.min())
        return findings

    def _of_a_silent_network(self, now: Micros) -> NDArray[np.bool_]:
        """Which stations belong to a kind that is mostly unheard, (n,)."""
        result = np.zeros(len(self._state), dtype=bool)
        for rows in self._members:
            watched = rows[(self._deadline_us[rows] < _NO_DEADLINE) & (self._state["heard_us"][rows] > NEVER)]
            unheard_us = now - self._state["heard_us"][watched]
            late = int(np.count_nonzero(3 * unheard_us > 2 * self._limit_us(watched)))
            enough = max(self.parameters.network_stations, self.parameters.network_share * len(watched))
            result[rows] = late >= enough
        return result

    def next_due(self) -> Micros | None:
        if self._earliest_us == _NO_DEADLINE:
            return None
        return (self._earliest_us // MINUTE + 1) * MINUTE

    def changed(self) -> Mapping[str, bytes | None]:
        return self._rows.changed()

    def saved(self, token: Any) -> None:
        del token
        self._rows.saved()

    def state(self) -> Mapping[str, bytes]:
        return self._rows.state()

    def restore(self, state: Mapping[str, bytes]) -> None:
        self._rows.restore(state)
        watched = np.flatnonzero((self._state["heard_us"] > NEVER) & ~self._state["silent"])
        self._set_deadlines(watched)

    def _limit_us(self, row: Any) -> NDArray[np.int64]:
        own_us = np.rint(self.parameters.intervals * self._state["interval_us"][row]).astype(np.int64)
        limit_us: NDArray[np.int64] = np.maximum(own_us, self._floor_us[row])
        return limit_us

    def _set_deadlines(self, row: Any) -> None:
        limit_us = self._limit_us(row) * (1 + self._state["put_off"][row])
        deadline_us = np.where(
            self._state["interval_us"][row] > 0, self._state["heard_us"][row] + limit_us, _NO_DEADLINE
        )
        self._deadline_us[row] = deadline_us
        if len(deadline_us):
            self._earliest_us = min(self._earliest_us, int(deadline_us.min()))

    def _heard_again(self, packet: Packet) -> list[Emitted]:
        emitted = []
        for index in np.flatnonzero(self._state["silent"][packet.row] & (packet.row >= 0)).tolist():
            row = int(packet.row[index])
            if not self._state["silent"][row]:
                continue  # an earlier row of this packet said so
            self._state["silent"][row] = False
            now = int(packet.log_us[index])
            since = int(self._state["heard_us"][row])
            emitted.append(Emitted(index, self._finding(row, 0, now, since, now)))
        return emitted

    def _finding(self, row: int, level: int, observed_us: Micros, since_us: Micros, now: Micros) -> Finding:
        station = self.stations[row]
        self._state["number"][row] += 1
        limit_us = int(self._limit_us([row])[0])
        return make_finding(
            hazard=Hazard.STATION,
            detector=self.name,
            level=level,
            area=station.area,
            stations=(station.id,),
            observed_us=observed_us,
            evidence={
                "test": _TEST,
                "flag": MISSING if level else PASS,
                "since": rfc3339(since_us),
                "silent_s": (now - since_us) // SECOND,
                "limit_s": limit_us // SECOND,
            },
            number=int(self._state["number"][row]),
            subject=station.id,
            position=(station.lon, station.lat),
        )
