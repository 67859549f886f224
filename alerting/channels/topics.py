"""Topics for machines: released alert versions on `alerts/<tier>/<area code>/<alert id>`.

Published with QoS 1, retained while in force; a cancel is kept 24 h, then cleared; what has run out is cleared.
`exercise` and `test` go below `exercise/`, never to the live topics. Hazard `station` goes nowhere.
At least once: a receiver ignores a version no higher than the one that it has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from alerting.channels.base import Sent
from alerting.channels.mqtt import MqttConnection
from schemas.alert import Alert, Status
from schemas.area import AreaIndex
from schemas.hazard import Hazard
from schemas.times import DAY, Micros, to_micros

CLEARED = 0
"""The version that a cleared topic stands at, in memory."""


class AlertTopics:
    """Keeps the broker's topics as the ledger says they should be.

    Parameters
    ----------
    connection
        Started and stopped by whoever made it.
    areas
        To find every area that an alert's areas are, lie within or contain.
    """

    def __init__(self, connection: MqttConnection, areas: AreaIndex) -> None:
        self._connection = connection
        self._areas = areas
        self._standing: dict[str, int] = {}
        self._of_connection = 0

    async def sync(self, alerts: Iterable[Alert], now_us: Micros) -> int:
        """Publish what differs; return how many topics could not be brought up to date, to be tried again.

        Parameters
        ----------
        alerts
            The newest released version of each chain, with those that have ended since the last time this process
            could have cleared them.
        """
        if self._connection.reconnects != self._of_connection:
            # A broker that was restarted may have lost what it retained.
            self._standing.clear()
            self._of_connection = self._connection.reconnects
        missed = 0
        for alert in alerts:
            version = alert.version if stands(alert, now_us) else CLEARED
            body = alert.model_dump_json().encode() if version else b""
            behind = [one for one in topics_of(alert, self._areas) if self._standing.get(one) != version]
            done = await asyncio.gather(*[self._publish(topic, body, version) for topic in behind])
            missed += done.count(False)
        return missed

    async def _publish(self, topic: str, body: bytes, version: int) -> bool:
        outcome = await self._connection.publish(topic, body, retain=True)
        if isinstance(outcome, Sent):
            self._standing[topic] = version
            return True
        return False


def stands(alert: Alert, now_us: Micros) -> bool:
    """Whether a topic should hold this version now."""
    if alert.type == "cancel":
        return to_micros(alert.issued_at) > now_us - DAY
    return to_micros(alert.expires_at) > now_us


def topics_of(alert: Alert, areas: AreaIndex) -> list[str]:
    """Topics of an alert, sorted: for each of its tiers, the areas that are, contain or lie in its own."""
    if alert.hazard is Hazard.STATION:
        return []
    prefix = "" if alert.status is Status.ACTUAL else "exercise/"
    found: set[str] = set()
    for tier in alert.tiers:
        for code in alert.areas:
            above = areas.at_tier(code, tier)
            codes = (above,) if above is not None else areas.within(code, tier)
            found.update(f"{prefix}alerts/{tier.value}/{one}/{alert.id}" for one in codes)
    return sorted(found)
