"""What product code imports is what pyproject.toml declares, and one process needs no Kafka."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from runtime.cli import COMMANDS
from tests.house.tree import PACKAGES, ROOT, tracked

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
KAFKA_COMMANDS = {"configure", "gateway", "worker", "dispatch", "topics", "console"}


def names(requirements: list[str]) -> set[str]:
    """Distribution names, as packages_distributions spells them after normalising."""
    return {
        re.split(r"[\[<>=!~; ]", requirement)[0].lower().replace("_", "-") for requirement in requirements
    }


def imported(path: Path) -> set[str]:
    """Top-level names of foreign packages."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - set(PACKAGES)


def test_every_import_is_declared() -> None:
    """Product code within the project's dependencies and extras, tests and tools within the group dev besides."""
    product = names(PROJECT["dependencies"]) | {
        "pydantic-core"
    }  # pydantic's other half, of one version with it
    for extra in PROJECT["optional-dependencies"].values():
        product |= names(extra)
    developers = product | names(PYPROJECT["dependency-groups"]["dev"])
    distributions = packages_distributions()
    missing = []
    for path in tracked(".py"):
        declared = product if path.parts[0] in PACKAGES else developers
        for name in imported(path) - {"tests", "benchmarks", "docs", "deploy"}:
            if not names(distributions.get(name, [name])) & declared:
                missing.append(f"{path}: {name}")
    assert not missing, "declare these in pyproject.toml, then `make lock`"


BLOCK = """
import importlib, sys
blocked = set(sys.argv[1].split(","))
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in blocked:
            raise ModuleNotFoundError(f"{name} is not among the core dependencies", name=name)
sys.meta_path.insert(0, Block())
for module in sys.argv[2:]:
    importlib.import_module(module)
"""


def test_one_process_needs_core_dependencies_only() -> None:
    """As `make demo` installs them: requirements.lock and nothing else."""
    locked = set(
        re.findall(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==", (ROOT / "requirements.lock").read_text(), re.M)
    )
    foreign = [
        package
        for package, homes in packages_distributions().items()
        if package not in PACKAGES and not names(homes) & locked and not package.startswith("_")
    ]
    assert {"faust", "kafka", "psycopg", "pytest", "playwright"} <= set(foreign)
    modules = [module for name, (module, _) in COMMANDS.items() if name not in KAFKA_COMMANDS]
    done = subprocess.run(
        [sys.executable, "-c", BLOCK, ",".join(foreign), *modules],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.strip().splitlines()[-1]
