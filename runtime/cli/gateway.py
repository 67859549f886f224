"""`fenghuo gateway`: readings from MQTT and Kafka into the topic `log`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from alerting.ledger import Ledger
from runtime.cli.service import log_to_terminal, until_stopped
from runtime.configuration.loading import load
from runtime.gateway import Gateway
from runtime.surroundings import clock_of, ledger_url, mqtt_password


@click.command()
@click.option(
    "--config",
    "folder",
    default="deploy/bazhong",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder of the configuration.",
)
def gateway(folder: Path) -> None:
    """Write readings from brokers.mqtt and from the Kafka topic `readings` into the topic `log`, until stopped."""
    log_to_terminal()
    configuration = load(folder)
    if not configuration.settings.brokers.kafka.bootstrap:
        raise click.ClickException(
            "fenghuo.yaml: brokers.kafka.bootstrap names no broker; name one, such as 127.0.0.1:9092"
        )
    ledger = Ledger.open(ledger_url(configuration.settings, os.environ))
    running = Gateway(
        configuration,
        ledger,
        clock_of(configuration.settings),
        mqtt_password(configuration.settings, os.environ),
    )
    running.start()
    until_stopped("gateway")
    running.stop()
    ledger.close()
