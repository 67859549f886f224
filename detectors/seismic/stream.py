"""Stream: the samples of one channel in order, filtered as they come, and the picks of a vertical one.

A record begins when its filters do. A short gap begins a new record that keeps the averages; a long one begins
from nothing, and no trigger is believed until the long average has a history.

State   one `KeptStream` a channel: filter states, averages, the last seconds of the series, the pick that is measured
"""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.seismic.filters import Filter, design
from detectors.seismic.magnitude import tau_c_of
from detectors.seismic.parameters import SeismicParameters
from detectors.seismic.picker import akaike_onset, is_spike, power_share_above, running_mean
from schemas.times import SECOND, Micros, seconds

MARKS_S = (1.0, 2.0, 3.0)
"""Seconds of P after which its amplitude is told."""
_AIC_BEFORE_S = 3.0
_NOISE_S = 1.5
_RING_S = 5.0
_KEEP_AVERAGES_S = 10.0
_BLANK_S = 1.0
_HIGH_SHARE = 0.8
_SERIES = ("x", "band", "velocity", "displacement")


class Piece(NamedTuple):
    """Samples that follow one another: `start_us` of the first, `clipped` where no amplitude may rest on them."""

    start_us: Micros
    samples: NDArray[np.float64]
    clipped: bool


class Told(NamedTuple):
    """What a stream says of its newest pick; see `Pick`. `window_s` 0: it is new."""

    picked_us: Micros
    sigma_s: float
    ratio: float
    window_s: float
    pd_m: float | None
    noise_m: float | None
    tau_c_s: float | None
    clipped: bool


class Moved(NamedTuple):
    """Ground motion of one piece, each (n,): times, acceleration m/s2, velocity m/s.

    `reached_us`: half a sample past its end, up to which nothing is missing.
    """

    time_us: NDArray[np.int64]
    acceleration: NDArray[np.float64]
    velocity: NDArray[np.float64]
    clipped: bool
    reached_us: Micros


class Measured(msgspec.Struct):
    """A pick whose P wave is being measured; indices count samples of the record."""

    trigger: int
    confirmed: bool = False
    onset: int = 0
    picked_us: Micros = 0
    sigma_s: float = 0.0
    ratio: float = 0.0
    until: int = 0
    marks: int = 0
    pd_m: float = 0.0
    velocity_energy: float = 0.0
    displacement_energy: float = 0.0
    noise_m: float = 0.0
    clipped: bool = False


class KeptStream(msgspec.Struct):
    """State of one `Stream`; series and filter states as the bytes of their arrays."""

    rate_hz: float
    quantity: str
    next_us: Micros
    offset: float
    count: int
    seen: int
    blank_until: int
    sta: float
    lta: float
    on: bool
    measured: Measured | None
    filters: list[bytes]
    time_us: bytes
    series: list[bytes]
    held: list[tuple[Micros, bytes, bool]]


