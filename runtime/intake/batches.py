"""What the intake takes together: payloads and other records, on their way into the log."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from ingest.arrival import Arrival
from runtime.intake.admission import Admitted
from runtime.intake.durable import Appending
from schemas.bundle import Bundle
from schemas.log import Record
from schemas.times import Micros


@dataclass(slots=True)
class Written:
    """A record that is no packet, and who waits for it."""

    area: str
    make: Callable[[Micros], Record]
    done: Future[None]
    bundle: Bundle | None = None
    """By which to decode from here on."""


Item = Arrival | Written | Bundle | None
"""What comes through the queue; None: look whether something has landed, or whether to stop."""


@dataclass(slots=True)
class Batch:
    """What is taken together, on its way into the log.

    Attributes
    ----------
    turn_to
        The bundle by which to decode behind it, told by somebody else's record.
    held, held_bytes
        What of the room it takes.
    decoded_by
        In whose rows its packets are.
    """

    arrivals: list[Arrival] = field(default_factory=list)
    written: list[Written] = field(default_factory=list)
    turn_to: Bundle | None = None
    held: int = 0
    held_bytes: int = 0
    decoded_by: Bundle | None = None
    admitted: Admitted = field(default_factory=Admitted)
    appending: Appending | None = None
