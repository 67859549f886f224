"""Every metric, command and setting has its documentation, and the pages say what the code says."""

from __future__ import annotations

import ast
import re

import click
import pytest

from docs.reference import generate
from docs.reference.settings import rows_of
from runtime.cli import COMMANDS, fenghuo
from tests.house.tree import PACKAGES, ROOT, tracked

REFERENCE = ROOT / "docs" / "reference"


@pytest.mark.parametrize("page", ["metrics.md", "commands.md", "settings.md"])
def test_page_says_what_the_code_says(page: str) -> None:
    assert (REFERENCE / page).exists(), "run: make reference"
    assert (REFERENCE / page).read_text(encoding="utf-8") == generate.PAGES[page](), "run: make reference"


ROOMS_WITH_METRICS = [room for room in PACKAGES if (ROOT / room / "metrics.py").exists()]


@pytest.mark.parametrize("room", ROOMS_WITH_METRICS)
def test_metrics_are_named_and_explained(room: str) -> None:
    """By the text of metrics.py, so that a metric hidden in a class or a function is found too."""
    named = re.findall(r"[\"'](fenghuo_\w+)[\"']", (ROOT / room / "metrics.py").read_text(encoding="utf-8"))
    assert named, f"{room}/metrics.py names no metric"
    page = (REFERENCE / "metrics.md").read_text(encoding="utf-8")
    for name in named:
        assert re.search(rf"^\| `{name}(_total)?` \| \w+ \| .+ \| .+ \|$", page, re.MULTILINE), name


def test_metrics_are_made_in_metrics_py_only() -> None:
    makers = {"Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"}
    for path in tracked(".py"):
        if path.parts[0] not in PACKAGES or path.name == "metrics.py":
            continue
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "prometheus_client":
                made = {alias.name for alias in node.names} & makers
                assert not made, (
                    f"{path}:{node.lineno} makes metrics: they belong in {path.parts[0]}/metrics.py"
                )


def test_every_command_has_a_file_and_help() -> None:
    described = dict(generate.commands_under(fenghuo, click.Context(fenghuo, info_name="fenghuo")))
    assert {f"fenghuo {name}" for name in COMMANDS} <= set(described)
    for path, printed in described.items():
        usage, _, rest = printed.partition("\n\n")
        assert usage.startswith("Usage:")
        said = rest.strip()
        assert said, path
        assert not said.startswith(("Options:", "Commands:")), f"{path} does not say what it does"


def test_every_option_says_what_it_does() -> None:
    silent: list[str] = []

    def look(command: click.Command, path: str) -> None:
        silent.extend(
            f"{path} {option.opts[-1]}"
            for option in command.params
            if isinstance(option, click.Option) and not option.help and option.name != "help"
        )
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                below = command.get_command(context, name)
                assert below is not None
                look(below, f"{path} {name}")

    look(fenghuo, "fenghuo")
    assert not silent


def test_every_setting_says_what_it_does() -> None:
    silent: list[str] = []
    for file, model in generate.settings_models().items():
        rows = list(rows_of(model))
        assert rows, file
        silent += [f"{file}: {row.name}" for row in rows if not row.does]
    assert not silent, "give these fields a description"
