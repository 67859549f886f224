"""The shape of the house: what imports what from where, how large files grow, what make offers."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.tree import PACKAGES, ROOT, tracked

LARGEST_FILE_LINES = 400
LARGER: dict[str, str] = {}
"""File to the reason why it is longer than the rest."""

CODE = (".py", ".js", ".mjs", ".css", ".html", ".sh", ".sql")


@pytest.mark.parametrize("package", PACKAGES)
def test_package_resolves_to_this_checkout(package: str, tmp_path: Path) -> None:
    """From a foreign folder, so that only the installation can tell where the package lies."""
    found = subprocess.run(
        [sys.executable, "-P", "-c", f"import {package}; print({package}.__file__)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert Path(found.stdout.strip()) == ROOT / package / "__init__.py"


def test_the_command_is_this_checkouts() -> None:
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name="fenghuo")
    assert entry.value == "runtime.cli:main"
    assert (Path(sys.executable).parent / "fenghuo").exists()


def test_no_file_has_grown_past_its_measure() -> None:
    product = [path for path in tracked(*CODE) if path.parts[0] not in ("tests", "benchmarks")]
    lengths = {str(path): (ROOT / path).read_text(encoding="utf-8").count("\n") for path in product}
    grown = {
        path: lines for path, lines in lengths.items() if lines > LARGEST_FILE_LINES and path not in LARGER
    }
    assert not grown, f"cut these in two, or give a reason in LARGER: {grown}"
    settled = [path for path in LARGER if lengths.get(path, 0) <= LARGEST_FILE_LINES]
    assert not settled, f"no longer larger, so no longer an exception: {settled}"


def test_names_say_what_is_inside() -> None:
    says_nothing = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc"}
    vague = [str(path) for path in tracked(".py") if says_nothing & {*path.parts[:-1], path.stem}]
    assert not vague


def make_rules() -> dict[str, str | None]:
    rules = re.findall(r"^([a-z-]+):[^=\n]*?(?:## (.*))?$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return {target: text or None for target, text in rules}


def test_every_make_target_has_help() -> None:
    rules = make_rules()
    assert {"help", "demo", "test", "check", "bench", "docs", "fix", "golden"} <= set(rules)
    assert not [target for target, text in rules.items() if not text]
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    assert sorted(phony[1].split()) == sorted(rules)


def test_make_alone_prints_the_help() -> None:
    printed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target, text in make_rules().items():
        assert re.search(rf"^{target} +{re.escape(text or '')}$", printed, re.MULTILINE), target


def test_ci_runs_what_a_developer_runs() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert re.findall(r"^make .*$", script, re.MULTILINE) == ["make check", "make test"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


@pytest.mark.parametrize("readme", ["README.md", "README.zh.md"])
def test_readme_names_the_commands_that_exist(readme: str) -> None:
    text = (ROOT / readme).read_text(encoding="utf-8")
    named = set(re.findall(r"^\s*make ([a-z]+)", text, re.MULTILINE)) | set(
        re.findall(r"`make ([a-z]+)", text)
    )
    assert {"demo", "test"} <= named
    assert named <= set(make_rules())
