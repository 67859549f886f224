"""`fenghuo worker`: a Faust worker that runs the pipelines over the topic `log`."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path
from typing import Any

import click

from runtime.cli.service import config_option, health_option, telling_health
from runtime.configuration.loading import load
from runtime.faust_app import make_app
from runtime.logs.topics import make_topics
from runtime.servers.connections import KafkaAccess
from runtime.servers.database import open_ledger
from runtime.servers.kafkawatch import KafkaWatch
from runtime.worker.tending import Tending


@click.command()
@config_option
@click.option("--verbose", is_flag=True, help="Also what is normal.")
@health_option
def worker(folder: Path, verbose: bool, health: tuple[str, int] | None) -> None:
    """Run the pipelines of the association areas whose partitions this worker is given, until stopped."""
    configuration = load(folder, "worker")
    kafka = KafkaAccess.of(configuration.settings.brokers.kafka, os.environ)
    if not kafka.bootstrap:
        raise click.ClickException(
            "fenghuo.yaml: brokers.kafka.bootstrap names no broker; name one, such as 127.0.0.1:9092"
        )
    with kafka.plainly():
        make_topics(",".join(kafka.bootstrap), security=kafka.security)
    made: list[Tending] = []
    with (
        KafkaWatch(kafka.why_away),
        telling_health(health, lambda: made[0].faults() if made else ["the ledger is not open yet"]),
        open_ledger(configuration.settings, os.environ) as ledger,
        tempfile.TemporaryDirectory() as datadir,
    ):
        app, tending = make_app(configuration, ledger, Path(datadir), kafka=kafka)
        made.append(tending)
        said = threading.Event()

        @app.on_partitions_assigned.connect  # type: ignore[arg-type]
        async def say(_app: Any, assigned: Any, **_: Any) -> None:
            if not said.is_set():
                click.echo("worker ready")
            said.set()

        # What is echoed is ours to read, not a line of Faust's log.
        app.Worker(
            loglevel="INFO" if verbose else "WARNING", quiet=not verbose, redirect_stdouts=False
        ).execute_from_commandline()
