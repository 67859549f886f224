"""Versions: the next immutable version of a chain, with its places, evidence and words.

In      a chain whose standings are up to date
Out     `Alert`
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from alerting.lifecycle.chain import BY_HAND, Chain, Standing, Words
from alerting.lifecycle.policy import LifecyclePolicy
from alerting.render import Places, render_alert
from schemas.alert import Alert, Reference
from schemas.area import Tier
from schemas.bundle import Bundle
from schemas.finding import Finding
from schemas.hazard import Hazard
from schemas.times import DAY, Micros, from_micros

_THREATENS_WHAT_IT_WATCHES = (Hazard.LANDSLIDE, Hazard.DEBRIS_FLOW)
"""Hazards that reach the areas which their stations watch: a slope's point names the villages below it. A camera's
are the view of a mast, a third of the city; its finding's own area says where it burns."""


class Versions:
    """Makes the next version of a chain.

    Parameters
    ----------
    policy
        The lifecycle's policy.
    bundle
        Names the policy in each version, and holds the places.
    """

    def __init__(self, policy: LifecyclePolicy, bundle: Bundle) -> None:
        self._policy = policy
        self._bundle = bundle
        self._places = Places(bundle.areas, bundle.stations)

    def lift(self, hazard: Hazard, area: str) -> str:
        """The chain's area for a finding at `area`; the finding's own where that already lies higher.

        A quake's chain alone is wider than the association area that decides on it: of anything else the next
        association area has a chain of its own.
        """
        areas, ours = self._bundle.areas, self._bundle.association
        lifted = areas.at_tier(area, self._policy.chain_tier[hazard]) or area
        wider = hazard is not Hazard.EARTHQUAKE and lifted != ours and areas.contains(lifted, ours)
        return ours if wider and areas.contains(ours, area) else lifted

    def issuer(self, hazard: Hazard, area: str) -> str:
        """Whose warning a chain of that hazard in that area is."""
        areas = self._bundle.areas

        def name(tier: Tier) -> str:
            code = areas.at_tier(area, tier) or (areas.top(area) if area in areas else None)
            return areas[code].name if code else area

        own = areas[area].name if area in areas else area
        return self._policy.issuer_of(hazard).format(
            city=name(Tier.CITY), county=name(Tier.COUNTY), township=name(Tier.TOWNSHIP), area=own
        )

    def covered(self, chain: Chain) -> tuple[str, ...]:
        """Every code that the chain covers: what it covered before and what stands now, its own area first.

        Areas never leave a chain before its end, so that whoever was told is told of the end.
        """
        areas = self._bundle.areas
        codes: set[str] = set(chain.areas)
        chain_tier = self._policy.chain_tier[chain.hazard]
        if chain_tier is Tier.TOWNSHIP:
            codes.update(areas.within(chain.area))
        for standing in chain.holders():
            if standing.detector == BY_HAND:
                continue
            if chain_tier is Tier.COUNTY:
                codes.add(areas.at_tier(standing.area, Tier.TOWNSHIP) or standing.area)
            if chain.hazard is Hazard.EARTHQUAKE:
                codes.update(self._other_cities(standing, chain.area))
            if chain.hazard in _THREATENS_WHAT_IT_WATCHES:
                codes.update(self._watched(standing))
        codes.discard(chain.area)
        return (chain.area, *sorted(codes))

    def _other_cities(self, standing: Standing, area: str) -> set[str]:
        """Tops of the areas that a quake reaches beside that of its chain."""
        areas = self._bundle.areas
        reached = {areas.top(code) for code in standing.evidence.get("areas", ()) if code in areas}
        return reached - {areas.top(area)}

    def _watched(self, standing: Standing) -> list[str]:
        stations = self._bundle.stations
        rows = [stations.row_of[station] for station in standing.stations if station in stations.row_of]
        return [code for row in rows for code in stations[row].watches if code in self._bundle.areas]

    def next(
        self,
        chain: Chain,
        now: Micros,
        *,
        type: Literal["issue", "update", "cancel"],
        reaches_people: bool,
        missing_us: Micros | None = None,
        cause: Finding | None = None,
    ) -> Alert:
        """The next version of a chain at its held level; moves the chain on to it.

        Parameters
        ----------
        chain
            Changed in place: version, level, areas, tiers, expiry, references.
        now
            Log time: `issued_at` and `effective_at`, microseconds.
        type
            `cancel` ends the chain: level 0.
        reaches_people
            Whether people are told, or machines only.
        missing_us
            Since when no valid data hold the level up.
        cause
            The finding that ends the chain; None where time or a person does.
        """
        previous = chain.level
        level = 0 if type == "cancel" else chain.held_level
        if chain.version:
            chain.references = [*chain.references, (chain.version, chain.issued_us)]
        chain.version += 1
        chain.level = level
        chain.areas = self.covered(chain)
        told = {*chain.tiers, *self._policy.tiers_at(chain.hazard, level)}
        chain.tiers = tuple(sorted(told, key=lambda tier: tier.rank))
        chain.issued_us = now
        chain.expires_us = self._expires_us(chain, now, type)
        chain.missing_us = missing_us
        if reaches_people or level != previous:
            chain.said_version = chain.version
            chain.approvals = []
        chain.in_force = type != "cancel"
        chain.reached = chain.reached or reaches_people
        return self._alert(chain, now, type, previous, reaches_people, cause)

    def _expires_us(self, chain: Chain, now: Micros, type: str) -> Micros:
        if type == "cancel":
            return now + DAY
        return chain.ends_us if chain.ends_us is not None else now + self._policy.expires_us(chain.hazard)

    def _alert(
        self,
        chain: Chain,
        now: Micros,
        type: Literal["issue", "update", "cancel"],
        previous: int,
        reaches_people: bool,
        cause: Finding | None,
    ) -> Alert:
        holders = chain.holders()
        findings = tuple(s.finding for s in holders if s.detector != BY_HAND)
        position = next((standing.position for standing in holders if standing.position), None)
        alert = Alert(
            id=chain.id,
            version=chain.version,
            status=chain.status,
            type=type,
            origin=chain.origin,
            issuer=chain.issuer,
            hazard=chain.hazard,
            level=chain.level,
            previous_level=previous,
            area=chain.area,
            areas=chain.areas,
            tiers=chain.tiers,
            observed_at=from_micros(chain.observed_us),
            issued_at=from_micros(now),
            effective_at=from_micros(now),
            expires_at=from_micros(chain.expires_us),
            headline="",
            description="",
            instruction="",
            speech="",
            repeat=self._policy.repeat,
            findings=(cause.id,) if cause is not None else findings,
            evidence=_last_words(chain, cause) if chain.level == 0 else self._evidence(chain, holders),
            position=position,
            references=tuple(
                Reference(id=chain.id, version=version, issued_at=from_micros(issued_us))
                for version, issued_us in chain.references
            ),
            policy=self._bundle.hash,
            reaches_people=reaches_people,
            missing_since=None if chain.missing_us is None else from_micros(chain.missing_us),
        )
        return self._worded(alert, Words() if type == "cancel" else chain.words)

    def _worded(self, alert: Alert, words: Words) -> Alert:
        by_hand = {
            name: value
            for name in ("headline", "description", "instruction")
            if (value := getattr(words, name))
        }
        return render_alert(alert.model_copy(update=by_hand), self._places, self._policy.language)

    def _evidence(self, chain: Chain, holders: list[Standing]) -> dict[str, Any]:
        """The strongest finding's figures, every station that stands, and a table where several areas do."""
        sensors = [standing for standing in holders if standing.detector != BY_HAND]
        by_hand = [standing.evidence for standing in holders if standing.detector == BY_HAND]
        evidence: dict[str, Any] = {}
        if sensors:
            evidence = {**sensors[0].evidence, "detector": sensors[0].detector}
            evidence["stations"] = sorted({station for standing in sensors for station in standing.stations})
            if sensors[0].against:
                evidence["against"] = list(sensors[0].against)
        for content in by_hand:
            evidence.update(content)
        by_area: dict[str, dict[str, Any]] = {}
        for standing in sensors:
            area = standing.area
            if self._policy.chain_tier[chain.hazard] is Tier.COUNTY:
                area = self._bundle.areas.at_tier(area, Tier.TOWNSHIP) or area
            by_area.setdefault(area, {"level": standing.counts, **standing.evidence})
        if len(by_area) > 1:
            evidence["by_area"] = {area: by_area[area] for area in sorted(by_area)}
        return evidence


def _last_words(chain: Chain, cause: Finding | None) -> dict[str, Any]:
    """The evidence of an end: the figures on which the last level fell, and the station that is well again."""
    stations = {"stations": [chain.key[4]]} if chain.hazard is Hazard.STATION else {}
    if cause is None:
        return stations
    figures = evidence_of(cause)
    return {**figures, "detector": cause.detector, "stations": list(cause.stations), **stations}


def evidence_of(finding: Finding) -> dict[str, Any]:
    """A finding's evidence through JSON, so that what is kept is what a restored row would give."""
    kept: dict[str, Any] = msgspec.json.decode(finding.model_dump_json(include={"evidence"}))["evidence"]
    return kept
