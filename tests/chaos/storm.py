"""What is played: the worst three hours of a simulated storm, and an earthquake in the middle of them.

In      a seed
Out     readings in order of the end of what they report, each with the `sequence` of its station
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from click.testing import CliRunner

from runtime.cli.simulate import simulate
from schemas.times import SECOND, Micros, to_micros

BEGINS = datetime(2026, 7, 17, 23, 30, tzinfo=UTC)
ENDS = BEGINS + timedelta(hours=3)
"""The worst hours of `storm`: what `fenghuo simulate` says of that scenario."""
QUAKE_BEGINS = datetime(2026, 5, 12, 6, 27, 34, tzinfo=UTC)
SHAKES_AT = BEGINS + timedelta(minutes=92)


class _Reading(msgspec.Struct):
    kind: str
    station: str
    observed_at: datetime
    sample_rate_hz: float = 1.0
    samples: list[float] = []


@dataclass(frozen=True, slots=True)
class Line:
    """One reading that a station sends.

    Attributes
    ----------
    at_us
        When it can be sent: at the end of what it reports.
    body
        Its JSON, with the number.
    """

    at_us: Micros
    station: str
    number: int
    topic: str
    body: bytes


@dataclass(frozen=True)
class Storm:
    """All that is sent, and the same as a file for `fenghuo replay`."""

    lines: list[Line]
    file: Path


def make_storm(folder: Path, config: Path, seed: int) -> Storm:
    """Simulate storm and earthquake, put one into the other, and number what each station sends."""
    storm = _simulated("storm", folder / "storm", config, seed)
    quake = _simulated("quake", folder / "quake", config, seed)
    shift = SHAKES_AT - QUAKE_BEGINS
    merged = heapq.merge(
        ((*_timed(line), line) for line in storm),
        ((*_timed(moved), moved) for moved in (_moved(line, shift) for line in quake)),
        key=lambda entry: entry[0],
    )
    numbers: Counter[str] = Counter()
    lines: list[Line] = []
    for at_us, reading, text in merged:
        numbers[reading.station] += 1
        number = numbers[reading.station]
        body = text.rstrip().removesuffix(b"}") + b',"sequence":%d}' % number
        lines.append(Line(at_us, reading.station, number, f"readings/{reading.kind}/{reading.station}", body))
    file = folder / "readings.jsonl"
    file.write_bytes(b"".join(line.body + b"\n" for line in lines))
    return Storm(lines, file)


def _simulated(scenario: str, out: Path, config: Path, seed: int) -> Iterator[bytes]:
    window = ["--from", BEGINS.isoformat(), "--until", ENDS.isoformat()] if scenario == "storm" else []
    words = [scenario, "--seed", str(seed), "--out", str(out), "--config", str(config), *window]
    result = CliRunner().invoke(simulate, words)
    if result.exit_code:
        raise RuntimeError(f"fenghuo simulate {scenario}: {result.output}")
    with (out / "readings.jsonl").open("rb") as file:
        yield from file


def _timed(line: bytes) -> tuple[Micros, _Reading]:
    reading = msgspec.json.decode(line, type=_Reading)
    lasts_us = round(len(reading.samples) / reading.sample_rate_hz * SECOND)
    return to_micros(reading.observed_at) + lasts_us, reading


def _moved(line: bytes, shift: timedelta) -> bytes:
    """The same reading at another time; the text around the time stays as it was."""
    before, key, rest = line.partition(b'"observed_at":"')
    text, quote, after = rest.partition(b'"')
    moved = datetime.fromisoformat(text.decode()) + shift
    return before + key + moved.isoformat().encode() + quote + after
