"""`fenghuo demo`: the whole system in one process, on a simulated storm day."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import click
from rich.console import Console

from runtime.cli.service import log_to_terminal
from runtime.demo.show import demonstrate


@click.command()
@click.option(
    "--seconds",
    default=120.0,
    show_default=True,
    type=click.FloatRange(min=5),
    help="How long the storm takes.",
)
@click.option(
    "--seed", default=1, show_default=True, type=click.IntRange(min=0), help="Another seed, another storm."
)
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Port of the console [default: any that is free]."
)
@click.option(
    "--data",
    default="data/demo",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the databases and the report; emptied first.",
)
@click.option(
    "--browser/--no-browser", default=True, show_default=True, help="Open the console in a browser."
)
@click.option("--keep", is_flag=True, help="Keep the console up until Ctrl-C.")
def demo(seconds: float, seed: int, port: int | None, data: Path, browser: bool, keep: bool) -> None:
    """Show the whole system on a simulated storm over Bazhong, as an exercise, with phones and loudspeakers of its own.

    It needs no server, ends by itself, and sums up what everybody received.
    """
    screen = Console()
    log_to_terminal(screen if screen.is_terminal else None)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    demonstrate(
        screen,
        seconds=seconds,
        seed=seed,
        port=port,
        browser=browser,
        keep=keep,
        data=data,
        stopped=stopped,
    )
