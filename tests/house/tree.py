"""The files of this checkout as the tests of the house see them."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("schemas", "ingest", "detectors", "alerting", "console", "runtime")
"""The rooms: each an import package at the root of the checkout."""


@cache
def _listed() -> tuple[Path, ...]:
    """What git tracks, and what it would: a new file is judged before it is committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    return tuple(sorted({Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()}))


def tracked(*suffixes: str) -> list[Path]:
    """Return the project's files by suffix, relative to the root; without a suffix, all."""
    return [path for path in _listed() if not suffixes or path.suffix in suffixes]
