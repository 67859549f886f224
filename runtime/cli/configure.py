"""`fenghuo configure`: which configuration the logs of the Kafka deployment follow from now on."""

from __future__ import annotations

import os
from pathlib import Path

import click

from runtime.configuration.loading import load
from runtime.configure import configure as put_in_force
from runtime.servers.database import open_ledger
from runtime.servers.surroundings import clock_of


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
def configure(folder: Path) -> None:
    """Put the configuration of DIR in force: store it, and name it in every association area's log.

    Only this changes what workers decide by. Gateways are started with the same folder afterwards; one with another
    configuration refuses. Given twice it changes nothing. `fenghuo run` takes a changed configuration by itself when it
    starts.
    """
    configuration = load(folder, "configure")
    settings = configuration.settings
    if not settings.brokers.kafka.bootstrap:
        raise click.ClickException(
            "fenghuo.yaml: brokers.kafka.bootstrap names no broker; without Kafka, `fenghuo run` takes a changed"
            " configuration when it starts"
        )
    with open_ledger(settings, os.environ) as ledger:
        outcome = put_in_force(configuration, ledger, clock_of(settings), os.environ)
    name = configuration.bundle.hash[:12]
    if not outcome.told:
        click.echo(f"configuration {name} is in force already")
        return
    click.echo(f"configuration {name} is in force in association areas {', '.join(outcome.told)}")
    for area in outcome.left:
        click.echo(f"association area {area} is in it no more: what is open there stays open", err=True)
