"""Quality of rain: repeats, overlaps, depths beyond all records, gauges that stand still above nothing.

In      one turn of rain readings
Out     flags, whether each counts, findings of sick gauges
State   one row a gauge; the readings of the last 72 h
Source  DOMAIN, 2.5 and 6; EXACT, rules 4 and 7. Spike and rate tests do not fit rain increments
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
from schemas.packet import FAIL, PASS, SUSPECT, Packet
from schemas.rows import StationRows
from schemas.stage import Emitted
from schemas.times import HOUR, SECOND, Micros, seconds

HORIZON_US: Micros = 72 * HOUR
_NEVER: Micros = -(2**62)
_NO_LIMIT = 2**62

_ROW = np.dtype(
    [
        ("end_us", "<i8"),
        ("widest_us", "<i8"),
        ("tip_um", "<i8"),
        ("same_um", "<i8"),
        ("same_since_us", "<i8"),
        ("same_n", "<i4"),
        ("hour", "<i8"),
        ("hour_um", "<i8"),
    ]
)
"""One gauge: the newest end of a reading that counts, its widest interval, the least depth that it ever gave,
its run of equal depths, this hour."""
_ONE_TIP = 8
"""How many times longer the least depth may stay the same."""


class RainQuality:
    """Judges the rain of all gauges, turn by turn."""

    def __init__(
        self, name: str, version: int, parameters: QualityParameters, bundle: Bundle, health: Health
    ) -> None:
        self._parameters = parameters
        self._health = health
        self._sick_hold_us = seconds(parameters.sick_hold_s)
        self._place_of_row = bundle.stations.places_of("rain")
        rows = bundle.stations.rows_of("rain").tolist()
        ids = [bundle.stations[row].id for row in rows]
        self._state = np.zeros(len(ids), dtype=_ROW)
        for field in ("end_us", "same_since_us", "hour"):
            self._state[field] = _NEVER
        self.rows = StationRows(name, version, ids, self._state, head="rain/")
        self.history = History("rain_said", name, version, ids, 2, HORIZON_US)
        own = [station_limits({}, bundle.stations[row].parameters, "rain_mm") for row in rows]
        self._own_suspect_um = np.array(
            [_NO_LIMIT if q.suspect_max is None else round(q.suspect_max * 1000) for q in own], dtype=np.int64
        )
        self._own_fail_um = np.array(
            [_NO_LIMIT if q.fail_max is None else round(q.fail_max * 1000) for q in own], dtype=np.int64
        )
        self._flat_us = np.array(
            [seconds(q.flat_line_s or parameters.rain_flat_s) for q in own], dtype=np.int64
        )
        self._limits: dict[int, tuple[int, int]] = {}
        self._hour_um = parameters.rain_limits_um(HOUR)

    def assess(
        self,
        packet: Packet,
        turn: NDArray[np.intp],
        flag: NDArray[np.uint8],
        counts: NDArray[np.bool_],
        emitted: list[Emitted],
    ) -> None:
        """Judge the readings `turn` of a packet, a station at most once; writes into `flag` and `counts`."""
        places = self._place_of_row[packet.row[turn]]
        observed_us = packet.observed_us[turn]
        interval_us = packet.columns["interval_us"][turn]
        rain_um = packet.columns["rain_um"][turn]
        flags = self._range_flags(places, rain_um, interval_us)
        state = self._state[places]  # a copy, written back when all tests have seen and changed it
        within = observed_us >= packet.log_us[turn] - HORIZON_US
        next_in_order = within & (observed_us - interval_us >= state["end_us"])
        known = counts[turn]
        known &= within
        out_of_order = np.flatnonzero(within & ~next_in_order)
        if len(out_of_order):
            readings = (c[out_of_order] for c in (places, observed_us, interval_us, rain_um))
            known[out_of_order], verdicts = self._repeats(*readings)
            flags[out_of_order] = np.maximum(flags[out_of_order], verdicts)
        self._remember(places, state, observed_us, interval_us, rain_um, known)
        flags = np.maximum(flags, self._hour_flags(state, observed_us, interval_us, rain_um, next_in_order))
        flat = self._flat_flags(places, state, observed_us, rain_um, next_in_order)
        flags = np.maximum(flags, flat)
        self._state[places] = state
        flag[turn] = flags
        counts[turn] = known
        self.rows.touch(places)
        self._report(packet, turn, flags, flat, next_in_order, emitted)

    # --- tests -------------------------------------------------------------------------------------------------

    def _range_flags(
        self, places: NDArray[np.intp], rain_um: NDArray[np.int64], interval_us: NDArray[np.int64]
    ) -> NDArray[np.uint8]:
        flags = np.full(len(places), PASS, dtype=np.uint8)
        for interval in (
            {int(interval_us[0])} if (interval_us == interval_us[0]).all() else set(interval_us.tolist())
        ):
            if interval not in self._limits:
                self._limits[interval] = self._parameters.rain_limits_um(interval)
            suspect_um, fail_um = self._limits[interval]
            same = interval_us == interval
            flags[same & (rain_um > suspect_um)] = SUSPECT
            flags[same & (rain_um > fail_um)] = FAIL
        flags[(rain_um > self._own_suspect_um[places]) & (flags == PASS)] = SUSPECT
        flags[rain_um > self._own_fail_um[places]] = FAIL
        return flags

    def _hour_flags(
        self,
        state: NDArray[Any],
        observed_us: NDArray[np.int64],
        interval_us: NDArray[np.int64],
        rain_um: NDArray[np.int64],
        ordered: NDArray[np.bool_],
    ) -> NDArray[np.uint8]:
        """Many possible readings can be an impossible hour: the sum of each clock hour so far."""
        hour = (observed_us - 1) // HOUR
        sum_um = np.where(state["hour"] == hour, state["hour_um"], 0) + rain_um
        use = ordered & (interval_us < HOUR)
        state["hour"][use] = hour[use]
        state["hour_um"][use] = sum_um[use]
        suspect_um, fail_um = self._hour_um
        flags = np.full(len(use), PASS, dtype=np.uint8)
        flags[use & (sum_um > suspect_um)] = SUSPECT
        flags[use & (sum_um > fail_um)] = FAIL
        return flags

    def _flat_flags(
        self,
        places: NDArray[np.intp],
        state: NDArray[Any],
        observed_us: NDArray[np.int64],
        rain_um: NDArray[np.int64],
        ordered: NDArray[np.bool_],
    ) -> NDArray[np.uint8]:
        same = (rain_um > 0) & (rain_um == state["same_um"])
        since_us = np.where(same, state["same_since_us"], observed_us)
        n = np.where(same, state["same_n"] + 1, 1)
        state["same_um"][ordered] = rain_um[ordered]
        state["same_since_us"][ordered] = since_us[ordered]
        state["same_n"][ordered] = n[ordered]
        least = ordered & (rain_um > 0) & ((state["tip_um"] == 0) | (rain_um < state["tip_um"]))
        state["tip_um"][least] = rain_um[least]
        if not same.any():
            return np.full(len(places), PASS, dtype=np.uint8)
        patience_us = self._patience_us(places, state["tip_um"], rain_um)
        flags = np.full(len(places), PASS, dtype=np.uint8)
        for times, verdict in ((1, SUSPECT), (2, FAIL)):
            long = observed_us - since_us >= times * patience_us
            flags[ordered & same & long & (n > times * self._parameters.rain_flat_readings)] = verdict
        return flags

    def _patience_us(
        self, places: NDArray[np.intp], tip_um: NDArray[np.int64], rain_um: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """How long one depth may stay the same; of the least depth so far, after it is in the state, longer."""
        # One tip a reading is what drizzle gives for hours; more than one each time is not.
        patience_us: NDArray[np.int64] = self._flat_us[places] * np.where(rain_um > tip_um, 1, _ONE_TIP)
        return patience_us

    # --- repeats -----------------------------------------------------------------------------------------------

    def _repeats(
        self,
        places: NDArray[np.intp],
        observed_us: NDArray[np.int64],
        interval_us: NDArray[np.int64],
        rain_um: NDArray[np.int64],
    ) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
        """Which readings out of order count, and the flags that they get for it."""
        counts = np.zeros(len(places), dtype=bool)
        flags = np.full(len(places), FAIL, dtype=np.uint8)
        first_us = observed_us - interval_us + 1
        last_us = observed_us + self._state["widest_us"][places]
        every = self.history.find_each(places.tolist(), first_us.tolist(), last_us.tolist())
        for k, (times, contents) in enumerate(every):
            same = np.flatnonzero(times == observed_us[k])
            if len(same):
                if (contents[same[0]] == (rain_um[k], interval_us[k])).all():
                    flags[k] = PASS
            elif not (times - contents[:, 1] < observed_us[k]).any():
                counts[k], flags[k] = True, PASS
        return counts, flags

    def _remember(
        self,
        places: NDArray[np.intp],
        state: NDArray[Any],
        observed_us: NDArray[np.int64],
        interval_us: NDArray[np.int64],
        rain_um: NDArray[np.int64],
        known: NDArray[np.bool_],
    ) -> None:
        content = np.stack([rain_um[known], interval_us[known]], axis=1)
        self.history.add(places[known], observed_us[known], content)
        later = known & (observed_us > state["end_us"])
        state["end_us"][later] = observed_us[later]
        wider = known & (interval_us > state["widest_us"])
        state["widest_us"][wider] = interval_us[wider]

    # --- sick gauges -------------------------------------------------------------------------------------------

    def _report(
        self,
        packet: Packet,
        turn: NDArray[np.intp],
        flags: NDArray[np.uint8],
        flat: NDArray[np.uint8],
        ordered: NDArray[np.bool_],
        emitted: list[Emitted],
    ) -> None:
        rows = packet.row[turn]
        failed = ordered & (flags == FAIL) & (flat != FAIL)
        still = ordered & (flat != PASS)
        moves = ordered & ~still & self._health.is_flat(rows)
        well = ordered & (flags == PASS) & self._health.is_out_of_range(rows)
        for k in np.flatnonzero(failed | still | moves | well).tolist():
            index, row = int(turn[k]), int(rows[k])
            observed_us = int(packet.observed_us[index])
            place = int(self._place_of_row[row])
            rain_um, interval_us = (int(packet.columns[c][index]) for c in ("rain_um", "interval_us"))
            evidence: dict[str, Any] = {"rain_mm": rain_um / 1000, "interval_s": interval_us / SECOND}
            found: list[Finding | None] = []
            if still[k]:
                since_us = int(self._state["same_since_us"][place])
                one = np.array([place])
                patience_us = self._patience_us(one, self._state["tip_um"][one], np.array([rain_um]))
                figures = {
                    "still_s": (observed_us - since_us) / SECOND,
                    "threshold_s": int(patience_us[0]) / SECOND,
                }
                found.append(self._health.flat_line(row, since_us, observed_us, evidence | figures))
            elif moves[k]:
                found.append(self._health.moves(row, observed_us, evidence, self._sick_hold_us))
            if failed[k]:
                beyond = self._beyond(place, interval_us)
                found.append(self._health.out_of_range(row, observed_us, evidence | beyond))
            elif well[k]:
                found.append(self._health.in_range(row, observed_us, evidence))
            emitted += [Emitted(index, finding) for finding in found if finding is not None]

    def _beyond(self, place: int, interval_us: Micros) -> dict[str, Any]:
        """The depths in one reading, and in a clock hour, that no gauge can have measured; and this hour's."""
        threshold_um = min(self._limits[interval_us][1], int(self._own_fail_um[place]))
        return {
            "threshold_mm": threshold_um / 1000,
            "hour_mm": int(self._state["hour_um"][place]) / 1000,
            "threshold_hour_mm": self._hour_um[1] / 1000,
        }
