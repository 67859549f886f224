"""Lay out the virtual station network: the plan's numbers, at invented places (虚拟).

In      placed areas; one seed
Out     stations.csv rows: 2,096 landslide points, 320 rain gauges, 40 fire cameras, 17 seismic stations

Every station lies nearer to a village of its own area than to any other, so it stands in its area by the derived
outlines. Ground heights are invented as well (`ground_m`): no elevation model may be shipped.
"""

from __future__ import annotations

import json
import math
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from deploy.bazhong.build import geometry
from deploy.bazhong.build.areas import PlacedArea
from deploy.bazhong.build.outlines import mirror_points_km
from deploy.bazhong.build.places import CITY, COUNTIES, Position

SEED = 5119
MARK = "（虚拟）"
LANDSLIDE_POINTS = 2096
LANDSLIDE_WEIGHT = {"511902": 1.0, "511903": 0.9, "511921": 1.6, "511922": 1.7, "511923": 1.1}
"""Points a village in the country, relative; more in the two mountain counties."""
THIRD_GAUGES = 42
CAMERAS = 40
CAMERAS_WANTED = 3
CAMERAS_APART_KM = 8.0
CAMERA_RANGE_M = 20_000
SEISMIC_STATIONS = 17
SEISMIC_GAIN = 408_000
"""Counts per m/s2: a 24-bit recorder, 20 V full span, 1.25 V/g sensor, rounded."""


@dataclass(frozen=True)
class PlacedStation:
    """One row of stations.csv."""

    id: str
    kind: str
    name: str
    position: Position
    elevation_m: int
    area: str
    watches: tuple[str, ...]
    parameters: str


