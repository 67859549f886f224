"""Holder: the association area that an epicentre belongs to, as far as an estimate can tell.

Areas have middles and no outlines here: an epicentre lies where the nearest village does, also outside all of them. Near
a border the first estimates of two logs may lie on two sides; there the station that P reached first decides, which is
the same in both.

Source  EXACT, rule 18; the margin is our choice
"""

from __future__ import annotations

from detectors.seismic.locate import distance_km
from detectors.seismic.parameters import SeismicParameters
from schemas.area import Area
from schemas.bundle import Bundle


class Holders:
    """Finds the association area of an epicentre.

    Parameters
    ----------
    parameters
        `border_km` is used.
    bundle
        Areas and stations, and which of the areas are association areas.
    """

    def __init__(self, parameters: SeismicParameters, bundle: Bundle) -> None:
        self._parameters = parameters
        self._bundle = bundle
        several = len(bundle.associations) > 1
        lowest = [area for area in bundle.areas if not bundle.areas.children(area.code)] if several else []
        self._lowest: dict[str, list[Area]] = {}
        for area in sorted(lowest, key=lambda area: area.code):
            self._lowest.setdefault(bundle.association_of(area.code), []).append(area)

    def of(self, lon: float, lat: float, first_station: str) -> str:
        """Code of the association area that keeps a quake.

        Parameters
        ----------
        lon, lat
            The epicentre, degrees WGS 84.
        first_station
            Where P came first.
        """
        if not self._lowest:
            return self._bundle.association
        away_km = {
            code: min(distance_km(lon, lat, area.lon, area.lat) for area in areas)
            for code, areas in self._lowest.items()
        }
        nearest = min(away_km, key=lambda code: (away_km[code], code))
        home = self._bundle.home_of(first_station)
        if home in away_km and away_km[home] - away_km[nearest] <= self._parameters.border_km:
            return home
        return nearest
