"""Reach: whether the routes of a policy find people, and people are found by a route.

In      the policy, the areas, the recipients
Out     faults: a route that can match nobody, a village that nobody would warn, a recipient whom no route tells,
        a public route without an issuer; remarks: what finds nobody and may be meant

What a route is about is asked of the policy itself, alert by alert: every hazard, colour and origin once.

A route that stands in policy.yaml and finds nobody is a fault. A default route is nobody's word: where it finds nobody that
is a fault only of the route for persons in charge, whom every release and answer needs; else it is remarked, as
is a tier that policy tells and where nobody hears.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from alerting.routing import Route
from runtime.configuration.areas import FILE as AREAS_FILE
from runtime.configuration.areas import AreaTable
from runtime.configuration.documents import Document, KeyPath
from runtime.configuration.faults import Faults
from runtime.configuration.policy import FILE as POLICY_FILE
from runtime.configuration.policy import Policy
from runtime.configuration.recipients import FILE as RECIPIENTS_FILE
from runtime.configuration.recipients import Directory
from runtime.configuration.tables import did_you_mean
from schemas.alert import Alert, Origin, Status
from schemas.area import TIERS, AreaIndex, Tier
from schemas.hazard import Hazard
from schemas.level import Level
from schemas.recipient import Recipient

OWN_ORIGINS = (Origin.DETECTOR, Origin.MANUAL)
"""Origins whose alerts name the issuer that policy gives; a department names its own."""


@dataclass(frozen=True)
class Case:
    """A kind of alert that a route can be about, and the tiers that it would tell of it."""

    hazard: Hazard
    level: Level
    origin: Origin
    tiers: tuple[Tier, ...]


class Reached:
    """What one route is about, and whom it finds."""

    def __init__(self, route: Route, policy: Policy) -> None:
        self.route = route
        self.cases = list(_cases(route, policy))

    @cached_property
    def tiers(self) -> frozenset[Tier]:
        """All tiers that the route tells of something."""
        return frozenset(tier for case in self.cases for tier in case.tiers)

    @cached_property
    def of_villages(self) -> frozenset[Hazard]:
        """The hazards of which the route tells villages."""
        return frozenset(case.hazard for case in self.cases if Tier.VILLAGE in case.tiers)

    @cached_property
    def of_people(self) -> bool:
        """Whether the route tells of what threatens people, not of sick instruments only."""
        return any(case.hazard is not Hazard.STATION for case in self.cases)

    def finds(self, recipient: Recipient) -> bool:
        """Whether the route tells this recipient of anything."""
        return recipient.tier in self.tiers and self.fits(recipient)

    def fits(self, recipient: Recipient) -> bool:
        """Whether role and channels of a recipient are the route's."""
        channels = self.route.channels
        usable = not channels or any(channel in channels for channel in recipient.channels)
        return usable and recipient.role in self.route.roles


def check_reach(
    policy: Policy, areas: AreaTable, directory: Directory | None, document: Document, faults: Faults
) -> None:
    """Name the routes and places that fail to meet; `directory` None: there is no recipients.csv, and nobody is told."""
    reached = [Reached(route, policy) for route in policy.routing.routes]
    if _are_written(policy):
        for index, one in enumerate(reached):
            _check_route(one, ("routing", "routes", index), directory, document, faults)
    _check_issuers(reached, policy, document, faults)
    if directory is not None and RECIPIENTS_FILE not in faults.torn:
        if not _are_written(policy):
            _check_default_routes(reached, directory, faults)
        _check_recipients(reached, directory, faults)
        if areas.whole:
            _check_villages(reached, areas, directory.recipients, faults)


def remarks(policy: Policy, areas: AreaIndex, recipients: Sequence[Recipient]) -> Iterator[str]:
    """What finds nobody and is no fault, for it may be meant; nothing where nobody at all is to be told."""
    if not recipients:
        return
    reached = [Reached(route, policy) for route in policy.routing.routes]
    if not _are_written(policy):
        for one in reached:
            if not any(one.finds(recipient) for recipient in recipients):
                yield (
                    f"{RECIPIENTS_FILE} has nobody for the default route {one.route.name} (role "
                    f"{' or '.join(one.route.roles)}): it tells nobody; add a recipient, or write routing.routes "
                    f"into {POLICY_FILE} without it."
                )
    there = {area.tier for area in areas}
    told = {recipient.tier for recipient in recipients if any(one.finds(recipient) for one in reached)}
    wanted = {tier for one in reached for tier in one.tiers}
    for tier in (tier for tier in TIERS if tier in there & wanted - told):
        yield (
            f"{RECIPIENTS_FILE} has nobody at tier {tier} whom a route tells, and policy tells that tier; add a recipient "
            f"there, or take the tier out of lifecycle.tiers and lifecycle.tiers_by_hazard in {POLICY_FILE}."
        )


def _are_written(policy: Policy) -> bool:
    """Whether the routes stand in policy.yaml; else they are the defaults."""
    return "routes" in policy.routing.model_fields_set


