"""Judging a run: what was lost, what differs, what somebody was told twice. Pure: sets and mappings in, sentences out."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

Key = tuple[str, int]
"""A station and the number of one of its readings."""
Rows = Mapping[str, str]
"""Id to content, as text that is equal where the content is."""

DISPATCHERS = frozenset({"attempts", "sent_at", "delivered_at", "answer", "answered_at", "error"})
"""Fields of a notice that do not follow from the log; its `state` here is what the log decided, held or due."""


class Told(NamedTuple):
    """One notice that a receiver took for new."""

    channel: str
    recipient: str
    notice: str


class Chain(NamedTuple):
    """A chain as a replay of the readings, whose ids differ, can have it too."""

    hazard: str
    area: str
    highest_level: int


@dataclass(frozen=True)
class Decided:
    """What was decided, by id: an alert's is its chain's with the version."""

    findings: Rows = field(default_factory=dict)
    alerts: Rows = field(default_factory=dict)
    notices: Rows = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        findings: Iterable[Mapping[str, Any]],
        alerts: Iterable[Mapping[str, Any]],
        notices: Iterable[Mapping[str, Any]],
    ) -> Decided:
        """From JSON objects; of a notice only what follows from the log."""
        return cls(
            {one["id"]: _text(one) for one in findings},
            {f"{one['id']} v{one['version']}": _text(one) for one in alerts},
            {one["id"]: _text(_of_the_log(one)) for one in notices},
        )

    def write(self, folder: Path) -> None:
        """Keep it as files, for whoever looks into a difference."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("findings", "alerts", "notices"):
            rows: Rows = getattr(self, name)
            (folder / f"{name}.jsonl").write_text("".join(f"{text}\n" for text in rows.values()))

    def chains(self, *, without: Collection[str] = ()) -> Counter[Chain]:
        """Chains by hazard, area and highest level; `without`: hazards that are left out."""
        highest: dict[str, Chain] = {}
        for text in self.alerts.values():
            alert = json.loads(text)
            if alert["hazard"] in without:
                continue
            before = highest.get(alert["id"])
            level = max(alert["level"], before.highest_level if before else 0)
            highest[alert["id"]] = Chain(alert["hazard"], alert["area"], level)
        return Counter(highest.values())


def lost(
    acknowledged: Collection[Key],
    logged: Mapping[str, Collection[Key]],
    areas_of: Mapping[str, Collection[str]],
    rejected: Collection[Key] = (),
) -> list[str]:
    """Readings that were acknowledged and are missing in a log of theirs.

    Parameters
    ----------
    logged
        By association area, what is in its log.
    areas_of
        By station, the areas whose logs its readings enter.
    rejected
        What was kept as a reject instead.
    """
    return [
        f"reading {number} of {station} was acknowledged and is not in the log of {area}"
        for station, number in sorted(set(acknowledged) - set(rejected))
        for area in areas_of[station]
        if (station, number) not in logged.get(area, ())
    ]


def differences(expected: Decided, actual: Decided) -> list[str]:
    """Where the ledger differs from the logs' replay, id by id, field by field."""
    found: list[str] = []
    for name in ("findings", "alerts", "notices"):
        wanted, there = getattr(expected, name), getattr(actual, name)
        word = name.removesuffix("s")
        found += [f"{word} {id} is missing" for id in sorted(wanted.keys() - there.keys())]
        found += [f"{word} {id} is in no replay" for id in sorted(there.keys() - wanted.keys())]
        found += [
            f"{word} {id} differs: {_fields(wanted[id], there[id])}"
            for id in sorted(wanted.keys() & there.keys())
            if wanted[id] != there[id]
        ]
    return found


def chain_differences(expected: Counter[Chain], actual: Counter[Chain]) -> list[str]:
    """Chains of the readings' replay that the run has not, and the other way."""
    found = [f"chain {_said(chain)} is missing" for chain in sorted((expected - actual).elements())]
    return found + [
        f"chain {_said(chain)} is in no replay of the readings"
        for chain in sorted((actual - expected).elements())
    ]


def sent_twice(told: Iterable[Told], notices: Rows) -> list[str]:
    """What somebody was told twice: one notice again, or under two keys what is one notice.

    Parameters
    ----------
    notices
        Of the ledger. Two of them are one where recipient, channel, alert versions and text are the same.
    """
    times = Counter(told)
    found = [
        f"{one.channel} told {one.recipient} notice {one.notice} {count} times"
        for one, count in sorted(times.items())
        if count > 1
    ]
    same: dict[tuple[str, str, str, str], set[str]] = defaultdict(set)
    for one in times:
        if one.notice not in notices:
            found.append(f"{one.channel} told {one.recipient} notice {one.notice}, which nobody decided")
            continue
        notice = json.loads(notices[one.notice])
        says = json.dumps([notice["alerts"], notice["text"]], sort_keys=True)
        same[one.channel, one.recipient, notice["area"], says].add(one.notice)
    return found + [
        f"{channel} told {recipient} the same as notices {', '.join(sorted(ids))}"
        for (channel, recipient, _, _), ids in sorted(same.items())
        if len(ids) > 1
    ]


def told_nobody(delivered: Iterable[Told], told: Iterable[Told]) -> list[str]:
    """What the ledger says was delivered by a channel whose receivers keep a record, and no receiver has."""
    return [
        f"{one.channel} delivered notice {one.notice} to {one.recipient}, who never had it"
        for one in sorted(set(delivered) - set(told))
    ]


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, sort_keys=True, ensure_ascii=False)


def _of_the_log(notice: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in notice.items() if name not in DISPATCHERS}


def _fields(wanted: str, there: str) -> str:
    one, other = json.loads(wanted), json.loads(there)
    names = [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]
    return "; ".join(f"{name} {other.get(name)!r}, replayed {one.get(name)!r}" for name in names)[:400]


def _said(chain: Chain) -> str:
    return f"{chain.hazard} {chain.area} level {chain.highest_level}"
