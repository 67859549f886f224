"""Chains: what the lifecycle remembers of one alert from its first issue to its end, and as bytes.

State   one row a chain, key `c/<chain id>`; one row a muted station, key `m/<station>`; one a station without data that
        stands in another association area, key `s/<station>`; layout 1
"""

from __future__ import annotations

from typing import Any

import msgspec

from alerting.rows import RowReader
from schemas.alert import Origin, Status
from schemas.area import Tier
from schemas.hazard import Hazard
from schemas.times import Micros

STATE_VERSION = 1
BY_HAND = "by_hand"
"""The detector's name under which a person's level stands beside the detectors'."""


class Standing(msgspec.Struct):
    """The level at which one (detector, subject) stands, and the finding that said so.

    `dismissed`: the level at which a person cancelled it; it counts again only above that.
    """

    detector: str
    subject: str
    level: int
    observed_us: Micros
    finding: str
    area: str
    stations: tuple[str, ...]
    evidence: dict[str, Any]
    against: tuple[str, ...]
    position: tuple[float, float] | None
    dismissed: int = 0

    @property
    def counts(self) -> int:
        """The level that it holds up now."""
        return self.level if self.level > self.dismissed else 0


class Words(msgspec.Struct):
    """What a person wrote in place of the rendered text; empty where the rendered text stands."""

    headline: str = ""
    description: str = ""
    instruction: str = ""


class Chain(msgspec.Struct):
    """One alert chain.

    Attributes
    ----------
    key
        `(hazard, area, origin, status, its own)`: of the chains with one key at most one is in force.
        *Its own* is the event of a quake, the station of a station chain, the id of a department's warning.
    nth
        0 for the first chain of its key that is remembered, then 1, 2, …
    said_version
        The newest version that said something new; an act that saw this one or a later one is not stale.
    reached
        Whether any version reached people; then its end does too.
    standing
        By `detector` and `subject`, what holds the level up.
    expires_us
        Of the newest version.
    ends_us
        When a warning that ends by time does; None where evidence ends it.
    missing_us
        Since when no valid data hold the level up, as the newest version says it.
    approvals
        Who asked for the cancel of the version said, while one more is needed.
    """

    id: str
    key: tuple[str, str, str, str, str]
    hazard: Hazard
    area: str
    origin: Origin
    status: Status
    issuer: str
    opened_by: str
    nth: int = 0
    version: int = 0
    said_version: int = 0
    level: int = 0
    in_force: bool = True
    reached: bool = False
    issued_us: Micros = 0
    observed_us: Micros = 0
    expires_us: Micros = 0
    ends_us: Micros | None = None
    missing_us: Micros | None = None
    areas: tuple[str, ...] = ()
    tiers: tuple[Tier, ...] = ()
    standing: dict[str, Standing] = {}
    references: list[tuple[int, Micros]] = []
    approvals: list[str] = []
    acts: list[str] = []
    words: Words = msgspec.field(default_factory=Words)

    @property
    def held_level(self) -> int:
        """The highest level that anything holds up."""
        return max((standing.counts for standing in self.standing.values()), default=0)

    def holders(self) -> list[Standing]:
        """What stands above 0, the strongest first: by level, then who stood first, then by name."""
        counting = [standing for standing in self.standing.values() if standing.counts]
        return sorted(counting, key=lambda s: (-s.counts, s.observed_us, s.detector, s.subject))

    def dismissed(self) -> dict[str, Standing]:
        """What still stands though a person ended the alert: it must rise to count again."""
        return {
            name: msgspec.structs.replace(standing, dismissed=standing.level)
            for name, standing in self.standing.items()
            if standing.level and standing.detector != BY_HAND
        }


class Mute(msgspec.Struct):
    """A station whose faults a person silenced until a time."""

    until_us: Micros
    by: str


class Sick(msgspec.Struct):
    """A station of another association area, and since when its data are missing, by detector and subject."""

    since_us: dict[str, Micros]


def standing_name(detector: str, subject: str) -> str:
    """The key of a standing within its chain."""
    return f"{detector}\x1f{subject}"


chain_of = RowReader("lifecycle", STATE_VERSION, Chain)
mute_of = RowReader("lifecycle", STATE_VERSION, Mute)
sick_of = RowReader("lifecycle", STATE_VERSION, Sick)
