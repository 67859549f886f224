"""Ids: short hashes of what a thing *is*, so that a replay writes the same ones.

No id hashes a float, and none hashes the time of writing (the log's own times only).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def hashed(prefix: str, *parts: str | int | Iterable[str]) -> str:
    """`prefix` and 20 hexadecimal digits of the SHA-256 of the parts.

    Parts are joined by a unit separator, members of an iterable by a record separator, so that no two
    different lists of parts give the same bytes.
    """
    texts = [str(part) if isinstance(part, str | int) else "\x1e".join(part) for part in parts]
    digest = hashlib.sha256("\x1f".join(texts).encode()).hexdigest()
    return f"{prefix}-{digest[:20]}"


def finding_id(
    detector: str,
    hazard: str,
    area: str,
    stations: Iterable[str],
    level: int,
    observed_us: int,
    number: int,
    mark: str = "",
) -> str:
    """Id of a finding.

    Parameters
    ----------
    number
        The running number that the detector keeps for that subject.
    mark
        The association area whose log led to it, where another's could lead to the same of its own.
    """
    marked = (mark,) if mark else ()
    return hashed("f", detector, hazard, area, stations, level, observed_us, number, *marked)


def chain_id(hazard: str, area: str, origin: str, status: str, opened_by: str) -> str:
    """Id of an alert chain; `opened_by` is the id of the finding or act that opened it."""
    return hashed("a", hazard, area, origin, status, opened_by)


def notice_id(alerts: Iterable[str], recipient: str, channel: str, audience: str) -> str:
    """Id of a notice; `alerts` are texts ``<chain id>:<version>``."""
    return hashed("n", alerts, recipient, channel, audience)
