"""`fenghuo replay`: recorded readings, or exported logs, through the whole chain."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from runtime.configuration.loading import load
from runtime.logs.file import SUFFIX
from runtime.replay.logs import BATCH as LOG_BATCH
from runtime.replay.logs import replay_logs
from runtime.replay.readings import BATCH, write
from runtime.replay.readings import replay as play


@click.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--config",
    "folder",
    type=click.Path(path_type=Path),
    help="Folder of the configuration, for readings; exported logs bring their own.",
)
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the results."
)
@click.option(
    "--batch",
    type=click.IntRange(min=1),
    help=f"Readings, or records, at once; changes no result. [default: {BATCH} or {LOG_BATCH}]",
)
def replay(files: tuple[Path, ...], folder: Path | None, out: Path, batch: int | None) -> None:
    """Play recorded readings (.jsonl, .jsonl.gz, .mseed) or exported logs (.fhlog), as fast as it goes.

    Readings go by their own time and the configuration that is given; logs as they were decided, acts and changes of
    configuration too. Writes findings.jsonl, alerts.jsonl, notices.jsonl and rejects.jsonl, the same to the byte every
    time.
    """
    logs = [path for path in files if path.suffix == SUFFIX]
    if logs and len(logs) < len(files):
        other = next(path for path in files if path.suffix != SUFFIX)
        raise click.UsageError(
            f"{logs[0]} is an exported log and {other} is none; replay logs and readings one after the other"
        )
    if logs and folder is not None:
        raise click.UsageError(
            "an exported log brings the configurations by which it was decided; take --config away"
        )
    if not logs and folder is None:
        raise click.UsageError("readings need the configuration to judge them by; give --config DIR")
    screen = Console(stderr=True)
    columns = (TextColumn("replay"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen, disable=not screen.is_terminal) as progress:
        bar = progress.add_task("replay", total=sum(path.stat().st_size for path in files))
        if folder is None:
            said = _play_logs(files, out, batch or LOG_BATCH, progress, bar)
        else:
            said = _play_readings(files, folder, out, batch or BATCH, progress, bar)
    for sentence in said[1:]:
        click.echo(sentence, err=True)
    click.echo(f"{said[0]} -> {out}")


def _play_logs(files: tuple[Path, ...], out: Path, batch: int, progress: Progress, bar: TaskID) -> list[str]:
    played = replay_logs(files, out, batch=batch, on_bytes=lambda n: progress.advance(bar, n))
    counts = ", ".join(f"{played.counts[name]} {name}" for name in ("findings", "alerts", "notices"))
    areas = f"{len(played.ends)} association area{'s' if len(played.ends) > 1 else ''}"
    dead = f" ({played.counts['dead']} passed over)" if played.counts["dead"] else ""
    return [f"{played.records} records{dead} of {areas}: {counts}", *played.warnings]


def _play_readings(
    files: tuple[Path, ...], folder: Path, out: Path, batch: int, progress: Progress, bar: TaskID
) -> list[str]:
    result = play(files, load(folder).bundle, batch=batch, on_bytes=lambda n: progress.advance(bar, n))
    lines = write(result, out)
    counts = ", ".join(f"{lines[name]} {name}" for name in ("findings", "alerts", "notices"))
    return [f"{result.readings} readings, {len(result.rejects)} rejects: {counts}"]
