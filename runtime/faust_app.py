"""The Faust worker: the same pipelines over the topic `log`, one for each association area.

In      records of `log`, explicitly acknowledged after the checkpoint that includes them
Out     the ledger; findings to `findings`, released alert versions to `alerts.<tier>`

Faust's cost is by the record, so a record is a packet; its tables and its exactly-once mode are not used
(EXACT, rule 15). An exception inside the agent's loop would acknowledge what it lost, so none leaves it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import faust
from aiokafka.errors import KafkaError
from sqlalchemy.exc import SQLAlchemyError

from alerting.ledger import Ledger
from runtime.association import STOPPING_FAULTS, Association
from runtime.configuration.loading import Configuration
from runtime.pipeline import Decisions
from runtime.topics import DEAD, FINDINGS, LOG, MAX_RECORD_BYTES, PARTITIONS, alerts_topic
from schemas.alert import Alert, Status
from schemas.area import TIERS
from schemas.log import Positioned, UnreadableRecord, decode_record

log = logging.getLogger("fenghuo")

BATCH, WITHIN_S = 200, 0.02
CHECK_S = 1.0
_AWAY_S = 1.0


@dataclass(slots=True)
class _Area:
    """One association area of a partition that is ours, and what is not acknowledged yet."""

    association: Association
    waiting: list[tuple[int, Any]] = field(default_factory=list)
    stopped: bool = False


class Worker:
    """Holds the association areas of the partitions that this worker was given.

    Parameters
    ----------
    publish
        Sends a message (topic, key, value) to Kafka; done when the brokers have acknowledged it.
    """

    def __init__(
        self,
        configuration: Configuration,
        ledger: Ledger,
        publish: Callable[[str, str, bytes], Awaitable[object]],
    ) -> None:
        self._bundle = configuration.bundle
        self._ledger = ledger
        self._send = publish
        self._unsent: list[tuple[str, str, bytes]] = []
        """What was decided and is not on its topic yet; a checkpoint waits for it, or a crash would lose it."""
        self._areas: dict[tuple[int, str], _Area] = {}
        self._lock = asyncio.Lock()
        ledger.store_bundle(self._bundle.hash, self._bundle.canonical)

    async def take(self, events: list[Any]) -> None:
        """Process a batch; nothing leaves here but cancellation."""
        groups: dict[tuple[int, str], list[Any]] = {}
        for event in events:
            groups.setdefault((event.message.partition, event.message.key.decode()), []).append(event)
        async with self._lock:
            for key, group in groups.items():
                await self._take_area(key, group)

    async def checkpoint(self, *, now: bool = False) -> None:
        """Save what is due and acknowledge what the checkpoints include."""
        async with self._lock:
            for area in self._areas.values():
                await self._save(area, now=now)

    async def let_go(self) -> None:
        """Partitions have changed hands: forget everything; whoever has an area now draws a newer epoch."""
        async with self._lock:
            self._areas.clear()

    async def _take_area(self, key: tuple[int, str], events: list[Any]) -> None:
        area = await self._area(key)
        area.waiting += [(event.message.offset + 1, event) for event in events]
        if area.stopped:
            return
        try:
            records = [Positioned(e.message.offset + 1, decode_record(e.message.value)) for e in events]
            while True:
                try:
                    await asyncio.to_thread(area.association.take, records)
                    break
                except SQLAlchemyError as error:
                    log.error("worker.ledger_away area=%s reason=%s; waiting", key[1], error)
                    await asyncio.sleep(_AWAY_S)
            await self._save(area, now=False)
        except (*STOPPING_FAULTS, UnreadableRecord) as error:
            area.stopped = True
            log.critical("worker.area_stopped area=%s reason=%s", key[1], error)

    async def _area(self, key: tuple[int, str]) -> _Area:
        if key not in self._areas:
            association = await asyncio.to_thread(self._open, key[1])
            self._areas[key] = _Area(association)
        return self._areas[key]

    def _open(self, code: str) -> Association:
        return Association(
            code,
            self._bundle,
            self._ledger,
            on_decisions=self._say,
            on_dead=lambda position, reason: self._publish(DEAD, code, f"{position}: {reason}".encode()),
            epoch=self._ledger.draw_epoch(code),
        )

    async def _save(self, area: _Area, *, now: bool) -> None:
        association = area.association
        if area.stopped:
            return
        try:
            if now or association.checkpoint_is_due():
                await self._send_all()
                await asyncio.to_thread(association.checkpoint)
        except SQLAlchemyError as error:
            log.error(
                "worker.ledger_away area=%s reason=%s; nothing is acknowledged", association.code, error
            )
            return
        except KafkaError as error:
            log.error("worker.not_published reason=%s; nothing is acknowledged", error)
            return
        except STOPPING_FAULTS as error:
            area.stopped = True
            log.critical("worker.area_stopped area=%s reason=%s", association.code, error)
            return
        while area.waiting and area.waiting[0][0] <= association.saved_position:
            _, event = area.waiting.pop(0)
            event.ack()

    async def _send_all(self) -> None:
        """Put on the topics what is not there yet; what fails stays for the next time, and is told twice rather than never."""
        unsent = self._unsent[:]
        await asyncio.gather(*[self._send(*message) for message in unsent])
        del self._unsent[: len(unsent)]

    def _publish(self, topic: str, key: str, value: bytes) -> None:
        self._unsent.append((topic, key, value))

    def _say(self, decisions: Decisions) -> None:
        for finding in decisions.findings:
            self._publish(FINDINGS, finding.area, finding.model_dump_json().encode())
        said = {(alert.id, alert.version): alert for alert in decisions.alerts}
        for release in decisions.releases:
            if release.audience == "public":
                alert = said.get((release.alert, release.version)) or self._version(
                    release.alert, release.version
                )
                self._say_released(alert)

    def _version(self, alert: str, version: int) -> Alert:
        return next(one for one in self._ledger.alert_versions(alert) if one.version == version)

    def _say_released(self, alert: Alert) -> None:
        if alert.hazard == "station":
            return
        for tier in alert.tiers:
            self._publish(alerts_topic(alert.status, tier), alert.area, alert.model_dump_json().encode())


def make_app(
    configuration: Configuration, ledger: Ledger, datadir: Path, partitions: int = PARTITIONS
) -> faust.App:
    """The worker as a Faust application.

    Parameters
    ----------
    datadir
        Faust's own folder; a folder a process.
    """
    brokers = ";".join(f"kafka://{address}" for address in configuration.settings.brokers.kafka.bootstrap)
    app = faust.App(
        "fenghuo-worker",
        broker=brokers,
        store="memory://",
        datadir=str(datadir),
        topic_partitions=partitions,
        topic_allow_declare=False,
        topic_disable_leader=True,
        # A dead worker is noticed within 10 s; the default is a minute.
        broker_session_timeout=10.0,
        broker_heartbeat_interval=3.0,
        broker_commit_interval=1.0,
        consumer_max_fetch_size=MAX_RECORD_BYTES,
        consumer_auto_offset_reset="earliest",
        producer_max_request_size=MAX_RECORD_BYTES,
        stream_wait_empty=False,
        web_enabled=False,
        web_tables_enabled=False,
        web_bind="127.0.0.1",
    )
    topic = app.topic(LOG, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
    out = {
        name: app.topic(name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
        for name in _topics_out()
    }

    async def publish(name: str, key: str, value: bytes) -> None:
        await (await out[name].send(key=key.encode(), value=value))

    worker = Worker(configuration, ledger, publish)

    @app.agent(topic, concurrency=1)
    async def over_the_log(stream: faust.StreamT[bytes]) -> None:
        async for events in stream.noack_take(BATCH, within=WITHIN_S):  # type: ignore[attr-defined]
            await worker.take(events)

    @app.timer(CHECK_S)
    async def save() -> None:
        await worker.checkpoint()

    @app.on_partitions_revoked.connect  # type: ignore[arg-type]
    async def let_go(_app: Any, revoked: Any, **_: Any) -> None:
        await worker.checkpoint(now=True)
        await worker.let_go()

    return app


def _topics_out() -> list[str]:
    return [FINDINGS, DEAD, *(alerts_topic(status, tier) for status in Status for tier in TIERS)]
