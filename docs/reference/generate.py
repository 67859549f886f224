"""Writes the reference pages beside it from the code: metrics, commands, settings.

    python -m docs.reference.generate           write the pages
    python -m docs.reference.generate --check   exit 1 where a page is not what the code says

What a page says of a metric is the metric's own documentation; of a command, its `--help`; of a setting, the description
of its field: to mend a page, mend the code.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

import click
from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel

from docs.reference.settings import rows_of
from runtime.cli import fenghuo
from runtime.configuration.policy import Policy
from runtime.configuration.settings import Settings
from runtime.relay.settings import RelaySettings

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ROOMS = ("ingest", "detectors", "alerting", "console", "runtime")
MADE = "<!-- made by docs/reference/generate.py: mend the code, then `make reference` -->\n\n"


def cell(text: str) -> str:
    """One cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    names = list(head)
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    lines += [f"| {' | '.join(map(cell, row))} |" for row in rows]
    return "\n".join(lines) + "\n"


# --- metrics --------------------------------------------------------------------------------------------------------


def metrics_of(room: str) -> list[MetricWrapperBase]:
    """Every metric that a room's metrics.py names, in the order in which it names them."""
    module = importlib.import_module(f"{room}.metrics")
    return [value for value in vars(module).values() if isinstance(value, MetricWrapperBase)]


def metric_row(metric: MetricWrapperBase) -> tuple[str, str, str, str]:
    """Name as a query has it, kind, labels, documentation."""
    (family,) = metric.describe()
    name = f"{family.name}_total" if family.type == "counter" else family.name
    return f"`{name}`", family.type, ", ".join(metric._labelnames) or "none", family.documentation


def metrics_page() -> str:
    """All metrics by room."""
    text = MADE + "# Metrics\n\nServed at `/metrics`. A histogram has `_bucket`, `_sum` and `_count`.\n"
    for room in ROOMS:
        if not (ROOT / room / "metrics.py").exists():
            continue
        rows = [metric_row(metric) for metric in metrics_of(room)]
        text += f"\n## {room}\n\n" + table(("metric", "kind", "labels", "what it says"), rows)
    return text


# --- commands -------------------------------------------------------------------------------------------------------


def commands_under(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    """The path and the help of a command and of all below it."""
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None, f"{context.command_path} lists {name}, and has no such command"
            yield from commands_under(
                below, click.Context(below, info_name=name, parent=context, terminal_width=100)
            )


def commands_page() -> str:
    """The help of every command."""
    top = click.Context(fenghuo, info_name="fenghuo", terminal_width=100)
    text = MADE + "# Commands\n\nExit code 0: done; 1: found wanting; 2: wrong use.\n"
    for path, printed in commands_under(fenghuo, top):
        text += f"\n## {path}\n\n```text\n{printed.rstrip()}\n```\n"
    return text


# --- settings -------------------------------------------------------------------------------------------------------


def settings_models() -> dict[str, type[BaseModel]]:
    """File of a configuration to the model of its content."""
    return {"fenghuo.yaml": Settings, "policy.yaml": Policy, "relay.yaml": RelaySettings}


def settings_page() -> str:
    """Every setting of fenghuo.yaml, policy.yaml and relay.yaml."""
    text = MADE + (
        "# Settings\n\nWhat is left out has its default; an unknown setting is a fault that `fenghuo check` names with its"
        " file and line.\n`…` stands for a name or a place in a list.\n"
    )
    for file, model in settings_models().items():
        text += f"\n## {file}\n"
        for section, rows in groupby(rows_of(model), lambda row: row.name.partition(".")[0]):
            text += f"\n### {section}\n\n"
            text += table(
                ("setting", "type", "default", "what it does"),
                ((f"`{row.name}`", row.type, row.default, row.does) for row in rows),
            )
    return text


PAGES = {"metrics.md": metrics_page, "commands.md": commands_page, "settings.md": settings_page}


def main(words: list[str]) -> int:
    """Write the pages, or tell which ones are out of date."""
    stale = [name for name, page in PAGES.items() if not _same(HERE / name, page())]
    if "--check" in words:
        for name in stale:
            print(f"docs/reference/{name} is not what the code says; run: make reference")
        return 1 if stale else 0
    for name in stale:
        (HERE / name).write_text(PAGES[name](), encoding="utf-8")
        print(f"wrote docs/reference/{name}")
    return 0


def _same(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
