"""`python -m deploy.demo`: what `make demo-kafka` runs."""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console

from deploy.demo.show import broker_for, demonstrate
from runtime.cli.service import log_to_terminal
from runtime.demo.play import LENGTH_US, Storm
from schemas.errors import PlainError
from schemas.times import MINUTE
from tests.servers.base import ServerMissing


@click.command()
@click.option(
    "--seconds",
    default=120.0,
    show_default=True,
    type=click.FloatRange(min=5),
    help="How long the storm takes.",
)
@click.option(
    "--minutes",
    default=LENGTH_US // MINUTE,
    show_default=True,
    type=click.IntRange(min=5),
    help="How much of the storm is shown.",
)
@click.option(
    "--seed", default=1, show_default=True, type=click.IntRange(min=0), help="Another seed, another storm."
)
@click.option(
    "--broker",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "kafka", "tansu"]),
    help="Apache Kafka, or Tansu from the package index; auto: Tansu where Kafka is not there.",
)
@click.option(
    "--data",
    default="data/demo-kafka",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of what was received and of the report; emptied first.",
)
@click.option("--keep", is_flag=True, help="Keep all but the gateways up until Ctrl-C.")
def demo(seconds: float, minutes: int, seed: int, broker: str, data: Path, keep: bool) -> None:
    """Show the storm on Kafka, Mosquitto and PostgreSQL of its own, with every program a process.

    It ends by itself, sums up what everybody received, and stops everything that it started.
    """
    screen = Console()
    log_to_terminal(screen if screen.is_terminal else None)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="fenghuo-demo-") as folder:
        # All that servers and programs make lies in it and goes with it; the database's own user has to come through.
        Path(folder).chmod(0o711)
        tempfile.tempdir = folder
        demonstrate(
            screen,
            broker=broker_for(broker),
            storm=Storm.simulated(seed, minutes * MINUTE),
            lasts_s=seconds,
            keep=keep,
            data=data,
        )


if __name__ == "__main__":
    try:
        demo(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (PlainError, ServerMissing) as error:
        click.echo(f"demo-kafka: {error}", err=True)
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort):
        click.echo("demo-kafka: stopped; everything that it started has ended", err=True)
        sys.exit(130)
