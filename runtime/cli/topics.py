"""`fenghuo topics`: the topics of the Kafka deployment, made and compared."""

from __future__ import annotations

import os
from pathlib import Path

import click

from runtime.cli.service import config_option
from runtime.configuration.loading import load
from runtime.logs.topics import PARTITIONS, Standing, compare_topics, make_topics
from runtime.servers.connections import KafkaAccess

_DAY_MS = 86_400_000


@click.command()
@config_option
@click.option(
    "--partitions",
    default=PARTITIONS,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="Partitions of each topic. Of `log` they cannot change later: an area's partition follows from their number.",
)
@click.option("--check", is_flag=True, help="Make nothing; exit with 1 where a topic is missing or differs.")
def topics(folder: Path, partitions: int, check: bool) -> None:
    """Make the topics that are missing, and list all with partitions, retention and compaction.

    A topic that is there and differs is told and never changed; the exit status is then 1.
    """
    kafka = KafkaAccess.of(load(folder, "topics").settings.brokers.kafka, os.environ)
    bootstrap = ",".join(kafka.bootstrap)
    if not bootstrap:
        raise click.ClickException(
            "fenghuo.yaml: brokers.kafka.bootstrap names no broker; name one, such as 127.0.0.1:9092"
        )
    with kafka.plainly():
        made = [] if check else make_topics(bootstrap, partitions, security=kafka.security)
        standings = compare_topics(bootstrap, partitions, security=kafka.security)
    for one in standings:
        click.echo(_line(one, made=one.name in made))
    if any(one.faults for one in standings):
        click.get_current_context().exit(1)


def _line(one: Standing, *, made: bool) -> str:
    if not one.partitions:
        return f"{one.name:<27} missing"
    retention = int(one.configs["retention.ms"])
    kept = "for ever" if retention < 0 else f"{retention / _DAY_MS:g} days"
    words = f"{one.name:<27} {one.partitions} partitions, kept {kept}, {one.configs['cleanup.policy']}"
    if one.faults:
        return f"{words}: {'; '.join(one.faults)}"
    return f"{words}: made" if made else words
