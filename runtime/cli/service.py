"""How long-running commands log and end."""

from __future__ import annotations

import logging
import signal
import threading

import click
from rich.console import Console
from rich.logging import RichHandler


def log_to_terminal(screen: Console | None = None, *, verbose: bool = False) -> None:
    """Plain lines on standard error: what is wrong, and with `verbose` also what is normal.

    Parameters
    ----------
    screen
        Takes the lines instead, where something else is drawn on the same terminal.
    """
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(message)s",
        handlers=[
            RichHandler(console=screen or Console(stderr=True), show_path=False, rich_tracebacks=False)
        ],
    )


def until_stopped(name: str) -> None:
    """Say that a service is ready, and wait for SIGTERM or SIGINT."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    click.echo(f"{name} ready")
    stopped.wait()
    click.echo(f"{name}: stopping; what was taken is finished and saved", err=True)
