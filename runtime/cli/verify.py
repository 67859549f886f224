"""`fenghuo verify`: alerts against the truth."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import click
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from runtime.cli.place import place_option, read_place
from runtime.simulate.place import Place
from runtime.verify import Judgement, Verifier, Version
from schemas.hazard import Hazard
from schemas.level import Level
from schemas.truth import Truth

T = TypeVar("T")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--truth", "truth_file", type=_FILE, required=True, help="truth.json.")
@click.option(
    "--alerts", "alerts_file", type=_FILE, required=True, help="alerts.jsonl: alert versions, one a line."
)
@place_option("Folder whose areas.csv says what lies in what.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def verify(truth_file: Path, alerts_file: Path, config: Path, as_json: bool) -> None:
    """Score alerts against what really happened: POD, FAR, CSI and lead times by hazard and level.

    Exits with 1 where an event was missed, where nothing happened and yet something was warned of, or where orange
    or red stood in more than 5 % of the areas that truth leaves below orange.
    """
    place = read_place(config)
    truth = _parsed(truth_file, 0, truth_file.read_bytes(), Truth.model_validate_json)
    with alerts_file.open("rb") as file:
        alerts = [
            _parsed(alerts_file, number, line, Version.model_validate_json)
            for number, line in enumerate(file, 1)
            if line.strip()
        ]
    _check_place(config, place, truth, alerts)
    judgement = Verifier(truth, alerts, place.areas).judge()
    if as_json:
        click.echo(json.dumps(_as_json(judgement), ensure_ascii=False, indent=1))
    else:
        _show(judgement)
    if judgement.wanting:
        raise click.exceptions.Exit(1)


def _check_place(config: Path, place: Place, truth: Truth, alerts: Sequence[Version]) -> None:
    """Refuse to judge by another place's areas; an area that only is unknown there stands for itself, and is told."""
    named = {event.area for event in truth.events} | {
        code for alert in alerts for code in (alert.area, *alert.areas)
    }
    unknown = sorted(code for code in named if code not in place.areas)
    if unknown and len(unknown) == len(named):
        raise click.ClickException(
            f"{config}/areas.csv has no area that truth or alerts name (such as {unknown[0]}); "
            "name the folder with which the alerts were made by --config"
        )
    if unknown:
        click.echo(
            f"{len(unknown)} of {len(named)} areas that truth and alerts name are not in {config}/areas.csv "
            f"(such as {unknown[0]}): each stands for itself",
            err=True,
        )


def _parsed(file: Path, line: int, payload: bytes, parse: Callable[[bytes], T]) -> T:
    try:
        return parse(payload)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = f"{file}:{line}" if line else str(file)
        field = ".".join(map(str, first["loc"])) or "line"
        raise click.ClickException(f"{where}: {field}: {first['msg']}") from error


def _as_json(judgement: Judgement) -> dict[str, object]:
    return {
        "holds": not judgement.wanting,
        "wanting": judgement.wanting,
        "rows": [
            {
                "hazard": row.hazard,
                "level": row.level,
                "hits": row.scores.hits,
                "false_alarms": row.scores.false_alarms,
                "misses": row.scores.misses,
                "correct_negatives": row.scores.correct_negatives,
                **{
                    name: None if score is None else round(score, 4)
                    for name, score in row.scores.named().items()
                },
                "lead_median_s": row.lead_s(50),
                "lead_10_percent_s": row.lead_s(10),
            }
            for row in judgement.rows
        ],
        "areas_by_warned_and_true_level": dict(judgement.matrix),
    }


def _show(judgement: Judgement) -> None:
    # A table of ten columns does not fit the 80 that a pipe would get.
    console = Console(width=100)
    table = Table(title="预警检验（提前量：中位数与10%分位，分钟）")
    for heading in ("灾种", "级别"):
        table.add_column(heading, no_wrap=True)
    for heading in ("命中", "空报", "漏报", "POD", "FAR", "CSI", "提前", "10 %"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in judgement.rows:
        scores = row.scores.named()
        table.add_row(
            row.hazard.zh,
            Level(row.level).words_zh,
            str(row.scores.hits),
            str(row.scores.false_alarms),
            str(row.scores.misses),
            *(_figure(scores[name], 2) for name in ("pod", "far", "csi")),
            *(_figure(None if lead is None else lead / 60, 1) for lead in (row.lead_s(50), row.lead_s(10))),
        )
    console.print(table)
    for hazard, counts in judgement.matrix.items():
        console.print(_matrix_table(hazard, counts))
    for sentence in judgement.wanting:
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)
    console.print("holds" if not judgement.wanting else f"found wanting: {len(judgement.wanting)}")


def _matrix_table(hazard: Hazard, counts: tuple[tuple[int, ...], ...]) -> Table:
    table = Table(title=f"{hazard.zh}（行：预警，列：实况，区域数）", title_justify="left", min_width=60)
    table.add_column("")
    for level in Level:
        table.add_column(level.colour_zh, justify="right")
    for level in reversed(Level):
        table.add_row(level.colour_zh, *(str(count) for count in counts[level]))
    return table


def _figure(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
