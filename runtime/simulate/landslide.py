"""Landslide points: slopes that rest, creep or fail, seen by different instruments with noise and daily cycles.

In      points by index, chance, for failing slopes their `Failure`
Out     true displacement and velocity of failing slopes; hourly readings of every point
Source  failure by Fukuzono's law with alpha = 2, v = K / (t_f - t) (DOMAIN 3.2); noise figures are our own
        (GNSS 5 mm horizontal, as DOMAIN 3.4 has it)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from runtime.simulate.place import Floats
from runtime.simulate.writing import Block, instants, opening, time_text
from schemas.times import HOUR, Micros

INSTRUMENTS: tuple[str, ...] = ("displacement", "crack", "gnss", "tilt")
_TURN = (0, 1, 0, 1, 2, 0, 3, 1, 0, 3, 1, 2, 0, 1, 0, 3, 1, 0, 2, 0)
"""What the n-th point has, over and over: 8 of 20 displacement, 6 crack, 3 GNSS, 3 tilt."""
MOISTURE_EVERY = 8
"""Each eighth point also measures soil moisture."""


def instrument_of(index: int) -> str:
    """What the point at a place of the list measures."""
    return INSTRUMENTS[_TURN[index % len(_TURN)]]


@dataclass(frozen=True)
class Failure:
    """A slope that fails: constant creep, then velocity K / (t_f - t) from the onset on.

    `onset_h`, `fails_h`: hours after the scenario's start; `creep_mm_day`: v0; `k_mm`: K.
    """

    creep_mm_day: float
    onset_h: float
    fails_h: float
    k_mm: float

    def velocity_mm_day(self, hours: Floats) -> Floats:
        """True velocity, mm/day; NaN once the slope has failed."""
        left_h = np.where(hours < self.fails_h, self.fails_h - hours, np.nan)
        # The onset takes two hours: no slope starts at once.
        begun = np.clip((hours - self.onset_h) / 2, 0, 1)
        return np.asarray(self.creep_mm_day + begun * 24 * self.k_mm / left_h, dtype=np.float64)

    def displacement_mm(self, hours: Floats) -> Floats:
        """True displacement since the start, mm: the velocity summed in steps of 36 s; NaN once failed."""
        fine = np.arange(0, self.fails_h, 0.01)
        path = np.concatenate([[0.0], np.cumsum(self.velocity_mm_day(fine)[:-1]) * 0.01 / 24])
        return np.where(hours < self.fails_h, np.interp(hours, fine, path), np.nan)


@dataclass
class Slopes:
    """What the points measure, hour by hour, before it is written.

    Attributes
    ----------
    values
        By instrument: shape (points of it, hours, its components); NaN where nothing was said.
    moisture_pct
        Shape (n // MOISTURE_EVERY rounded up, hours).
    """

    stations: tuple[str, ...]
    members: Mapping[str, NDArray[np.intp]]
    values: dict[str, Floats]
    moisture_pct: Floats
    place: dict[int, tuple[str, int]] = field(default_factory=dict)
    """By point: its instrument and its row in that instrument's values."""

    @classmethod
    def at_rest(
        cls, stations: Sequence[str], hours: int, first_hour: int, chance: np.random.Generator
    ) -> Slopes:
        """Slopes that do not move: noise, daily cycles, a survey origin.

        Parameters
        ----------
        first_hour
            Hour of the day (UTC) of the first reading: the sun bends wires at its own hour.
        """
        kinds = np.array([_TURN[k % len(_TURN)] for k in range(len(stations))])
        members = {name: np.flatnonzero(kinds == k) for k, name in enumerate(INSTRUMENTS)}
        sun = np.sin(2 * np.pi * (first_hour + np.arange(hours) - 2) / 24)
        # Instrument: components, noise (1 sigma), daily cycle at most, spread of the origin.
        figures: Mapping[str, tuple[Sequence[float], float, float]] = {
            "displacement": ((0.12,), 0.20, 60.0),
            "crack": ((0.05,), 0.15, 15.0),
            "gnss": ((3.5, 3.5, 7.0), 1.0, 8.0),
            "tilt": ((0.008, 0.008), 0.015, 0.8),
        }
        values: dict[str, Floats] = {}
        for name, (noise, cycle, origin) in figures.items():
            count = len(members[name])
            shape = (count, hours, len(noise))
            start = origin * chance.random((count, 1, len(noise)))
            daily = cycle * chance.random((count, 1, len(noise))) * sun[None, :, None]
            values[name] = start + daily + chance.standard_normal(shape) * np.array(noise)
        wet = (len(stations) + MOISTURE_EVERY - 1) // MOISTURE_EVERY
        moisture = 24 + 8 * chance.random((wet, 1)) + 0.2 * chance.standard_normal((wet, hours))
        place = {
            int(point): (name, row) for name, points in members.items() for row, point in enumerate(points)
        }
        return cls(tuple(stations), members, values, np.asarray(moisture, dtype=np.float64), place)

    def move(self, point: int, displacement_mm: Floats) -> None:
        """Add a true displacement (hours,), mm, to what a displacement or crack point measures; NaN: it is gone."""
        instrument, row = self.place[point]
        self.values[instrument][row] += displacement_mm[:, None]

    def wet(self, rain_mm: Floats) -> None:
        """Let true hourly rain (moisture points, hours), mm, raise the soil's moisture; it drains in 36 h."""
        kept = np.exp(-1 / 36)
        water = np.zeros(len(rain_mm))
        for hour in range(rain_mm.shape[1]):
            water = water * kept + rain_mm[:, hour]
            self.moisture_pct[:, hour] += 22 * (1 - np.exp(-water / 45))

    def silence(self, point: int, hours: slice) -> None:
        """The point says nothing in these hours."""
        instrument, row = self.place[point]
        self.values[instrument][row, hours] = np.nan

    def stick(self, point: int, hours: slice) -> None:
        """The point repeats its last value in these hours."""
        instrument, row = self.place[point]
        self.values[instrument][row, hours] = self.values[instrument][row, hours.start]


class Points:
    """Landslide points that report on the full hour."""

    def __init__(self, slopes: Slopes, start_us: Micros) -> None:
        self._slopes = slopes
        self._first_us = start_us + HOUR
        self._hours = next(iter(slopes.values.values())).shape[1]
        self._openings = [opening("landslide", station) for station in slopes.stations]

    def block(self, start_us: Micros, stop_us: Micros) -> Block:
        """See `Source`."""
        observed: list[NDArray[np.int64]] = []
        bodies: list[bytes] = []
        for hour in instants(start_us, stop_us, self._first_us, HOUR, self._hours):
            at_us = self._first_us + hour * HOUR
            before = len(bodies)
            self._hour(hour, time_text(at_us), bodies)
            observed.append(np.full(len(bodies) - before, at_us, dtype=np.int64))
        return Block(np.concatenate(observed) if observed else np.empty(0, np.int64), bodies)

    def _hour(self, hour: int, at: bytes, bodies: list[bytes]) -> None:
        forms = {
            "displacement": at + b'","displacement_mm":%.2f',
            "crack": at + b'","crack_mm":%.2f',
            "gnss": at + b'","gnss_mm":[%.1f,%.1f,%.1f]',
            "tilt": at + b'","tilt_deg":[%.3f,%.3f]',
        }
        openings, moisture = self._openings, self._slopes.moisture_pct
        for name, form in forms.items():
            said = self._slopes.values[name][:, hour]
            present = ~np.isnan(said[:, 0])
            points = self._slopes.members[name][present].tolist()
            for point, figures in zip(points, said[present].tolist(), strict=True):
                body = openings[point] + form % tuple(figures)
                if point % MOISTURE_EVERY == 0:
                    body += b',"soil_moisture_pct":%.1f' % moisture[point // MOISTURE_EVERY, hour]
                bodies.append(body)
