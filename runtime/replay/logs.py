"""Replay of exported logs: each through its own pipeline, by the configurations that it brings.

In      files of `fenghuo log export`, one an association area
Out     findings.jsonl, alerts.jsonl, notices.jsonl and an empty rejects.jsonl: a function of the files, repeatable to the byte

It is the engines' own `Association` that runs, over a ledger in memory that forgets what it has written out: so a
record that the engine passed over is passed over here, for the same reason and without a trace. Acts, changes of
configuration and forwarded findings come from the logs. Areas follow each other by their code, and within an area
everything stands in the order of its log.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel

from runtime.association import PASSING_FAULTS, Association
from runtime.logs.file import BrokenLogFile, End, LogFileReader
from schemas.bundle import Bundle
from schemas.errors import PlainError, plain

BATCH = 500
"""Records that are handed to a pipeline at once; no output depends on it."""
FILES = ("findings.jsonl", "alerts.jsonl", "notices.jsonl", "rejects.jsonl")
_SHOWN = 10
"""Positions that are named one by one where replay and engine differ over dead records."""


@dataclass(slots=True)
class Played:
    """What a replay of logs gave.

    Attributes
    ----------
    counts
        Lines of findings, alerts and notices; dead records, which were passed over.
    ends
        By association area: what its file says at its end.
    warnings
        Plain sentences on what makes this differ, or may, from what the engine decided.
    """

    records: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    ends: dict[str, End] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def replay_logs(
    paths: Sequence[Path],
    out: Path,
    *,
    batch: int = BATCH,
    on_bytes: Callable[[int], None] = lambda _: None,
) -> Played:
    """Play exported logs and write the four files into a folder, which is made where it is missing.

    Nothing is written where one of them cannot be played to its end.

    Parameters
    ----------
    on_bytes
        Told how many bytes have been read since it was last told, for a progress bar.

    Raises
    ------
    BrokenLogFile
        A file is none, or broken, or the second of an association area.
    """
    out.mkdir(parents=True, exist_ok=True)
    played = Played()
    with ExitStack() as stack:
        readers: dict[str, LogFileReader] = {}
        for path in paths:
            reader = LogFileReader(path)
            stack.callback(reader.close)
            earlier = readers.setdefault(reader.head.area, reader)
            if earlier is not reader:
                raise BrokenLogFile(
                    f"{earlier.path} and {path} are both the log of association area {reader.head.area}; give one"
                )
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".replay-", dir=out)))
        files = [stack.enter_context((work / name).open("wb")) for name in FILES]
        findings, alerts, notices, _rejects = files
        for _, reader in sorted(readers.items()):
            with tempfile.TemporaryFile(dir=work) as spool:
                writing = _Writing(findings, alerts, notices, spool, played.counts)
                _play(reader, writing, played, batch, on_bytes)
        for file in files:
            file.close()
        for name in FILES:
            os.replace(work / name, out / name)
    return played


def _play(
    reader: LogFileReader, writing: _Writing, played: Played, batch: int, on_bytes: Callable[[int], None]
) -> None:
    area = reader.head.area
    dead: dict[int, str] = {}
    association = Association(
        area,
        Bundle(reader.first_bundle()),
        _Forgetting(reader, writing),
        on_decisions=lambda _: None,
        on_dead=dead.__setitem__,
    )
    told = 0
    for part in reader.parts(batch):
        try:
            association.take(part)
        except PASSING_FAULTS as error:
            raise PlainError(
                f"{reader.path}: behind position {association.position}: {plain(error)}; the engine waits there, too"
            ) from error
        association.checkpoint()
        played.records += len(part)
        on_bytes(reader.read_bytes() - told)
        told = reader.read_bytes()
    assert reader.end is not None
    writing.finish()
    played.counts["dead"] += len(dead)
    played.ends[area] = reader.end
    played.warnings += [*_unknown_beginning(reader), *_other_dead(reader.end, dead, area)]


class _Forgetting:
    """A ledger of one area for the length of a replay: keeps the state, writes the decisions out, each once."""

    def __init__(self, reader: LogFileReader, writing: _Writing) -> None:
        self._reader = reader
        self._writing = writing
        self._rows: dict[str, bytes] = {}
        self._position = 0
        self._since: set[tuple[str, ...]] = set()
        """What was written since the checkpoint: an association that goes back there decides it again."""

    def load_checkpoint(self, area: str) -> tuple[dict[str, bytes], int]:
        del area
        return dict(self._rows), self._position

    def checkpoint(
        self, area: str, rows: Mapping[str, bytes | None], position: int, *, epoch: int | None = None
    ) -> None:
        del area, epoch
        for key, value in rows.items():
            if value is None:
                self._rows.pop(key, None)
            else:
                self._rows[key] = value
        self._position = position
        self._since.clear()

    def load_bundle(self, identity: str) -> bytes:
        return self._reader.bundle(identity)

    def write_decisions(
        self,
        area: str,
        position: int,
        findings: Sequence[Any] = (),
        alerts: Sequence[Any] = (),
        notices: Sequence[Any] = (),
        releases: Sequence[Any] = (),
        acts: Sequence[Any] = (),
        *,
        epoch: int | None = None,
    ) -> None:
        del area, position, releases, acts, epoch
        for finding in self._new("finding", findings, lambda one: (one.id,)):
            self._writing.finding(finding)
        for alert in self._new("alert", alerts, lambda one: (one.id, str(one.version))):
            self._writing.alert(alert)
        for notice in self._new("notice", notices, lambda one: (one.id, one.state)):
            self._writing.notice(notice)

    def _new(self, what: str, models: Sequence[Any], key: Callable[[Any], tuple[str, ...]]) -> Iterator[Any]:
        for model in models:
            identity = (what, *key(model))
            if identity not in self._since:
                self._since.add(identity)
                yield model


class _Writing:
    """Lines of one area; a notice has one line, as it was last, in the order in which notices came to be."""

    def __init__(
        self,
        findings: IO[bytes],
        alerts: IO[bytes],
        notices: IO[bytes],
        spool: IO[bytes],
        counts: Counter[str],
    ) -> None:
        self._findings, self._alerts, self._notices = findings, alerts, notices
        self._spool = spool
        self._counts = counts
        self._places: dict[str, tuple[int, int]] = {}
        """By notice: where its newest line stands in the spool, and how long it is."""

    def finding(self, finding: BaseModel) -> None:
        self._findings.write(_line(finding))
        self._counts["findings"] += 1

    def alert(self, alert: BaseModel) -> None:
        self._alerts.write(_line(alert))
        self._counts["alerts"] += 1

    def notice(self, notice: Any) -> None:
        line = _line(notice)
        self._places[notice.id] = (self._spool.tell(), len(line))
        self._spool.write(line)

    def finish(self) -> None:
        for start, length in self._places.values():
            self._spool.seek(start)
            self._notices.write(self._spool.read(length))
        self._counts["notices"] += len(self._places)


def _line(model: BaseModel) -> bytes:
    return model.model_dump_json().encode() + b"\n"


def _unknown_beginning(reader: LogFileReader) -> list[str]:
    if reader.head.whole or reader.end is None or not reader.end.records:
        return []
    return [
        f"{reader.path}: begins at position {reader.end.first} of the log; what went before was dropped by its"
        " retention, so what stood then is unknown: levels, alerts and ids may differ from what was said"
    ]


def _other_dead(end: End, dead: Mapping[int, str], area: str) -> list[str]:
    """Where the engine and this replay differ over what is dead, as far as the engine had come."""
    theirs = end.dead.keys() - dead.keys()
    ours = {position for position in dead if position <= end.decided} - end.dead.keys()
    sentences = [
        f"association area {area}, position {position}: the engine passed over it ({end.dead[position]}), this replay did"
        " not; what follows may differ"
        for position in sorted(theirs)
    ]
    sentences += [
        f"association area {area}, position {position}: this replay passed over it ({dead[position]}), the engine did not;"
        " what follows may differ"
        for position in sorted(ours)
    ]
    if len(sentences) > _SHOWN:
        return [
            *sentences[:_SHOWN],
            f"association area {area}: {len(sentences) - _SHOWN} more such positions",
        ]
    return sentences
