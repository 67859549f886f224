"""Verify: alerts against the truth: what was hit, missed, false, and how early.

In      `Truth`, alert versions (of them only what is judged: `Version`), areas
Out     `Judgement`: scores and lead times by hazard and level, a matrix of levels, what is found wanting
Source  scores of DOMAIN 10 (forecast verification's usual contingency table); hit, meeting and the three
        conditions as the contract has them

A chain is in force in spells: a version holds from its `issued_at` until the next version's, and no longer than its
own `expires_at`; a cancel, or a version of level 0, is not in force.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from schemas.alert import Alert
from schemas.area import AreaIndex, Tier
from schemas.hazard import Hazard
from schemas.times import Time
from schemas.truth import Event, Truth

TIER_OF: Mapping[Hazard, Tier] = {
    Hazard.RAINSTORM: Tier.COUNTY,
    Hazard.FIRE_DANGER: Tier.COUNTY,
    Hazard.FLOOD: Tier.COUNTY,
    Hazard.FLASH_FLOOD: Tier.TOWNSHIP,
    Hazard.DEBRIS_FLOW: Tier.TOWNSHIP,
    Hazard.FOREST_FIRE: Tier.TOWNSHIP,
    Hazard.LANDSLIDE: Tier.VILLAGE,
    Hazard.EARTHQUAKE: Tier.CITY,
}
"""The tier whose areas are counted for each hazard: that of its chains as shipped."""
ORANGE = 3
FALSE_AREAS_AT_MOST = 0.05


class Version(BaseModel):
    """What is judged of an alert version, so that others' alerts can be judged by what they have of ours."""

    model_config = ConfigDict(frozen=True)

    id: str
    version: Annotated[int, Field(ge=1)]
    type: Literal["issue", "update", "cancel"]
    hazard: Hazard
    level: Annotated[int, Field(ge=0, le=4)]
    area: str
    areas: tuple[str, ...] = ()
    issued_at: Time
    expires_at: Time


@dataclass(frozen=True)
class Spell:
    """A time in which one chain stood at one level over the same areas."""

    begins_at: datetime
    ends_at: datetime
    level: int
    codes: frozenset[str]


@dataclass(frozen=True)
class Chain:
    """All versions of one alert, as spells in order of time."""

    id: str
    hazard: Hazard
    area: str
    spells: tuple[Spell, ...]
    highest: int
    """The highest level that a version said, also one that the next replaced in the same instant."""


@dataclass(frozen=True)
class Scores:
    """A contingency table: hits, false alarms, misses, correct negatives; scores are None where undefined."""

    hits: int
    false_alarms: int
    misses: int
    correct_negatives: int

    def named(self) -> dict[str, float | None]:
        """All scores by name: pod, far, pofd, csi, bias, hss, ets, pod_minus_pofd."""
        a, b, c, d = self.hits, self.false_alarms, self.misses, self.correct_negatives
        n = a + b + c + d
        by_luck = (a + b) * (a + c) / n if n else 0.0
        pod, pofd = _ratio(a, a + c), _ratio(b, b + d)
        return {
            "pod": pod,
            "far": _ratio(b, a + b),
            "pofd": pofd,
            "csi": _ratio(a, a + b + c),
            "bias": _ratio(a + b, a + c),
            "hss": _ratio(2 * (a * d - b * c), (a + c) * (c + d) + (a + b) * (b + d)),
            "ets": _ratio(a - by_luck, a + b + c - by_luck),
            "pod_minus_pofd": None if pod is None or pofd is None else pod - pofd,
        }


@dataclass(frozen=True)
class Row:
    """What is known of one hazard at one level; lead times in seconds, of the events that were hit."""

    hazard: Hazard
    level: int
    scores: Scores
    leads_s: tuple[float, ...]

    def lead_s(self, percent: float) -> float | None:
        """The lead time that `percent` of the events do not reach; None without hits."""
        return float(np.percentile(self.leads_s, percent)) if self.leads_s else None


@dataclass(frozen=True)
class Judgement:
    """The whole comparison.

    Attributes
    ----------
    matrix
        By hazard: areas by warned level (first index) and true level (second), 5 x 5.
    wanting
        What is found wanting, a sentence each; empty where all is well.
    """

    rows: tuple[Row, ...]
    matrix: Mapping[Hazard, tuple[tuple[int, ...], ...]]
    wanting: tuple[str, ...]


def chains_of(alerts: Iterable[Alert | Version]) -> list[Chain]:
    """Alert versions, in any order, as chains; a version that is there twice counts once."""
    versions: dict[str, dict[int, Alert | Version]] = {}
    for alert in alerts:
        versions.setdefault(alert.id, {})[alert.version] = alert
    chains: list[Chain] = []
    for chain_id, by_version in versions.items():
        ordered = [by_version[number] for number in sorted(by_version)]
        spells: list[Spell] = []
        for alert, later in zip(ordered, [*ordered[1:], None], strict=True):
            ends_at = alert.expires_at if later is None else min(alert.expires_at, later.issued_at)
            if alert.type != "cancel" and alert.level > 0 and ends_at > alert.issued_at:
                codes = frozenset((alert.area, *alert.areas))
                spells.append(Spell(alert.issued_at, ends_at, alert.level, codes))
        highest = max(alert.level for alert in ordered)
        chains.append(Chain(chain_id, ordered[0].hazard, ordered[-1].area, tuple(spells), highest))
    return chains


