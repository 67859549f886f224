"""What a worker's pipelines decide, on its way to Kafka: findings, released alert versions, dead records, and what
other association areas are to know.

In      decisions, after they are durable in the ledger; from any thread
Out     messages of `findings`, `alerts.<tier>` and `log.dead`, and of `log` for other areas, at least once
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec

from alerting.ledger import Ledger
from runtime import metrics
from runtime.logs.topics import DEAD, FINDINGS, LOG, alerts_topic
from runtime.pipeline import Decisions
from schemas.alert import Alert, Status
from schemas.area import TIERS
from schemas.log import Dead, FindingRecord, encode_record

log = logging.getLogger("fenghuo")

Send = Callable[[str, str, bytes], Awaitable[object]]
"""Sends a message (topic, key, value); done when the brokers have acknowledged it. The key of `log` is an association
area's code, and says the partition."""


class Publishing:
    """Keeps what was decided until it is on its topic: a checkpoint waits for that, or a crash would lose it."""

    def __init__(self, ledger: Ledger, send: Send) -> None:
        self._ledger = ledger
        self._send = send
        self._unsent: list[tuple[str, str, bytes]] = []

    def all_sent(self) -> bool:
        """Whether everything that was decided is on its topic."""
        return not self._unsent

    async def try_to_send(self) -> bool:
        """Put on the topics what is not there yet; what fails stays for the next time, and is told twice rather than never.

        Returns
        -------
        bool
            Whether all of it is there.
        """
        unsent = self._unsent[:]
        try:
            await asyncio.gather(*[self._send(*message) for message in unsent])
        except Exception as error:  # noqa: BLE001 - whatever kept it from its topic, it is not there
            log.error("worker.not_published reason=%s; nothing is acknowledged", error)
            return False
        del self._unsent[: len(unsent)]
        return True

    def say(self, decisions: Decisions) -> None:
        """Count what was decided, and let it wait for its topics."""
        metrics.count(decisions)
        for forward in decisions.forwards:
            self._later(LOG, forward.area, encode_record(FindingRecord.of(forward)))
        for finding in decisions.findings:
            self._later(FINDINGS, finding.area, finding.model_dump_json().encode())
        said = {(alert.id, alert.version): alert for alert in decisions.alerts}
        for release in decisions.releases:
            if release.audience == "public":
                alert = said.get((release.alert, release.version)) or self._version(
                    release.alert, release.version
                )
                self._say_released(alert)

    def bury(self, area: str, position: int, reason: str) -> None:
        """Let the reason why a record of an area's log is dead wait for its topic."""
        self._later(DEAD, area, msgspec.json.encode(Dead(area, position, reason)))

    def _later(self, topic: str, key: str, value: bytes) -> None:
        self._unsent.append((topic, key, value))

    def _version(self, alert: str, version: int) -> Alert:
        return next(one for one in self._ledger.alert_versions(alert) if one.version == version)

    def _say_released(self, alert: Alert) -> None:
        if alert.hazard == "station":
            return
        for tier in alert.tiers:
            self._later(alerts_topic(alert.status, tier), alert.area, alert.model_dump_json().encode())


def topics_out() -> list[str]:
    """All topics that a worker writes beside the log."""
    return [FINDINGS, DEAD, *(alerts_topic(status, tier) for status in Status for tier in TIERS)]
