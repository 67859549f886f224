"""What the READMEs tell a stranger to type exists, and both say the same."""

from __future__ import annotations

import re

import click
import pytest

from runtime.cli import fenghuo
from tests.house.tree import ROOT

READMES = ["README.md", "README.zh.md"]


def code_of(name: str) -> str:
    """All that stands in code, in blocks or in line, a piece a line."""
    text = (ROOT / name).read_text(encoding="utf-8")
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    return "\n".join(blocks + re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL)))


@pytest.mark.parametrize("readme", READMES)
def test_make_targets_exist(readme: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"\bmake (?:-C \S+ )?([a-z]+)", code_of(readme)))
    assert {"demo", "test", "check"} <= named <= targets


@pytest.mark.parametrize("readme", READMES)
def test_commands_and_their_options_exist(readme: str) -> None:
    named = re.findall(r"\bfenghuo ((?:[a-z]+)(?: .*)?)$", code_of(readme), re.MULTILINE)
    found = [words for words in named if words.split()[0] in fenghuo.list_commands(click.Context(fenghuo))]
    assert len(found) >= 6, named
    for line in found:
        command: click.Command | None = fenghuo
        words = line.split()
        while isinstance(command, click.Group):
            command = command.get_command(click.Context(command), words.pop(0))
        assert command is not None, line
        known = {name for option in command.params for name in option.opts}
        assert {word for word in words if word.startswith("--")} <= known, line


def test_the_first_screen_shows_it_and_gives_the_commands() -> None:
    for readme in READMES:
        first = (ROOT / readme).read_text(encoding="utf-8").splitlines()[:20]
        text = "\n".join(first)
        assert text.index("apt-get install") < text.index("git clone") < text.index("make -C fenghuo demo")
        assert "](docs/images/console-desktop.png)" in text
    for picture in ("console-desktop.png", "terminal.png"):
        assert (ROOT / "docs" / "images" / picture).stat().st_size > 10_000
