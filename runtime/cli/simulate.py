"""`fenghuo simulate`: readings and truth of a simulated day."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from runtime.cli.place import place_option, read_place
from runtime.simulate.scenarios import SCENARIOS
from runtime.simulate.truth import truth_of
from runtime.simulate.writing import write_readings
from schemas.times import Micros, rfc3339, to_micros


class _Moment(click.ParamType):
    """A time with an offset."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Micros:
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a time such as 2026-07-18T07:00:00+08:00", param, ctx)
        if moment.tzinfo is None:
            self.fail(f"{value!r} has no offset; write for example {value}+08:00", param, ctx)
        return to_micros(moment)


@click.command()
@click.argument("scenario", type=click.Choice(list(SCENARIOS)))
@click.option(
    "--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Same seed, same bytes."
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder of readings.jsonl and truth.json.",
)
@click.option("--from", "start_us", type=_Moment(), help="Leave out what was observed before.")
@click.option("--until", "stop_us", type=_Moment(), help="Leave out what was observed from then on.")
@place_option("Folder with areas.csv and stations.csv.")
def simulate(
    scenario: str, seed: int, out: Path, start_us: Micros | None, stop_us: Micros | None, config: Path
) -> None:
    """Write readings.jsonl and truth.json of a scenario.

    storm: a rain band over the city, floods, two landslides. quake: M 5.5 in Tongjiang. fire: smoke before three
    cameras. quiet: a calm month. mixed: all at once, with late and repeated readings.
    """
    place = read_place(config)
    made = SCENARIOS[scenario](place, seed)
    start = made.start_us if start_us is None else max(made.start_us, start_us)
    stop = made.stop_us if stop_us is None else min(made.stop_us, stop_us)
    if start >= stop:
        raise click.UsageError(
            f"{scenario} runs from {rfc3339(made.start_us)} to {rfc3339(made.stop_us)}; nothing lies between the given times"
        )
    out.mkdir(parents=True, exist_ok=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    with (
        (out / "readings.jsonl").open("wb") as file,
        Progress(*columns, console=Console(file=sys.stderr), transient=True) as bar,
    ):
        task = bar.add_task(scenario, total=1.0)
        lines = write_readings(
            file, made.sources, start, stop, made.delivery, lambda done: bar.update(task, completed=done)
        )
    truth = truth_of(made.courses, start, stop)
    (out / "truth.json").write_text(truth.model_dump_json(indent=1) + "\n", encoding="utf-8")
    click.echo(
        f"{scenario}, seed {seed}: {lines:,} readings, {len(truth.events)} true events in {out}", err=True
    )
