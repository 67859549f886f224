"""Packing: decoded readings become packets, one for each kind and association area.

In      readings (`schemas.wire.Said`) with the time at which each arrived
Out     packets in the rows of one bundle; rejects of readings that no station of the bundle can have said
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.bundle import Bundle
from schemas.packet import LABELS, UNITS, Packet, make_packet
from schemas.reject import Reject, RejectReason, make_reject
from schemas.times import EARLIEST, MINUTE, SECOND, Micros, to_micros
from schemas.wire import Forecast, Said, Seismic

CLOCK_AHEAD_US = 5 * MINUTE
"""How far ahead of its arrival a reading may claim to be observed (DOMAIN: clock, our choice)."""

_NAN = float("nan")
_OWN_KINDS = frozenset({"rain", "landslide", "seismic", "camera"})


class Placed(NamedTuple):
    """A packet, and for each of its rows the reading's place in the order of arrival, (n,) int64."""

    packet: Packet
    order: NDArray[np.int64]


@dataclass(slots=True)
class _Rows:
    row: list[int] = field(default_factory=list)
    observed_us: list[int] = field(default_factory=list)
    received_us: list[int] = field(default_factory=list)
    order: list[int] = field(default_factory=list)
    said: list[Any] = field(default_factory=list)


class Packer:
    """Collects readings of one bundle and gives them out as packets.

    Parameters
    ----------
    bundle
        Whose rows and association areas the packets are in.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._kind_of = [station.kind for station in bundle.stations]
        self._row_of = bundle.stations.row_of
        self._associations = bundle.associations_of_station
        self._groups: dict[tuple[str, str], _Rows] = {}
        self.size = 0

    def add(self, said: Said, received_us: Micros, source: str) -> Reject | None:
        """Take one reading; a reject where the configuration has no place for it, or it is ahead of its arrival."""
        observed_us = to_micros(said.observed_at)
        if observed_us < EARLIEST:
            detail = (
                f"observed_at: {said.observed_at.isoformat()} lies before the year 1 in UTC; mend the time"
            )
            return _refuse(said, received_us, source, RejectReason.INVALID, detail)
        kind = kind_of(type(said))
        end_us = report_end(said) if kind == "seismic" else observed_us
        if end_us > received_us + CLOCK_AHEAD_US:
            ahead_s = (end_us - received_us) // SECOND
            most_s = CLOCK_AHEAD_US // SECOND
            detail = (
                f"observed_at: ends {ahead_s} s after it arrived, at most {most_s} are taken; set the clock"
            )
            return _refuse(said, received_us, source, RejectReason.CLOCK_AHEAD, detail)
        if isinstance(said, Forecast):
            return self._add_forecast(said, observed_us, received_us, source)
        row = self._row_of.get(said.station)
        if row is None:
            detail = f"station: {said.station!r} is not in stations.csv; add it or mend the id"
            return _refuse(said, received_us, source, RejectReason.UNKNOWN_STATION, detail)
        if kind not in _OWN_KINDS:
            kind = "object"
        elif kind != self._kind_of[row]:
            detail = f"kind: {said.station} is of kind {self._kind_of[row]} in stations.csv, the reading of kind {kind}"
            return _refuse(said, received_us, source, RejectReason.WRONG_KIND, detail)
        for association in self._associations[row]:
            self._put((association, kind), row, observed_us, received_us, said)
        self.size += 1
        return None

    def take(self) -> dict[str, list[Placed]]:
        """Packets of all that was added, by association area; the packer is empty after."""
        result: dict[str, list[Placed]] = {}
        for (association, kind), rows in self._groups.items():
            packet = _PACK[kind](rows, self.bundle.hash)
            result.setdefault(association, []).append(Placed(packet, np.array(rows.order, dtype=np.int64)))
        self._groups = {}
        self.size = 0
        return result

    def _add_forecast(
        self, said: Forecast, observed_us: Micros, received_us: Micros, source: str
    ) -> Reject | None:
        if said.area not in self.bundle.areas:
            detail = f"area: {said.area!r} is not in areas.csv; add it or mend the code"
            return _refuse(said, received_us, source, RejectReason.UNKNOWN_AREA, detail)
        # A forecast comes from no station: row -1, its area is in the payload.
        self._put((self.bundle.association_of(said.area), "object"), -1, observed_us, received_us, said)
        self.size += 1
        return None

    def _put(
        self, key: tuple[str, str], row: int, observed_us: Micros, received_us: Micros, said: Said
    ) -> None:
        rows = self._groups.get(key)
        if rows is None:
            rows = self._groups[key] = _Rows()
        rows.row.append(row)
        rows.observed_us.append(observed_us)
        rows.received_us.append(received_us)
        rows.order.append(self.size)
        rows.said.append(said)


@cache
def kind_of(shape: type[Said]) -> str:
    """The `kind` of readings of a shape, as their JSON has it."""
    return str(shape.__struct_config__.tag)


def report_end(said: Said) -> Micros:
    """The end of what a reading reports: `observed_at`, for seismic that of the last sample."""
    observed_us = to_micros(said.observed_at)
    if isinstance(said, Seismic):
        return observed_us + round((len(said.samples) - 1) / said.sample_rate_hz * SECOND)
    return observed_us


def _refuse(said: Said, received_us: Micros, source: str, reason: RejectReason, detail: str) -> Reject:
    return make_reject(received_us, source, reason, detail, msgspec.json.encode(said))


def _or_nan(values: Iterable[float | None]) -> list[float]:
    return [_NAN if value is None else value for value in values]


def _common(rows: _Rows) -> dict[str, list[Any]]:
    return {
        "sequence": [-1 if said.sequence is None else said.sequence for said in rows.said],
        "battery_v": _or_nan(said.battery_v for said in rows.said),
        "signal_dbm": _or_nan(said.signal_dbm for said in rows.said),
    }


def _rain(rows: _Rows, bundle: str) -> Packet:
    columns = {
        **_common(rows),
        # Whole thousandths of a millimetre: tips that add to exactly 50.0 must read 50.0.
        "rain_um": [round(said.rain_mm * 1000) for said in rows.said],
        "interval_us": [round(said.interval_s * SECOND) for said in rows.said],
    }
    return make_packet("rain", bundle, rows.row, rows.observed_us, rows.received_us, columns)


def _landslide(rows: _Rows, bundle: str) -> Packet:
    nothing3, nothing2 = (_NAN, _NAN, _NAN), (_NAN, _NAN)
    gnss = [said.gnss_mm or nothing3 for said in rows.said]
    tilt = [said.tilt_deg or nothing2 for said in rows.said]
    columns = {
        **_common(rows),
        "displacement_mm": _or_nan(said.displacement_mm for said in rows.said),
        "crack_mm": _or_nan(said.crack_mm for said in rows.said),
        "gnss_east_mm": [g[0] for g in gnss],
        "gnss_north_mm": [g[1] for g in gnss],
        "gnss_up_mm": [g[2] for g in gnss],
        "tilt_x_deg": [t[0] for t in tilt],
        "tilt_y_deg": [t[1] for t in tilt],
        "soil_moisture_pct": _or_nan(said.soil_moisture_pct for said in rows.said),
        "pore_pressure_kpa": _or_nan(said.pore_pressure_kpa for said in rows.said),
        "groundwater_m": _or_nan(said.groundwater_m for said in rows.said),
    }
    return make_packet("landslide", bundle, rows.row, rows.observed_us, rows.received_us, columns)


def _seismic(rows: _Rows, bundle: str) -> Packet:
    columns = {
        **_common(rows),
        "channel": [said.channel.encode() for said in rows.said],
        "sample_rate_hz": [said.sample_rate_hz for said in rows.said],
        "unit": [UNITS.index(said.unit) for said in rows.said],
    }
    return make_packet(
        "seismic",
        bundle,
        rows.row,
        rows.observed_us,
        rows.received_us,
        columns,
        lengths=[len(said.samples) for said in rows.said],
        parts={"samples": [sample for said in rows.said for sample in said.samples]},
    )


def _camera(rows: _Rows, bundle: str) -> Packet:
    seen = [detection for said in rows.said for detection in said.detections]
    columns = {
        **_common(rows),
        "azimuth_deg": [said.azimuth_deg for said in rows.said],
        "field_of_view_deg": [said.field_of_view_deg for said in rows.said],
        "max_temperature_c": _or_nan(said.max_temperature_c for said in rows.said),
    }
    return make_packet(
        "camera",
        bundle,
        rows.row,
        rows.observed_us,
        rows.received_us,
        columns,
        lengths=[len(said.detections) for said in rows.said],
        parts={
            "label": [LABELS.index(d.label) for d in seen],
            "confidence": [d.confidence for d in seen],
            "x0": [d.box[0] for d in seen],
            "y0": [d.box[1] for d in seen],
            "x1": [d.box[2] for d in seen],
            "y1": [d.box[3] for d in seen],
        },
        texts={
            "image_url": [said.image_url or "" for said in rows.said],
            "video_url": [said.video_url or "" for said in rows.said],
        },
    )


def _object(rows: _Rows, bundle: str) -> Packet:
    payloads = [msgspec.json.encode(said).decode() for said in rows.said]
    return make_packet(
        "object",
        bundle,
        rows.row,
        rows.observed_us,
        rows.received_us,
        _common(rows),
        texts={"payload": payloads},
    )


_PACK: dict[str, Callable[[_Rows, str], Packet]] = {
    "rain": _rain,
    "landslide": _landslide,
    "seismic": _seismic,
    "camera": _camera,
    "object": _object,
}
