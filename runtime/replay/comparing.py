"""What a ledger holds against what a replay of the logs gives, id by id.

In      the ledger; the folder that `fenghuo replay` wrote from exported logs
Out     one plain sentence for each finding, alert version or notice that is on one side only, or differs

All fields count that follow from the log; of a notice not what is the dispatchers' (EXACT, rule 10).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection

from alerting.ledger import Ledger, decided
from alerting.ledger.decided import Find, Key, Read, Written
from alerting.ledger.decisions import DISPATCHERS

Span = tuple[int, int]
"""First and last position of an exported log."""
Content = dict[str, Any]

_SHOWN_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of decision, and where it stands on either side.

    Attributes
    ----------
    key
        Fields that name one.
    left_out
        Fields of the replay's lines that do not follow from the log.
    """

    name: str
    file: str
    read: Read
    find: Find
    key: tuple[str, ...] = ("id",)
    left_out: Collection[str] = ()


_KINDS = (
    _Kind("finding", "findings.jsonl", decided.findings, decided.findings_of),
    _Kind("alert", "alerts.jsonl", decided.alerts, decided.alerts_of, ("id", "version")),
    # Whether it was held or became due is the log's; what came of it then is not.
    _Kind("notice", "notices.jsonl", decided.notices, decided.notices_of, left_out=DISPATCHERS - {"state"}),
)


def differences(ledger: Ledger, replayed: Path, spans: Mapping[str, Span] | None = None) -> list[str]:
    """Compare a ledger with what a replay wrote.

    Parameters
    ----------
    replayed
        The folder with findings.jsonl, alerts.jsonl and notices.jsonl.
    spans
        By association area: the positions that its exported log has; what the ledger has of other areas, or decided
        elsewhere, is left out. None: all that the ledger has.

    Returns
    -------
    list[str]
        One sentence a difference, findings first; empty where both are the same.
    """
    with ledger.database.read() as connection:
        return [
            sentence
            for kind in _KINDS
            for sentence in _compare(kind, connection, replayed / kind.file, spans)
        ]


def _compare(
    kind: _Kind, connection: Connection, file: Path, spans: Mapping[str, Span] | None
) -> Iterator[str]:
    theirs = dict(_lines(kind, file))
    ours: dict[Key, Content] = {}
    before: set[Key] = set()
    """Of pruned logs: decided before the first record that is left."""
    for row in kind.read(connection, None if spans is None else list(spans)):
        first, last = (0, row.position) if spans is None else spans[row.association]
        if row.position <= last:
            ours[row.key] = _content(row)
            (before.add if row.position < first else before.discard)(row.key)
    for key in [key for key in ours if key not in theirs and key not in before]:
        yield f"{_named(kind, key)} is in the ledger and not in the replay: {_told(ours[key])}"
    elsewhere = _latest(kind.find(connection, [key for key in theirs if key not in ours]))
    for key, content in theirs.items():
        mine = ours.get(key) or elsewhere.get(key)
        if mine is None:
            yield f"{_named(kind, key)} is in the replay and not in the ledger: {_told(content)}"
        elif mine != content:
            yield f"{_named(kind, key)} differs: {_difference(mine, content)}"


def _lines(kind: _Kind, file: Path) -> Iterator[tuple[Key, Content]]:
    with file.open("rb") as lines:
        for line in lines:
            content: Content = msgspec.json.decode(line)
            for name in kind.left_out:
                content.pop(name, None)
            yield tuple(str(content[name]) for name in kind.key), content


def _latest(rows: Iterable[Written]) -> dict[Key, Content]:
    return {row.key: _content(row) for row in rows}


def _content(row: Written) -> Content:
    content: Content = msgspec.json.decode(row.body)
    return content | {"state": row.state} if row.state else content


def _named(kind: _Kind, key: Key) -> str:
    return f"{kind.name} {' version '.join(key)}"


def _told(content: Content) -> str:
    names = ("hazard", "area", "level", "type", "recipient", "channel", "state", "observed_at", "issued_at")
    return ", ".join(f"{name} {content[name]}" for name in names if content.get(name) is not None)


def _difference(ours: Content, theirs: Content) -> str:
    names = sorted(
        name for name in ours.keys() | theirs.keys() if ours.get(name, ...) != theirs.get(name, ...)
    )
    return "; ".join(
        f"{name} is {_short(ours.get(name))} in the ledger, {_short(theirs.get(name))} in the replay"
        for name in names
    )


def _short(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
