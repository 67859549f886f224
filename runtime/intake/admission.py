"""Admission: payloads become packets of the log, or rejects with a reason.

In      arrivals, in their order, and the time at which they are taken
Out     packets by association area and kind, rejects, and for each arrival what becomes of it once all of that is durable

Most payloads are one good reading that says nothing unknown; they take the short way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ingest.arrival import Arrival, Settled
from ingest.decoders.canonical import Decoded, decode, good_one
from ingest.packing import Packer, kind_of
from runtime import metrics
from schemas.bundle import Bundle
from schemas.log import Record
from schemas.packet import Packet
from schemas.reject import Reject, RejectReason, make_reject
from schemas.times import Micros
from schemas.wire import Said

PACKET_PARTS = 500_000
"""Most samples or detections in one record: 4 MB, which every log takes."""
_MOST_NAMED = 10_000
_ONE_GOOD = Settled(1, (), ())


@dataclass(slots=True)
class Admitted:
    """What a batch of arrivals came to.

    Attributes
    ----------
    records
        With their areas, and the time at which they were taken.
    settled
        One for each arrival.
    """

    records: list[tuple[str, Micros, Record]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    settled: list[Settled] = field(default_factory=list)


class Admission:
    """Decodes by one bundle.

    Parameters
    ----------
    bundle
        In whose rows the packets are.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._packer = Packer(bundle)
        self._named: set[tuple[str, str]] = set()

    def admit(self, arrivals: Sequence[Arrival], now: Micros) -> Admitted:
        """Take a batch; it keeps nothing back."""
        admitted = Admitted()
        taken: Counter[type[Said]] = Counter()
        settled, rejects = admitted.settled, admitted.rejects
        for arrival in arrivals:
            try:
                said = good_one(arrival.payload)
                if said is None:
                    one = self._slowly(arrival, now, taken)
                else:
                    reject = self._place(said, arrival, now)
                    if reject is None:
                        taken[type(said)] += 1
                        settled.append(_ONE_GOOD)
                        continue
                    one = Decoded(rejects=[reject])
            except Exception as error:  # noqa: BLE001 - no payload may end the thread that takes all others
                one = _unreadable(arrival, now, error)
            rejects += one.rejects
            unknown = tuple(name for _, name in one.unknown_fields)
            settled.append(Settled(len(one.readings), tuple(one.rejects), unknown))
        for kind, count in taken.items():
            metrics.readings_total.labels(kind_of(kind)).inc(count)
        for reject in rejects:
            metrics.rejects_total.labels(reject.reason.value).inc()
        admitted.records += self._packed(now)
        return admitted

    def _packed(self, now: Micros) -> Iterator[tuple[str, Micros, Record]]:
        for area, group in self._packer.take().items():
            for placed in group:
                for piece in _pieces(placed.packet):
                    yield area, now, piece

    def _place(self, said: Said, arrival: Arrival, now: Micros) -> Reject | None:
        expected = arrival.expected
        if expected is None or expected[1] == said.station:
            return self._packer.add(said, now, arrival.source)
        detail = f"station: the topic names {expected[1]!r}, the reading {said.station!r}; mend one of them"
        return make_reject(now, arrival.source, RejectReason.WRONG_TOPIC, detail, arrival.payload)

    def _slowly(self, arrival: Arrival, now: Micros, taken: Counter[type[Said]]) -> Decoded:
        """Take a payload that is no single reading of known fields."""
        decoded = decode(arrival.payload, arrival.source, now)
        placed = []
        for said in decoded.readings:
            reject = self._place(said, arrival, now)
            if reject is None:
                placed.append(said)
                taken[type(said)] += 1
            else:
                decoded.rejects.append(reject)
        decoded.readings = placed
        for station, name in decoded.unknown_fields:
            metrics.unknown_fields_total.inc()
            if (station, name) not in self._named and len(self._named) < _MOST_NAMED:
                self._named.add((station, name))
                metrics.log.warning("reading.unknown_field station=%s field=%s", station, name)
        return decoded


def _unreadable(arrival: Arrival, now: Micros, error: Exception) -> Decoded:
    metrics.log.exception("reading.undecodable source=%s", arrival.source)
    detail = f"reading it failed ({type(error).__name__}: {error}); please report this payload"
    return Decoded(
        rejects=[make_reject(now, arrival.source, RejectReason.UNREADABLE, detail, arrival.payload)]
    )


def _pieces(packet: Packet) -> list[Packet]:
    """A packet in parts that a log takes; a reading by itself is never cut."""
    if packet.offsets is None or int(packet.offsets[-1]) <= PACKET_PARTS:
        return [packet]
    pieces, start = [], 0
    while start < len(packet):
        most = int(packet.offsets[start]) + PACKET_PARTS
        stop = max(start + 1, int(np.searchsorted(packet.offsets, most, side="right")) - 1)
        pieces.append(packet.span(start, stop))
        start = stop
    return pieces
