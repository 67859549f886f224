"""Keeper: which association area keeps a quake's chain, and which findings of one quake speak in it.

In      `seismic.event` findings: of our own log, and forwarded by other association areas to ours
Out     the finding for our chain; or a `Forward` to the area that keeps the quake; or nothing
State   one row a quake; layout 1
Source  EXACT, rule 18; bounds of "the same quake" are our choice

Every log that hears the stations finds the quake by itself. Whoever first hears of it here, own log or forwarded, fixes
where it is kept, and that stays: later estimates may lie on the other side of a border. Two areas that each take the
other for the keeper are told apart by their codes: told twice rather than never.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from detectors.base import Marks, check_version
from detectors.seismic.locate import distance_km
from detectors.seismic.parameters import SeismicParameters
from schemas.bundle import Bundle
from schemas.finding import Finding, Forward
from schemas.times import DAY, MINUTE, Micros, seconds, to_micros

_REMEMBERED_US = 7 * DAY
_SPEAKS_US = 30 * MINUTE
"""How long after it was first heard of others' estimates of a quake still count: its warning is over then."""


class _Quake(msgspec.Struct):
    """One quake as this log knows it.

    Attributes
    ----------
    id
        The event by which our chain knows it: the first that was heard of.
    events
        Every event that is this quake, with the association area that found it.
    followed
        The event whose estimate our chain takes over: our own where we have one, else the first forwarded one.
    beside
        Events of others that rest on stations which we do not hear: they stand beside the one followed.
    """

    id: str
    keeper: str
    first_us: Micros
    origin_us: Micros
    lon: float
    lat: float
    events: dict[str, str]
    followed: str = ""
    beside: list[str] = []


class Keeper:
    """Knows the quakes of one association area's log; with one association area it passes everything on."""

    name, state_version = "seismic.keeper", 1
    takes: tuple[type, ...] = ()

    def __init__(self, parameters: SeismicParameters, bundle: Bundle) -> None:
        self._parameters = parameters
        self._bundle = bundle
        self._quakes: dict[str, _Quake] = {}
        self._marks = Marks()

    def found(self, finding: Finding, now: Micros) -> Finding | Forward:
        """A finding of our own log: for our chain, or to be forwarded to the area that keeps the quake."""
        ours = self._bundle.association
        if not self._bundle.mark:
            return finding
        quake = self._quake(finding, now, str(finding.evidence["holder"]))
        if quake.keeper != ours:
            return Forward(quake.keeper, finding, now)
        quake.followed = _event(finding)
        return self._for_the_chain(quake, finding)

    def forwarded(self, finding: Finding, now: Micros) -> Finding | None:
        """A finding that another area forwarded to ours: for our chain, or None where it tells that nothing new."""
        ours, finder = self._bundle.association, str(finding.evidence.get("found_by", ""))
        quake = self._quake(finding, now, ours)
        if quake.keeper != ours:
            # We gave the quake away and are given it: of those who point at each other the lowest code takes it.
            if ours > min(quake.keeper, finder):
                return None
            quake.keeper = ours
        if now > quake.first_us + _SPEAKS_US:
            return None
        event = _event(finding)
        if event not in quake.beside and not all(self._bundle.hears(s, ours) for s in finding.stations):
            quake.beside = [*quake.beside, event]
        if event in quake.beside:
            return self._for_the_chain(quake, finding, beside=True)
        quake.followed = quake.followed or event
        return self._for_the_chain(quake, finding) if quake.followed == event else None

    def _for_the_chain(self, quake: _Quake, finding: Finding, *, beside: bool = False) -> Finding:
        return finding.model_copy(
            update={
                "evidence": {**finding.evidence, "event": quake.id},
                "subject": finding.subject if beside else quake.id,
                "area": self._bundle.areas.top(self._bundle.association),
            }
        )

    def _quake(self, finding: Finding, now: Micros, keeper: str) -> _Quake:
        """The quake that a finding is about, with its newest place; a new one where none agrees."""
        event, finder = _event(finding), str(finding.evidence.get("found_by", ""))
        quake = self._known(event) or self._agreeing(finding, finder)
        lon, lat = finding.position or (0.0, 0.0)
        if quake is None:
            self._forget(now)
            quake = _Quake(event, keeper, now, _origin_us(finding), lon, lat, {})
            self._quakes[event] = quake
        quake.events.setdefault(event, finder)
        ours = self._bundle.association
        if finder == ours or ours not in quake.events.values():
            quake.origin_us, quake.lon, quake.lat = _origin_us(finding), lon, lat
        self._marks.touch(quake.id)
        return quake

    def _known(self, event: str) -> _Quake | None:
        return next((quake for quake in self._quakes.values() if event in quake.events), None)

    def _agreeing(self, finding: Finding, finder: str) -> _Quake | None:
        """The quake nearest in time whose origin and epicentre agree; one log's two events are two quakes."""
        if finding.position is None:
            return None
        origin_us, near = _origin_us(finding), []
        for quake in self._quakes.values():
            apart_us = abs(quake.origin_us - origin_us)
            if (
                finder not in quake.events.values()
                and apart_us <= seconds(self._parameters.same_origin_s)
                and distance_km(quake.lon, quake.lat, *finding.position) <= self._parameters.same_epicentre_km
            ):
                near.append((apart_us, quake.id))
        return self._quakes[min(near)[1]] if near else None

    def _forget(self, now: Micros) -> None:
        for old in [q.id for q in self._quakes.values() if q.first_us < now - _REMEMBERED_US]:
            del self._quakes[old]
            self._marks.touch(old)

    def process(self, item: Any, now: Micros) -> list[Any]:
        """Takes no items: the pipeline asks `found` and `forwarded`."""
        return []

    def tick(self, now: Micros) -> list[Any]:
        """Nothing waits for time."""
        return []

    def next_due(self) -> Micros | None:
        """Never."""
        return None

    def changed(self) -> Mapping[str, bytes | None]:
        """See `schemas.stage.Kept`; keys are event ids."""
        return {key: self._bytes(key) for key in self._marks.take()}

    def saved(self, token: Any) -> None:
        """See `schemas.stage.Kept`."""
        self._marks.saved()

    def state(self) -> Mapping[str, bytes]:
        """See `schemas.stage.Kept`."""
        rows = {key: self._bytes(key) for key in sorted(self._quakes)}
        return {key: value for key, value in rows.items() if value is not None}

    def restore(self, state: Mapping[str, bytes]) -> None:
        """See `schemas.stage.Kept`."""
        quakes = []
        for value in state.values():
            check_version(self.name, value, self.state_version)
            quakes.append(msgspec.msgpack.decode(memoryview(value)[1:], type=_Quake))
        self._quakes = {q.id: q for q in sorted(quakes, key=lambda q: (q.first_us, q.id))}

    def _bytes(self, key: str) -> bytes | None:
        quake = self._quakes.get(key)
        return None if quake is None else bytes([self.state_version]) + msgspec.msgpack.encode(quake)


def _event(finding: Finding) -> str:
    return str(finding.evidence["event"])


def _origin_us(finding: Finding) -> Micros:
    return to_micros(datetime.fromisoformat(str(finding.evidence["origin_at"])))
