"""What pipelines decided, row by row as it was written: what an audit compares with a replay of the log.

Each row is the canonical JSON of a finding, an alert version, or a notice without what is the dispatchers' (EXACT,
rule 10); a notice has one row where it was held and one where it became due.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, select, tuple_

from alerting.ledger import tables
from alerting.ledger.rows import chunks

_READ_AT_ONCE = 1_000

Key = tuple[str, ...]
"""Id; of an alert id and version."""


class Written(NamedTuple):
    """One decision: where in which log it fell, its canonical JSON, and of a notice `held` or `due`."""

    association: str
    position: int
    key: Key
    body: str
    state: str = ""


Read = Callable[[Connection, "Collection[str] | None"], Iterator[Written]]
"""All of some association areas, or of all, in the order of their positions."""
Find = Callable[[Connection, Sequence[Key]], Iterator[Written]]
"""Those with certain keys, whichever area's pipeline wrote them first."""


def findings(connection: Connection, associations: Collection[str] | None) -> Iterator[Written]:
    """Findings of some association areas, or of all, in the order of their positions."""
    return _written(connection, _in(_FINDINGS, tables.findings.c.association, associations))


def alerts(connection: Connection, associations: Collection[str] | None) -> Iterator[Written]:
    """Alert versions of some association areas, or of all, in the order of their positions."""
    return _written(connection, _in(_ALERTS, tables.alerts.c.association, associations))


def notices(connection: Connection, associations: Collection[str] | None) -> Iterator[Written]:
    """Notices of some association areas, or of all, in the order of their positions; held before due."""
    return _written(connection, _in(_NOTICES, tables.notices.c.association, associations))


def findings_of(connection: Connection, keys: Sequence[Key]) -> Iterator[Written]:
    """Findings by id, whichever area's pipeline wrote them first."""
    for part in chunks(keys):
        yield from _written(connection, _FINDINGS.where(tables.findings.c.id.in_([key[0] for key in part])))


def alerts_of(connection: Connection, keys: Sequence[Key]) -> Iterator[Written]:
    """Alert versions by id and version."""
    names = tuple_(tables.alerts.c.id, tables.alerts.c.version)
    for part in chunks(keys):
        yield from _written(connection, _ALERTS.where(names.in_([(key[0], int(key[1])) for key in part])))


def notices_of(connection: Connection, keys: Sequence[Key]) -> Iterator[Written]:
    """Notices by id, held before due."""
    for part in chunks(keys):
        yield from _written(connection, _NOTICES.where(tables.notices.c.id.in_([key[0] for key in part])))


_F, _A, _N, _D = tables.findings.c, tables.alerts.c, tables.notices.c, tables.notice_decisions.c
_FINDINGS: Select[Any] = select(_F.association, _F.position, _F.body, _F.id).order_by(_F.position, _F.id)
_ALERTS: Select[Any] = select(_A.association, _A.position, _A.body, _A.id, _A.version).order_by(
    _A.position, _A.id, _A.version
)
_NOTICES: Select[Any] = (
    select(_N.association, _D.position, _D.body, _N.id, _D.state.label("decided"))
    .select_from(tables.notices.join(tables.notice_decisions, _D.notice == _N.id))
    .order_by(_D.position, _N.id, _D.state.desc())
)


def _in(
    statement: Select[Any], column: ColumnElement[str], associations: Collection[str] | None
) -> Select[Any]:
    return statement if associations is None else statement.where(column.in_(associations))


def _written(connection: Connection, statement: Select[Any]) -> Iterator[Written]:
    for row in connection.execute(statement, execution_options={"yield_per": _READ_AT_ONCE}).mappings():
        version = [str(row["version"])] if "version" in row else []
        yield Written(
            row["association"],
            row["position"],
            (row["id"], *version),
            row["body"],
            row.get("decided", ""),
        )
