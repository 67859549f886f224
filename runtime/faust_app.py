"""The Faust worker: the same pipelines over the topic `log`, one for each association area.

In      records of `log`, explicitly acknowledged after the checkpoint that includes them
Out     the ledger; findings to `findings`, released alert versions to `alerts.<tier>`, findings for other areas to `log`

Faust's cost is by the record, so a record is a packet; its tables and its exactly-once mode are not used
(EXACT, rule 15). An exception inside the agent's loop would acknowledge what it lost, so none leaves `Worker.take`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faust

from alerting.ledger import Ledger
from runtime.association import NotThereYet
from runtime.configuration.loading import Configuration
from runtime.logs.topics import LOG, MAX_RECORD_BYTES, PARTITIONS, partition_of
from runtime.servers.connections import KafkaAccess
from runtime.servers.surroundings import clock_of
from runtime.worker.areas import Worker
from runtime.worker.progress import Progress
from runtime.worker.publishing import topics_out
from runtime.worker.survey import Survey
from runtime.worker.tending import Tending
from runtime.worker.watchdog import LOOK_S, Watchdog

BATCH, WITHIN_S = 200, 0.02
CHECK_S = 1.0
APP = "fenghuo-worker"
"""The name of the application, and so of the group of workers."""
SESSION_S, HEARTBEAT_S = 8.0, 2.0


def make_app(
    configuration: Configuration,
    ledger: Ledger,
    datadir: Path,
    partitions: int = PARTITIONS,
    kafka: KafkaAccess | None = None,
) -> tuple[faust.App, Tending]:
    """The worker as a Faust application, and what looks after it.

    Parameters
    ----------
    datadir
        Faust's own folder; a folder a process.
    kafka
        How the brokers are reached; None: openly, where the configuration says.
    """
    kafka = kafka or KafkaAccess(configuration.settings.brokers.kafka.bootstrap)
    brokers = ";".join(f"kafka://{address}" for address in kafka.bootstrap)
    app = faust.App(
        APP,
        broker=brokers,
        broker_credentials=kafka.faust_credentials(),
        store="memory://",
        datadir=str(datadir),
        topic_partitions=partitions,
        topic_allow_declare=False,
        topic_disable_leader=True,
        # A dead worker is noticed within 10 s, the others' next heartbeat included; the default is a minute.
        broker_session_timeout=SESSION_S,
        broker_heartbeat_interval=HEARTBEAT_S,
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
        for name in topics_out()
    }

    async def publish(name: str, key: str, value: bytes) -> None:
        if name != LOG:
            await (await out[name].send(key=key.encode(), value=value))
            return
        producer = await app.maybe_start_producer()
        # Faust's consumer knows the number only where it leads the group.
        count = len(await producer._ensure_producer().partitions_for(LOG))
        if not count:
            raise NotThereYet(f"the brokers have not said yet how many partitions {LOG} has")
        await (await topic.send(key=key.encode(), value=value, partition=partition_of(key, count)))

    progress, clock = Progress(), clock_of(configuration.settings)
    worker = Worker(configuration, ledger, publish, lambda: app.consumer_generation_id, clock, progress)
    tending = Tending(worker, progress, Survey(kafka, APP, progress.partitions), Watchdog())

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

    @app.on_partitions_assigned.connect  # type: ignore[arg-type]
    async def begin(_app: Any, assigned: Any, **_: Any) -> None:
        numbers = {one.partition for one in assigned if one.topic == LOG}
        await worker.begin(numbers, app.consumer.topic_partitions(LOG) or partitions)
        tending.is_member = True

    @app.task
    async def tend() -> None:
        tending.start()

    @app.timer(LOOK_S)
    async def look() -> None:
        tending.look()

    # A worker that is told to end leaves nothing to take again: its areas are saved, what they hold is acknowledged,
    # and Faust then leaves the group.
    @app.on_before_shutdown.connect  # type: ignore[arg-type]
    async def drain(_app: Any, **_: Any) -> None:
        tending.stop()
        await worker.drain()

    return app, tending
