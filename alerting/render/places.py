"""Places: how areas and stations are called in texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from schemas.area import AreaIndex, Tier
from schemas.station import StationIndex


class Places:
    """Names by code.

    Parameters
    ----------
    areas
        All areas of the configuration.
    stations
        All stations of the configuration.
    """

    def __init__(self, areas: AreaIndex, stations: StationIndex) -> None:
        self.areas = areas
        self._stations = stations

    def own(self, code: str) -> str:
        """The area's own name; its code where the area is unknown."""
        return self.areas[code].name if code in self.areas else code

    def full(self, code: str) -> str:
        """The name from the county down: 南江县光雾山镇; a city's own."""
        return self.county(code) + self.below_county(code)

    def county(self, code: str) -> str:
        """The name of the county that the area is or lies in; empty for a city or an unknown area."""
        county = self.areas.at_tier(code, Tier.COUNTY)
        return self.areas[county].name if county else ""

    def below_county(self, code: str) -> str:
        """The names below the county: 光雾山镇铁炉坝村; a city's or an unknown area's own; empty for a county."""
        lineage = self.areas.lineage(code)
        names = [self.areas[c].name for c in lineage if self.areas[c].tier.rank > Tier.COUNTY.rank]
        if names or self.county(code):
            return "".join(reversed(names))
        return self.own(code)

    def city(self, code: str) -> str:
        """The name of the highest area that contains it; its own code where the area is unknown."""
        return self.areas[self.areas.top(code)].name if code in self.areas else code

    def station(self, station: str) -> str:
        """A station's name; its id where it is unknown."""
        row = self._stations.row_of.get(station)
        return station if row is None else self._stations[row].name

    def grouped(self, codes: Iterable[str]) -> Sequence[tuple[str, tuple[str, ...]]]:
        """Names below the county, by the county's name, in order of code."""
        groups: dict[str, list[str]] = {}
        for code in sorted(set(codes)):
            groups.setdefault(self.county(code), []).append(self.below_county(code))
        return [(county, tuple(name for name in names if name)) for county, names in groups.items()]