class Network:
    """The areas and one stream of chance, from which stations of each kind are laid out."""

    def __init__(self, areas: Sequence[PlacedArea]) -> None:
        self.chance = random.Random(SEED)
        self.area = {area.code: area for area in areas}
        self.villages = [area for area in areas if area.tier == "village"]
        self.townships = [area for area in areas if area.tier == "township"]
        self.villages_of: dict[str, list[PlacedArea]] = defaultdict(list)
        for village in self.villages:
            self.villages_of[village.code[:9]].append(village)
        sites_km = np.array([geometry.to_km(village.position) for village in self.villages])
        nearest_km = cKDTree(np.vstack([sites_km, mirror_points_km(sites_km)])).query(sites_km, k=2)[0][:, 1]
        self.clear_km = {
            village.code: 0.45 * float(away) for village, away in zip(self.villages, nearest_km, strict=True)
        }

    def stations(self) -> Iterator[PlacedStation]:
        """Yield the whole network; the order of the kinds fixes what chance gives each."""
        yield from self._landslide()
        yield from self._rain()
        yield from self._cameras()
        yield from self._seismic()

    def _landslide(self) -> Iterator[PlacedStation]:
        country = [village for village in self.villages if village.code[6] != "0"]
        weights = [LANDSLIDE_WEIGHT[v.code[:6]] * self.chance.uniform(0.3, 1.7) for v in country]
        number = 0
        for village, count in zip(country, _shares(weights, LANDSLIDE_POINTS), strict=True):
            for nth in range(1, count + 1):
                number += 1
                slope = {"slope_azimuth_deg": 5 * self.chance.randrange(72)}
                name = f"{village.name}滑坡{nth}号点"
                yield self._station(f"LS-{number:04d}", "landslide", name, village, village.code, (), slope)

    def _rain(self) -> Iterator[PlacedStation]:
        largest = sorted(
            self.townships, key=lambda township: (-len(self.villages_of[township.code]), township.code)
        )
        with_three = {township.code for township in largest[:THIRD_GAUGES]}
        number = 0
        for township in self.townships:
            hosts = _spread_out(
                self.villages_of[township.code], township.position, 3 if township.code in with_three else 2
            )
            for nth, village in enumerate(hosts, 1):
                number += 1
                name = f"{township.name}{nth}号雨量站"
                yield self._station(f"RG-{number:03d}", "rain", name, village, township.code, (), {})

    def _cameras(self) -> Iterator[PlacedStation]:
        for number, village in enumerate(self._camera_hosts(), 1):
            township = self.area[village.code[:9]]
            mast = {"height_m": self.chance.choice((30, 35, 40, 45, 50)), "range_m": CAMERA_RANGE_M}
            seen = tuple(
                other.code
                for other in self.townships
                if other is not township
                and _apart_km(other.position, village.position) * 1000 <= CAMERA_RANGE_M
            )
            name = f"{township.name}林火瞭望{number}号"
            yield self._station(f"FC-{number:02d}", "camera", name, village, township.code, seen, mast)

    def _camera_hosts(self) -> Iterator[PlacedArea]:
        """Ever the village from which most villages are seen that fewer than three cameras see so far."""
        sites_km = np.array([geometry.to_km(village.position) for village in self.villages])
        apart_km = cdist(sites_km, sites_km)
        in_range = apart_km <= CAMERA_RANGE_M / 1000
        seen_by = np.zeros(len(self.villages), np.int64)
        free = np.array([village.code[6] != "0" for village in self.villages])
        for _ in range(CAMERAS):
            gains = np.where(free, (in_range & (seen_by < CAMERAS_WANTED)).sum(axis=1), -1)
            chosen = int(gains.argmax())
            free &= apart_km[chosen] >= CAMERAS_APART_KM
            seen_by += in_range[chosen]
            yield self.villages[chosen]

    def _seismic(self) -> Iterator[PlacedStation]:
        seats = [min(self.villages, key=lambda v: _apart_km(v.position, county.seat)) for county in COUNTIES]
        hosts = _spread_out(self.villages, seats[0].position, SEISMIC_STATIONS, seats)
        recorder = {"channels": ["HNZ", "HNN", "HNE"], "gain": SEISMIC_GAIN, "unit": "m/s2"}
        for number, village in enumerate(hosts, 1):
            township = self.area[village.code[:9]]
            name = f"{township.name}强震台"
            yield self._station(
                f"SM-{number:02d}", "seismic", name, village, township.code, (CITY,), recorder
            )

    def _station(
        self,
        id: str,
        kind: str,
        name: str,
        host: PlacedArea,
        area: str,
        watches: tuple[str, ...],
        parameters: Mapping[str, object],
    ) -> PlacedStation:
        position = self._near(host)
        ridge_m = 120 if kind == "camera" else 0
        text = json.dumps(parameters, separators=(",", ":")) if parameters else ""
        return PlacedStation(
            id, kind, name + MARK, position, ground_m(position) + ridge_m, area, watches, text
        )

    def _near(self, village: PlacedArea) -> Position:
        """A point by chance, certainly in the village's own cell."""
        bearing = self.chance.uniform(0, 2 * math.pi)
        away_km = self.clear_km[village.code] * math.sqrt(self.chance.random())
        east, north = geometry.to_km(village.position)
        lon, lat = geometry.to_degrees(
            (east + away_km * math.sin(bearing), north + away_km * math.cos(bearing))
        )
        return round(lon, 5), round(lat, 5)


def ground_m(position: Position) -> int:
    """The invented height of the ground: rising northwards to the Daba mountains, with ridges."""
    lon, lat = position
    return round(380 + 700 * (lat - 31.3) + 150 * math.sin(40 * lon) * math.sin(37 * lat))


def _shares(weights: Sequence[float], total: int) -> list[int]:
    """Whole shares of `total` in proportion to weights, by the largest remainders."""
    exact = [total * weight / math.fsum(weights) for weight in weights]
    shares = [math.floor(share) for share in exact]
    by_remainder = sorted(range(len(exact)), key=lambda index: (shares[index] - exact[index], index))
    for index in by_remainder[: total - sum(shares)]:
        shares[index] += 1
    return shares


def _spread_out(
    hosts: Sequence[PlacedArea], centre: Position, count: int, chosen: Sequence[PlacedArea] = ()
) -> list[PlacedArea]:
    """`count` hosts far from each other: the one nearest the centre, then ever the one farthest from all chosen."""
    picked = list(chosen) or [min(hosts, key=lambda host: (_apart_km(host.position, centre), host.code))]
    while len(picked) < count:
        picked.append(
            max(
                hosts,
                key=lambda host: (
                    min(_apart_km(host.position, other.position) for other in picked),
                    host.code,
                ),
            )
        )
    return picked


def _apart_km(one: Position, other: Position) -> float:
    return math.dist(geometry.to_km(one), geometry.to_km(other))
