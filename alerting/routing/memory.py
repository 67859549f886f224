"""Memory: what the routing remembers of chains and of each recipient's line, and as bytes.

State   one row a chain (`c/<chain id>`), one a recipient and channel (`r/<recipient>/<channel>`); layout 1
"""

from __future__ import annotations

import msgspec

from alerting.rows import RowReader
from schemas.area import Tier
from schemas.hazard import Hazard
from schemas.times import Micros

STATE_VERSION = 1


class Told(msgspec.Struct, frozen=True):
    """Someone who is told of a chain by one channel."""

    recipient: str
    channel: str
    audience: str
    tier: Tier
    area: str

    @property
    def line(self) -> str:
        """The key of the line that the notices to this recipient by this channel form."""
        return line_key(self.recipient, self.channel)


class HeldNotice(msgspec.Struct, frozen=True):
    """A notice that waits for its release, and what it makes pointless."""

    told: Told
    supersedes: tuple[str, ...]


class Held(msgspec.Struct, frozen=True):
    """What is held of one version. `deadline_us`: when it goes by itself; None for never."""

    version: int
    deadline_us: Micros | None
    notices: tuple[HeldNotice, ...]


class RoutedChain(msgspec.Struct):
    """One alert chain as the routing knows it.

    Attributes
    ----------
    said
        JSON of the newest version that reaches people.
    said_version, version
        Its number; that of the newest version of all.
    told
        Everyone for whom a version had or will have a notice, by line.
    public_level
        The highest level that went to the public.
    people_version
        The newest version that reaches people; 0 in a row of an earlier release.
    failed
        Lines whose notice of that version did not arrive.
    passed
        By line, whom it was told to pass that version on to: ids of recipients that were not reached.
    """

    id: str
    said: bytes = b""
    said_version: int = 0
    version: int = 0
    in_force: bool = True
    ended_us: Micros | None = None
    told: dict[str, Told] = {}
    held: Held | None = None
    public_level: int = 0
    people_version: int = 0
    failed: tuple[str, ...] = ()
    passed: dict[str, tuple[str, ...]] = {}


class Pending(msgspec.Struct, frozen=True):
    """One version that waits for its bundle to close.

    `unreached`: ids of those to whom it is to be passed on. `again`: the line had a notice of this version already.
    """

    chain: str
    version: int
    hazard: Hazard
    level: int
    cancel: bool
    told: Told
    due_us: Micros
    unreached: tuple[str, ...] = ()
    again: bool = False


class Line(msgspec.Struct):
    """What goes to one recipient by one channel.

    Attributes
    ----------
    next_us
        Theoretical time of the next notice below red, for the limit; microseconds.
    pending
        In the order in which they came.
    live
        Earlier notices by id, with the chains of which nothing newer has come due.
    """

    next_us: Micros = 0
    pending: list[Pending] = []
    live: dict[str, tuple[str, ...]] = {}


def line_key(recipient: str, channel: str) -> str:
    """The key of a line's row."""
    return f"r/{recipient}/{channel}"


chain_of = RowReader("routing", STATE_VERSION, RoutedChain)
line_of = RowReader("routing", STATE_VERSION, Line)
