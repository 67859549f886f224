"""Checkpoints: the state of one association area's pipeline with the position in the log that it includes."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, select

from alerting.ledger import tables
from alerting.ledger.errors import Fenced, StalePosition
from alerting.ledger.rows import chunks, insert_new, upsert

_HEADS, _ROWS = tables.checkpoint_heads, tables.checkpoint_rows


def draw_epoch(connection: Connection, area: str) -> int:
    """Draw the next epoch of an area: from now on its earlier workers are fenced."""
    connection.execute(insert_new(connection, _HEADS), {"association": area, "position": None, "epoch": 0})
    raised = _HEADS.update().where(_HEADS.c.association == area).values(epoch=_HEADS.c.epoch + 1)
    return int(connection.execute(raised.returning(_HEADS.c.epoch)).scalar_one())


def guard(connection: Connection, area: str, epoch: int | None) -> int | None:
    """Hold the area until the transaction ends, and return its newest position.

    Raises
    ------
    Fenced
        `epoch` is given and is not the newest.
    """
    held = select(_HEADS.c.position, _HEADS.c.epoch).where(_HEADS.c.association == area).with_for_update()
    head = connection.execute(held).one_or_none()
    newest = 0 if head is None else int(head.epoch)
    if epoch is not None and epoch != newest:
        raise Fenced(area, epoch, newest)
    return None if head is None or head.position is None else int(head.position)


def save(
    connection: Connection, area: str, rows: Mapping[str, bytes | None], position: int, epoch: int | None
) -> None:
    """Write changed rows (None: gone) and the position, all or nothing.

    Raises
    ------
    StalePosition
        The position does not lie behind the newest.
    Fenced
        Another worker has the area.
    """
    newest = guard(connection, area, epoch)
    if newest is not None and position <= newest:
        raise StalePosition(area, position, newest)
    gone = [key for key, value in rows.items() if value is None]
    for part in chunks(gone):
        connection.execute(_ROWS.delete().where(_ROWS.c.association == area, _ROWS.c.key.in_(part)))
    kept = [
        {"association": area, "key": key, "bytes": value} for key, value in rows.items() if value is not None
    ]
    for one in chunks(kept):
        connection.execute(upsert(connection, _ROWS, ("association", "key")), list(one))
    connection.execute(insert_new(connection, _HEADS), {"association": area, "position": None, "epoch": 0})
    connection.execute(_HEADS.update().where(_HEADS.c.association == area).values(position=position))


def load(connection: Connection, area: str) -> tuple[dict[str, bytes], int]:
    """All rows of an area and the position that they include; 0 where there is no checkpoint."""
    newest = position(connection, area)
    rows = connection.execute(select(_ROWS.c.key, _ROWS.c.bytes).where(_ROWS.c.association == area))
    return {row.key: bytes(row.bytes) for row in rows}, newest


def position(connection: Connection, area: str) -> int:
    """The position that an area's checkpoint includes; 0 where there is none."""
    found = connection.execute(select(_HEADS.c.position).where(_HEADS.c.association == area))
    return int(found.scalar_one_or_none() or 0)


def clear(connection: Connection, area: str) -> None:
    """Forget an area's state, not its epoch: before a rebuild from the log."""
    connection.execute(_ROWS.delete().where(_ROWS.c.association == area))
    connection.execute(_HEADS.update().where(_HEADS.c.association == area).values(position=None))
