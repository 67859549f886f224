"""The demo's clocks: one that stands while the night before is taken in, runs fast through the storm, then at its usual speed;
and one that many processes share, which runs at one speed.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from runtime.clock import Clock, HandClock, MachineClock, SetClock
from schemas.times import SECOND, Micros


class DemoClock(Clock, Protocol):
    """A clock that also knows when the machine's came to a moment of it."""

    def machine_s(self, moment: Micros) -> float:
        """Seconds of the machine until a moment, from a beginning that is always the same."""
        ...


class SharedClock(SetClock):
    """A clock of one pace, which other processes are told of and so show the same.

    Parameters
    ----------
    starts_us, set_us
        What it shows at which moment of the machine's, microseconds.
    rate
        Its seconds a second of the machine.
    """

    def __init__(self, starts_us: Micros, rate: float, set_us: Micros) -> None:
        super().__init__(starts_us, rate, set_us)
        self._first_us, self._pace = starts_us, rate

    def machine_s(self, moment: Micros) -> float:
        """Seconds of the machine from `set_us` until a moment; one before counts as that."""
        return max(0, moment - self._first_us) / self._pace / SECOND


class _Stretch(NamedTuple):
    """From when on the clock ran at a pace: what it showed then, and what the machine's clock showed."""

    starts_us: Micros
    machine_us: Micros
    rate: float


class PacedClock:
    """A clock whose pace may change while it runs; it stands until it is first given one.

    Parameters
    ----------
    starts_us
        What it shows until then, microseconds.
    """

    def __init__(self, starts_us: Micros) -> None:
        self._machine = MachineClock()
        self._clock: Clock = HandClock(starts_us)
        self._stretches = [_Stretch(starts_us, self._machine.now_us(), 0.0)]

    def pace(self, rate: float) -> None:
        """Run `rate` times as fast as the machine's from now on; greater than 0."""
        now_us = self._clock.now_us()
        self._stretches.append(_Stretch(now_us, self._machine.now_us(), rate))
        self._clock = SetClock(now_us, rate)

    def now_us(self) -> Micros:
        return self._clock.now_us()

    def shown_at(self, machine_us: Micros) -> Micros:
        return self._clock.shown_at(machine_us)

    def seconds_until(self, moment: Micros) -> float:
        return self._clock.seconds_until(moment)

    def machine_s(self, moment: Micros) -> float:
        """When the machine's clock came to a moment of this one: seconds since this clock was made.

        A moment before it first ran counts as that first moment.
        """
        made_us = self._stretches[0].machine_us
        stretch = self._stretches[0]
        for later in self._stretches[1:]:
            if moment < later.starts_us:
                break
            stretch = later
        passed_us = (moment - stretch.starts_us) / stretch.rate if stretch.rate else 0.0
        return (stretch.machine_us - made_us + max(0.0, passed_us)) / SECOND