def _cases(route: Route, policy: Policy) -> Iterator[Case]:
    for hazard in Hazard:
        for level in (Level.BLUE, Level.YELLOW, Level.ORANGE, Level.RED):
            told = policy.lifecycle.tiers_at(hazard, level)
            tiers = tuple(tier for tier in told if not route.tiers or tier in route.tiers)
            for origin in Origin:
                # What policy asks of an alert, and no more: there is none to show yet.
                asked: dict[str, Any] = {"hazard": hazard, "level": level, "origin": origin}
                alert = Alert.model_construct(previous_level=0, status=Status.ACTUAL, **asked)
                public = route.audience == "public"
                never = public and policy.routing.release_rule(alert).by == "never"
                if tiers and route.matches(alert) and not never:
                    yield Case(hazard, level, origin, tiers)


def _check_route(
    one: Reached, path: KeyPath, directory: Directory | None, document: Document, faults: Faults
) -> None:
    name, route = f"route {one.route.name}", one.route
    if not one.cases:
        document.fault(
            faults,
            path,
            f"{name} can match nobody: at its hazards, colours and origins policy tells none of its tiers, or never "
            "releases; mend the route, lifecycle.tiers or routing.releases.",
        )
        return
    if directory is None or any(one.finds(recipient) for recipient in directory.recipients):
        return
    roles = sorted({recipient.role for recipient in directory.recipients})
    unknown = [role for role in route.roles if role not in roles]
    if len(unknown) == len(route.roles):
        what = f"{RECIPIENTS_FILE} has no role {' or '.join(map(repr, unknown))}{did_you_mean(unknown[0], roles)}"
    else:
        tiers = ", ".join(tier for tier in TIERS if tier in one.tiers)
        channels = f" with a channel {' or '.join(route.channels)}" if route.channels else ""
        what = f"{RECIPIENTS_FILE} has no {' or '.join(route.roles)}{channels} at its tiers ({tiers})"
    document.fault(faults, path, f"{name} can match nobody: {what}; mend the route or add a recipient.")


def _check_default_routes(reached: Sequence[Reached], directory: Directory, faults: Faults) -> None:
    for one in reached:
        in_charge = one.route.audience == "responsible" and one.of_people
        if in_charge and not any(one.finds(recipient) for recipient in directory.recipients):
            faults.add(
                RECIPIENTS_FILE,
                0,
                f"the default route {one.route.name} can match nobody: no recipient has the role "
                f"{' or '.join(one.route.roles)}; add one, or write routing.routes into {POLICY_FILE}.",
            )


def _check_issuers(reached: Sequence[Reached], policy: Policy, document: Document, faults: Faults) -> None:
    for one in reached:
        if one.route.audience != "public":
            continue
        hazards = {case.hazard for case in one.cases if case.origin in OWN_ORIGINS}
        for hazard in (hazard for hazard in Hazard if hazard in hazards):
            if not policy.lifecycle.issuer_of(hazard).strip():
                own = hazard in policy.lifecycle.issuers
                path = ("lifecycle", "issuers", str(hazard)) if own else ("lifecycle", "issuer")
                document.fault(
                    faults,
                    path,
                    f"route {one.route.name} tells the public of {hazard}, and no issuer stands for it; "
                    f"write whose warning it is into lifecycle.issuer or lifecycle.issuers.{hazard}.",
                )


def _check_recipients(reached: Sequence[Reached], directory: Directory, faults: Faults) -> None:
    roles = sorted({role for one in reached for role in one.route.roles})
    for recipient in directory.recipients:
        if any(one.finds(recipient) for one in reached):
            continue
        if recipient.role in roles:
            what = (
                f"no route tells {recipient.id} at tier {recipient.tier} by {' or '.join(recipient.channels)}"
            )
        else:
            what = f"no route tells the role {recipient.role!r} of {recipient.id}{did_you_mean(recipient.role, roles)}"
        faults.add(RECIPIENTS_FILE, directory.lines[recipient.id], f"{what}; mend it, or add a route.")


def _check_villages(
    reached: Sequence[Reached], areas: AreaTable, recipients: Iterable[Recipient], faults: Faults
) -> None:
    warned: dict[str, set[Hazard]] = {}
    for recipient in recipients:
        told = warned.setdefault(recipient.area, set())
        for one in reached:
            if one.fits(recipient):
                told |= one.of_villages
    wanted = frozenset(hazard for one in reached for hazard in one.of_villages)
    for area in areas.index:
        if area.tier is not Tier.VILLAGE:
            continue
        missing = wanted - warned.get(area.code, set())
        if missing or not wanted:
            of = ", ".join(hazard for hazard in Hazard if hazard in missing)
            what = f" of {of}" if missing != wanted else ""
            faults.add(
                AREAS_FILE,
                areas.lines[area.code],
                f"nobody would warn {area.name} ({area.code}){what}; add a recipient of the village to "
                f"{RECIPIENTS_FILE}, with a role and a channel that a route uses.",
            )
