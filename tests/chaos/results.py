"""Results by seed, kept beside the code that they were found with, and the table of them."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("results")
_JUDGED = ("schemas", "ingest", "detectors", "alerting", "runtime", "tests/chaos", "deploy/bazhong")
"""What a result depends on; the console, the docs and other tests may change without it."""

MIXED = "mixed"
"""In place of the code's name, where a file changed while the run played."""


class Result(BaseModel):
    """What one run gave. `code` names the files that it was found with, `commit` the newest commit then."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int
    code: str
    commit: str
    faults: tuple[str, ...]
    readings: int
    """Of the simulation."""
    sent: int
    """Messages, those that went again too."""
    acknowledged: int
    """Readings that the engine acknowledged to their station."""
    logged: int
    """Readings in the logs; one of a seismic station counts once."""
    findings: int
    alerts: int
    notices: int
    told: int
    """What webhooks and loudspeakers brought to somebody."""
    repeats: int
    """What they knew by its key and told nobody."""
    messages: int
    """Short messages on phones."""
    lost: tuple[str, ...]
    different: tuple[str, ...]
    twice: tuple[str, ...]
    died: tuple[str, ...]
    """Programs that ended by themselves and were started again: no failure, but worth a look."""
    latest_s: float
    """How late, at most, a gateway took a reading; seconds of the machine."""
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether nothing was lost, different or sent twice."""
        return not (self.lost or self.different or self.twice)


def code_id(root: Path = ROOT) -> str:
    """A name of all that a result depends on: equal while no such file changes."""
    known = hashlib.sha256()
    for folder in _JUDGED:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and path.suffix in {".py", ".csv", ".yaml", ".j2"}:
                known.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return known.hexdigest()[:12]


def commit_id(root: Path = ROOT) -> str:
    """The newest commit, `-dirty` where files differ from it."""
    words = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def write(result: Result, folder: Path) -> Path:
    """Keep a result in place of an earlier one of its seed."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{'seed' if result.faults else 'undisturbed'}-{result.seed:03d}.json"
    path.write_text(result.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return path


def read_all(folder: Path) -> list[Result]:
    """All results kept, by seed; one that an earlier harness wrote with other fields counts as none."""
    found = []
    for path in folder.glob("*.json"):
        with suppress(ValidationError):
            found.append(Result.model_validate_json(path.read_text(encoding="utf-8")))
    return sorted(found, key=lambda result: (bool(result.faults), result.seed))


def missing(seeds: Iterable[int], results: Sequence[Result], code: str) -> list[int]:
    """The seeds that have not been played, with their faults, with this code."""
    there = {result.seed for result in results if result.faults and result.code == code}
    return [seed for seed in seeds if seed not in there]


_COLUMNS = (
    ("seed", 4),
    ("code", 12),
    ("faults", 6),
    ("readings", 8),
    ("sent", 7),
    ("acked", 7),
    ("in log", 7),
    ("alerts", 6),
    ("notices", 7),
    ("repeats", 7),
    ("lost", 4),
    ("twice", 5),
    ("differ", 6),
    ("died", 4),
    ("late s", 6),
    ("s", 4),
)


def table(results: Sequence[Result], code: str) -> str:
    """The results in columns; what is of another code is marked, and no part of the count."""
    lines = [" ".join(name.rjust(width) for name, width in _COLUMNS)]
    for one in results:
        values = (
            one.seed,
            one.code,
            len(one.faults),
            one.readings,
            one.sent,
            one.acknowledged,
            one.logged,
            one.alerts,
            one.notices,
            one.repeats,
            len(one.lost),
            len(one.twice),
            len(one.different),
            len(one.died),
            round(one.latest_s),
            round(one.seconds),
        )
        cells = " ".join(str(value).rjust(width) for value, (_, width) in zip(values, _COLUMNS, strict=True))
        lines.append(cells + ("" if one.code == code else "  (other code)"))
    ours = [one for one in results if one.code == code]
    passed = sum(one.passed for one in ours)
    lines.append(f"{passed} of {len(ours)} seeds of this code passed" if ours else "no seed of this code yet")
    return "\n".join(lines)
