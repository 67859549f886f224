"""`fenghuo run`: the embedded engine on real sources."""

from __future__ import annotations

import os
from pathlib import Path

import click

from runtime.cli.service import config_option, log_to_terminal, until_stopped
from runtime.configuration.loading import load
from runtime.process import EmbeddedProcess


@click.command()
@config_option
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of log.db and state.db [default: database.folder of fenghuo.yaml].",
)
@click.option("--verbose", is_flag=True, help="Also what is normal.")
def run(folder: Path, data: Path | None, verbose: bool) -> None:
    """Run everything in this process until it is stopped: sources, log, pipelines, ledger, dispatch, console.

    Without brokers.mqtt in fenghuo.yaml a broker starts inside the process, for a first try only.
    """
    configuration = load(folder, "run")
    log_to_terminal(verbose=verbose)
    try:
        process = EmbeddedProcess(configuration, data or configuration.settings.database.folder, os.environ)
        process.start()
    except OSError as error:
        raise click.ClickException(str(error)) from error
    mqtt = process.mqtt_settings
    click.echo(
        f"烽火 console {process.console.url}  MQTT {mqtt.host}:{mqtt.port}  status {configuration.settings.status}"
    )
    if process.broker is not None:
        click.echo(
            "The broker inside this process can lose messages. For service, install Mosquitto and name it in"
            " fenghuo.yaml, brokers.mqtt.",
            err=True,
        )
    until_stopped("fenghuo")
    process.stop()
