"""`python -m tests.chaos`: play seeds that have no result for this code yet, keep the results, print the table.

Exit status: 0 where all that was played passed, 1 where something was lost, different or told twice, 2 where it
cannot run here.
"""

from __future__ import annotations

import shutil
import sys
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click
from kafka.errors import KafkaError
from sqlalchemy.exc import SQLAlchemyError

from tests.chaos import results
from tests.chaos.network import enter_own_namespace
from tests.chaos.play import play
from tests.servers.base import ServerMissing

_SHOWN = 10


class _Seeds(click.ParamType):
    """`N` for 1 to N, or `A-B`."""

    name = "seeds"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> range:
        first, _, last = f"1-{value}".rpartition("-")
        first = first.removeprefix("1-")
        if not (first.isdecimal() and last.isdecimal() and 0 < int(first) <= int(last)):
            self.fail(f"{value!r} is neither N nor A-B", param, ctx)
        return range(int(first), int(last) + 1)


@click.command()
@click.option(
    "--seeds",
    type=_Seeds(),
    help="Play those that are missing of the seeds 1 to N, or A-B: two may run beside each other.",
)
@click.option("--seed", type=click.IntRange(min=0), help="Play this one, whether it has a result or not.")
@click.option(
    "--undisturbed", is_flag=True, help="With --seed: no faults; compared with a replay of the readings too."
)
@click.option(
    "--results",
    "kept",
    default=results.RESULTS,
    type=click.Path(path_type=Path),
    help="Folder of the results.",
)
@click.option(
    "--keep", type=click.Path(path_type=Path), help="With --seed: leave all files of the run there."
)
def chaos(seeds: range | None, seed: int | None, undisturbed: bool, kept: Path, keep: Path | None) -> None:
    """Play storm and earthquake through the Kafka deployment while it is broken, and judge what came of it."""
    try:
        enter_own_namespace("tests.chaos", sys.argv[1:])
    except ServerMissing as error:
        click.echo(f"this cannot run here: {error}", err=True)
        sys.exit(2)
    code = results.code_id()
    wanted = (
        [seed] if seed is not None else results.missing(seeds or range(1, 2), results.read_all(kept), code)
    )
    good = True
    for one in wanted:
        good &= _play(one, kept, keep, undisturbed=undisturbed)
    click.echo(results.table(results.read_all(kept), code))
    sys.exit(0 if good else 1)


def _play(seed: int, kept: Path, keep: Path | None, *, undisturbed: bool) -> bool:
    folder = keep or results.ROOT / ".cache" / "chaos" / f"seed-{seed:03d}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        result = play(seed, folder, disturbed=not undisturbed)
    except (OSError, RuntimeError, SQLAlchemyError, KafkaError):  # TimeoutError is an OSError
        traceback.print_exc()
        click.echo(f"seed {seed} did not come to its end and has no result; what there is: {folder}")
        return False
    results.write(result, kept)
    click.echo(result.model_dump_json(indent=1, exclude={"lost", "different", "twice"}))
    for name in ("lost", "different", "twice"):
        _show(name, getattr(result, name))
    if not result.passed:
        click.echo(f"seed {seed} failed; configuration, output, logs and replays: {folder}")
    elif keep is None:
        shutil.rmtree(folder)
    return result.passed


def _show(name: str, found: Sequence[str]) -> None:
    click.echo(f"{name}: {len(found)}")
    kinds: Counter[str] = Counter()
    for line in found:
        # Notices come in thousands: never so many of one kind that another is not seen.
        kind = line.partition(" ")[0]
        kinds[kind] += 1
        if kinds[kind] <= _SHOWN:
            click.echo(f"  {line}")


if __name__ == "__main__":
    chaos()
