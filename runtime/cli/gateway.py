"""`fenghuo gateway`: readings from MQTT and Kafka into the topic `log`."""

from __future__ import annotations

import os
from pathlib import Path

import click
from sqlalchemy.exc import OperationalError

from alerting.ledger import Ledger
from runtime import metrics
from runtime.cli.service import config_option, health_option, log_to_terminal, telling_health, until_stopped
from runtime.configuration.loading import load
from runtime.configuration.settings import Settings
from runtime.gateway import Gateway
from runtime.servers.database import LedgerRefused, ledger_met_later, open_ledger
from runtime.servers.surroundings import clock_of


@click.command()
@config_option
@click.option(
    "--name",
    metavar="NAME",
    help="Names this gateway: the same over restarts, another for each that runs at the same time. Its MQTT session is"
    " brokers.mqtt.client_id with -NAME behind it.",
)
@health_option
def gateway(folder: Path, name: str | None, health: tuple[str, int] | None) -> None:
    """Write readings from brokers.mqtt and from the Kafka topic `readings` into the topic `log`, until stopped.

    The configuration must be the one in force: `fenghuo configure DIR` puts it in force.
    """
    log_to_terminal()
    configuration = load(folder, "gateway")
    if not configuration.settings.brokers.kafka.bootstrap:
        raise click.ClickException(
            "fenghuo.yaml: brokers.kafka.bootstrap names no broker; name one, such as 127.0.0.1:9092"
        )
    ledger = _opened(configuration.settings)
    running = Gateway(
        configuration,
        ledger,
        clock_of(configuration.settings),
        os.environ,
        name=name,
    )
    with telling_health(health, lambda: _faults(running)):
        running.start()
        until_stopped("gateway")
        running.stop()
    ledger.close()


def _opened(settings: Settings) -> Ledger:
    try:
        return open_ledger(settings, os.environ)
    except LedgerRefused as error:
        if settings.gateway.offline is None or not isinstance(error.__cause__, OperationalError):
            raise
        metrics.log.error("ledger.away reason=%s", error)
        return ledger_met_later(settings, os.environ)


def _faults(running: Gateway) -> list[str]:
    faults = []
    if running.intake.fault is not None:
        faults.append(f"the log cannot be written: {running.intake.fault}; nothing is acknowledged")
    if running.intake.failure is not None:
        faults.append(
            f"the intake tripped over a payload, which stays unacknowledged: {running.intake.failure}"
        )
    if running.offline is not None and running.offline.fault is not None:
        faults.append(running.offline.fault)
    if running.mqtt is not None and not running.mqtt.connected.is_set():
        faults.append("the MQTT source does not stand")
    if not running.kafka.connected.is_set():
        faults.append("the Kafka source does not stand")
    return faults
