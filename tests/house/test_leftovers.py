"""Nothing stays behind that only its author could use: notes to self, places of one machine, hosts of one network."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house.tree import ROOT, tracked

BINARY = {".png", ".gz", ".mseed", ".npz", ".ico", ".woff2"}

# A letter in brackets, so that this file does not find itself.
NOTES = re.compile(r"\b(?:T[O]DO|F[I]XME|X[X]X|H[A]CK)\b")
PLACES = re.compile(r"(?<![\w.])/(?:w[o]rk|h[o]me|r[o]ot|U[s]ers)\b/?")
HOSTS = re.compile(
    r"(?:p[y]pi|pythonhost[e]d|np[m]js|yar[n]pkg|m[a]ven|deb[i]an)\.(?:org|com|net)|ind[e]x-url"
)
SHARED = re.compile(
    r"\b(?:H[O]USE|E[X]ACT|C[O]NTRACT|D[O]MAIN|L[I]BRARIES|S[T]YLE|P[L]AN|B[R]IEF|I[N]TERFACES)\.md\b"
)
ALLOWED = {("deploy/setup/lock.sh", "hosts"): "names the options that keep hosts out"}


def lines_with(pattern: re.Pattern[str], what: str) -> list[str]:
    found = []
    for path in tracked():
        if path.suffix in BINARY or path.parts[:2] == ("tests", "data") or (str(path), what) in ALLOWED:
            continue
        for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), start=1):
            if pattern.search(line):
                found.append(f"{path}:{number}: {line.strip()[:100]}")
    return found


@pytest.mark.parametrize(
    ("what", "pattern"),
    [("notes to self", NOTES), ("places", PLACES), ("hosts", HOSTS), ("pages that are not here", SHARED)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_nothing_is_left_behind(what: str, pattern: re.Pattern[str]) -> None:
    assert not lines_with(pattern, what)


def test_lock_files_hold_versions_and_hashes_only() -> None:
    for path in (
        ROOT / name for name in ("requirements.lock", "requirements-kafka.lock", "requirements-dev.lock")
    ):
        for line in path.read_text().splitlines():
            assert re.match(r"[a-z0-9-]+(\[[a-z,]+\])?==|    --hash=sha256:[0-9a-f]{64}|\s*#|$", line), (
                f"{path.name}: {line}"
            )


def pins(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==([^ ;]+)", lock.read_text(), re.MULTILINE))


def test_lock_files_agree() -> None:
    widest = pins(ROOT / "requirements-dev.lock")
    for name in ("requirements.lock", "requirements-kafka.lock"):
        assert pins(ROOT / name).items() <= widest.items()


def test_pages_link_to_files_that_exist() -> None:
    """For what mkdocs does not build: the READMEs, CONTRIBUTING, SOURCE.md beside data."""
    broken = []
    for path in tracked(".md"):
        text = re.sub(r"```.*?```", "", (ROOT / path).read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
            if not re.match(r"[a-z]+:", target) and not (ROOT / path.parent / target).exists():
                broken.append(f"{path}: {target}")
    assert not broken
