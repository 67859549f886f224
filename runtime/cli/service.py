"""How long-running commands log, tell of their health, and end."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.logging import RichHandler

from runtime.configuration.shipped import SHIPPED, SHIPPED_WORDS

_RETRYING = ("kafka.net", "kafka.cluster", "kafka.producer", "kafka.consumer")


def log_to_terminal(screen: Console | None = None, *, verbose: bool = False) -> None:
    """Plain lines on standard error: what is wrong, and with `verbose` also what is normal.

    Parameters
    ----------
    screen
        Takes the lines instead, where something else is drawn on the same terminal.
    """
    handler = RichHandler(console=screen or Console(stderr=True), show_path=False, rich_tracebacks=False)
    if not verbose:
        # kafka-python writes many lines at each try to reach a broker; ours say once why it cannot be reached.
        handler.addFilter(lambda record: not record.name.startswith(_RETRYING))
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(message)s", handlers=[handler]
    )


def config_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--config DIR`, given as `folder`; left out, the place that ships."""
    return click.option(
        "--config",
        "folder",
        metavar="DIR",
        default=SHIPPED,
        show_default=SHIPPED_WORDS,
        type=click.Path(path_type=Path),
        help="Folder of the configuration.",
    )(command)


def health_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--health HOST:PORT`, given as `health`."""
    return click.option(
        "--health",
        metavar="HOST:PORT",
        callback=_place,
        help="Serve /health and /metrics there; left out, nowhere.",
    )(command)


def _place(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[str, int] | None:
    if value is None:
        return None
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise click.BadParameter(f"{value!r} is not HOST:PORT, such as 127.0.0.1:8081")
    return host, int(port)


@contextmanager
def telling_health(place: tuple[str, int] | None, faults: Callable[[], list[str]]) -> Iterator[None]:
    """Serve health and metrics while the block lasts, where a place is given."""
    if place is None:
        yield
        return
    # Here, so that a command that serves nothing starts without the server's library.
    from runtime.page.operations import operations_app
    from runtime.page.server import ConsoleServer

    server = ConsoleServer(operations_app(faults), *place, setting="--health")
    server.start()
    try:
        yield
    finally:
        server.stop()


def until_stopped(name: str) -> None:
    """Say that a service is ready, and wait for SIGTERM or SIGINT."""
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    click.echo(f"{name} ready")
    stopped.wait()
    click.echo(f"{name}: stopping; what was taken is finished and saved", err=True)
