"""The clock: the one place that reads the machine's. What stamps `received_at` and writes ticks asks here.

A clock with an origin and a rate serves demos, tests and old records; a configuration may ask for one only
while its status is `exercise` or `test`. Network time-outs and retry delays use the machine's own clock.
"""

from __future__ import annotations

import time
from typing import Protocol

from schemas.times import SECOND, Micros


class Clock(Protocol):
    """Tells the time of the log."""

    def now_us(self) -> Micros:
        """Microseconds since 1970 UTC; never less than what it told before."""
        ...

    def shown_at(self, machine_us: Micros) -> Micros:
        """What it showed when the machine's clock showed `machine_us`, a little while ago."""
        ...

    def seconds_until(self, moment: Micros) -> float:
        """How many of the machine's seconds pass until this clock shows `moment`; 0 where it is past."""
        ...


class MachineClock:
    """The machine's clock, held back where the machine's is set back."""

    def __init__(self) -> None:
        self._latest = 0

    def now_us(self) -> Micros:
        self._latest = max(self._latest, time.time_ns() // 1000)
        return self._latest

    def shown_at(self, machine_us: Micros) -> Micros:
        return machine_us

    def seconds_until(self, moment: Micros) -> float:
        return max(0, moment - self.now_us()) / SECOND


class SetClock:
    """A clock that showed `starts_us` when it was made and runs `rate` times as fast as the machine's.

    Parameters
    ----------
    starts_us
        What it shows first, microseconds.
    rate
        Its seconds a second of the machine; greater than 0.
    set_us
        When it shows that, by the machine's clock; None: when it is made. Given, the clocks of several processes, and of
        one that is started again, show the same.
    """

    def __init__(self, starts_us: Micros, rate: float = 1.0, set_us: Micros | None = None) -> None:
        if rate <= 0:
            raise ValueError(f"a clock's rate is greater than 0, not {rate}")
        self._starts_us = starts_us
        self._rate = rate
        since_ns = 0 if set_us is None else time.time_ns() - set_us * 1000
        self._began_ns = time.monotonic_ns() - since_ns

    def now_us(self) -> Micros:
        elapsed_us = (time.monotonic_ns() - self._began_ns) // 1000
        return self._starts_us + int(elapsed_us * self._rate)

    def shown_at(self, machine_us: Micros) -> Micros:
        return self.now_us() - int((time.time_ns() // 1000 - machine_us) * self._rate)

    def seconds_until(self, moment: Micros) -> float:
        return max(0, moment - self.now_us()) / self._rate / SECOND


class HandClock:
    """A clock that stands until it is moved, for tests."""

    def __init__(self, starts_us: Micros) -> None:
        self._now_us = starts_us

    def now_us(self) -> Micros:
        return self._now_us

    def shown_at(self, machine_us: Micros) -> Micros:
        return self._now_us

    def seconds_until(self, moment: Micros) -> float:
        return 0.0 if moment <= self._now_us else 0.001

    def move_to(self, moment: Micros) -> None:
        """Show `moment` from now on; a moment in the past is an error."""
        if moment < self._now_us:
            raise ValueError("a clock never goes back")
        self._now_us = moment
