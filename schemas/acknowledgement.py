"""Acknowledgements: what of a station is in the log, said so that its sender can forget it.

A broker's own word (PUBACK) does not survive the broker's crash; this does, because it is given only for what is
durable in the log or kept as a reject.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from schemas.times import Time

WINDOW = 1000
"""How many numbers below the highest an acknowledgement speaks of; one more than that lower is a restarted counter."""

Number = Annotated[int, Field(ge=0, lt=2**63)]


class Acknowledgement(BaseModel):
    """What of one station is durable: its highest `sequence`, and which of the 1,000 below it are not.

    Attributes
    ----------
    sequence
        The highest number that is in the log or kept as a reject.
    observed_at
        The time that the message of that number names; null where it was a reject without a readable time.
    missing
        Numbers from `sequence` - 1,000 on that are neither, ascending. The sender re-sends these and what is higher.
    """

    model_config = ConfigDict(frozen=True)

    sequence: Number
    observed_at: Time | None
    missing: tuple[Number, ...] = ()

    def covers(self, number: int) -> bool:
        """Whether the message of this number is known to be durable."""
        return self.sequence - WINDOW <= number <= self.sequence and number not in self.missing
