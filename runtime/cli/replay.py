"""`fenghuo replay`: recorded readings through the whole chain."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from runtime.configuration.loading import load
from runtime.replay import BATCH, write
from runtime.replay import replay as play


@click.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--config", "folder", required=True, type=click.Path(path_type=Path), help="Folder of the configuration."
)
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the results."
)
@click.option(
    "--batch",
    default=BATCH,
    show_default=True,
    type=click.IntRange(min=1),
    help="Readings at once; changes no result.",
)
def replay(files: tuple[Path, ...], folder: Path, out: Path, batch: int) -> None:
    """Play recorded readings (.jsonl, .jsonl.gz, .mseed) on their own time, as fast as it goes.

    Writes findings.jsonl, alerts.jsonl, notices.jsonl and rejects.jsonl, the same to the byte every time.
    """
    configuration = load(folder)
    screen = Console(stderr=True)
    columns = (TextColumn("replay"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen, disable=not screen.is_terminal) as progress:
        bar = progress.add_task("replay", total=sum(path.stat().st_size for path in files))
        result = play(files, configuration.bundle, batch=batch, on_bytes=lambda n: progress.advance(bar, n))
    write(result, out)
    counts = ", ".join(f"{result.count(name)} {name}" for name in ("findings", "alerts", "notices"))
    click.echo(f"{result.readings} readings, {len(result.rejects)} rejects: {counts} -> {out}")
