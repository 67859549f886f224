"""Quality of landslide points, field by field: repeats, impossible values, lone jumps, values that stand still.

In      one turn of landslide readings
Out     flags, whether each counts, fields without what failed, findings of sick points
State   one row a point; the readings of the last 7 days
Source  IOOS QARTOD (gross range, spike, flat line); EXACT, rules 4 and 7

A field that failed, stands still or was said before is blanked, so that the others still score. Values that are
the same for hours are normal where an instrument rounds: a field is stuck only when it has been the same for
days *and* used to change so often that chance would hardly do that.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.quality.health import Health
from ingest.quality.history import History
from ingest.quality.parameters import QualityParameters, station_limits
from schemas.bundle import Bundle
from schemas.finding import Finding
from schemas.packet import COLUMNS, FAIL, PASS, SUSPECT, Packet
from schemas.rows import StationRows
from schemas.stage import Emitted
from schemas.times import DAY, SECOND, Micros, seconds

HORIZON_US: Micros = 7 * DAY
FIELDS: tuple[str, ...] = tuple(COLUMNS["landslide"])
_NEVER: Micros = -(2**62)
_N = len(FIELDS)
_MEMORY = 1 / 64
"""Weight of one reading in how often a field is known to change: some sixty readings."""

_ROW = np.dtype(
    [
        ("newest_us", "<i8"),
        ("value", "<f8", (_N,)),
        ("step", "<f8", (_N,)),
        ("changes", "<f8", (_N,)),
        ("chance", "<f8", (_N,)),
        ("since_us", "<i8", (_N,)),
    ]
)
"""One point: by field its newest value, the step to it, how often it changes, and since when it does not
and by what chance that would be."""


class LandslideQuality:
    """Judges the readings of all landslide points, turn by turn."""

    def __init__(
        self, name: str, version: int, parameters: QualityParameters, bundle: Bundle, health: Health
    ) -> None:
        self._chance = parameters.flat_chance
        self._health = health
        self._place_of_row = bundle.stations.places_of("landslide")
        stations = [bundle.stations[row] for row in bundle.stations.rows_of("landslide").tolist()]
        self._interval_us = np.array([s.interval_us or DAY for s in stations], dtype=np.int64)
        self._state = np.zeros(len(stations), dtype=_ROW)
        self._state["newest_us"] = _NEVER
        self._state["value"] = np.nan
        self._state["chance"] = 1.0
        self._state["since_us"] = _NEVER
        ids = [station.id for station in stations]
        self.rows = StationRows(name, version, ids, self._state, head="landslide/")
        self.history = History("landslide_said", name, version, ids, _N, HORIZON_US)
        limits = [
            [station_limits(parameters.fields, s.parameters, field) for field in FIELDS] for s in stations
        ]

        def table(attribute: str, missing: float) -> NDArray[np.float64]:
            values = [
                [missing if (value := getattr(q, attribute)) is None else value for q in row]
                for row in limits
            ]
            return np.array(values, dtype=np.float64).reshape(len(stations), _N)

        self._fail = table("fail_min", -np.inf), table("fail_max", np.inf)
        self._suspect = table("suspect_min", -np.inf), table("suspect_max", np.inf)
        self._jump = table("jump", np.inf)
        flat_s = table("flat_line_s", 0.0)
        self._flat_us = np.array(
            [[seconds(v) if v else 2**62 for v in row] for row in flat_s.tolist()], dtype=np.int64
        ).reshape(len(stations), _N)

    def assess(
        self,
        packet: Packet,
        turn: NDArray[np.intp],
        values: NDArray[np.float64],
        flag: NDArray[np.uint8],
        counts: NDArray[np.bool_],
        emitted: list[Emitted],
    ) -> None:
        """Judge the readings `turn`, a point at most once; writes into `values` (n, fields), `flag`, `counts`."""
        places = self._place_of_row[packet.row[turn]]
        observed_us = packet.observed_us[turn]
        said = values[turn]
        known = counts[turn]
        within = observed_us >= packet.log_us[turn] - HORIZON_US
        ordered = within & (observed_us > self._state["newest_us"][places])
        known &= within
        contradicts = np.zeros(len(turn), dtype=bool)
        for k in np.flatnonzero(within & ~ordered).tolist():
            contradicts[k] = self._drop_repeated(int(places[k]), int(observed_us[k]), said[k])
            known[k] = not np.isnan(said[k]).all()
        if known.any():
            self.history.add(places[known], observed_us[known], _bits(said[known]))

        given = ~np.isnan(said)
        failed = given & ((said < self._fail[0][places]) | (said > self._fail[1][places]))
        odd = given & ((said < self._suspect[0][places]) | (said > self._suspect[1][places]))
        odd |= self._jumps(places, observed_us, said, given & ~failed) & ordered[:, None]
        stuck = self._stand_still(places, observed_us, said, given & ~failed, ordered)
        bad = failed | stuck
        said[bad] = np.nan
        left = ~np.isnan(said).all(axis=1)
        flags = np.where(bad.any(axis=1) | odd.any(axis=1) | contradicts, SUSPECT, PASS).astype(np.uint8)
        flags[~left] = FAIL
        # A reading that only repeats is flagged as what it says, not as if it said nothing.
        repeated = within & ~known
        flags[repeated] = np.where(contradicts[repeated], FAIL, PASS)
        values[turn] = said
        flag[turn] = flags
        counts[turn] = known
        self.rows.touch(places)
        self._report(packet, turn, failed, stuck, ordered, emitted)

    # --- tests -------------------------------------------------------------------------------------------------

    def _drop_repeated(self, place: int, observed_us: Micros, said: NDArray[np.float64]) -> bool:
        """Blank the fields that were given for that time before; whether one of them had another value."""
        _, contents = self.history.find(place, observed_us, observed_us)
        contradicts = False
        for before in contents.view(np.float64):
            given = ~np.isnan(before) & ~np.isnan(said)
            contradicts |= bool((before[given] != said[given]).any())
            said[given] = np.nan
        return contradicts

    def _jumps(
        self,
        places: NDArray[np.intp],
        observed_us: NDArray[np.int64],
        said: NDArray[np.float64],
        given: NDArray[np.bool_],
    ) -> NDArray[np.bool_]:
        """Steps that are large, do not come back and do not go on: a lone jump is suspect."""
        state = self._state[places]
        step = said - state["value"]
        limit = self._jump[places]
        large = given & (np.abs(step) > limit)
        soon = (observed_us - state["newest_us"] <= 2 * self._interval_us[places])[:, None]
        goes_on = (np.sign(step) == np.sign(state["step"])) & (np.abs(state["step"]) > limit / 2)
        comes_back = np.abs(step + state["step"]) <= limit / 2
        jumps: NDArray[np.bool_] = large & soon & ~goes_on & ~comes_back
        return jumps

    def _stand_still(
        self,
        places: NDArray[np.intp],
        observed_us: NDArray[np.int64],
        said: NDArray[np.float64],
        given: NDArray[np.bool_],
        ordered: NDArray[np.bool_],
    ) -> NDArray[np.bool_]:
        """Take the newest values into the state; which fields are stuck, (m, fields)."""
        state = self._state[places]
        value, time = state["value"], observed_us[:, None]
        use = given & ordered[:, None]
        again = use & ~np.isnan(value)
        moved = use & (said != value)
        changes = np.where(again, state["changes"] + (moved - state["changes"]) * _MEMORY, state["changes"])
        chance = np.where(
            moved, 1.0, np.where(again, state["chance"] * (1 - state["changes"]), state["chance"])
        )
        since_us = np.where(moved, time, state["since_us"])
        state["step"] = np.where(again, said - value, state["step"])
        state["value"] = np.where(use, said, value)
        state["changes"], state["chance"], state["since_us"] = changes, chance, since_us
        state["newest_us"] = np.where(ordered, observed_us, state["newest_us"])
        self._state[places] = state
        stuck: NDArray[np.bool_] = use & (chance < self._chance) & (time - since_us >= self._flat_us[places])
        return stuck

    # --- sick points -------------------------------------------------------------------------------------------

    def _report(
        self,
        packet: Packet,
        turn: NDArray[np.intp],
        failed: NDArray[np.bool_],
        stuck: NDArray[np.bool_],
        ordered: NDArray[np.bool_],
        emitted: list[Emitted],
    ) -> None:
        rows = packet.row[turn]
        is_stuck: NDArray[np.bool_] = np.any(stuck, axis=1)
        is_failed: NDArray[np.bool_] = np.any(failed, axis=1)
        moves = ordered & ~is_stuck & self._health.is_flat(rows)
        well = ordered & ~is_failed & self._health.is_out_of_range(rows)
        for k in np.flatnonzero(is_stuck | moves | is_failed | well).tolist():
            index, row = int(turn[k]), int(rows[k])
            place = int(self._place_of_row[row])
            observed_us = int(packet.observed_us[index])
            found: list[Finding | None] = []
            if is_stuck[k]:
                at = np.flatnonzero(stuck[k])
                since_us = int(self._state["since_us"][place, at].min())
                evidence = {
                    "fields": [FIELDS[i] for i in at.tolist()],
                    "still_s": (observed_us - since_us) / SECOND,
                    "threshold_s": int(self._flat_us[place, at].min()) / SECOND,
                }
                found.append(self._health.flat_line(row, since_us, observed_us, evidence))
            elif moves[k]:
                found.append(self._health.moves(row, observed_us, {"fields": []}))
            if is_failed[k]:
                beyond = self._beyond(packet, index, place, np.flatnonzero(failed[k]).tolist())
                found.append(self._health.out_of_range(row, observed_us, beyond))
            elif well[k]:
                found.append(self._health.in_range(row, observed_us, {"fields": []}))
            emitted += [Emitted(index, finding) for finding in found if finding is not None]

    def _beyond(self, packet: Packet, index: int, place: int, fields: list[int]) -> dict[str, Any]:
        """What was measured beside the range that it is out of, by field."""
        low, high = self._fail
        return {
            "fields": [FIELDS[i] for i in fields],
            "values": {FIELDS[i]: float(packet.columns[FIELDS[i]][index]) for i in fields},
            "thresholds": {FIELDS[i]: [_limit(low[place, i]), _limit(high[place, i])] for i in fields},
        }


def _limit(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _bits(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """The same values as whole numbers to keep, (m, fields); 0.0 has one form."""
    bits: NDArray[np.int64] = np.ascontiguousarray(values + 0.0).view(np.int64)
    return bits
