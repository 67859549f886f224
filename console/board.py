"""The board: what a duty officer sees at a glance, worded and small; one picture for all open pages.

In      the ledger, the engine's clock, the configuration
Out     JSON of `GET /v1/board`: alerts in force (red first), sick instruments, how notices stand by tier
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from alerting.ledger.queries import StateChange
from alerting.render import Places
from alerting.render.content import spoken_level
from alerting.render.quake import table_of
from console import wording, words
from console.site import Site
from console.told import Told
from console.words import Language
from schemas.act import Act
from schemas.alert import Alert
from schemas.area import TIERS, Tier
from schemas.hazard import Hazard
from schemas.level import Level
from schemas.notice import NoticeState
from schemas.times import from_micros, rfc3339

LISTED = 200
"""So many alerts and so many instruments are listed; the rest is a number."""
_RECENT = 25
_ACTS = 300
_FRESH_S = 0.25
_SHARE = 4.0
"""A picture is kept at least this many times as long as it took, so that pages cannot outrun the engine."""

GROUPS: Mapping[str, frozenset[NoticeState]] = {
    "waiting": frozenset({NoticeState.HELD}),
    "under_way": frozenset({NoticeState.DUE, NoticeState.SENDING}),
    "left": frozenset({NoticeState.SENT}),
    "arrived": frozenset({NoticeState.DELIVERED}),
    "trouble": frozenset({NoticeState.FAILED, NoticeState.UNKNOWN, NoticeState.PARKED}),
}
"""The states of notices as the page groups them; what was superseded or has expired needs nobody."""


class Board:
    """Makes the picture, at most a few times a second."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.places = Places(site.bundle.areas, site.bundle.stations)
        self.told = Told(site.ledger, {recipient.id: recipient.tier for recipient in site.bundle.recipients})
        self._lock = threading.Lock()
        self._alerts: list[Alert] = []
        self._acknowledged: frozenset[tuple[str | None, int | None]] = frozenset()
        self._read_until_s = 0.0
        self.revision = 0
        """Grows with each change of what is in force."""

    def refresh(self) -> list[Alert]:
        """The newest version of each alert in force, the highest level first, from the ledger where ours is old."""
        with self._lock:
            began_s = time.monotonic()
            if began_s >= self._read_until_s:
                now_us = self._site.now_us()
                alerts = self._site.ledger.alerts_in_force(now_us)
                acknowledged = frozenset(
                    map(_seen, filter(_acknowledges, self._site.ledger.acts(None, _ACTS)))
                )
                if _versions(alerts) != _versions(self._alerts) or acknowledged != self._acknowledged:
                    self.revision += 1
                self._alerts, self._acknowledged = alerts, acknowledged
                self.told.catch_up(now_us)
                took_s = time.monotonic() - began_s
                self._read_until_s = time.monotonic() + max(_FRESH_S, _SHARE * took_s)
            return self._alerts

    def picture(self, language: Language) -> dict[str, Any]:
        """The board in one language."""
        alerts = self.refresh()
        warnings = [alert for alert in alerts if alert.hazard is not Hazard.STATION]
        sick = sorted(
            (a for a in alerts if a.hazard is Hazard.STATION), key=lambda a: a.issued_at, reverse=True
        )
        counts = Counter(alert.level for alert in warnings)
        counted = self.told.counts()
        return {
            "now": rfc3339(self._site.now_us()),
            "revision": self.revision,
            "levels": [
                {"level": level.colour, "words": words.colour(level, language), "count": counts[level]}
                for level in sorted(Level, reverse=True)
                if level
            ],
            "alerts": [self.summary(alert, language) for alert in warnings[:LISTED]],
            "alerts_total": len(warnings),
            "instruments": [self._instrument(alert, language) for alert in sick[:LISTED]],
            "instruments_total": len(sick),
            "tiers": [self._tier(tier, counted, language) for tier in TIERS],
            "recent": [self._change(change, language) for change in self.told.recent(_RECENT)],
        }

    def summary(self, alert: Alert, language: Language) -> dict[str, Any]:
        """One alert as a list shows it."""
        level = spoken_level(alert)
        first = alert.references[0].issued_at if alert.references else alert.issued_at
        return {
            "id": alert.id,
            "version": alert.version,
            "hazard": alert.hazard.value,
            "hazard_words": words.hazard(alert.hazard, language),
            "level": Level(level).colour,
            "level_words": words.level(level, language),
            "over": alert.type == "cancel",
            "place": self.places.full(alert.area),
            "measured": wording.measured(alert, self.places, language, from_micros(self._site.now_us())),
            "since": wording.clock(first),
            "issued": wording.clock(alert.issued_at),
            "missing": wording.clock(alert.missing_since),
            "acknowledged": (alert.id, alert.version) in self._acknowledged,
            "area": alert.area,
            "fill": self._fill(alert),
            "position": alert.position,
        }

    def _fill(self, alert: Alert) -> list[tuple[str, str]]:
        """Codes to be coloured on a map, each with its colour: the parts that the alert covers, or the whole.

        A quake is one alert for the whole city: its parts have the levels of its table.
        """
        areas = self._site.bundle.areas
        colour = Level(spoken_level(alert)).colour
        table = table_of(alert) if alert.hazard is Hazard.EARTHQUAKE and alert.type != "cancel" else {}
        levels = {code: int(line.get("level") or 0) for code, line in table.items() if code in areas}
        parts = list(levels) or [code for code in alert.areas if code != alert.area and code in areas]
        if not parts or (not levels and set(areas.children(alert.area)) <= set(parts)):
            return [(alert.area, colour)]
        tiers = {areas[code].tier for code in parts}
        tier = Tier.TOWNSHIP if levels and Tier.TOWNSHIP in tiers else min(tiers, key=lambda one: one.rank)
        shown = [code for code in parts if areas[code].tier is tier]
        return [(code, Level(levels[code]).colour if levels else colour) for code in shown]

    def _instrument(self, alert: Alert, language: Language) -> dict[str, Any]:
        stations = [str(one) for one in alert.evidence.get("stations", [])]
        word, why = wording.fault(alert, language)
        return {
            "id": alert.id,
            "version": alert.version,
            "stations": stations,
            "name": "、".join(self.places.station(one) for one in stations) or self.places.full(alert.area),
            "place": self.places.full(alert.area),
            "word": word,
            "silent": alert.evidence.get("detector") == "silence",
            "why": why,
            "since": wording.clock(alert.evidence.get("since")) or wording.clock(alert.issued_at),
        }

    def _tier(
        self, tier: Tier, counted: Counter[tuple[Tier | None, str, NoticeState]], language: Language
    ) -> dict[str, Any]:
        by_group = {
            name: sum(n for (one, _, state), n in counted.items() if one is tier and state in states)
            for name, states in GROUPS.items()
        }
        return {"tier": tier.value, "words": words.tier(tier, language), **by_group}

    def _change(self, change: StateChange, language: Language) -> dict[str, Any]:
        tier = self.told.tier_of(change.recipient)
        return {
            "sequence": change.sequence,
            "at": "" if change.at_us is None else wording.clock(from_micros(change.at_us)),
            "tier": "" if tier is None else words.tier(tier, language),
            "post": self._site.posts.get(change.recipient, change.recipient),
            "channel": words.channel(change.channel, language),
            "state": words.state(change.state, language),
            "group": next((name for name, states in GROUPS.items() if change.state in states), ""),
        }


def _versions(alerts: Sequence[Alert]) -> list[tuple[str, int]]:
    return [(alert.id, alert.version) for alert in alerts]


def _acknowledges(act: Act) -> bool:
    return act.act == "acknowledge" and act.outcome == "done"


def _seen(act: Act) -> tuple[str | None, int | None]:
    return act.alert, act.version
