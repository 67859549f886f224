"""Gathering: packets that follow each other in a log become a few large ones, which cost a pipeline little more than one.

In      records in the order of the log
Out     the same records, runs of packets joined: at most one packet a kind, and the places of its rows in the run

No output depends on it (EXACT, rule 5), so a worker that has fallen behind catches up the faster the more there is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from schemas.log import ActRecord, ConfigurationRecord, FindingRecord, Record, Tick
from schemas.packet import Packet, merged

Single = Tick | ActRecord | ConfigurationRecord | FindingRecord
"""What is no packet."""
MOST_ROWS = 50_000
"""More in one piece gain nothing and leave the processor's cache."""


@dataclass(frozen=True, slots=True)
class Run:
    """Packets of several kinds, at most one a kind, whose rows lie between each other in the log.

    Attributes
    ----------
    orders
        For each packet the places of its rows in the common order, (n,) ascending.
    """

    packets: list[Packet]
    orders: list[NDArray[np.intp]]


def gathered(records: Sequence[Record]) -> Iterator[Run | Single]:
    """Records in their order; packets as runs."""
    waiting: list[Packet] = []
    rows = 0
    for record in records:
        if isinstance(record, Packet):
            if waiting and (record.bundle != waiting[0].bundle or rows + len(record) > MOST_ROWS):
                yield _joined(waiting)
                waiting, rows = [], 0
            waiting.append(record)
            rows += len(record)
            continue
        if waiting:
            yield _joined(waiting)
            waiting, rows = [], 0
        yield record
    if waiting:
        yield _joined(waiting)


def _joined(packets: Sequence[Packet]) -> Run:
    by_kind: dict[str, list[Packet]] = {}
    orders: dict[str, list[NDArray[np.intp]]] = {}
    start = 0
    for packet in packets:
        by_kind.setdefault(packet.kind, []).append(packet)
        orders.setdefault(packet.kind, []).append(np.arange(start, start + len(packet)))
        start += len(packet)
    return Run(
        [merged(those) for those in by_kind.values()], [np.concatenate(those) for those in orders.values()]
    )