class Stream:
    """One channel.

    Parameters
    ----------
    rate_hz
        Nominal sample rate; filters are made for it, times come from the packets.
    quantity
        ``m/s2`` or ``m/s``, of samples once scaled.
    vertical
        Whether it is picked.
    """

    def __init__(self, rate_hz: float, quantity: str, vertical: bool, parameters: SeismicParameters) -> None:
        self.parameters = parameters
        self.rate_hz = rate_hz
        self.quantity = quantity
        self.vertical = vertical
        self.next_us: Micros | None = None
        self.held: list[Piece] = []
        self.seen = 0
        self._sta = self._lta = 0.0
        self._begin(0.0)

    def _begin(self, offset: float) -> None:
        p = self.parameters
        made = design(self.rate_hz, self.quantity, p.band_low_hz, p.band_high_hz)
        self.offset = offset
        self.count = 0
        self.on = False
        self.measured: Measured | None = None
        self.blank_until = round(_BLANK_S * self.rate_hz)
        self._of_acceleration = made.motion_velocity_of == "acceleration"
        self.filters = [Filter(made.motion_acceleration), Filter(made.motion_velocity)]
        if self.vertical:
            self.filters += [Filter(made.pick), Filter(made.p_velocity), Filter(made.p_displacement)]
        self.time_us: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self.series: list[NDArray[np.float64]] = [np.empty(0) for _ in _SERIES]

    def take(self, piece: Piece) -> tuple[list[Told], list[Moved]]:
        """Take a piece in whatever order it comes; what it and the pieces that waited for it show."""
        told: list[Told] = []
        moved: list[Moved] = []
        for ready in self._in_order(piece):
            self._feed(ready, told, moved)
        return told, moved

    def _in_order(self, piece: Piece) -> list[Piece]:
        """Pieces that may be fed now: those that follow, or, where one is missing too long, those after the gap."""
        if self.next_us is None:
            return [piece]
        ready: list[Piece] = []
        waiting = sorted([*self.held, piece], key=lambda p: p.start_us)
        reach = self.next_us
        newest = max(p.start_us + self._span_us(len(p.samples)) for p in waiting)
        while waiting:
            first = waiting[0]
            overdue = newest - reach > seconds(self.parameters.reorder_s) + self._tolerance_us()
            if first.start_us > reach + self._tolerance_us() and not overdue:
                break
            waiting.pop(0)
            if first.start_us < reach - self._tolerance_us():
                skip = math.ceil((reach - first.start_us) * self.rate_hz / SECOND - 0.5)
                if skip >= len(first.samples):
                    continue
                start_us = first.start_us + self._span_us(skip)
                first = Piece(start_us, first.samples[skip:], first.clipped)
            ready.append(first)
            reach = first.start_us + self._span_us(len(first.samples))
        self.held = waiting
        return ready

    def _span_us(self, n: int) -> Micros:
        return round(n * SECOND / self.rate_hz)

    def _tolerance_us(self) -> Micros:
        return max(seconds(self.parameters.gap_s), self._span_us(3) // 2)

    def _feed(self, piece: Piece, told: list[Told], moved: list[Moved]) -> None:
        n = len(piece.samples)
        gap_us = 0 if self.next_us is None else piece.start_us - self.next_us
        if self.next_us is None or gap_us > seconds(_KEEP_AVERAGES_S):
            self.seen, self._sta, self._lta = 0, 0.0, 0.0
            self._begin(float(piece.samples[0]))
        elif gap_us > self._tolerance_us():
            self._begin(float(piece.samples[0]))
        self.next_us = piece.start_us + self._span_us(n)
        time_us = piece.start_us + np.round(np.arange(n) * (SECOND / self.rate_hz)).astype(np.int64)
        x = piece.samples - self.offset
        acceleration = self.filters[0](x)
        velocity = self.filters[1](acceleration if self._of_acceleration else x)
        moved.append(
            Moved(time_us, acceleration, velocity, piece.clipped, self.next_us + self._span_us(1) // 2)
        )
        if self.vertical:
            self._pick(time_us, x, piece.clipped, told)
        self.count += n

    def _pick(
        self, time_us: NDArray[np.int64], x: NDArray[np.float64], clipped: bool, told: list[Told]
    ) -> None:
        p, n = self.parameters, len(x)
        band = self.filters[2](x)
        p_velocity = self.filters[3](x)
        fresh = (x, band, p_velocity, self.filters[4](p_velocity))
        self.time_us = np.concatenate([self.time_us, time_us])
        self.series = [np.concatenate([old, new]) for old, new in zip(self.series, fresh, strict=True)]
        nsta, nlta = max(round(p.sta_s * self.rate_hz), 1), max(round(p.lta_s * self.rate_hz), 2)
        sta, self._sta = running_mean(band * band, nsta, self.seen, self._sta)
        lta, self._lta = running_mean(band * band, nlta, self.seen, self._lta)
        ratio = sta / np.maximum(lta, 1e-30)
        quiet = max(round(p.warm_up_s * self.rate_hz) - self.seen, self.blank_until - self.count)
        ratio[: max(quiet, 0)] = 0.0
        self.seen += n
        if self.measured is not None and clipped:
            self.measured.clipped = True
        self._walk(ratio, clipped, told)
        ring = math.ceil(_RING_S * self.rate_hz)
        self.time_us = self.time_us[-ring:]
        self.series = [series[-ring:] for series in self.series]

    def _walk(self, ratio: NDArray[np.float64], clipped: bool, told: list[Told]) -> None:
        """Go through one piece in stretches of trigger and no trigger, in order of its samples."""
        p, at, n = self.parameters, 0, len(ratio)
        hold = round(p.duration_min_s * self.rate_hz)
        while at < n:
            turns = np.flatnonzero(ratio[at:] <= p.trigger_off if self.on else ratio[at:] > p.trigger_on)
            edge = at + int(turns[0]) if len(turns) else n
            here = self.measured
            if here is not None and not here.confirmed:
                proof = here.trigger + hold - self.count
                stretch = ratio[at : min(edge, proof + 1)]
                if len(stretch):
                    here.ratio = max(here.ratio, float(stretch.max()))
                if edge > proof and self._confirm(here, here.trigger + hold, n, clipped):
                    told.append(self._tell(here, 0.0))
                elif edge > proof or edge < n:
                    here = self.measured = None
            if here is not None and here.confirmed:
                self._measure(here, self.count + edge, n, told)
            if edge < n:
                self.on = not self.on
                if self.on:
                    self.measured = Measured(self.count + edge, ratio=float(ratio[edge]), clipped=clipped)
            at = edge + 1

    def _at(self, index: int, n: int) -> int:
        """Place in the series, which end with the piece of n samples, of a sample of the record."""
        return index - self.count - n + len(self.time_us)

    def _confirm(self, here: Measured, last: int, n: int, clipped: bool) -> bool:
        """Find the onset; False where the trigger is noise by its frequency."""
        end = self._at(last, n) + 1
        start = max(self._at(here.trigger, n) - round(_AIC_BEFORE_S * self.rate_hz), 0)
        x, band, _, displacement = self.series
        window = band[start:end]
        onset = start + akaike_onset(window) if len(window) >= 20 else self._at(here.trigger, n)
        before = max(onset - round(_NOISE_S * self.rate_hz), 0)
        early = x[onset:end]
        if len(early) > 4 and (
            is_spike(early)
            or power_share_above(early, self.rate_hz, self.parameters.frequency_max_hz) > _HIGH_SHARE
        ):
            return False
        here.confirmed = True
        here.onset = here.until = onset + self.count + n - len(self.time_us)
        here.picked_us = int(self.time_us[onset])
        here.sigma_s = round(min(max(2.0 / self.rate_hz, 1.0 / here.ratio), 0.5), 3)
        here.clipped = here.clipped or clipped
        if onset > before:
            here.noise_m = float(np.abs(displacement[before:onset]).max())
        return True

    def _measure(self, here: Measured, stop: int, n: int, told: list[Told]) -> None:
        """Add samples before `stop` to the P amplitude; tell at each mark that is reached."""
        while here.marks < len(MARKS_S):
            mark = here.onset + round(MARKS_S[here.marks] * self.rate_hz)
            first, last = self._at(here.until, n), self._at(min(mark, stop), n)
            if last > first:
                velocity, displacement = self.series[2][first:last], self.series[3][first:last]
                here.pd_m = max(here.pd_m, float(np.abs(displacement).max()))
                here.velocity_energy += float((velocity * velocity).sum())
                here.displacement_energy += float((displacement * displacement).sum())
                here.until = min(mark, stop)
            if stop < mark:
                return
            here.marks += 1
            told.append(self._tell(here, MARKS_S[here.marks - 1]))

    def _tell(self, here: Measured, window_s: float) -> Told:
        whole = window_s > 0 and not here.clipped
        return Told(
            here.picked_us,
            here.sigma_s,
            round(here.ratio, 1),
            window_s,
            here.pd_m if whole else None,
            here.noise_m if whole else None,
            tau_c_of(here.velocity_energy, here.displacement_energy) if whole else None,
            here.clipped,
        )

    def pack(self) -> KeptStream:
        """Its state, exact."""
        return KeptStream(
            self.rate_hz,
            self.quantity,
            self.next_us or 0,
            self.offset,
            self.count,
            self.seen,
            self.blank_until,
            self._sta,
            self._lta,
            self.on,
            self.measured,
            [f.state.tobytes() for f in self.filters],
            self.time_us.tobytes(),
            [series.tobytes() for series in self.series],
            [(p.start_us, p.samples.tobytes(), p.clipped) for p in self.held],
        )

    @classmethod
    def unpack(cls, kept: KeptStream, vertical: bool, parameters: SeismicParameters) -> Stream:
        """The stream of a packed state."""
        stream = cls(kept.rate_hz, kept.quantity, vertical, parameters)
        if len(stream.filters) != len(kept.filters):
            # Under the configuration before it was no vertical, or was one: it begins anew.
            return stream
        stream.next_us, stream.offset, stream.count, stream.seen = (
            kept.next_us,
            kept.offset,
            kept.count,
            kept.seen,
        )
        stream.blank_until, stream.on, stream.measured = kept.blank_until, kept.on, kept.measured
        stream._sta, stream._lta = kept.sta, kept.lta
        stream.filters = [Filter(f.sections, s) for f, s in zip(stream.filters, kept.filters, strict=True)]
        stream.time_us = np.frombuffer(kept.time_us, dtype=np.int64)
        stream.series = [np.frombuffer(s) for s in kept.series]
        stream.held = [Piece(at, np.frombuffer(s), c) for at, s, c in kept.held]
        return stream
