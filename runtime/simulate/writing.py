"""Readings as lines: blocks of the hazards merged in order of arrival, and written fast.

In      `Source`s: for a stretch of time, when readings were made (log time) and their JSON without the closing brace
Out     lines of readings.jsonl

Lines are joined from ready-made bytes because dumping a dict a line would take minutes for a month.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from schemas.times import DAY, Micros, rfc3339

_CLOSE = b"}\n"


@dataclass(frozen=True)
class Block:
    """Readings of one source in a stretch of time.

    Attributes
    ----------
    observed_us : (n,) int64
        When each was made: the end of what it reports.
    bodies
        Their JSON objects without the closing brace.
    """

    observed_us: NDArray[np.int64]
    bodies: list[bytes]


class Source(Protocol):
    """One hazard's instruments."""

    def block(self, start_us: Micros, stop_us: Micros) -> Block:
        """The readings made from `start_us` to before `stop_us`, in order of time."""
        ...


class Delivery(Protocol):
    """How readings travel: what arrives when, with `received_at` in the bodies."""

    def arrivals(self, block: Block) -> Block:
        """The same readings as they arrive; `observed_us` is then the time of arrival."""
        ...


@lru_cache(maxsize=4096)
def time_text(micros: Micros) -> bytes:
    """RFC 3339 text of a time; cached because hundreds of stations speak at the same minute."""
    return rfc3339(micros).encode()


def opening(kind: str, station: str) -> bytes:
    """The start of a reading's JSON, up to where its time stands."""
    return f'{{"kind":"{kind}","station":"{station}","observed_at":"'.encode()


def instants(start_us: Micros, stop_us: Micros, first_us: Micros, step_us: Micros, count: int) -> range:
    """Indices k of a grid ``first + k * step`` (k < count) that lie from `start_us` to before `stop_us`."""
    low = max(0, -((first_us - start_us) // step_us))
    high = min(count, -((first_us - stop_us) // step_us))
    return range(low, max(low, high))


def joined(blocks: Sequence[Block]) -> Block:
    """Blocks in one, by time; ties keep the order of the blocks and of their rows."""
    observed = np.concatenate([b.observed_us for b in blocks]) if blocks else np.empty(0, np.int64)
    bodies = [body for block in blocks for body in block.bodies]
    order = np.argsort(observed, kind="stable")
    return Block(observed[order], [bodies[k] for k in order.tolist()])


def _stretches(start_us: Micros, stop_us: Micros) -> Iterator[tuple[Micros, Micros]]:
    at = start_us
    while at < stop_us:
        yield at, min(at + DAY, stop_us)
        at += DAY


def write_readings(
    file: BinaryIO,
    sources: Sequence[Source],
    start_us: Micros,
    stop_us: Micros,
    delivery: Delivery | None = None,
    progress: Callable[[float], None] = lambda done: None,
) -> int:
    """Write the readings made from `start_us` to before `stop_us`; return how many lines.

    Parameters
    ----------
    delivery
        None where everything arrives at once and in order.
    progress
        Called with the part that is done, 0..1.
    """
    waiting = Block(np.empty(0, np.int64), [])
    lines = 0
    for low, high in _stretches(start_us, stop_us):
        made = joined([source.block(low, high) for source in sources])
        arrived = joined([waiting, delivery.arrivals(made) if delivery else made])
        # What is made later arrives later still: only what has arrived by now may be written.
        ready = (
            int(np.searchsorted(arrived.observed_us, high, "left")) if high < stop_us else len(arrived.bodies)
        )
        if ready:
            file.write(_CLOSE.join(arrived.bodies[:ready]))
            file.write(_CLOSE)
        waiting = Block(arrived.observed_us[ready:], arrived.bodies[ready:])
        lines += ready
        progress((high - start_us) / (stop_us - start_us))
    return lines