class Verifier:
    """Compares alerts with the truth over the areas of one place."""

    def __init__(self, truth: Truth, alerts: Iterable[Alert | Version], areas: AreaIndex) -> None:
        self._areas = areas
        self._events = [event for event in truth.events if event.level > 0]
        self._chains = [chain for chain in chains_of(alerts) if chain.hazard is not Hazard.STATION]

    def judge(self) -> Judgement:
        """Score every hazard that truth or an alert names, and gather what is found wanting."""
        named = {event.hazard for event in self._events} | {chain.hazard for chain in self._chains}
        hazards = [hazard for hazard in Hazard if hazard in named]
        matrix = {hazard: self._matrix(hazard) for hazard in hazards}
        rows = [row for hazard in hazards for row in self._rows(hazard, matrix[hazard])]
        wanting = [*self._missed(), *self._out_of_nothing()]
        for hazard in hazards:
            wanting += self._too_wide(hazard, matrix[hazard])
        return Judgement(tuple(rows), matrix, tuple(wanting))

    # --- one event, one chain -----------------------------------------------------------------------------------

    def _covers(self, spell: Spell, area: str) -> bool:
        return area in spell.codes or not spell.codes.isdisjoint(self._areas.lineage(area))

    def _meets(self, chain: Chain, event: Event, level: int = 1) -> bool:
        """Whether a chain covers an event and overlaps it in time, standing at `level` or higher."""
        return chain.hazard is event.hazard and any(
            spell.level >= level
            and spell.begins_at <= event.ends_at
            and spell.ends_at > event.begins_at
            and self._covers(spell, event.area)
            for spell in chain.spells
        )

    def _lead(self, event: Event) -> timedelta | None:
        """How long before the event began its level was first issued by a chain that hit it; None for a miss."""
        first = [
            spell.begins_at
            for chain in self._chains
            if self._meets(chain, event, event.level)
            for spell in chain.spells
            if spell.level >= event.level and self._covers(spell, event.area)
        ]
        return event.begins_at - min(first) if first else None

    # --- by hazard ----------------------------------------------------------------------------------------------

    def _rows(self, hazard: Hazard, matrix: Sequence[Sequence[int]]) -> list[Row]:
        false = [
            chain.highest
            for chain in self._chains
            if chain.hazard is hazard
            and chain.highest > 0
            and not any(self._meets(chain, event) for event in self._events)
        ]
        rows: list[Row] = []
        for level in (4, 3, 2, 1):
            events = [e for e in self._events if e.hazard is hazard and e.level == level]
            leads = [lead.total_seconds() for lead in map(self._lead, events) if lead is not None]
            false_alarms = false.count(level)
            if not events and not false_alarms:
                continue
            below = sum(sum(row[:level]) for row in matrix[:level])
            scores = Scores(len(leads), false_alarms, len(events) - len(leads), below)
            rows.append(Row(hazard, level, scores, tuple(leads)))
        return rows

    def _matrix(self, hazard: Hazard) -> tuple[tuple[int, ...], ...]:
        """Areas of the hazard's tier by the highest level warned of and the highest true one."""
        tier = TIER_OF.get(hazard, Tier.CITY)
        codes = [area.code for area in self._areas if area.tier is tier]
        true = dict.fromkeys(codes, 0)
        warned = dict.fromkeys(codes, 0)
        for event in self._events:
            if event.hazard is hazard:
                for code in self._at_tier({event.area}, tier):
                    true[code] = max(true.get(code, 0), event.level)
        for chain in self._chains:
            if chain.hazard is hazard:
                for spell in chain.spells:
                    for code in self._at_tier(spell.codes, tier):
                        warned[code] = max(warned.get(code, 0), spell.level)
        counts = np.zeros((5, 5), dtype=np.int64)
        for code in true.keys() | warned.keys():
            counts[warned.get(code, 0), true.get(code, 0)] += 1
        return tuple(tuple(int(count) for count in row) for row in counts)

    def _at_tier(self, codes: Iterable[str], tier: Tier) -> set[str]:
        """The areas of a tier that codes name, lie in or contain; a code that no file knows stands for itself."""
        found: set[str] = set()
        for code in codes:
            above = self._areas.at_tier(code, tier)
            below = self._areas.within(code, tier)
            found.update([above] if above else below or ([] if code in self._areas else [code]))
        return found

    # --- what is found wanting ----------------------------------------------------------------------------------

    def _missed(self) -> list[str]:
        return [
            f"missed: {event.hazard} level {event.level} in {event.area} from {event.begins_at.isoformat()}"
            for event in self._events
            if self._lead(event) is None
        ]

    def _out_of_nothing(self) -> list[str]:
        if self._events:
            return []
        return [
            f"nothing happened, yet {chain.id} warned of {chain.hazard} level {chain.highest} in {chain.area}"
            for chain in self._chains
            if chain.highest > 0
        ]

    def _too_wide(self, hazard: Hazard, matrix: Sequence[Sequence[int]]) -> list[str]:
        calm = sum(sum(row[:ORANGE]) for row in matrix)
        false = sum(sum(row[:ORANGE]) for row in matrix[ORANGE:])
        if false <= FALSE_AREAS_AT_MOST * calm:
            return []
        return [
            f"too wide: {hazard} stood at orange or red in {false} of {calm} areas that truth leaves below orange"
        ]


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
