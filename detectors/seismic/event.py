"""Event: earthquakes from the picks of many stations: place, magnitude, and what each area has to expect.

In      `Pick` and `Motion` items, in the order of the log
Out     `seismic.event` findings of the keeper's city: the first, and each material change
State   one row for picks without an event and when stations were heard, one row an event; layout 1
Source  association, location, magnitude and levels as in `associate`, `locate`, `magnitude`, `grade`
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from detectors.base import Marks, check_version
from detectors.seismic.associate import Associator, Fit, Hypocentre
from detectors.seismic.grade import Effect, Grader, Magnitude, Strongest
from detectors.seismic.holder import Holders
from detectors.seismic.items import Motion, Pick
from detectors.seismic.locate import distance_km
from detectors.seismic.parameters import SeismicParameters
from detectors.seismic.report import Told, doubts, effects_evidence, source_evidence
from schemas.area import Tier
from schemas.bundle import Bundle
from schemas.finding import Evidence, Finding, make_finding
from schemas.hazard import Hazard
from schemas.ids import hashed
from schemas.times import SECOND, Micros, seconds

_POOL_US = 120 * SECOND
_POOL = "picks"
_NO_MAGNITUDE_US = 3 * SECOND
_LONG_SOURCE_S = 5.0
_RECENT_US = 60 * SECOND
_RECENT_PGA_M_S2 = 0.005


class _Loose(msgspec.Struct):
    """A pick that no event uses; `explained`: it lies in the waves of one."""

    arrived_us: Micros
    pick: Pick
    explained: bool


class _Pool(msgspec.Struct):
    loose: list[_Loose]
    heard_us: dict[str, Micros]
    recent: list[Motion]


class _Event(msgspec.Struct):
    id: str
    area: str
    """The association area that keeps it, once somebody has been told of it."""
    opened_us: Micros
    source: Hypocentre
    tellings: dict[str, list[Pick]]
    motions: dict[str, Strongest] = {}
    magnitude: Magnitude | None = None
    told: Told | None = None
    first_us: Micros = 0
    graded_us: Micros = 0
    dirty: bool = True
    checked: bool = False
    number: int = 0


class SeismicEvent:
    """Find earthquakes in the picks of one association area's log."""

    name, state_version = "seismic.event", 1
    takes: tuple[type, ...] = (Pick, Motion)

    def __init__(self, parameters: SeismicParameters, bundle: Bundle) -> None:
        self.parameters = parameters
        self.bundle = bundle
        self._stations = {station.id: station for station in bundle.stations}
        self._associator = Associator(parameters, self._stations)
        self._grader = Grader(parameters, self._associator, bundle.areas)
        self._holders = Holders(parameters, bundle)
        self._loose: list[_Loose] = []
        self._heard_us: dict[str, Micros] = {}
        self._recent: list[Motion] = []
        self._events: dict[str, _Event] = {}
        self._marks = Marks()

    def process(self, item: Any, now: Micros) -> list[Any]:
        """Take one item; findings of the events that it changes."""
        if item.station not in self._stations:
            return []
        if isinstance(item, Motion):
            self._move(item)
        elif item.window_s > 0:
            self._tell(item)
        else:
            self._pick(item, now)
        return self.tick(now)

    def tick(self, now: Micros) -> list[Any]:
        """Grade what changed, confirm or cancel what is young, and let go of what is over."""
        found: list[Any] = []
        for event in list(self._events.values()):
            if now >= event.opened_us + seconds(self.parameters.open_s):
                self._drop(event)
                continue
            if not event.checked and now >= event.opened_us + seconds(self.parameters.confirm_s):
                event.checked = True
                self._marks.touch(event.id)
                if not self._confirmed(event):
                    found += self._cancel(event, now)
                    continue
            # What nobody has been told yet does not wait for the next second.
            if event.dirty and (
                event.told is None or now >= event.graded_us + seconds(self.parameters.update_s)
            ):
                found += self._grade(event, now)
        return found

    def next_due(self) -> Micros | None:
        """The next grading, confirmation or end of an event."""
        dues = []
        for event in self._events.values():
            dues.append(event.opened_us + seconds(self.parameters.open_s))
            if not event.checked:
                dues.append(event.opened_us + seconds(self.parameters.confirm_s))
            if event.dirty:
                dues.append(event.graded_us + seconds(self.parameters.update_s))
        return min(dues, default=None)

    def _move(self, motion: Motion) -> None:
        before_us = self._heard_us.get(motion.station, motion.until_us)
        self._heard_us[motion.station] = max(motion.until_us, before_us)
        self._marks.touch(_POOL)
        if motion.pga_m_s2 is None:
            return
        if motion.pga_m_s2 >= _RECENT_PGA_M_S2:
            oldest_us = motion.until_us - _RECENT_US
            self._recent = [*(m for m in self._recent if m.until_us > oldest_us), motion]
        for event in reversed(self._events.values()):
            if self._take_up(event, motion):
                return

    def _take_up(self, event: _Event, motion: Motion) -> bool:
        """Add a second to what an event did at a station, if it lies in the event's waves."""
        size = event.magnitude.value if event.magnitude is not None else 0.0
        longer_us = seconds(max(size - 4.0, 0.0) * _LONG_SOURCE_S)
        begin_us = self._associator.p_arrival_us(event.source, motion.station)
        end_us = self._associator.train_end_us(event.source, motion.station) + longer_us
        if not begin_us <= motion.until_us <= end_us:
            return False
        strongest = event.motions.setdefault(motion.station, Strongest(0.0, 0.0, 0, False, 0))
        event.dirty = strongest.add(motion) or event.dirty
        self._marks.touch(event.id)
        return True

    def _tell(self, pick: Pick) -> None:
        for event in self._events.values():
            told = event.tellings.get(pick.station)
            if told and told[0].number == pick.number:
                told.append(pick)
                event.dirty = True
                self._marks.touch(event.id)
                return
        for loose in self._loose:
            if (
                loose.pick.station == pick.station
                and loose.pick.number == pick.number
                and not loose.pick.window_s
            ):
                self._loose.append(_Loose(loose.arrived_us, pick, loose.explained))
                self._marks.touch(_POOL)
                return

    def _pick(self, pick: Pick, now: Micros) -> None:
        self._loose = [loose for loose in self._loose if loose.arrived_us > now - _POOL_US]
        self._marks.touch(_POOL)
        events = list(reversed(self._events.values()))
        for event in events:
            if pick.station not in event.tellings and self._join(event, pick):
                return
        explained = any(self._associator.explains(event.source, pick) for event in events)
        self._loose.append(_Loose(now, pick, explained))
        if not explained:
            self._found(pick, now)

    def _join(self, event: _Event, pick: Pick) -> bool:
        """Take a pick into an event where it fits, before or after the source is located with it."""
        known = [told[0] for told in event.tellings.values()]
        near_us = abs(pick.picked_us - self._associator.p_arrival_us(event.source, pick.station))
        if near_us > 3 * seconds(self.parameters.residual_max_s):
            return False
        fit = self._associator.fit([*known, pick], self._heard_us)
        if fit is None or pick.station not in fit.used or len(fit.used) < len(known):
            return False
        event.source = fit.source
        for station in [s for s in event.tellings if s not in fit.used]:
            self._loose += [_Loose(event.opened_us, told, True) for told in event.tellings.pop(station)]
        event.tellings[pick.station] = [pick]
        event.dirty = True
        self._marks.touch(event.id)
        return True

    def _found(self, pick: Pick, now: Micros) -> None:
        """Try to found an event on a new pick and those that may come from the same source."""
        at = self._stations[pick.station]
        tolerance_s = self.parameters.residual_max_s
        picks = [pick]
        unexplained = {pick.station}
        for loose in self._loose:
            other = loose.pick
            if other.station == pick.station or other.window_s > 0:
                continue
            place = self._stations[other.station]
            apart_s = distance_km(at.lon, at.lat, place.lon, place.lat) / self.parameters.vp_km_s
            if abs(other.picked_us - pick.picked_us) <= (apart_s + tolerance_s) * SECOND:
                picks.append(other)
                if not loose.explained:
                    unexplained.add(other.station)
        if len(unexplained) < self.parameters.stations_min:
            return
        fit = self._associator.fit(picks, self._heard_us)
        if fit is None or len(unexplained & set(fit.used)) < self.parameters.stations_min:
            return
        against = self._associator.against(fit.source, fit.used, self._heard_us)
        if len(against) > len(fit.used) // 2:
            return
        self._open(fit, now)

    def _open(self, fit: Fit, now: Micros) -> None:
        first = min(fit.used.values(), key=lambda p: (p.picked_us, p.station))
        marked = (self.bundle.mark,) if self.bundle.mark else ()
        event_id = hashed("q", first.station, first.picked_us, first.number, *marked)
        used = {(p.station, p.number) for p in fit.used.values()}
        tellings: dict[str, list[Pick]] = {station: [] for station in sorted(fit.used)}
        rest: list[_Loose] = []
        for loose in self._loose:
            if (loose.pick.station, loose.pick.number) in used:
                tellings[loose.pick.station].append(loose.pick)
            else:
                rest.append(loose)
        for loose in rest:
            loose.explained = loose.explained or self._associator.explains(fit.source, loose.pick)
        self._loose = rest
        event = self._events[event_id] = _Event(event_id, "", now, fit.source, tellings)
        self._events = {e.id: e for e in sorted(self._events.values(), key=_age)}
        for motion in self._recent:
            self._take_up(event, motion)
        self._marks.touch(event_id)

    def _confirmed(self, event: _Event) -> bool:
        fit = [s for s, told in event.tellings.items() if self._associator.fits(event.source, told[0])]
        return len(fit) >= self.parameters.stations_confirm and len(self._against(event)) <= len(fit)

    def _cancel(self, event: _Event, now: Micros) -> list[Any]:
        self._drop(event)
        if event.told is None:
            return []
        evidence = {**self._evidence(event, now), "cancelled": True}
        return [self._finding(event, now, 0, evidence, ("确认的台站太少",))]

    def _drop(self, event: _Event) -> None:
        del self._events[event.id]
        self._marks.touch(event.id)

    def _grade(self, event: _Event, now: Micros) -> list[Any]:
        event.dirty, event.graded_us = False, now
        self._marks.touch(event.id)
        event.magnitude = self._grader.magnitude(event.source, event.tellings, event.motions)
        if event.magnitude is None and event.told is None and now < event.opened_us + _NO_MAGNITUDE_US:
            event.dirty = True
            return []
        effects: list[Effect] = []
        if event.magnitude is not None:
            effects = self._grader.effects(event.source, event.magnitude.value, event.motions)
        level = max((effect.level for effect in effects), default=0)
        before = event.told
        if (
            before is not None
            and level < before.level
            and now < event.first_us + seconds(self.parameters.settle_s)
        ):
            event.dirty = True
            return []
        told = Told(
            None if event.magnitude is None else event.magnitude.value,
            level,
            tuple(effect.intensity for effect in effects if effect.area.tier is Tier.COUNTY),
            event.source.lon,
            event.source.lat,
        )
        if before is not None and not told.is_news_after(before, self.parameters):
            return []
        if before is None:
            event.first_us = now
            first = min((of[0] for of in event.tellings.values()), key=lambda p: (p.picked_us, p.station))
            event.area = self._holders.of(event.source.lon, event.source.lat, first.station)
        event.told = told
        evidence = {**self._evidence(event, now), **effects_evidence(effects, level, self.parameters)}
        against = doubts(self._against(event), event.magnitude, event.motions, self.parameters)
        return [self._finding(event, now, level, evidence, against)]

    def _against(self, event: _Event) -> tuple[str, ...]:
        return self._associator.against(event.source, event.tellings, self._heard_us)

    def _evidence(self, event: _Event, now: Micros) -> Evidence:
        return {
            "event": event.id,
            **source_evidence(event.source, event.magnitude, now, self.parameters),
            "stations_used": len(event.tellings),
            "stations_threshold": self.parameters.stations_min,
            "stations_against": len(self._against(event)),
            # Where several logs may find one quake: whose finding this is, and who keeps its chain.
            **({"found_by": self.bundle.mark, "holder": event.area} if self.bundle.mark else {}),
        }

    def _finding(
        self, event: _Event, now: Micros, level: int, evidence: Evidence, against: tuple[str, ...]
    ) -> Finding:
        event.number += 1
        newest_us = max(told[-1].picked_us + seconds(told[-1].window_s) for told in event.tellings.values())
        newest_us = max([newest_us, *(motion.until_us for motion in event.motions.values())])
        return make_finding(
            hazard=Hazard.EARTHQUAKE,
            detector=self.name,
            level=level,
            area=self.bundle.areas.top(event.area),
            stations=tuple(sorted(event.tellings)),
            # A window ends one sample after the last one in it, which is later than what was heard.
            observed_us=min(newest_us, now),
            evidence=evidence,
            number=event.number,
            subject=event.id,
            against=against,
            position=(round(event.source.lon, 3), round(event.source.lat, 3)),
            mark=self.bundle.mark,
        )

    def changed(self) -> Mapping[str, bytes | None]:
        return {key: self._bytes(key) for key in self._marks.take()}

    def saved(self, token: Any) -> None:
        self._marks.saved()

    def state(self) -> Mapping[str, bytes]:
        rows = {key: self._bytes(key) for key in (_POOL, *self._events)}
        return {key: value for key, value in rows.items() if value is not None}

    def restore(self, state: Mapping[str, bytes]) -> None:
        events = []
        for key, value in state.items():
            check_version(self.name, value, self.state_version)
            body = memoryview(value)[1:]
            if key == _POOL:
                pool = msgspec.msgpack.decode(body, type=_Pool)
                self._loose = [loose for loose in pool.loose if loose.pick.station in self._stations]
                self._heard_us = {s: at for s, at in pool.heard_us.items() if s in self._stations}
                self._recent = [motion for motion in pool.recent if motion.station in self._stations]
            else:
                events.append(msgspec.msgpack.decode(body, type=_Event))
        for event in sorted(events, key=_age):
            event.tellings = {s: told for s, told in event.tellings.items() if s in self._stations}
            event.motions = {s: m for s, m in event.motions.items() if s in self._stations}
            if event.tellings:
                self._events[event.id] = event

    def _bytes(self, key: str) -> bytes | None:
        body: Any = (
            _Pool(self._loose, self._heard_us, self._recent) if key == _POOL else self._events.get(key)
        )
        return None if body is None else bytes([self.state_version]) + msgspec.msgpack.encode(body)


def _age(event: _Event) -> tuple[Micros, str]:
    return event.opened_us, event.id
