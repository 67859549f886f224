"""Replay: recorded readings through the whole chain on event time, as fast as it goes.

In      files of readings, a configuration
Out     findings.jsonl, alerts.jsonl, notices.jsonl, rejects.jsonl: a function of the files and the configuration,
        repeatable to the byte, whatever the batch size; of several association areas one behind the other, by code
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from pydantic import BaseModel

from ingest.packing import Packer
from ingest.sources.file import FromFile, read_files
from runtime.decisions import Decisions
from runtime.replay.neighbours import Neighbours
from schemas.bundle import Bundle
from schemas.notice import Notice
from schemas.reject import Reject

BATCH = 20_000
"""Readings that are handed to the pipelines at once; no output depends on it."""


@dataclass(slots=True)
class Replayed:
    """What a replay gave."""

    readings: int = 0
    rejects: list[Reject] = field(default_factory=list)
    decisions: dict[str, Decisions] = field(default_factory=dict)
    """By association area, in order of the code."""


def replay(
    paths: Sequence[Path],
    bundle: Bundle,
    *,
    batch: int = BATCH,
    on_bytes: Callable[[int], None] = lambda _: None,
) -> Replayed:
    """Play files through one pipeline for each association area.

    Parameters
    ----------
    paths
        In the order that breaks ties.
    on_bytes
        Told how many bytes have been read since it was last told, for a progress bar.
    """
    neighbours = Neighbours(bundle)
    result = Replayed(decisions=neighbours.decisions)
    packer = Packer(bundle)
    entries = read_files(paths, on_bytes, _mseed_station(bundle))
    while chunk := list(islice(entries, batch)):
        taken = [entry.log_us for entry in chunk if _take(entry, packer, result)]
        result.readings += len(taken)
        neighbours.take(packer.take(), taken)
    return result


def write(result: Replayed, out: Path) -> dict[str, int]:
    """Write the four files into a folder, which is made where it is missing.

    Returns
    -------
    dict[str, int]
        How many lines of `findings`, `alerts`, `notices` and `rejects`.
    """
    out.mkdir(parents=True, exist_ok=True)
    every = result.decisions.values()
    lines: dict[str, Iterable[BaseModel]] = {
        "findings": (finding for d in every for finding in d.findings),
        "alerts": (alert for d in every for alert in d.alerts),
        "notices": (notice for d in every for notice in _latest(d.notices)),
        "rejects": result.rejects,
    }
    return {name: _write_lines(out / f"{name}.jsonl", models) for name, models in lines.items()}


def _take(entry: FromFile, packer: Packer, result: Replayed) -> bool:
    """Hand on a reading, or keep why it is none; whether it was one."""
    item = entry.item
    reject = item if isinstance(item, Reject) else packer.add(item, entry.log_us, entry.source)
    if reject is not None:
        result.rejects.append(reject)
    return reject is None


def _latest(notices: Iterable[Notice]) -> Iterable[Notice]:
    """Each notice once, as it was last, in the order in which they came to be."""
    latest: dict[str, Notice] = {}
    for notice in notices:
        latest[notice.id] = notice
    return latest.values()


def _write_lines(path: Path, models: Iterable[BaseModel]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for model in models:
            file.write(model.model_dump_json() + "\n")
            count += 1
    return count


def _mseed_station(bundle: Bundle) -> Callable[[str], str | None]:
    rows = bundle.stations.row_of

    def station(source: str) -> str | None:
        if source in rows:
            return source
        short = source.rpartition(".")[2]
        return short if short in rows else None

    return station
