"""Bundles: all configuration that a decision reads, immutable, with its hash.

The canonical bytes are JSON with sorted keys; a bundle is stored by the SHA-256 of its bytes, and a record
in every log names it. Addresses and posts of recipients are not in it.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import msgspec

from schemas.alert import Status
from schemas.area import Area, AreaIndex, Tier
from schemas.recipient import Recipient
from schemas.station import Station, StationIndex


class _Content(msgspec.Struct, frozen=True):
    status: Status
    association_tier: Tier
    areas: tuple[Area, ...]
    stations: tuple[Station, ...]
    recipients: tuple[Recipient, ...]
    policy: dict[str, Any]
    roster: tuple[dict[str, Any], ...] = ()
    feeds: tuple[dict[str, Any], ...] = ()


class Bundle:
    """A configuration as decisions see it.

    Attributes
    ----------
    hash
        SHA-256 of `canonical`, hexadecimal.
    canonical
        The bytes that are stored, logged and exported.
    policy
        The sections of policy.yaml with every default filled in; each room turns its own into its model.
    association
        The association area whose pipeline reads it (`seen_from`); the first where nobody has said.
    """

    def __init__(self, canonical: bytes) -> None:
        self.canonical = canonical
        self.hash = hashlib.sha256(canonical).hexdigest()
        content = msgspec.json.decode(canonical, type=_Content)
        self.status = content.status
        self.association_tier = content.association_tier
        self.areas = AreaIndex(content.areas)
        self.stations = StationIndex(content.stations)
        self.recipients = content.recipients
        self.policy: Mapping[str, Any] = content.policy
        self.roster = content.roster
        self.feeds = content.feeds
        self.association = self.associations[0] if len(self.areas) else ""

    def seen_from(self, association: str) -> Bundle:
        """The same configuration for the stages of one association area's pipeline."""
        seen = copy.copy(self)
        seen.association = association
        return seen

    @classmethod
    def of(
        cls,
        *,
        areas: Iterable[Area],
        stations: Iterable[Station],
        recipients: Iterable[Recipient] = (),
        policy: Mapping[str, Any],
        status: Status = Status.ACTUAL,
        association_tier: Tier = Tier.CITY,
        roster: Iterable[dict[str, Any]] = (),
        feeds: Iterable[dict[str, Any]] = (),
    ) -> Bundle:
        """The bundle of a configuration."""
        content = _Content(
            status,
            association_tier,
            tuple(areas),
            tuple(stations),
            tuple(recipients),
            dict(policy),
            tuple(roster),
            tuple(feeds),
        )
        return cls(msgspec.json.encode(content, order="sorted"))

    @cached_property
    def associations(self) -> tuple[str, ...]:
        """Codes of the association areas, sorted: the areas of that tier, or the tops where there is none."""
        codes = {area.code for area in self.areas if area.tier is self.association_tier}
        return tuple(sorted(codes or {self.areas.top(area.code) for area in self.areas}))

    @property
    def mark(self) -> str:
        """What tells this pipeline's ids of quakes and fires from those that another's log gives the same ones.

        The code of its association area; empty where there is only one, and nothing to tell apart.
        """
        return self.association if len(self.associations) > 1 else ""

    def is_ours(self, area: str) -> bool:
        """Whether an area belongs to the association area whose pipeline reads this."""
        return self.association_of(area) == self.association

    def hears(self, station: str, association: str) -> bool:
        """Whether a station's readings enter an association area's log; False for one that there is not."""
        row = self.stations.row_of.get(station)
        return row is not None and association in self.associations_of_station[row]

    def home_of(self, station: str) -> str | None:
        """The association area that a station stands in; None for one that there is not."""
        row = self.stations.row_of.get(station)
        return None if row is None else self.associations_of_station[row][0]

    def association_of(self, area: str) -> str:
        """The association area that an area belongs to: above it where it is lower, else the first within it."""
        found = self.areas.at_tier(area, self.association_tier)
        if found is not None:
            return found
        within = [code for code in self.areas.within(area) if code in self.associations]
        return within[0] if within else self.associations[0]

    @cached_property
    def associations_of_station(self) -> tuple[tuple[str, ...], ...]:
        """By row: the association areas whose logs a station's readings enter, its own first."""
        result: list[tuple[str, ...]] = []
        for station in self.stations:
            own = self.association_of(station.area)
            codes = [own]
            for watched in station.watches:
                below = self.areas.at_tier(watched, self.association_tier)
                wide = self.areas.within(watched, self.association_tier)
                codes += [below] if below else [code for code in wide if code in self.associations]
            result.append(tuple(dict.fromkeys(codes)))
        return tuple(result)
