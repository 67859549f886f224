"""Lifecycle: findings and acts become alert chains; time extends or ends them.

In      findings, acts, ticks of log time
Out     `Alert` versions, acts with their outcome
State   one row a chain (`c/<chain id>`), one a muted station (`m/<station>`), one a station without data that another
        association area tells of (`s/<station>`); layout 1

A level rises at once. It falls when the detectors say so, who have applied the hold. Nothing else lowers it:
what is silent is extended before it runs out (EXACT, rule 8).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from alerting.dues import Dues
from alerting.lifecycle import acts
from alerting.lifecycle.chain import (
    STATE_VERSION,
    Chain,
    Mute,
    Sick,
    Standing,
    Words,
    chain_of,
    mute_of,
    sick_of,
    standing_name,
)
from alerting.lifecycle.policy import LifecyclePolicy
from alerting.lifecycle.versions import Versions, evidence_of
from alerting.rows import ChangedRows, to_bytes
from schemas.act import Act
from schemas.alert import Alert, Origin
from schemas.bundle import Bundle
from schemas.finding import Finding
from schemas.hazard import Hazard
from schemas.ids import chain_id
from schemas.times import Micros, seconds, to_micros

_BAD_DATA = (4, 9)
"""Flags of readings that hold nothing up: fail, missing."""


class Lifecycle:
    """Keep the alert chains of one association area.

    Parameters
    ----------
    parameters
        Section `lifecycle` of the policy.
    bundle
        The configuration that holds from here on.
    """

    name = "lifecycle"
    state_version = STATE_VERSION
    takes: tuple[type, ...] = (Finding,)

    def __init__(self, parameters: LifecyclePolicy, bundle: Bundle) -> None:
        self.policy = parameters
        self.bundle = bundle
        self.versions = Versions(parameters, bundle)
        self.chains: dict[str, Chain] = {}
        self.mutes: dict[str, Mute] = {}
        self._sick: dict[str, Sick] = {}
        self._newest: dict[tuple[str, str, str, str, str], str] = {}
        self._rows = ChangedRows(self._encode)
        self._dues = Dues()

    # --- findings ---------------------------------------------------------------------------------------------------

    def process(self, finding: Finding, now: Micros) -> list[Alert]:
        """Take one finding; return the version that it makes, if it makes one."""
        key = self._key(finding)
        chain = self.newest(key)
        name = standing_name(finding.detector, finding.subject)
        before = chain.standing.get(name) if chain else None
        if before is not None and not _counts(finding, before):
            return []
        if chain is None or not chain.in_force:
            if chain is not None and before is not None and finding.level <= before.level:
                self._stand(chain, finding, before)
                return []
            if finding.level == 0:
                return []
            chain = self._open(key, finding, chain)
            self._stand(chain, finding, None)
            return [self._say(chain, finding, now)]
        # New figures of what holds the level up are worth a version for machines, and each fault of a station.
        news = before is not None and before.level == finding.level and before in chain.holders()[:1]
        news = news or chain.hazard is Hazard.STATION
        self._stand(chain, finding, before)
        chain.observed_us = finding.observed_us
        if chain.held_level != chain.level:
            chain.words = Words()
        elif not news and self.versions.covered(chain) == chain.areas:
            return []
        return [self._say(chain, finding, now)]

    def note(self, finding: Finding) -> None:
        """Take the fault of a border station, told where it stands: here it only says since when data are missing."""
        (station,) = finding.stations
        name = standing_name(finding.detector, finding.subject)
        since = dict(self._sick[station].since_us) if station in self._sick else {}
        since.pop(name, None)
        if finding.level and _is_without_data(finding):
            since[name] = _since_us(finding)
        self._sick[station] = Sick(since)
        if not since:
            del self._sick[station]
        self._rows.touch(f"s/{station}")

    def _key(self, finding: Finding) -> tuple[str, str, str, str, str]:
        own = ""
        if finding.hazard is Hazard.EARTHQUAKE:
            own = str(finding.evidence.get("event", finding.subject))
        elif finding.hazard is Hazard.STATION:
            own = finding.stations[0] if finding.stations else finding.subject
        # A quake is told apart by its event alone (its findings may lie in several areas), a fault by its station.
        area = "" if own else self.versions.lift(finding.hazard, finding.area)
        return (finding.hazard, area, Origin.DETECTOR, self.bundle.status, own)

    def _open(self, key: tuple[str, str, str, str, str], finding: Finding, ended: Chain | None) -> Chain:
        area = self.versions.lift(finding.hazard, finding.area)
        chain = Chain(
            id=chain_id(finding.hazard, area, Origin.DETECTOR, self.bundle.status, finding.id),
            key=key,
            hazard=finding.hazard,
            area=area,
            origin=Origin.DETECTOR,
            status=self.bundle.status,
            issuer=self.versions.issuer(finding.hazard, area),
            opened_by=finding.id,
            observed_us=finding.observed_us,
        )
        if ended is not None:
            chain.standing, ended.standing = ended.dismissed(), {}
            chain.nth = ended.nth + 1
            self.touch(ended)
        self.add(chain)
        return chain

    def _stand(self, chain: Chain, finding: Finding, before: Standing | None) -> None:
        """Put the finding's level beside the others of the chain."""
        name = standing_name(finding.detector, finding.subject)
        if finding.level == 0:
            chain.standing.pop(name, None)
        else:
            dismissed = min(before.dismissed, finding.level) if before else 0
            chain.standing[name] = Standing(
                detector=finding.detector,
                subject=finding.subject,
                level=finding.level,
                observed_us=max(finding.observed_us, before.observed_us if before else finding.observed_us),
                finding=finding.id,
                area=finding.area,
                stations=finding.stations,
                evidence=evidence_of(finding),
                against=finding.against,
                position=finding.position,
                dismissed=0 if finding.level > dismissed else dismissed,
            )
        self.touch(chain)

    # --- versions ---------------------------------------------------------------------------------------------------

    def _say(self, chain: Chain, finding: Finding, now: Micros) -> Alert:
        """The version that a finding asks for: an issue, an update, or the chain's end."""
        level = chain.held_level
        if self.policy.ends_by_time(chain.hazard):
            chain.ends_us = now + self.policy.expires_us(chain.hazard)
        if level == 0:
            return self.end(chain, now, cause=finding)
        people = level > chain.level and not self._muted(chain, now)
        return self.version(chain, now, type="update" if chain.version else "issue", reaches_people=people)

    def end(self, chain: Chain, now: Micros, *, cause: Finding | None = None) -> Alert:
        """The cancel of a chain; what still stands must rise to open another."""
        alert = self.versions.next(chain, now, type="cancel", reaches_people=chain.reached, cause=cause)
        chain.standing = chain.dismissed()
        chain.approvals = []
        self.touch(chain)
        return alert

    def version(
        self, chain: Chain, now: Micros, *, type: Literal["issue", "update"], reaches_people: bool
    ) -> Alert:
        """The chain's next version, with since when its data are missing."""
        missing_us = self.missing_us(chain)
        alert = self.versions.next(
            chain, now, type=type, reaches_people=reaches_people, missing_us=missing_us
        )
        self.touch(chain)
        return alert

    def missing_us(self, chain: Chain) -> Micros | None:
        """Since when no station that holds the level up gives valid data; None while one does."""
        if chain.hazard is Hazard.STATION:
            return None
        holding = {
            s for standing in chain.holders() if standing.counts == chain.level for s in standing.stations
        }
        since = [self._sick_since_us(station) for station in sorted(holding)]
        if not since or None in since:
            return None
        return max(moment for moment in since if moment is not None)

    def _sick_since_us(self, station: str) -> Micros | None:
        chain = self.newest((Hazard.STATION, "", Origin.DETECTOR, self.bundle.status, station))
        since: list[Micros] = []
        # A station that has moved into our area since is spoken of here, and no longer elsewhere.
        if station in self._sick and self.bundle.home_of(station) != self.bundle.association:
            since += self._sick[station].since_us.values()
        if chain is not None:
            since += [_since_us(s) for s in chain.standing.values() if _is_without_data(s)]
        return min(since, default=None)

    def _muted(self, chain: Chain, now: Micros) -> bool:
        mute = self.mutes.get(chain.key[4]) if chain.hazard is Hazard.STATION else None
        return mute is not None and mute.until_us > now

    # --- acts -------------------------------------------------------------------------------------------------------

    def act(self, act: Act, now: Micros) -> tuple[Act, list[Alert]]:
        """Judge an act at its place in the log; return it with its outcome, and the version that it makes."""
        return acts.judge(self, act, now)

    # --- time -------------------------------------------------------------------------------------------------------

    def next_due(self) -> Micros | None:
        """When the next chain is to be extended, ended or forgotten, or a mute runs out."""
        return self._dues.first()

    def _chain_due(self, chain: Chain) -> Micros | None:
        if not chain.in_force:
            # A dismissed level must be remembered for as long as it stands, but a quake's stands for ever.
            if chain.standing and chain.hazard is not Hazard.EARTHQUAKE:
                return None
            return chain.issued_us + seconds(self.policy.remember_s)
        if self._ends_by_time(chain):
            return chain.expires_us
        return chain.expires_us - seconds(self.policy.extend_before_s)

    def _ends_by_time(self, chain: Chain) -> bool:
        # A chain of another status than the configuration's gets no finding any more, so the clock ends it.
        return (
            chain.ends_us is not None
            or self.policy.ends_by_time(chain.hazard)
            or chain.status != self.bundle.status
        )

    def tick(self, now: Micros) -> list[Alert]:
        """Extend, end and forget what is due."""
        alerts: list[Alert] = []
        for key in self._dues.until(now):
            kind, _, own = key.partition("/")
            if kind == "m":
                alerts += self._unmute(own, now)
                continue
            chain = self.chains[own]
            if not chain.in_force:
                self._forget(chain)
            elif self._ends_by_time(chain):
                alerts.append(self.end(chain, now))
            else:
                alerts.append(self.version(chain, now, type="update", reaches_people=False))
        return alerts

    def _unmute(self, station: str, now: Micros) -> list[Alert]:
        del self.mutes[station]
        self._rows.touch(f"m/{station}")
        self._dues.set(f"m/{station}", None)
        sick = [
            c
            for c in self.chains.values()
            if c.in_force and c.hazard is Hazard.STATION and c.key[4] == station
        ]
        return [
            self.version(c, now, type="update", reaches_people=True) for c in sorted(sick, key=lambda c: c.id)
        ]

    def _forget(self, chain: Chain) -> None:
        del self.chains[chain.id]
        if self._newest.get(chain.key) == chain.id:
            del self._newest[chain.key]
        self._rows.touch(f"c/{chain.id}")
        self._dues.set(f"c/{chain.id}", None)

    # --- state ------------------------------------------------------------------------------------------------------

    def newest(self, key: tuple[str, str, str, str, str]) -> Chain | None:
        """The newest chain of a key, in force or not."""
        found = self._newest.get(key)
        return None if found is None else self.chains[found]

    def add(self, chain: Chain) -> None:
        """A chain that was not there before."""
        self.chains[chain.id] = chain
        self._newest[chain.key] = chain.id
        self.touch(chain)

    def touch(self, chain: Chain) -> None:
        """A chain changed, and with it perhaps its due."""
        key = f"c/{chain.id}"
        self._rows.touch(key)
        self._dues.set(key, self._chain_due(chain))

    def mute(self, station: str, mute: Mute) -> None:
        """Silence a station's faults until a time."""
        self.mutes[station] = mute
        self._rows.touch(f"m/{station}")
        self._dues.set(f"m/{station}", mute.until_us)

    def _encode(self, key: str) -> bytes | None:
        kind, _, own = key.partition("/")
        kept: Mapping[str, Mapping[str, Chain | Mute | Sick]] = {
            "c": self.chains,
            "m": self.mutes,
            "s": self._sick,
        }
        row = kept[kind].get(own)
        return None if row is None else to_bytes(row, STATE_VERSION)

    def changed(self) -> Mapping[str, bytes | None]:
        """Rows changed since the last saved checkpoint."""
        return self._rows.changed()

    def saved(self, token: Any) -> None:
        """The checkpoint of the last `changed()` is durable."""
        self._rows.saved()

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Take up the rows of earlier checkpoints."""
        for key, data in state.items():
            if key.startswith("c/"):
                chain = chain_of(data)
                self.chains[chain.id] = chain
            elif key.startswith("m/"):
                self.mutes[key[2:]] = mute_of(data)
                self._dues.set(key, self.mutes[key[2:]].until_us)
            elif key.startswith("s/"):
                self._sick[key[2:]] = sick_of(data)
        for chain in sorted(self.chains.values(), key=lambda c: c.nth):
            self._newest[chain.key] = chain.id
            self._dues.set(f"c/{chain.id}", self._chain_due(chain))

    def state(self) -> Mapping[str, bytes]:
        """All rows."""
        rows = {f"c/{chain.id}": to_bytes(chain, STATE_VERSION) for chain in self.chains.values()}
        rows |= {f"s/{station}": to_bytes(sick, STATE_VERSION) for station, sick in self._sick.items()}
        return rows | {f"m/{station}": to_bytes(mute, STATE_VERSION) for station, mute in self.mutes.items()}


def _counts(finding: Finding, before: Standing) -> bool:
    """Whether a finding about a subject that stands already says something.

    A repeat does not. One that was observed before the one that stands may raise (a late reading re-grades
    its window) but never lower: only what was observed later does. Of a quake an older estimate is only older.
    """
    if finding.id == before.finding:
        return False
    if finding.observed_us >= before.observed_us:
        return True
    return finding.level > before.level and finding.hazard is not Hazard.EARTHQUAKE


def _is_without_data(fault: Standing | Finding) -> bool:
    return fault.detector == "silence" or fault.evidence.get("flag") in _BAD_DATA


def _since_us(fault: Standing | Finding) -> Micros:
    since = fault.evidence.get("since")
    return to_micros(datetime.fromisoformat(since)) if isinstance(since, str) else fault.observed_us
