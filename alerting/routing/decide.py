"""Decide: who is told of an alert, by what, and why; the same answer for people and for `route test`.

In      an alert version, the policy, the bundle's areas and recipients
Out     `Decision`, one for each recipient and channel, and remarks on what goes to nobody
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from alerting.routing.policy import Audience, ReleaseRule, Route, RoutingPolicy
from schemas.alert import Alert
from schemas.area import Tier
from schemas.bundle import Bundle
from schemas.recipient import Recipient
from schemas.times import SECOND


@dataclass(frozen=True)
class Decision:
    """One recipient is told by one channel. `route`: the line of policy; `why`: in words; `release`: when it may go."""

    recipient: str
    role: str
    channel: str
    audience: Audience
    tier: Tier
    area: str
    route: str
    why: str
    release: str


class Decider:
    """Who is told.

    Parameters
    ----------
    policy
        Section `routing` of the policy.
    bundle
        Areas and recipients.
    """

    def __init__(self, policy: RoutingPolicy, bundle: Bundle) -> None:
        self._policy = policy
        self._areas = bundle.areas
        self._at: dict[str, list[Recipient]] = {}
        for recipient in bundle.recipients:
            self._at.setdefault(recipient.area, []).append(recipient)

    def decide(self, alert: Alert) -> list[Decision]:
        """Who is told of a version that reaches people, from the top tier down; a recipient once a channel."""
        rule = self._policy.release_rule(alert)
        found: dict[tuple[str, str], Decision] = {}
        for route in self._policy.routes:
            if not route.matches(alert) or (route.audience == "public" and rule.by == "never"):
                continue
            for tier in self._tiers(route, alert):
                for area, why in self._related(alert, tier):
                    for recipient in self._at.get(area, ()):
                        if recipient.role in route.roles:
                            self._add(found, route, rule, alert, recipient, why)
        return sorted(found.values(), key=lambda d: (d.tier.rank, d.area, d.recipient, d.channel))

    def ways(self, alert: Alert, recipient: Recipient) -> dict[str, Audience]:
        """By which of his channels, in his order, and as what a recipient may be told of an alert that meets his area."""
        rule = self._policy.release_rule(alert)
        found: dict[str, Audience] = {}
        for route in self._policy.routes:
            if not route.matches(alert) or (route.audience == "public" and rule.by == "never"):
                continue
            if recipient.role in route.roles and recipient.tier in self._tiers(route, alert):
                for channel in _allowed(route, recipient):
                    found.setdefault(channel, route.audience)
        return {channel: found[channel] for channel in recipient.channels if channel in found}

    def remarks(self, alert: Alert) -> list[str]:
        """Which lines of policy tell nobody of this alert, and why."""
        rule = self._policy.release_rule(alert)
        remarks = []
        for route in self._policy.routes:
            if not route.matches(alert):
                remarks.append(f"route {route.name}: not for this hazard, colour or origin")
            elif route.audience == "public" and rule.by == "never":
                remarks.append(
                    f"route {route.name}: policy never gives this to the public (releases: by never)"
                )
            elif not self._tiers(route, alert):
                remarks.append(f"route {route.name}: its tiers are not told at this level")
            elif not self._reached(route, alert):
                remarks.append(
                    f"route {route.name}: no recipient with the role {' or '.join(route.roles)} and a channel there"
                )
        return remarks

    def _reached(self, route: Route, alert: Alert) -> bool:
        return any(
            recipient.role in route.roles and self._channels(route, alert, recipient)
            for tier in self._tiers(route, alert)
            for area, _ in self._related(alert, tier)
            for recipient in self._at.get(area, ())
        )

    def _tiers(self, route: Route, alert: Alert) -> list[Tier]:
        return [tier for tier in alert.tiers if not route.tiers or tier in route.tiers]

    def _related(self, alert: Alert, tier: Tier) -> Iterable[tuple[str, str]]:
        """Areas of a tier that are, contain or lie within an area of the alert, with how they are related."""
        related: dict[str, str] = {}
        for code in dict.fromkeys((alert.area, *alert.areas)):
            above = self._areas.at_tier(code, tier)
            if above is not None:
                related.setdefault(above, "in the area" if above == code else f"contains {code}")
            else:
                for below in self._areas.within(code, tier):
                    related.setdefault(below, f"lies in {code}")
        return related.items()

    def _channels(self, route: Route, alert: Alert, recipient: Recipient) -> tuple[str, ...]:
        usable = _allowed(route, recipient)
        return usable if self._policy.by_every_channel(alert.level) else usable[:1]

    def _add(
        self,
        found: dict[tuple[str, str], Decision],
        route: Route,
        rule: ReleaseRule,
        alert: Alert,
        recipient: Recipient,
        why: str,
    ) -> None:
        for channel in self._channels(route, alert, recipient):
            # Whom an earlier route names is told once, as what that route makes of it.
            found.setdefault(
                (recipient.id, channel),
                Decision(
                    recipient=recipient.id,
                    role=recipient.role,
                    channel=channel,
                    audience=route.audience,
                    tier=recipient.tier,
                    area=recipient.area,
                    route=route.name,
                    why=why,
                    release=self._release(route, rule, alert),
                ),
            )

    def _release(self, route: Route, rule: ReleaseRule, alert: Alert) -> str:
        if route.audience == "responsible" or rule.by == "nobody":
            window_s = self._policy.window_us(alert) // SECOND
            return f"gathered for {window_s} s" if window_s else "at once"
        if rule.deadline_s is None:
            return "held until one person releases it"
        return f"held until one person releases it, after {rule.deadline_s:g} s by itself (自动发布)"


def _allowed(route: Route, recipient: Recipient) -> tuple[str, ...]:
    return tuple(c for c in recipient.channels if not route.channels or c in route.channels)
