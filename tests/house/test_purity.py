"""Floors and purity are proved, so the proof itself is put to the test: what is planted must be found."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.tree import PACKAGES, ROOT, tracked

PURE = ("schemas", "detectors", "ingest/quality", "alerting/lifecycle", "alerting/routing", "alerting/render")
CALLS = {"open", "input", "print", "exec", "eval"}
ATTRIBUTES = {
    "random",
    "read_text",
    "read_bytes",
    "write_text",
    "write_bytes",
    "unlink",
    "mkdir",
    "iterdir",
    "glob",
}


def impurities(text: str) -> list[str]:
    """What import-linter cannot see: files opened without an import, chance through numpy."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            found.append((node.lineno, f"{node.func.id}()"))
        elif isinstance(node, ast.Attribute) and node.attr in ATTRIBUTES:
            found.append((node.lineno, f".{node.attr}"))
    return [f"{line}: {what}" for line, what in sorted(found)]


def test_impurities_are_seen() -> None:
    assert impurities(
        "import numpy as np\nx = np.random.default_rng(1)\nopen('f')\nPath('f').read_text()"
    ) == [
        "2: .random",
        "3: open()",
        "4: .read_text",
    ]


def test_no_file_and_no_chance_where_findings_and_alerts_are_decided() -> None:
    pure = [path for path in tracked(".py") if str(path.with_suffix("")).startswith(PURE)]
    assert {path.parts[0] for path in pure} == {"schemas", "detectors", "ingest", "alerting"}
    found = [
        f"{path}:{fault}" for path in pure for fault in impurities((ROOT / path).read_text(encoding="utf-8"))
    ]
    assert not found


def lint(checkout: Path) -> tuple[int, str]:
    """Run import-linter on a checkout, as `make check` does on this one."""
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The rooms without anything else."""
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "static")
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_a_planted_fault_breaks_each_contract(copy: Path) -> None:
    assert lint(copy)[0] == 0, lint(copy)[1]
    planted = {
        "schemas/planted.py": ("import runtime.clock", "schemas is not allowed to import runtime"),
        "detectors/planted.py": ("import random", "detectors is not allowed to import random"),
        "alerting/channels/planted.py": (
            "import alerting.ledger",
            "alerting.channels is not allowed to import alerting.ledger",
        ),
        "alerting/render/planted.py": (
            "from time import monotonic",
            "alerting.render is not allowed to import time",
        ),
        "ingest/planted.py": ("import detectors", "ingest is not allowed to import detectors"),
    }
    for path, (line, _) in planted.items():
        (copy / path).write_text(f"{line}\n")
    code, printed = lint(copy)
    assert code == 1
    for _, complaint in planted.values():
        assert complaint in printed


@pytest.mark.parametrize(
    "line",
    [
        "datetime.now(UTC)",
        "datetime.utcnow()",
        "time.time()",
        "uuid.uuid4()",
    ],
)
def test_a_clock_read_outside_its_place_is_refused(line: str) -> None:
    text = f"import time\nimport uuid\nfrom datetime import UTC, datetime\n\nseen = {line}\n"
    where = {"alerting/channels/sms.py": 1, "runtime/clock.py": 0}
    for path, code in where.items():
        done = subprocess.run(
            [
                Path(sys.executable).parent / "ruff",
                "check",
                "--select",
                "TID251",
                "--stdin-filename",
                path,
                "-",
            ],
            cwd=ROOT,
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, f"{path}: {done.stdout}"
