"""Association: which picks are the P waves of one source, and which belong to a source that is known.

Picks fit a source if they miss its predicted P by little; what comes between that P and the slow end of the
surface waves is *explained*: it may not found another event by itself (S and coda trigger too).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from detectors.seismic.items import Pick
from detectors.seismic.locate import Observed, Waiting, distance_km, locate, p_travel_s
from detectors.seismic.parameters import SeismicParameters
from schemas.station import Station
from schemas.times import SECOND, Micros

_SLOWEST_KM_S = 2.8
_TRAIN_END_S = 2.0
_LATE_S = 2.0
_ROUNDS = 2
_MOVEOUT = 0.04


class Hypocentre(msgspec.Struct, frozen=True):
    """A source in space and time."""

    lon: float
    lat: float
    depth_km: float
    origin_us: Micros
    misfit_s: float
    sigma_km: float


class Fit(NamedTuple):
    """A source and the picks that fit it, a station at most one, by station."""

    source: Hypocentre
    used: dict[str, Pick]


class Associator:
    """Fits sources to picks.

    Parameters
    ----------
    stations
        By id; picks of others are not to be given.
    """

    def __init__(self, parameters: SeismicParameters, stations: Mapping[str, Station]) -> None:
        self.parameters = parameters
        self.stations = stations

    def epicentral_km(self, source: Hypocentre, station: str) -> float:
        """Distance of a station from a source."""
        at = self.stations[station]
        return distance_km(source.lon, source.lat, at.lon, at.lat)

    def p_arrival_us(self, source: Hypocentre, station: str) -> Micros:
        """When P of a source reaches a station."""
        travel_s = p_travel_s(self.epicentral_km(source, station), source.depth_km, self.parameters)
        return source.origin_us + round(travel_s * SECOND)

    def train_end_us(self, source: Hypocentre, station: str) -> Micros:
        """When the slow end of its waves has passed a station."""
        travel_s = self.epicentral_km(source, station) / _SLOWEST_KM_S + _TRAIN_END_S
        return source.origin_us + round(travel_s * SECOND)

    def fits(self, source: Hypocentre, pick: Pick) -> bool:
        """Whether a pick is P of a source."""
        miss_us = abs(pick.picked_us - self.p_arrival_us(source, pick.station))
        return miss_us <= self.parameters.residual_max_s * SECOND

    def explains(self, source: Hypocentre, pick: Pick) -> bool:
        """Whether a pick lies in the waves of a source."""
        begin_us = self.p_arrival_us(source, pick.station) - round(self.parameters.residual_max_s * SECOND)
        return begin_us <= pick.picked_us <= self.train_end_us(source, pick.station)

    def against(
        self, source: Hypocentre, used: Iterable[str], heard_us: Mapping[str, Micros]
    ) -> tuple[str, ...]:
        """Stations that were heard, lie no farther than the farthest of `used`, and had no P though it was due."""
        used = set(used)
        reach_km = max(self.epicentral_km(source, station) for station in used)
        return tuple(
            station
            for station, until_us in sorted(heard_us.items())
            if station not in used
            and self.epicentral_km(source, station) <= reach_km
            and self.p_arrival_us(source, station) + round(_LATE_S * SECOND) < until_us
            and until_us >= source.origin_us
        )

    def fit(self, picks: Sequence[Pick], heard_us: Mapping[str, Micros]) -> Fit | None:
        """The source that most of the picks fit; None where they do not agree on one.

        Parameters
        ----------
        picks
            Any number a station; of each station the pick that fits best is taken.
        heard_us
            Until when each station was heard: those without a pick speak against near sources.
        """
        by_station: dict[str, list[Pick]] = {}
        for pick in sorted(picks, key=lambda p: (p.picked_us, p.station)):
            by_station.setdefault(pick.station, []).append(pick)
        if len(by_station) < self.parameters.stations_min:
            return None
        starts = [{s: of[0] for s, of in by_station.items()}]
        if any(len(of) > 1 for of in by_station.values()):
            starts.append({s: of[-1] for s, of in by_station.items()})
        best: tuple[int, float, Fit] | None = None
        for chosen in starts:
            found = self._settle(chosen, by_station, heard_us)
            if found is None:
                continue
            rank = (-len(found.used), found.source.misfit_s)
            if best is None or rank < best[:2]:
                best = (*rank, found)
        return best[2] if best else None

    def _settle(
        self, chosen: dict[str, Pick], by_station: Mapping[str, list[Pick]], heard_us: Mapping[str, Micros]
    ) -> Fit | None:
        for _ in range(_ROUNDS):
            source = self._locate(chosen, heard_us)
            better = {
                station: min(
                    of, key=lambda p: (abs(p.picked_us - self.p_arrival_us(source, p.station)), p.number)
                )
                for station, of in by_station.items()
            }
            if better == chosen:
                break
            chosen = better
        used = {station: pick for station, pick in chosen.items() if self.fits(source, pick)}
        if len(used) < self.parameters.stations_min:
            return None
        if len(used) < len(chosen):
            source = self._locate(used, heard_us)
            used = {station: pick for station, pick in used.items() if self.fits(source, pick)}
        if len(used) < self.parameters.stations_min or source.misfit_s > self.parameters.misfit_max_s:
            return None
        return Fit(source, used) if self._moves_out(used) else None

    def _moves_out(self, used: Mapping[str, Pick]) -> bool:
        """Whether picks spread in time as a wave that travels, not as a power cut that is everywhere at once."""
        times = [pick.picked_us for pick in used.values()]
        places = [self.stations[station] for station in used]
        span_km = max(distance_km(a.lon, a.lat, b.lon, b.lat) for a in places for b in places)
        return max(times) - min(times) > _MOVEOUT * span_km / self.parameters.vp_km_s * SECOND

    def _locate(self, picks: Mapping[str, Pick], heard_us: Mapping[str, Micros]) -> Hypocentre:
        zero_us = min(pick.picked_us for pick in picks.values())
        last_us = max(pick.picked_us for pick in picks.values())

        def since(at_us: Micros) -> float:
            return (at_us - zero_us) / SECOND

        observed = [
            Observed(self.stations[s].lon, self.stations[s].lat, since(pick.picked_us))
            for s, pick in sorted(picks.items())
        ]
        waiting = [
            Waiting(self.stations[s].lon, self.stations[s].lat, since(min(until_us, last_us)))
            for s, until_us in sorted(heard_us.items())
            if s not in picks and until_us >= zero_us
        ]
        # Later, far stations may stay silent because P is weak there; enough picks need no such hint.
        if len(observed) >= 2 * self.parameters.stations_min:
            waiting = []
        found = locate(observed, waiting, self.parameters)
        return Hypocentre(
            found.lon,
            found.lat,
            found.depth_km,
            zero_us + round(found.origin_s * SECOND),
            found.misfit_s,
            found.sigma_km,
        )
