"""Writes the reference pages beside it from the code: metrics, commands, settings.

    python docs/reference/generate.py           write the pages
    python docs/reference/generate.py --check   exit 1 where a page is not what the code says

What a page says of a metric is the metric's own documentation; of a command, its `--help`; of a setting, the description
of its field: to mend a page, mend the code.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import types
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

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
    from runtime.cli import fenghuo

    top = click.Context(fenghuo, info_name="fenghuo", terminal_width=100)
    text = MADE + "# Commands\n\nExit code 0: done; 1: found wanting; 2: wrong use.\n"
    for path, printed in commands_under(fenghuo, top):
        text += f"\n## {path}\n\n```text\n{printed.rstrip()}\n```\n"
    return text


# --- settings -------------------------------------------------------------------------------------------------------


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models that an annotation names, however deep (`dict[str, X] | None`)."""
    if inspect.isclass(annotation) and typing.get_origin(annotation) is None:
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for part in typing.get_args(annotation) for model in models_in(part)]


def spelled(annotation: Any) -> str:
    """A type as a reader of YAML understands it."""
    if annotation is type(None):
        return "null"
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return spelled(parts[0])
    if origin is typing.Literal:
        return " or ".join(f"`{part}`" for part in parts)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(spelled(part) for part in parts))
    if origin in (list, tuple, set, frozenset):
        return "list of " + " or ".join(dict.fromkeys(spelled(part) for part in parts if part is not ...))
    if origin is not None and len(parts) == 2:
        return f"{spelled(parts[1])} by {spelled(parts[0])}"
    names = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false", "Path": "path"}
    name = getattr(annotation, "__name__", str(annotation))
    return names.get(name, name)


def default_of(field: FieldInfo) -> str:
    """A default as YAML would say it; a section's own default is in its rows."""
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return "must be given"
    if isinstance(value, BaseModel):
        return ""
    if value is None:
        return "null"
    if value is True or value is False:
        return str(value).lower()
    if isinstance(value, (tuple, list, set, frozenset, dict)) and any(
        isinstance(part, BaseModel) for part in (value.values() if isinstance(value, dict) else value)
    ):
        return "as shipped"
    return f"`{value}`"


def settings_of(
    model: type[BaseModel], above: str = "", seen: tuple[type[BaseModel], ...] = ()
) -> Iterator[tuple[str, str, str, str]]:
    """Every setting of a model and of the models in it: dotted name, type, default, description."""
    for name, field in model.model_fields.items():
        path = f"{above}{field.alias or name}"
        inner = [found for found in models_in(field.annotation) if found not in seen]
        if inner:
            many = typing.get_origin(field.annotation) in (list, tuple, dict) or "dict" in str(
                field.annotation
            )
            for found in inner:
                yield from settings_of(found, f"{path}{'.…' if many else ''}.", (*seen, model, found))
        else:
            yield path, spelled(field.annotation), default_of(field), field.description or ""


def settings_models() -> dict[str, type[BaseModel]]:
    """File of a configuration to the model of its content."""
    from runtime.configuration.policy import Policy
    from runtime.configuration.settings import Settings

    return {"fenghuo.yaml": Settings, "policy.yaml": Policy}


def settings_page() -> str:
    """Every setting of fenghuo.yaml and policy.yaml."""
    text = MADE + (
        "# Settings\n\nA setting that is left out has its default; an unknown one is a fault that `fenghuo check` names with file"
        " and line. `…` stands for a name or a place in a list.\n"
    )
    for file, model in settings_models().items():
        sections: dict[str, list[tuple[str, str, str, str]]] = {}
        for row in settings_of(model):
            sections.setdefault(row[0].split(".")[0] if "." in row[0] else "", []).append(row)
        text += f"\n## {file}\n"
        for section, rows in sections.items():
            text += f"\n### {section}\n\n" if section else "\n"
            text += table(
                ("setting", "type", "default", "what it does"), ((f"`{row[0]}`", *row[1:]) for row in rows)
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
