"""`fenghuo relay`: takes readings where they arise, and forgets only what the engine has in its log."""

from __future__ import annotations

import os
from pathlib import Path

import click

from runtime.cli.service import log_to_terminal, until_stopped
from runtime.relay.relay import Relay
from runtime.relay.settings import read_relay_settings


@click.command()
@click.option(
    "--config",
    "file",
    default="relay.yaml",
    show_default=True,
    type=click.Path(path_type=Path),
    help="File of the relay's settings.",
)
@click.option("--verbose", is_flag=True, help="Also what is normal.")
def relay(file: Path, verbose: bool) -> None:
    """Take readings from devices by MQTT and HTTP, keep them on disk, number and forward them, until stopped.

    A reading is forgotten when the engine has acknowledged it on acks/<station>, and sent again until then.
    """
    settings = read_relay_settings(file)
    log_to_terminal(verbose=verbose)
    try:
        running = Relay(settings, os.environ)
    except OSError as error:
        raise click.ClickException(str(error)) from error
    running.start()
    click.echo(f"烽火 relay {running.door.url}  to {settings.engine.host}:{settings.engine.port}")
    until_stopped("relay")
    running.stop()
