"""Location: travel times, and the source that fits the picks best by a grid search.

Numpy without BLAS; sums over stations run in a fixed order and over grids of a fixed shape, so that the same
picks give the same bits.

Source  single layer with a head wave below it; Vp 6.0, Vs 3.46 km/s
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.seismic.parameters import SeismicParameters

Grid = NDArray[np.float64]
KM_PER_DEGREE = 111.195
_RESIDUAL_CAP_S = 3.0
_LAPLACE_S = 0.3
_STEPS_KM = (8.0, 2.0, 0.5)
_NEARNESS_S_KM = 0.002
"""Of two sources that fit alike the nearer to the first station is likelier: seconds of misfit a kilometre."""


class Observed(NamedTuple):
    """One P time at one place, seconds after an arbitrary zero."""

    lon: float
    lat: float
    p_s: float


class Waiting(NamedTuple):
    """A station that had seen no P until `quiet_until_s`."""

    lon: float
    lat: float
    quiet_until_s: float


class Source(NamedTuple):
    """A hypocentre: `misfit_s` mean absolute residual (capped) and earliness of the stations that still wait."""

    lon: float
    lat: float
    depth_km: float
    origin_s: float
    misfit_s: float
    sigma_km: float


class _Node(NamedTuple):
    """The best node of the grids so far."""

    cost_s: float
    misfit_s: float
    lon: float
    lat: float
    depth_km: float
    origin_s: float


def distance_km(lon: float, lat: float, other_lon: float, other_lat: float) -> float:
    """Epicentral distance on a local plane, km; good to 1 % up to 500 km."""
    across = (lon - other_lon) * math.cos(math.radians((lat + other_lat) / 2))
    return KM_PER_DEGREE * math.hypot(lat - other_lat, across)


def _distance_km(lon: Grid, lat: Grid, place: Observed | Waiting | _Node) -> Grid:
    """`distance_km` from each node of a grid, (m,)."""
    across = (lon - place.lon) * np.cos(np.radians((lat + place.lat) / 2))
    along = lat - place.lat
    return np.asarray(KM_PER_DEGREE * np.sqrt(across * across + along * along))


def direct_s(epicentral_km: float, depth_km: float, speed_km_s: float) -> float:
    """Travel time of the straight ray in one layer, s."""
    return math.hypot(epicentral_km, depth_km) / speed_km_s


def p_travel_s(epicentral_km: float, depth_km: float, model: SeismicParameters) -> float:
    """Travel time of the first P, s: straight, or as head wave along the bottom of the crust."""
    direct = direct_s(epicentral_km, depth_km, model.vp_km_s)
    return min(
        direct, epicentral_km / model.pn_km_s + _head_delay_s(depth_km, model, model.vp_km_s, model.pn_km_s)
    )


def s_travel_s(epicentral_km: float, depth_km: float, model: SeismicParameters) -> float:
    """Travel time of S, s: straight (the strong phase), never the weak head wave."""
    return direct_s(epicentral_km, depth_km, model.vs_km_s)


def _head_delay_s(depth_km: float, model: SeismicParameters, above: float, below: float) -> float:
    return (2 * model.moho_km - depth_km) * math.sqrt(1 / above**2 - 1 / below**2)


def _misfit(
    lon: Grid,
    lat: Grid,
    depth_km: float,
    picks: Sequence[Observed],
    waiting: Sequence[Waiting],
    model: SeismicParameters,
) -> tuple[Grid, Grid]:
    """Misfit and origin over a grid of epicentres at one depth, both (m,)."""
    head = _head_delay_s(depth_km, model, model.vp_km_s, model.pn_km_s)

    def travel(station: Observed | Waiting) -> Grid:
        away = _distance_km(lon, lat, station)
        direct = np.sqrt(away * away + depth_km**2) / model.vp_km_s
        return np.asarray(np.minimum(direct, away / model.pn_km_s + head))

    origins = np.stack([pick.p_s - travel(pick) for pick in picks])
    ordered = np.sort(origins, axis=0)
    n = len(picks)
    origin = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    misfit = np.zeros_like(lon)
    for row in origins:
        misfit += np.minimum(np.abs(row - origin), _RESIDUAL_CAP_S)
    misfit /= n
    if waiting:
        early = np.zeros_like(lon)
        for station in waiting:
            late_s = station.quiet_until_s - (origin + travel(station))
            early += np.minimum(np.maximum(late_s, 0.0), _RESIDUAL_CAP_S)
        misfit += early / len(waiting)
    return misfit, origin


def locate(picks: Sequence[Observed], waiting: Sequence[Waiting], model: SeismicParameters) -> Source:
    """The source with the least misfit, first coarsely around the first station, then finer around the best.

    Parameters
    ----------
    picks
        At least four P times; a few wrong ones are borne (residuals count absolute and capped).
    waiting
        Stations that would have seen P by then if the source were near them.
    """
    first = min(picks, key=_earliest)
    centre_lon, centre_lat = first.lon, first.lat
    best: _Node | None = None
    sigma_km = 0.0
    for stage, step in enumerate(_STEPS_KM):
        reach = model.search_radius_km if stage == 0 else 1.5 * _STEPS_KM[stage - 1]
        steps = math.ceil(reach / step)
        offset = np.arange(-steps, steps + 1) * step
        east, north = np.meshgrid(offset, offset)
        lat = (centre_lat + north / KM_PER_DEGREE).ravel()
        lon = (centre_lon + east / (KM_PER_DEGREE * math.cos(math.radians(centre_lat)))).ravel()
        for depth in model.depths_km:
            misfit, origin = _misfit(lon, lat, depth, picks, waiting, model)
            cost = misfit + _NEARNESS_S_KM * _distance_km(lon, lat, first)
            at = int(np.argmin(cost))
            if best is None or float(cost[at]) < best.cost_s:
                best = _Node(
                    float(cost[at]),
                    float(misfit[at]),
                    float(lon[at]),
                    float(lat[at]),
                    depth,
                    float(origin[at]),
                )
        assert best is not None
        centre_lon, centre_lat = best.lon, best.lat
        if stage == 0:
            sigma_km = _spread_km(lon, lat, best, picks, waiting, model, step)
    assert best is not None
    return Source(best.lon, best.lat, best.depth_km, best.origin_s, best.misfit_s, sigma_km)


def _earliest(pick: Observed) -> tuple[float, float, float]:
    return pick.p_s, pick.lon, pick.lat


def _spread_km(
    lon: Grid,
    lat: Grid,
    best: _Node,
    picks: Sequence[Observed],
    waiting: Sequence[Waiting],
    model: SeismicParameters,
    step_km: float,
) -> float:
    """Standard deviation of the epicentre on one axis, km, by the picks alone: nodes weighed as if errors were Laplacian."""
    misfit, _ = _misfit(lon, lat, best.depth_km, picks, waiting, model)
    row, column = divmod(int(np.argmin(misfit)), math.isqrt(len(misfit)))
    rim = math.isqrt(len(misfit)) - 1
    if row in (0, rim) or column in (0, rim):
        # The picks would have it farther off than was looked, and nobody knows how far.
        return model.search_radius_km
    weight = np.exp(-len(picks) * (misfit - float(misfit.min())) / _LAPLACE_S)
    square = float((weight * _distance_km(lon, lat, best) ** 2).sum()) / float(weight.sum()) / 2
    return math.sqrt(max(square, step_km**2 / 12))
