"""Quality: the first stage of the pipeline, which flags readings and tells which of them count.

In      packets as they came
Out     the same packets with flags and `counts`, cut and blanked where a part does not count; `station` findings
State   one row a station, and what stations said within the horizon; layout 2
Source  EXACT, rules 4 and 7; flags of IOOS QARTOD: of several tests the worst holds (9 < 2 < 1 < 3 < 4)

A reading past the horizon is kept and scores nothing: rain 72 h, seismic and camera 1 h, landslide 7 days.
Readings of kinds without a detector yet (`object`) are not evaluated.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from ingest.quality.frames import CameraQuality
from ingest.quality.health import Health
from ingest.quality.landslide import FIELDS, LandslideQuality
from ingest.quality.parameters import QualityParameters
from ingest.quality.rain import RainQuality
from ingest.quality.traces import Cut, SeismicQuality
from schemas.bundle import Bundle
from schemas.packet import Packet
from schemas.stage import Emitted
from schemas.times import DAY, SECOND, Micros, seconds

_OTHER_HORIZON_US: Micros = 7 * DAY


class Quality:
    """Judges every reading once, in the order of the log."""

    name = "quality"
    state_version = 2
    kinds = frozenset({"rain", "landslide", "seismic", "camera", "object"})

    def __init__(self, parameters: QualityParameters, bundle: Bundle) -> None:
        stage = self.name, self.state_version
        self._health = Health(*stage, bundle, seconds(parameters.sick_hold_s))
        self._rain = RainQuality(*stage, parameters, bundle, self._health)
        self._landslide = LandslideQuality(*stage, parameters, bundle, self._health)
        self._camera = CameraQuality(*stage, bundle)
        self._seismic = SeismicQuality(*stage, bundle)
        self._histories = (self._rain.history, self._landslide.history, self._camera.history)
        self._parts = (
            self._health.rows,
            self._rain.rows,
            self._landslide.rows,
            self._camera.rows,
            *self._histories,
            self._seismic,
        )

    def process(self, packet: Packet, now: Micros) -> tuple[Packet, list[Emitted]]:
        """The packet assessed, and findings of stations that fell sick or are well again."""
        flag = packet.flag.copy()
        counts = packet.counts.copy()
        emitted: list[Emitted] = []
        assessed = packet
        if packet.kind == "rain":
            for turn in packet.turns():
                self._rain.assess(packet, turn, flag, counts, emitted)
        elif packet.kind == "landslide":
            values = np.stack([packet.columns[name] for name in FIELDS], axis=1)
            for turn in packet.turns():
                self._landslide.assess(packet, turn, values, flag, counts, emitted)
            columns = {name: np.ascontiguousarray(values[:, k]) for k, name in enumerate(FIELDS)}
            assessed = dataclasses.replace(packet, columns={**packet.columns, **columns})
        elif packet.kind == "camera":
            for turn in packet.turns():
                self._camera.assess(packet, turn, flag, counts)
        elif packet.kind == "seismic":
            cuts = []
            for index in range(len(packet)):
                flag[index], known, cut = self._seismic.assess(packet, index)
                counts[index] &= known
                cuts.append(cut)
            assessed = _cut(packet, cuts)
        else:
            counts &= packet.observed_us >= packet.log_us - _OTHER_HORIZON_US
        for history in self._histories:
            history.forget(now)
        emitted.sort(key=lambda e: e.row)
        return assessed.assessed(flag, counts), emitted

    def tick(self, now: Micros) -> list[Any]:
        """Nothing is due: stations fall sick by what they say, never by silence."""
        del now
        return []

    def next_due(self) -> Micros | None:
        """Never."""
        return None

    def changed(self) -> Mapping[str, bytes | None]:
        """Rows changed since the last saved checkpoint."""
        rows: dict[str, bytes | None] = {}
        for part in self._parts:
            rows.update(part.changed())
        return rows

    def saved(self, token: Any) -> None:
        """The checkpoint of the last `changed()` is durable."""
        del token
        for part in self._parts:
            part.saved()

    def state(self) -> Mapping[str, bytes]:
        """All rows."""
        rows: dict[str, bytes] = {}
        for part in self._parts:
            rows.update(part.state())
        return rows

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Take up rows of earlier checkpoints."""
        for part in self._parts:
            part.restore(state)


def _cut(packet: Packet, cuts: list[Cut]) -> Packet:
    """The packet with only the new samples of each reading, their first at its own time."""
    assert packet.offsets is not None
    lengths = np.array([cut.stop - cut.start for cut in cuts], dtype=np.int64)
    if not len(cuts) or (lengths == np.diff(packet.offsets)).all():
        return packet
    pieces = [packet.part("samples", k)[cut.start : cut.stop] for k, cut in enumerate(cuts)]
    skipped = np.array([cut.start for cut in cuts], dtype=np.int64)
    rate_hz = packet.columns["sample_rate_hz"]
    return dataclasses.replace(
        packet,
        observed_us=packet.observed_us + np.rint(skipped * SECOND / rate_hz).astype(np.int64),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        parts={"samples": np.concatenate(pieces)},
    )
