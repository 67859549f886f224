"""The pipeline of one association area: the stages in order, and the order in which they are given the log.

In      records of the log
Out     `Decisions`: findings, alerts, notices, releases, judged acts, and what other areas are to know
State   the stages' rows, each under `<stage>/<key>`; of its own the ids of acts and forwarded findings met

    quality -> station stages -> network stages -> lifecycle -> routing

What comes out depends on the records alone: rows of a packet are given in one piece only as far as no stage
has a due among them, and what is found is handed on row by row (EXACT, rules 3 and 5).

What concerns another association area is not decided here: a finding about one station counts where the station stands,
one about a place where the place lies, a quake where its chain is kept (EXACT, rule 18).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alerting.lifecycle import Lifecycle
from alerting.routing import Routing
from detectors.fire import FireFix, FireSighting
from detectors.flash_flood import FlashFlood
from detectors.landslide import LandslidePoint
from detectors.rain import RainSignal
from detectors.seismic.event import SeismicEvent
from detectors.seismic.keeper import Keeper
from detectors.seismic.pick import SeismicPick
from detectors.silence import Silence
from ingest.quality import Quality
from runtime.configuration.policy import Policy
from runtime.decisions import Decisions
from runtime.gathering import Run, gathered
from runtime.met import Met
from runtime.translation import Translation
from schemas.act import Act
from schemas.alert import Alert, Release
from schemas.bundle import Bundle
from schemas.finding import Finding, Forward
from schemas.hazard import Hazard
from schemas.log import ActRecord, ConfigurationRecord, FindingRecord, Record, Tick
from schemas.notice import Notice
from schemas.packet import Packet
from schemas.stage import Emitted, NetworkStage, StationStage
from schemas.times import MINUTE, Micros

__all__ = ["Decisions", "Pipeline"]


class Pipeline:
    """All stages of one association area, from packets to notices.

    Parameters
    ----------
    bundle
        The configuration that holds before the log's first configuration record.
    association
        Code of the association area.
    bundles
        Finds a bundle by its hash when the log names another; raises KeyError where there is none.
    """

    def __init__(
        self, bundle: Bundle, association: str, bundles: Callable[[str], Bundle] | None = None
    ) -> None:
        self.association = association
        self.now: Micros = -(2**62)
        self._bundles = bundles
        self._met = Met()
        self._unsaved: dict[str, bytes | None] = {}
        """Rows that stages of an earlier configuration had changed and no checkpoint holds."""
        self._handed: dict[str, bytes | None] = {}
        self._build(bundle)

    def _build(self, bundle: Bundle) -> None:
        policy = Policy.model_validate(bundle.policy)
        bundle = bundle.seen_from(self.association)
        self.bundle = bundle
        self._translation = Translation(bundle, self._bundles)
        self._quality = Quality(policy.quality, bundle)
        self._stations: list[StationStage] = [
            RainSignal(policy.rain, bundle),
            LandslidePoint(policy.landslide, bundle),
            SeismicPick(policy.seismic, bundle),
            FireSighting(policy.fire, bundle),
            Silence(policy.silence, bundle),
        ]
        self._keeper = Keeper(policy.seismic, bundle)
        self._networks: list[NetworkStage] = [
            FlashFlood(policy.flash_flood, bundle),
            SeismicEvent(policy.seismic, bundle),
            FireFix(policy.fire, bundle),
            self._keeper,
        ]
        self._lifecycle = Lifecycle(policy.lifecycle, bundle)
        self._routing = Routing(policy.routing, bundle)
        self._stages: list[Any] = [
            self._quality,
            *self._stations,
            *self._networks,
            self._lifecycle,
            self._routing,
        ]
        self._first_network = 1 + len(self._stations)

    # --- the log in --------------------------------------------------------------------------------------------

    def process(self, records: Sequence[Record]) -> Decisions:
        """Take records in the order of the log; return all that they lead to."""
        out = Decisions()
        for record in gathered(records):
            if isinstance(record, Run):
                self.process_packets(record.packets, record.orders, out)
            else:
                self._advance(record.at_us, out)
                self._process_other(record, out)
        return out

    def process_packets(
        self, packets: Sequence[Packet], orders: Sequence[NDArray[Any]], out: Decisions
    ) -> None:
        """Take packets of several kinds whose rows lie between each other in the log.

        Parameters
        ----------
        packets
            At most one a kind.
        orders
            For each packet the places of its rows in the common order, (n,) ascending; all together 0 to N - 1.
        out
            Receives what they lead to. The result is that of giving the rows one by one in the common order.
        """
        for _ in self.walk(packets, orders, out):
            pass

    def walk(
        self,
        packets: Sequence[Packet],
        orders: Sequence[NDArray[Any]],
        out: Decisions,
        clock_us: NDArray[np.int64] | None = None,
    ) -> Iterator[int]:
        """`process_packets` step by step, for who has something to give in between.

        Parameters
        ----------
        clock_us
            The log time at each place of an order that other areas' rows lie in, too, (N,) ascending: at a place without
            a row of ours only time passes. None: all places have rows, and their times are the log's.

        Yields
        ------
        int
            The place of the row whose consequences come next; those of all rows before it are in `out`. Records of a
            log time no later than that row's may be given to `process` before the next step.
        """
        if clock_us is None:
            packets, orders = self._translation.translate(packets, orders)
            clock_us = np.empty(sum(len(packet) for packet in packets), dtype=np.int64)
            for packet, order in zip(packets, orders, strict=True):
                clock_us[order] = packet.received_us
        total = len(clock_us)
        log_us = np.maximum.accumulate(np.maximum(clock_us, self.now))
        start = 0
        while start < total:
            yield start
            self._advance(int(log_us[start]), out)
            dues = [
                due for stage in self._stages[: self._first_network] if (due := stage.next_due()) is not None
            ]
            # A row may give a stage its first due, which lies no earlier than the next full minute: look again there.
            minute = (int(log_us[start]) // MINUTE + 1) * MINUTE
            stop = int(np.searchsorted(log_us, min([*dues, minute]), side="left"))
            yield from self._walk_span(packets, orders, log_us, start, stop, out)
            start = stop

    def _walk_span(
        self,
        packets: Sequence[Packet],
        orders: Sequence[NDArray[Any]],
        log_us: NDArray[np.int64],
        start: int,
        stop: int,
        out: Decisions,
    ) -> Iterator[int]:
        found: list[tuple[int, int, Any]] = []
        for packet, order in zip(packets, orders, strict=True):
            low, high = np.searchsorted(order, (start, stop))
            if low == high:
                continue
            places = order[low:high]
            span = packet.span(int(low), int(high)).with_log_time(log_us[places])
            now = int(span.log_us[-1])
            assessed, emitted = self._quality.process(span, now)
            found += [(int(places[e.row]), 0, e.item) for e in emitted]
            for depth, stage in enumerate(self._stations, start=1):
                if assessed.kind in stage.kinds:
                    found += [(int(places[e.row]), depth, e.item) for e in stage.process(assessed, now)]
        found.sort(key=lambda entry: entry[:2])
        behind = start
        for place, depth, item in found:
            yield from self._walk_dues(log_us, behind, place, out)
            yield place
            # Whoever had something to give may have given a due with it.
            self._tick_until(int(log_us[place]), self._first_network, out)
            behind = place
            self.now = int(log_us[place])
            self._hand_on(item, depth, self.now, out)
        # Rows that showed nothing move time for the stages behind all the same.
        yield from self._walk_dues(log_us, behind, stop - 1, out)
        self.now = int(log_us[stop - 1])

    def _walk_dues(self, log_us: NDArray[np.int64], behind: int, place: int, out: Decisions) -> Iterator[int]:
        """Tick the network stages and those behind up to a row's time, each due at the first row that reaches it."""
        moment = int(log_us[place])
        while (due := self._first_due(self._first_network)[0]) is not None and due <= moment:
            yield max(behind, int(np.searchsorted(log_us, due, side="left")))
            self._tick_until(due, self._first_network, out)

    def _process_other(self, record: Any, out: Decisions) -> None:
        if isinstance(record, Tick):
            return
        if isinstance(record, ConfigurationRecord):
            self._configure(record.bundle)
        elif isinstance(record, FindingRecord):
            finding = record.model()
            if self._met.first(f"finding/{finding.id}", self.now, record.finding):
                self._take_forwarded(finding, out)
        elif isinstance(record, ActRecord):
            act = record.model()
            if self._met.first(f"act/{act.id}", self.now):
                self._judge(act, out)

    def _take_forwarded(self, finding: Finding, out: Decisions) -> None:
        """Decide on what another area found. It is that one's finding, and goes no further than here."""
        heard: Finding | None = finding
        if finding.hazard is Hazard.EARTHQUAKE:
            heard = self._keeper.forwarded(finding, self.now)
        if heard is not None:
            for alert in self._lifecycle.process(heard, self.now):
                self._route(alert, self.now, out)

    def _judge(self, act: Act, out: Decisions) -> None:
        judged, decided = self._routing.act(act, self.now)
        self._keep(decided, out)
        if judged is None:
            judged, alerts = self._lifecycle.act(act, self.now)
            for alert in alerts:
                self._route(alert, self.now, out)
        out.acts.append(judged)

    def _configure(self, bundle_hash: str) -> None:
        if bundle_hash == self.bundle.hash:
            return
        if self._bundles is None:
            raise KeyError(bundle_hash)
        bundle = self._bundles(bundle_hash)
        before = self.state()
        unsaved = dict(self._unsaved)
        for stage in self._stages:
            unsaved |= {f"{stage.name}/{key}": value for key, value in stage.changed().items()}
        self._build(bundle)
        self._restore_stages(before)
        after = self.state()
        moved = {key: value for key, value in after.items() if before.get(key) != value}
        # A row that no stage keeps any more must not come back with a later restart.
        self._unsaved = unsaved | moved | dict.fromkeys(before.keys() - after.keys())

    # --- dues --------------------------------------------------------------------------------------------------

    def next_due(self) -> Micros | None:
        """The earliest due of any stage: engines write a tick there while an area is quiet."""
        dues = [due for stage in self._stages if (due := stage.next_due()) is not None]
        return min(dues, default=None)

    def _advance(self, moment: Micros, out: Decisions) -> None:
        """Move `now` to a record's time, through every due at or before it."""
        self._tick_until(max(moment, self.now), 0, out)
        self.now = max(moment, self.now)

    def _tick_until(self, moment: Micros, first_stage: int, out: Decisions) -> None:
        while True:
            due, at = self._first_due(first_stage)
            if due is None or due > moment:
                return
            self.now = max(self.now, due)
            for item in self._stages[at].tick(due):
                self._hand_on(item, at, due, out)

    def _first_due(self, first_stage: int) -> tuple[Micros | None, int]:
        """The earliest due of a stage and those behind it, and whose it is: in a tie the first stage's."""
        due: Micros | None = None
        at = 0
        for index in range(first_stage, len(self._stages)):
            candidate = self._stages[index].next_due()
            if candidate is not None and (due is None or candidate < due):
                due, at = candidate, index
        return due, at

    # --- findings on -------------------------------------------------------------------------------------------

    def _hand_on(self, item: Any, depth: int, now: Micros, out: Decisions) -> None:
        """Give an item to every stage behind number `depth` that takes its class."""
        if isinstance(item, Emitted):
            item = item.item
        if isinstance(item, Alert):
            self._route(item, now, out)
            return
        if isinstance(item, Notice | Release):
            self._keep([item], out)
            return
        if isinstance(item, Finding | Forward):
            self._decide_on(item, depth, now, out)
            return
        first = max(depth + 1, self._first_network) - self._first_network
        for number, stage in enumerate(self._networks[first:], start=first):
            if isinstance(item, stage.takes):
                for result in stage.process(item, now):
                    self._hand_on(result, self._first_network + number, now, out)

    def _decide_on(self, found: Finding | Forward, depth: int, now: Micros, out: Decisions) -> None:
        """Give a finding to the lifecycle, or to the association area whose it is."""
        finding = found.finding if isinstance(found, Forward) else found
        # A border station's readings stand in several logs; what is said of it alone is its own area's to say.
        if depth < self._first_network and self.bundle.home_of(finding.stations[0]) != self.association:
            if finding.hazard is Hazard.STATION:
                self._lifecycle.note(finding)
            return
        out.findings.append(finding)
        if depth >= self._first_network and finding.hazard is Hazard.EARTHQUAKE:
            found = self._keeper.found(finding, now)
        if isinstance(found, Forward):
            out.forwards.append(found)
            return
        for alert in self._lifecycle.process(found, now):
            self._route(alert, now, out)

    def _route(self, alert: Alert, now: Micros, out: Decisions) -> None:
        out.alerts.append(alert)
        self._keep(self._routing.process(alert, now), out)

    def _keep(self, decided: Sequence[Notice | Release], out: Decisions) -> None:
        for item in decided:
            if isinstance(item, Notice):
                out.notices.append(item)
            else:
                out.releases.append(item)

    # --- state -------------------------------------------------------------------------------------------------

    def changed(self) -> dict[str, bytes | None]:
        """Rows of all stages that changed since the last saved checkpoint."""
        self._handed = self._unsaved
        rows: dict[str, bytes | None] = {**self._unsaved, **self._own_rows()}
        for stage in (*self._stages, self._met):
            rows.update({f"{stage.name}/{key}": value for key, value in stage.changed().items()})
        return rows

    def saved(self, token: Any) -> None:
        """The checkpoint of the last `changed()` is durable."""
        for stage in (*self._stages, self._met):
            stage.saved(token)
        if self._unsaved is self._handed:
            self._unsaved = {}

    def state(self) -> dict[str, bytes]:
        """All rows of all stages."""
        rows = self._own_rows()
        for stage in (*self._stages, self._met):
            rows.update({f"{stage.name}/{key}": value for key, value in stage.state().items()})
        return rows

    def _own_rows(self) -> dict[str, bytes]:
        return {"now": self.now.to_bytes(9, "little", signed=True), "bundle": self.bundle.hash.encode()}

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Take up a checkpoint, into a pipeline that is new and was built on the bundle of the row `bundle`."""
        if not state:
            return
        self.now = int.from_bytes(state["now"], "little", signed=True)
        self._restore_stages(state)
        self._met.restore(_rows_of(state, self._met.name))

    def _restore_stages(self, state: Mapping[str, bytes]) -> None:
        for stage in self._stages:
            stage.restore(_rows_of(state, stage.name))


def _rows_of(state: Mapping[str, bytes], stage: str) -> dict[str, bytes]:
    prefix = f"{stage}/"
    return {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}
