"""`fenghuo log`: the log itself: export it, and hold the ledger against it."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from alerting.ledger import Ledger
from runtime.cli.service import config_option
from runtime.configuration.loading import Configuration, load
from runtime.logs.export import EmbeddedSource, Exported, LogSource, NothingToExport
from runtime.logs.export import export as write_out
from runtime.replay.comparing import differences
from runtime.replay.logs import replay_logs
from runtime.servers.database import open_ledger

_SHOWN = 100


def _data_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--data",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Folder of log.db and state.db, where `fenghuo run --data` was given one.",
    )(command)


@click.group()
def log() -> None:
    """The log, from which everything follows: export it, and hold the ledger against it."""


@log.command()
@config_option
@_data_option
@click.option("--area", "areas", multiple=True, help="Only this association area's; may be given again.")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder for one <area>.fhlog each; or a file of that suffix, for one area.",
)
def export(folder: Path, data: Path | None, areas: tuple[str, ...], out: Path) -> None:
    """Write each association area's log, with the configurations that it names, to one file that `replay` plays.

    Of the engine that the configuration describes: Kafka where brokers.kafka.bootstrap names brokers, else log.db. It
    may go on meanwhile: what is written is the log as it stands now.
    """
    configuration = load(folder, "log")
    chosen = tuple(dict.fromkeys(areas)) or configuration.bundle.associations
    with (
        closing(_source(configuration, data, chosen)) as source,
        closing(_ledger(configuration, data)) as ledger,
        _bar("export", source.total, MofNCompleteColumn()) as advance,
    ):
        exported = write_out(source, ledger, chosen, out, fallback=configuration.bundle, on_records=advance)
    for one in exported:
        click.echo(_line(one))
    for one in exported:
        for sentence in _wanting(one):
            click.echo(sentence, err=True)
    if areas and any(not one.records for one in exported):
        raise NothingToExport(f"{source.name} has no record of {_empty(exported)}; the file holds none")
    if any(one.missing for one in exported):
        sys.exit(1)


@log.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@config_option
@_data_option
def compare(files: tuple[Path, ...], folder: Path, data: Path | None) -> None:
    """Replay exported logs, and tell where the ledger holds something else; exit with 1 where it does.

    The ledger is the one that the configuration names. What it decided behind the end of a file is left out.
    """
    configuration = load(folder, "log")
    with closing(_ledger(configuration, data)) as ledger, tempfile.TemporaryDirectory() as place:
        with _bar("replay", sum(path.stat().st_size for path in files), DownloadColumn()) as advance:
            played = replay_logs(files, Path(place), on_bytes=advance)
        for sentence in played.warnings:
            click.echo(sentence, err=True)
        for area, end in played.ends.items():
            reached = ledger.checkpoint_position(area)
            if reached < end.last:
                click.echo(
                    f"association area {area}: the engine's checkpoint is at position {reached}, the file goes to"
                    f" {end.last}; what it has not decided yet shows as missing",
                    err=True,
                )
        spans = {area: (end.first, end.last) for area, end in played.ends.items()}
        found = differences(ledger, Path(place), spans)
    for sentence in found[:_SHOWN]:
        click.echo(sentence)
    if len(found) > _SHOWN:
        click.echo(f"and {len(found) - _SHOWN} more")
    counts = ", ".join(f"{played.counts[name]} {name}" for name in ("findings", "alerts", "notices"))
    click.echo(f"{counts} of the log; {len(found) or 'no'} differences", err=True)
    if found:
        sys.exit(1)


def _source(configuration: Configuration, data: Path | None, areas: tuple[str, ...]) -> LogSource:
    settings = configuration.settings
    if data is None and settings.brokers.kafka.bootstrap:
        # Here, so that the log of `fenghuo run` is exported without Kafka's library.
        from runtime.logs.export_kafka import TopicSource
        from runtime.servers.connections import KafkaAccess

        return TopicSource(KafkaAccess.of(settings.brokers.kafka, os.environ), areas)
    return EmbeddedSource((data or settings.database.folder) / "log.db", areas)


def _ledger(configuration: Configuration, data: Path | None) -> Ledger:
    settings = configuration.settings
    if data is None and settings.database.url is not None:
        return open_ledger(settings, os.environ)
    path = (data or settings.database.folder) / "state.db"
    if not path.exists():
        raise click.ClickException(f"{path} is not there: no engine has run on this configuration's data yet")
    return Ledger.open(str(path))


@contextmanager
def _bar(what: str, total: int, column: ProgressColumn) -> Iterator[Callable[[int], None]]:
    screen = Console(stderr=True)
    columns = (TextColumn(what), BarColumn(), column, TimeRemainingColumn())
    with Progress(*columns, console=screen, disable=not screen.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda count: progress.advance(task, count)


def _line(one: Exported) -> str:
    if not one.records:
        return f"{one.path}: no records"
    return f"{one.path}: {one.records} records, positions {one.first} to {one.last}"


def _wanting(one: Exported) -> Iterator[str]:
    if not one.whole:
        yield (
            f"{one.path}: what went before position {one.first} was dropped by the log's retention; a replay begins with"
            " an unknown state, and its levels and ids may differ from what was said"
        )
    for bundle in sorted(one.missing):
        yield (
            f"{one.path}: the ledger lacks configuration {bundle[:12]}, which records name; a replay stops there, as the"
            " engine does"
        )


def _empty(exported: list[Exported]) -> str:
    return ", ".join(one.area for one in exported if not one.records)
