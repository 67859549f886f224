"""Replay: recorded readings through the whole chain on event time, as fast as it goes.

In      files of readings, a configuration
Out     findings.jsonl, alerts.jsonl, notices.jsonl, rejects.jsonl: a function of the files and the configuration,
        repeatable to the byte, whatever the batch size
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from ingest.packing import Packer
from ingest.sources.file import FromFile, read_files
from runtime.pipeline import Decisions, Pipeline
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

    def count(self, name: str) -> int:
        """How many findings, alerts, notices, releases or acts there are in all."""
        return sum(len(getattr(decisions, name)) for decisions in self.decisions.values())


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
    pipelines = {code: Pipeline(bundle, code) for code in bundle.associations}
    result = Replayed(decisions={code: Decisions() for code in pipelines})
    packer = Packer(bundle)
    entries = read_files(paths, on_bytes, _mseed_station(bundle))
    while chunk := list(islice(entries, batch)):
        for entry in chunk:
            _take(entry, packer, result)
        result.readings += packer.size
        for code, placed in packer.take().items():
            pipelines[code].process_packets(
                [p.packet for p in placed], _dense([p.order for p in placed]), result.decisions[code]
            )
    return result


def write(result: Replayed, out: Path) -> None:
    """Write the four files into a folder, which is made where it is missing."""
    out.mkdir(parents=True, exist_ok=True)
    every = result.decisions.values()
    _write_lines(out / "findings.jsonl", (finding for d in every for finding in d.findings))
    _write_lines(out / "alerts.jsonl", (alert for d in every for alert in d.alerts))
    _write_lines(out / "notices.jsonl", (notice for d in every for notice in _latest(d.notices)))
    _write_lines(out / "rejects.jsonl", result.rejects)


def _take(entry: FromFile, packer: Packer, result: Replayed) -> None:
    if isinstance(entry.item, Reject):
        result.rejects.append(entry.item)
        return
    reject = packer.add(entry.item, entry.log_us, entry.source)
    if reject is not None:
        result.rejects.append(reject)


def _dense(
    orders: list[np.ndarray[tuple[int], np.dtype[np.int64]]],
) -> list[np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """The same orders counted from 0 without holes: an area sees only its own readings."""
    places = np.sort(np.concatenate(orders))
    return [np.searchsorted(places, order) for order in orders]


def _latest(notices: Iterable[Notice]) -> Iterable[Notice]:
    """Each notice once, as it was last, in the order in which they came to be."""
    latest: dict[str, Notice] = {}
    for notice in notices:
        latest[notice.id] = notice
    return latest.values()


def _write_lines(path: Path, models: Iterable[BaseModel]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for model in models:
            file.write(model.model_dump_json() + "\n")


def _mseed_station(bundle: Bundle) -> Callable[[str], str | None]:
    rows = bundle.stations.row_of

    def station(source: str) -> str | None:
        if source in rows:
            return source
        short = source.rpartition(".")[2]
        return short if short in rows else None

    return station
