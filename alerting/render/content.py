"""What a text says, in whatever language: what a version does, which level it names, which alerts are told together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import IntEnum
from typing import Any

from alerting.render.moments import number
from schemas.alert import Alert

HEADLINE_CHARACTERS = 40
OLD = timedelta(minutes=10)
"""A text says how far its figures reach when they are older."""


class Deed(IntEnum):
    """What a version does, in the order in which alerts of one level are told."""

    ISSUE = 0
    CHANGE = 1
    EXTEND = 2
    END = 3


def deed(alert: Alert) -> Deed:
    """What this version does."""
    if alert.type == "cancel":
        return Deed.END
    if alert.type == "issue":
        return Deed.ISSUE
    return Deed.CHANGE if alert.level != alert.previous_level else Deed.EXTEND


def spoken_level(alert: Alert) -> int:
    """The level that a text names: of a cancel the one that ends."""
    return alert.previous_level if alert.type == "cancel" else alert.level


def groups_of(alerts: Sequence[Alert]) -> list[list[Alert]]:
    """Alerts of one hazard, level, deed and issuer together, the highest first, ends last."""
    groups: dict[tuple[Any, ...], list[Alert]] = {}
    for alert in alerts:
        key = (alert.type == "cancel", -spoken_level(alert), alert.hazard, deed(alert), alert.issuer)
        groups.setdefault(key, []).append(alert)
    return [groups[key] for key in sorted(groups)]


def measured(evidence: Mapping[str, Any], figures: Sequence[tuple[str, str]]) -> list[str]:
    """The figures that there are, in a language's words.

    Parameters
    ----------
    figures
        Names of evidence, each with its words, `{}` where the number stands.
    """
    return [
        words.format(number(evidence[name]))
        for name, words in figures
        if isinstance(evidence.get(name), int | float)
    ]
