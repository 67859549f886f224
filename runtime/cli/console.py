"""`fenghuo console`: the page and the API over a ledger that workers share."""

from __future__ import annotations

import os
from pathlib import Path

import click

from runtime.cli.service import config_option, log_to_terminal, until_stopped
from runtime.configuration.loading import load
from runtime.page.shared import SharedConsole
from runtime.servers.database import open_ledger
from runtime.servers.surroundings import clock_of


@click.command()
@config_option
def console(folder: Path) -> None:
    """Serve page and API on ports.console over the ledger of database.url, until stopped.

    Acts go into the topic `log`, and a worker judges them. Readings are refused: they go to a gateway.
    """
    log_to_terminal()
    configuration = load(folder, "console")
    with open_ledger(configuration.settings, os.environ) as ledger:
        running = SharedConsole(configuration, ledger, clock_of(configuration.settings), os.environ)
        running.start()
        click.echo(f"烽火 console {running.server.url}")
        until_stopped("console")
        running.stop()
