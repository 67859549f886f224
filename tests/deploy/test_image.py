"""The image's steps that need no container: what is copied is enough to build from, and what is built is whole."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.deploy.deployed import DEPLOY
from tests.house.tree import PACKAGES, tracked

ROOT = DEPLOY.parent
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
COPIED = [word for line in re.findall(r"^COPY (.*)$", DOCKERFILE, re.MULTILINE) for word in line.split()[:-1]]


def test_a_build_sees_what_it_copies_and_nothing_else() -> None:
    seen = re.findall(r"^!(.*)$", (DEPLOY / "Dockerfile.dockerignore").read_text(), re.MULTILINE)
    assert [name.rstrip("/") for name in COPIED] == seen
    assert set(PACKAGES) <= set(seen)


def test_libraries_come_by_the_lock_with_hashes_and_the_program_is_nobody() -> None:
    assert "pip install --require-hashes --only-binary :all: -r requirements-kafka.lock" in DOCKERFILE
    assert re.search(r"^USER (\d+):\1$", DOCKERFILE, re.MULTILINE)
    assert re.search(r"^FROM python:3\.11-slim$", DOCKERFILE, re.MULTILINE)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    """Built as the Dockerfile builds it, from a folder that holds only what it copies."""
    context = tmp_path_factory.mktemp("image") / "src"
    context.mkdir()
    files = [path for path in tracked() if str(path).startswith(tuple(COPIED))]
    for path in files:
        (context / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, context / path)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"]
    built = subprocess.run(
        [*pip, "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", "out", "."],
        cwd=context,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (path,) = (context / "out").glob("fenghuo-*.whl")
    return zipfile.Path(path)


def test_the_wheel_holds_all_files_of_the_rooms(wheel: zipfile.Path) -> None:
    inside = set(wheel.root.namelist())
    missing = [str(path) for path in tracked() if path.parts[0] in PACKAGES and str(path) not in inside]
    assert not missing
    entry = next(name for name in inside if Path(name).name == "entry_points.txt")
    assert "fenghuo = runtime.cli:main" in (wheel / entry).read_text()
