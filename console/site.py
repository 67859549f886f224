"""What the console needs of the engine beneath it, whichever engine that is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alerting.ledger import Ledger
from console.feed import Feed
from ingest.arrival import Submit
from schemas.act import Act
from schemas.bundle import Bundle
from schemas.errors import PlainError
from schemas.notice import Receipt
from schemas.times import Micros


class TakesNoReadings(PlainError):
    """Readings go elsewhere; the text says where."""


@dataclass(frozen=True)
class Health:
    """Whether the engine works, and what is wrong where it does not.

    Attributes
    ----------
    healthy
        A probe reading went through the whole pipeline within the last half minute, and nothing has stopped.
    faults
        Plain sentences, one for each thing that is wrong.
    details
        Figures for people who look closer.
    """

    healthy: bool
    faults: tuple[str, ...]
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Site:
    """A running engine as the console sees it.

    Attributes
    ----------
    bundle, ledger, feed
        The configuration in force, the ledger, and the live events.
    submit
        Takes readings on their way into the log; raises `NoRoom` where it cannot just now, `TakesNoReadings` where it
        never does.
    act
        Appends an act and waits for the judgement; None where it takes longer than 5 s. Raises a `PlainError` where
        the log cannot be written.
    receive
        Takes a receipt of a notice.
    health
        The engine's health just now.
    now_us
        The engine's clock.
    posts
        What each recipient is called.
    outlines
        GeoJSON file of area outlines; None where there is none.
    token
        What `POST` requests must bear; None: they are refused.
    language
        `zh` or `en`, of the page.
    """

    bundle: Bundle
    ledger: Ledger
    feed: Feed
    submit: Submit
    act: Callable[[Act], Act | None]
    receive: Callable[[Receipt], bool]
    health: Callable[[], Health]
    now_us: Callable[[], Micros]
    posts: Mapping[str, str]
    outlines: Path | None
    token: str | None
    language: str = "zh"
