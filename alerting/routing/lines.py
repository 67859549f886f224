"""Lines: what goes to one recipient by one channel, in order, bundled and within the limit.

In      versions for a line, log time
Out     batches that come due: the versions of one notice
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from alerting.routing.memory import Line, Pending, Told
from alerting.routing.policy import Limit, RoutingPolicy
from schemas.alert import Alert
from schemas.level import Level
from schemas.times import Micros, seconds


@dataclass(frozen=True)
class Batch:
    """The versions that make one notice. `told`: to whom."""

    told: Told
    pending: tuple[Pending, ...]


def entry(
    alert: Alert, told: Told, due_us: Micros, unreached: tuple[str, ...] = (), again: bool = False
) -> Pending:
    """What a version is in a line."""
    cancel = alert.type == "cancel"
    return Pending(alert.id, alert.version, alert.hazard, alert.level, cancel, told, due_us, unreached, again)


def join(line: Line, alert: Alert, told: Told, policy: RoutingPolicy, now: Micros) -> bool:
    """Put a version into the line; whether it goes at once.

    An older version of the same chain that has not come due yet is dropped: this one says what holds now.
    """
    leave(line, alert.id)
    new = entry(alert, told, now)
    if alert.hazard in policy.unbundled or (alert.level == Level.RED and policy.window_us(alert) == 0):
        line.pending = [*line.pending, new]
        return True
    open_us = [p.due_us for p in line.pending if _kind(p) == _kind(new)]
    due_us = min(open_us) if open_us else now + policy.window_us(alert)
    line.pending = [*line.pending, msgspec.structs.replace(new, due_us=due_us)]
    return due_us <= now


def pass_on(
    line: Line, entries: Sequence[Pending], policy: RoutingPolicy, channel: str, now: Micros
) -> Batch | None:
    """What is told because somebody was not reached: one notice at once, or with the next where the limit forbids it.

    It takes the place of what waits about the same chains.
    """
    chains = {one.chain: one for one in entries}
    for waiting in line.pending:
        if (one := chains.get(waiting.chain)) is not None:
            unreached = tuple(dict.fromkeys((*waiting.unreached, *one.unreached)))
            chains[one.chain] = msgspec.structs.replace(one, unreached=unreached, again=waiting.again)
    ordered = tuple(sorted(chains.values(), key=lambda p: (p.cancel, -p.level)))
    line.pending = [pending for pending in line.pending if pending.chain not in chains]
    limit, first = policy.limit_of(channel), ordered[0]
    if limit is not None and first.level != Level.RED:
        if first.hazard not in policy.unbundled and not _allowed(line, limit, now):
            at_us = _free_us(line, limit)
            line.pending = [*line.pending, *(msgspec.structs.replace(p, due_us=at_us) for p in ordered)]
            return None
        _charge(line, limit, now)
    return Batch(first.told, ordered)


def leave(line: Line, chain: str) -> None:
    """Drop what waits for its bundle about one chain."""
    line.pending = [pending for pending in line.pending if pending.chain != chain]


def due(line: Line, policy: RoutingPolicy, channel: str, now: Micros) -> list[Batch]:
    """Take out of the line what goes now, the highest level first, ends last.

    What the limit keeps back waits until one more notice is allowed, and then goes as one notice together
    with everything else that waits.
    """
    groups: dict[tuple[str, int, bool, str], list[Pending]] = {}
    for pending in line.pending:
        if pending.due_us <= now:
            groups.setdefault(_kind(pending), []).append(pending)
    ordered = sorted(groups.values(), key=lambda group: (group[0].cancel, -group[0].level, group[0].hazard))
    limit = policy.limit_of(channel)
    batches: list[Batch] = []
    held_back: list[list[Pending]] = []
    for place, group in enumerate(ordered):
        if limit is None or group[0].level == Level.RED:
            batches.append(Batch(group[0].told, tuple(group)))
        elif group[0].hazard in policy.unbundled:
            _charge(line, limit, now)
            batches.append(Batch(group[0].told, tuple(group)))
        elif (
            held_back
            or not _allowed(line, limit, now)
            or (_is_last(line, limit, now) and any(_waits(other, policy) for other in ordered[place + 1 :]))
        ):
            held_back.append(group)
        else:
            _charge(line, limit, now)
            batches.append(Batch(group[0].told, tuple(group)))
    gone = {pending for batch in batches for pending in batch.pending}
    line.pending = [pending for pending in line.pending if pending not in gone]
    if held_back and limit is not None:
        batches += _gather(line, limit, policy, now)
    return batches


def _gather(line: Line, limit: Limit, policy: RoutingPolicy, now: Micros) -> list[Batch]:
    """One notice of all that waits, if the limit allows one now; else it waits until it does."""
    if not _allowed(line, limit, now):
        at_us = _free_us(line, limit)
        line.pending = [
            msgspec.structs.replace(pending, due_us=at_us) if pending.due_us <= now else pending
            for pending in line.pending
        ]
        return []
    _charge(line, limit, now)
    everything = sorted(line.pending, key=lambda p: (p.cancel, -p.level))
    line.pending = []
    return [Batch(everything[0].told, tuple(everything))]


def _waits(group: Sequence[Pending], policy: RoutingPolicy) -> bool:
    return group[0].level != Level.RED and group[0].hazard not in policy.unbundled


def _allowed(line: Line, limit: Limit, now: Micros) -> bool:
    return _free_us(line, limit) <= now


def _free_us(line: Line, limit: Limit) -> Micros:
    """From when on the limit allows one more notice."""
    return line.next_us - (limit.burst - 1) * seconds(limit.every_s)


def _is_last(line: Line, limit: Limit, now: Micros) -> bool:
    """Whether the notice that is allowed now is the last for the time being."""
    return max(line.next_us, now) - (limit.burst - 2) * seconds(limit.every_s) > now


def _charge(line: Line, limit: Limit, now: Micros) -> None:
    line.next_us = max(line.next_us, now) + seconds(limit.every_s)


def charge(line: Line, policy: RoutingPolicy, channel: str, level: int, now: Micros) -> None:
    """Count a notice that goes past the line (a released one) against the limit."""
    limit = policy.limit_of(channel)
    if limit is not None and level != Level.RED:
        _charge(line, limit, now)


def next_due(line: Line) -> Micros | None:
    """When the line has something to send next."""
    return min((pending.due_us for pending in line.pending), default=None)


def _kind(pending: Pending) -> tuple[str, int, bool, str]:
    return (pending.hazard, pending.level, pending.cancel, pending.told.audience)
