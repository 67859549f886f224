"""The watchdog: starts a worker anew whose commits stand still while the log grows, or whose event loop does.

In      what the worker's loop shows of itself once a second
Out     the process in place of itself: whatever hangs, in a thread, in a library, in a connection, is gone

A thread of its own, so that nothing which hangs can hang it, too. Only the seconds count in which it runs itself: who
was asleep as a whole process does not hang. What the worker says that it waits for (a database that is away) is no
standing still: a new start would not bring that back.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping
from typing import NamedTuple

log = logging.getLogger("fenghuo")

LIMIT_S = 60.0
"""Longer than any batch, checkpoint or change of hands takes."""
LOOK_S = 1.0
RESTARTS_VARIABLE = "FENGHUO_WORKER_RESTARTS"
"""How often the watchdog has started this worker anew: the process that follows hears of it by this."""


class Shown(NamedTuple):
    """What a worker shows of itself.

    Attributes
    ----------
    beat
        Another number each time: the event loop runs.
    behind
        By partition with records behind the committed offset: that offset. It moves where all is well.
    waits_for
        Why it cannot go on just now, in its own words; None where nothing keeps it.
    """

    beat: int
    behind: Mapping[int, int]
    waits_for: str | None


class Stillness:
    """Counts for how many looks nothing has moved."""

    def __init__(self) -> None:
        self._last: Shown | None = None
        self._loop = 0
        self._partitions: dict[int, int] = {}

    def look(self, shown: Shown | None) -> tuple[int, str]:
        """Count one look.

        Returns
        -------
        tuple of int and str
            For how many looks that which has stood longest has not moved, and what it is.
        """
        last, self._last = self._last, shown
        if shown is None or last is None:
            return 0, ""
        self._loop = self._loop + 1 if shown.beat == last.beat else 0
        if self._loop:
            return self._loop, "the event loop"
        stood = {
            number: self._partitions.get(number, 0) + 1
            for number, committed in shown.behind.items()
            if number in last.behind and last.behind[number] == committed and shown.waits_for is None
        }
        self._partitions = stood
        longest = max(stood, key=lambda number: stood[number], default=None)
        return (0, "") if longest is None else (stood[longest], f"partition {longest} of the log")


class Watchdog:
    """Looks once a second at what `show` was last given.

    Parameters
    ----------
    limit_s
        How long what is behind may stand still.
    restart
        What is done then; it does not return.
    """

    def __init__(
        self, *, limit_s: float = LIMIT_S, look_s: float = LOOK_S, restart: Callable[[], object] | None = None
    ) -> None:
        self._limit_looks = max(2, round(limit_s / look_s))
        self._look_s = look_s
        self._restart = restart or start_anew
        self._shown: Shown | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self.stands_still: str | None = None
        """What has not moved for a while; None where all moves."""

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more: whoever ends may take its time."""
        self._stopping.set()

    def show(self, shown: Shown) -> None:
        """What the worker's loop shows of itself."""
        self._shown = shown

    def _run(self) -> None:
        stillness = Stillness()
        while not self._stopping.wait(self._look_s):
            looks, what = stillness.look(self._shown)
            still_s = looks * self._look_s
            self.stands_still = f"{what} has stood still for {still_s:.0f} s" if looks >= 10 else None
            if looks >= self._limit_looks:
                log.critical("worker.hangs what=%r still_s=%.0f; starting anew", what, still_s)
                self._restart()
                return


def restarts() -> int:
    """How often the watchdog has started this worker anew."""
    return int(os.environ.get(RESTARTS_VARIABLE, "0"))


def start_anew() -> None:
    """Put a new process of the same command in the place of this one; threads and connections end with it."""
    os.environ[RESTARTS_VARIABLE] = str(restarts() + 1)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, sys.orig_argv)
