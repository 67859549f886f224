"""Exporting logs: each association area's log with the configurations that it names, one file an area.

In      `log.db` as it stands at the start, or the topic `log` up to its ends at the start; configurations from the ledger
Out     files as `runtime.logs.file` has them

One record at a time: memory does not grow with the log. An engine may go on meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from alerting.ledger import Ledger
from runtime.logs.file import SUFFIX, LogFileWriter
from runtime.logs.store import StoredLog
from schemas.bundle import Bundle
from schemas.errors import PlainError


class NothingToExport(PlainError):
    """There is no such log, or the place for the file is none."""


class LogSource(Protocol):
    """Where logs are read: a view of them that does not move while it is read."""

    name: str
    total: int
    """Records to read in all, for a progress bar; more than come where other areas' lie between them."""

    def is_whole(self, area: str) -> bool:
        """Whether the first record of the log is still there."""
        ...

    def bodies(self, areas: Sequence[str]) -> Iterator[tuple[str | None, int, bytes]]:
        """Area, position and bytes of each record of some areas, each area's in order; None for another area's."""
        ...

    def dead(self, area: str) -> Mapping[int, str]:
        """Positions of records that the engine has passed over by now, with its reasons."""
        ...

    def close(self) -> None:
        """Let go of what is read."""
        ...


class EmbeddedSource:
    """`log.db` of the embedded engine."""

    name = "log.db"

    def __init__(self, path: Path, areas: Sequence[str]) -> None:
        self._log = StoredLog(path)
        self.total = sum(self._log.ends.get(area, 0) - max(self._log.first(area) - 1, 0) for area in areas)

    def is_whole(self, area: str) -> bool:
        return self._log.first(area) in (0, 1)

    def bodies(self, areas: Sequence[str]) -> Iterator[tuple[str | None, int, bytes]]:
        for area in areas:
            for position, body in self._log.bodies(area):
                yield area, position, body

    def dead(self, area: str) -> Mapping[int, str]:
        return self._log.dead(area)

    def close(self) -> None:
        self._log.close()


@dataclass(frozen=True, slots=True)
class Exported:
    """One area's file.

    Attributes
    ----------
    missing
        Configurations that its records name and the ledger does not have.
    whole
        Whether it begins with the first record of the log.
    """

    path: Path
    area: str
    records: int
    first: int
    last: int
    whole: bool
    missing: frozenset[str]


def export(
    source: LogSource,
    ledger: Ledger,
    areas: Sequence[str],
    out: Path,
    *,
    fallback: Bundle,
    on_records: Callable[[int], None] = lambda _: None,
) -> list[Exported]:
    """Write the logs of some areas; a file is there whole or not at all.

    Parameters
    ----------
    out
        A folder, made where it is missing, for one `<area>.fhlog` each; or, for one area, a file of that suffix.
    fallback
        The configuration that holds where a log names none.
    on_records
        Told how many records have been read since it was last told.

    Raises
    ------
    NothingToExport
        An area has no log here, or `out` is one file for several areas.
    """

    def find(identity: str) -> bytes:
        return fallback.canonical if identity == fallback.hash else ledger.load_bundle(identity)

    paths = _paths(areas, out)
    # Before anything is asked about dead records: what a checkpoint includes has been buried by then.
    decided = {area: ledger.checkpoint_position(area) for area in areas}
    with ExitStack() as undone:
        writers = {}
        for area, path in paths.items():
            writer = LogFileWriter(
                path,
                area,
                whole=source.is_whole(area),
                source=source.name,
                bundles=find,
                fallback=fallback.hash,
            )
            undone.callback(writer.discard)
            writers[area] = writer
        for found, position, body in source.bodies(areas):
            if found is not None:
                writers[found].add(position, body)
            on_records(1)
        exported = []
        for area, writer in writers.items():
            writer.finish(source.dead(area), decided[area])
            exported.append(
                Exported(
                    writer.path,
                    area,
                    writer.records,
                    writer.first,
                    writer.last,
                    source.is_whole(area),
                    frozenset(writer.missing),
                )
            )
    return exported


def _paths(areas: Sequence[str], out: Path) -> dict[str, Path]:
    if out.suffix == SUFFIX:
        if len(areas) != 1:
            raise NothingToExport(
                f"{out} is one file, and there are {len(areas)} logs ({', '.join(areas)}); give --area, or a folder"
            )
        out.parent.mkdir(parents=True, exist_ok=True)
        return {areas[0]: out}
    out.mkdir(parents=True, exist_ok=True)
    return {area: out / f"{area}{SUFFIX}" for area in areas}
