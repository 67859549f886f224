"""`fenghuo dispatch`: claims due notices from the ledger and sends them."""

from __future__ import annotations

import os
from pathlib import Path

import click

from runtime.cli.service import config_option, health_option, log_to_terminal, telling_health, until_stopped
from runtime.configuration.loading import load
from runtime.dispatch.dispatching import Dispatching
from runtime.logs.acts import KafkaActs
from runtime.servers.connections import KafkaAccess
from runtime.servers.database import open_ledger
from runtime.servers.surroundings import clock_of, mqtt_password


@click.command()
@config_option
@click.option(
    "--name",
    default="dispatch",
    show_default=True,
    help="Names this dispatcher: the same over restarts, another for each that runs at the same time.",
)
@health_option
def dispatch(folder: Path, name: str, health: tuple[str, int] | None) -> None:
    """Send what is due in the ledger of database.url through the channels of fenghuo.yaml, until stopped."""
    log_to_terminal()
    configuration = load(folder, "dispatch")
    settings = configuration.settings
    clock, kafka = clock_of(settings), KafkaAccess.of(settings.brokers.kafka, os.environ)
    with open_ledger(settings, os.environ) as ledger:
        # An orange or red notice that reaches nobody enters the log, where the next contact is found.
        acts = KafkaActs(ledger, configuration.bundle, clock, kafka) if kafka.bootstrap else None
        running = Dispatching(
            configuration,
            ledger,
            clock,
            settings.brokers.mqtt,
            mqtt_password(settings, os.environ),
            os.environ,
            worker=name,
            append_acts=None if acts is None else acts.append,
        )
        with telling_health(health, running.faults):
            running.start()
            until_stopped("dispatch")
            running.stop()
        if acts is not None:
            acts.close()
