"""Areas: administrative areas of four tiers, and how they lie in each other.

Source  national codes of GB/T 2260 and GB/T 10114: 4, 6, 9 and 12 digits
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from functools import cached_property

import msgspec


class Tier(StrEnum):
    """The four tiers through which warnings go, from the top down."""

    CITY = "city"
    COUNTY = "county"
    TOWNSHIP = "township"
    VILLAGE = "village"

    @property
    def rank(self) -> int:
        """0 for the city down to 3 for the village."""
        return TIERS.index(self)


TIERS: tuple[Tier, ...] = (Tier.CITY, Tier.COUNTY, Tier.TOWNSHIP, Tier.VILLAGE)


class Area(msgspec.Struct, frozen=True):
    """One administrative area. `lon`, `lat`: centroid, degrees WGS 84; `parent`: None at the top."""

    code: str
    name: str
    tier: Tier
    parent: str | None
    lon: float
    lat: float


class AreaIndex:
    """All areas of a configuration, by code, with their nesting.

    Parameters
    ----------
    areas
        In any order; a parent that is missing is a fault that `check` names, and here ends the chain.
    """

    def __init__(self, areas: Iterable[Area]) -> None:
        self._areas: dict[str, Area] = {area.code: area for area in areas}

    def __len__(self) -> int:
        return len(self._areas)

    def __iter__(self) -> Iterator[Area]:
        return iter(self._areas.values())

    def __contains__(self, code: object) -> bool:
        return code in self._areas

    def __getitem__(self, code: str) -> Area:
        return self._areas[code]

    @cached_property
    def _children(self) -> Mapping[str, tuple[str, ...]]:
        children: dict[str, list[str]] = {}
        for area in self._areas.values():
            if area.parent is not None:
                children.setdefault(area.parent, []).append(area.code)
        return {code: tuple(sorted(codes)) for code, codes in children.items()}

    def children(self, code: str) -> tuple[str, ...]:
        """Codes directly below an area, sorted."""
        return self._children.get(code, ())

    def lineage(self, code: str) -> tuple[str, ...]:
        """The area itself, its parent, and so on to the top."""
        codes: list[str] = []
        next_code: str | None = code
        while next_code is not None and next_code in self._areas and next_code not in codes:
            codes.append(next_code)
            next_code = self._areas[next_code].parent
        return tuple(codes)

    def at_tier(self, code: str, tier: Tier) -> str | None:
        """The code of the area of that tier that is or contains `code`; None where there is none."""
        for candidate in self.lineage(code):
            if self._areas[candidate].tier is tier:
                return candidate
        return None

    def within(self, code: str, tier: Tier | None = None) -> tuple[str, ...]:
        """Codes of the area and all that lie in it, sorted; only those of `tier` where it is given."""
        found: list[str] = []
        waiting = [code] if code in self._areas else []
        while waiting:
            current = waiting.pop()
            found.append(current)
            waiting.extend(self._children.get(current, ()))
        return tuple(sorted(c for c in found if tier is None or self._areas[c].tier is tier))

    def contains(self, outer: str, inner: str) -> bool:
        """Whether `inner` is `outer` or lies in it."""
        return outer in self.lineage(inner)

    def top(self, code: str) -> str:
        """The highest area that contains `code` (a city in a normal configuration)."""
        return self.lineage(code)[-1]
