"""Rain: a band that crosses the city with heavy cores in it, or the showers of a calm month; gauges that tip.

In      plane positions (km), chance
Out     true depths of each 5 minutes at any place; the tips of 0.1 mm that gauges count of them
Source  our own shapes: Gaussian in space and in time, smooth texture on both. Depths are chosen, not fitted
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from runtime.simulate.place import Floats
from runtime.simulate.writing import Block, instants, opening, time_text
from schemas.times import MINUTE, Micros

STEP_US: Micros = 5 * MINUTE
TIPS_A_MM = 10
_MIDDLE = b'","interval_s":300,"rain_mm":'


@dataclass(frozen=True)
class Core:
    """A heavy part of a rain band: `depth_mm` falls at its middle, less by a Gaussian of `width_km` around it."""

    position_km: tuple[float, float]
    depth_mm: float
    width_km: float
    half_h: float
    """Standard deviation of its passage in time, hours."""


@dataclass(frozen=True)
class Band:
    """A band of rain on its way across the city.

    `towards` is where it goes (east, north; any length), `first_h` and `last_h` are when its middle reaches
    the first and the last of `extent_km`, hours after the scenario's start.
    """

    towards: tuple[float, float]
    first_h: float
    last_h: float
    extent_km: tuple[float, float]
    depth_mm: float
    half_h: float
    cores: Sequence[Core]

    def passes_h(self, places_km: Floats) -> Floats:
        """When the band's middle passes each place, hours after the start, shape (n,)."""
        low, high = self.extent_km
        return self.first_h + (self.last_h - self.first_h) * (self.along_km(places_km) - low) / (high - low)

    def along_km(self, places_km: Floats) -> Floats:
        """How far each place lies along the band's way, kilometres, shape (n,)."""
        east, north = self.towards
        length = float(np.hypot(east, north))
        return np.asarray((places_km[:, 0] * east + places_km[:, 1] * north) / length, dtype=np.float64)

    def depths_mm(self, places_km: Floats, hours: Floats) -> Floats:
        """True depth of each step at each place before texture, mm, shape (n, steps); `hours`: ends of the steps."""
        away_h = hours[None, :] - self.passes_h(places_km)[:, None]
        step_h = STEP_US / (60 * MINUTE)

        def passage(half_h: float) -> Floats:
            bell = np.exp(-0.5 * (away_h / half_h) ** 2) * step_h / (half_h * np.sqrt(2 * np.pi))
            return np.asarray(bell, dtype=np.float64)

        total = self.depth_mm * passage(self.half_h)
        for core in self.cores:
            away_km = np.hypot(places_km[:, 0] - core.position_km[0], places_km[:, 1] - core.position_km[1])
            peak_mm = core.depth_mm * np.exp(-0.5 * (away_km / core.width_km) ** 2)
            total = total + peak_mm[:, None] * passage(core.half_h)
        # Below a hundredth of a millimetre in 5 min it does not rain.
        return np.where(total < 0.01, 0.0, total)


class Texture:
    """Smooth unevenness: a factor around 1 in space (scale `scale_km`) and one in time (scale about 20 min)."""

    def __init__(self, chance: np.random.Generator, scale_km: float, in_space: float, in_time: float) -> None:
        waves = 12
        angle = chance.uniform(0, 2 * np.pi, waves)
        self._wave = np.column_stack([np.cos(angle), np.sin(angle)]) / scale_km
        self._phase = chance.uniform(0, 2 * np.pi, waves)
        self._in_space, self._in_time = in_space, in_time
        self._rate = chance.uniform(1.5, 4.0, waves)
        self._beat = chance.uniform(0, 2 * np.pi, waves)

    def factors(self, places_km: Floats, hours: Floats) -> Floats:
        """Factors, shape (n, steps)."""
        # Sums element by element, not a matrix product, whose order of addition may differ between machines.
        space = np.zeros(len(places_km))
        for (east, north), phase in zip(self._wave.tolist(), self._phase.tolist(), strict=True):
            space += np.cos(places_km[:, 0] * east + places_km[:, 1] * north + phase)
        beat = np.zeros(len(hours))
        for rate, phase in zip(self._rate.tolist(), self._beat.tolist(), strict=True):
            beat += np.cos(2 * np.pi * hours * rate / 3 + phase)
        norm = np.sqrt(2 / len(self._phase))
        return np.outer(np.exp(self._in_space * space * norm), np.exp(self._in_time * beat * norm))


def showers_mm(chance: np.random.Generator, places_km: Floats, hours: Floats, days: int) -> Floats:
    """A calm month's light rain: some days a slow, wide shower of a few millimetres, shape (n, steps)."""
    total = np.zeros((len(places_km), len(hours)))
    extent = float(np.abs(places_km).max())
    for day in range(days):
        if chance.random() > 0.35:
            continue
        depth_mm, half_h = chance.uniform(1.5, 7.0), chance.uniform(1.0, 2.5)
        band = Band(
            towards=(float(chance.uniform(-1, 1)), -1.0),
            first_h=day * 24 + float(chance.uniform(2, 8)),
            last_h=day * 24 + float(chance.uniform(12, 20)),
            extent_km=(-extent, extent),
            depth_mm=float(depth_mm),
            half_h=float(half_h),
            cores=(),
        )
        low, high = np.searchsorted(hours, (day * 24 - 8, day * 24 + 36))
        total[:, low:high] += band.depths_mm(places_km, hours[low:high])
    return total


def tips(true_mm: Floats, chance: np.random.Generator) -> NDArray[np.int64]:
    """What tipping buckets count of true depths: tenths of a millimetre a step, shape (n, steps).

    A bucket holds what has not tipped yet, so no rain is lost or invented over time.
    """
    held = chance.random((len(true_mm), 1))
    filled = np.floor(np.cumsum(true_mm, axis=1) * TIPS_A_MM + held).astype(np.int64)
    return np.diff(filled, axis=1, prepend=0)


class Gauges:
    """Rain gauges that report every 5 minutes what tipped.

    Parameters
    ----------
    counted : (n, steps) int64
        Tenths of a millimetre; -1 where the gauge was silent.
    start_us
        Start of the first step; a step is reported at its end.
    """

    def __init__(self, stations: Sequence[str], counted: NDArray[np.int64], start_us: Micros) -> None:
        self._openings = [opening("rain", station) for station in stations]
        self._counted = counted
        self._first_us = start_us + STEP_US
        most = int(counted.max(initial=0))
        self._texts = [_MIDDLE + b"%d.%d" % divmod(tenths, TIPS_A_MM) for tenths in range(most + 1)]

    def block(self, start_us: Micros, stop_us: Micros) -> Block:
        """See `Source`."""
        steps = instants(start_us, stop_us, self._first_us, STEP_US, self._counted.shape[1])
        observed: list[NDArray[np.int64]] = []
        bodies: list[bytes] = []
        texts = self._texts
        for step in steps:
            at_us = self._first_us + step * STEP_US
            at = time_text(at_us)
            row = self._counted[:, step].tolist()
            before = len(bodies)
            bodies += [
                head + at + texts[tenths]
                for head, tenths in zip(self._openings, row, strict=True)
                if tenths >= 0
            ]
            observed.append(np.full(len(bodies) - before, at_us, dtype=np.int64))
        return Block(np.concatenate(observed) if observed else np.empty(0, np.int64), bodies)
