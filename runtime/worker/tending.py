"""Tending a worker: once a second how far it is, so that metrics, health and the watchdog know.

In      the brokers' word on where the log ends and what is committed (`survey`); the worker's own
Out     `progress`, the areas' gauges, what the watchdog is shown; plain sentences for health
"""

from __future__ import annotations

import time

from runtime import metrics
from runtime.worker.areas import Worker
from runtime.worker.progress import Progress
from runtime.worker.survey import Survey
from runtime.worker.watchdog import Shown, Watchdog, restarts


class Tending:
    """Looks after one worker. `look` belongs to its event loop, `faults` to any thread."""

    def __init__(self, worker: Worker, progress: Progress, survey: Survey, watchdog: Watchdog) -> None:
        self._worker = worker
        self._progress = progress
        self._survey = survey
        self._watchdog = watchdog
        self._beat = 0
        self.is_member = False
        """Whether the group of workers has let it in."""

    def faults(self) -> list[str]:
        """One plain sentence for each thing for which this worker's warnings are late or missing."""
        faults = [] if self.is_member else ["the group of workers has not let it in yet"]
        if (reason := self._worker.waits_for()) is not None:
            faults.append(reason)
        if (answer := self._survey.answer) is not None and answer.fault is not None:
            faults.append(answer.fault)
        if (stopped := self._worker.stopped()) != []:
            faults.append(f"areas have stopped and need a person: {', '.join(stopped)}")
        if self._watchdog.stands_still is not None:
            faults.append(self._watchdog.stands_still)
        return faults + self._progress.faults()

    def start(self) -> None:
        """Begin, in the worker's event loop."""
        metrics.worker_restarts_total.inc(restarts())
        self._survey.start()
        self._watchdog.start()

    def stop(self) -> None:
        """Leave the worker alone: it ends, and may take its time for that."""
        self._survey.stop()
        self._watchdog.stop()

    def look(self) -> None:
        """Look once."""
        self._beat += 1
        waits_for = self._worker.waits_for()
        answer = self._survey.answer
        if answer is not None and answer.fault is not None:
            waits_for = waits_for or answer.fault
        elif answer is not None:
            self._progress.stands(answer.places, answer.asked_s, time.monotonic())
        self._worker.measure()
        behind = self._progress.uncommitted()
        for partition in self._worker.blocked():
            behind.pop(partition, None)
        self._watchdog.show(Shown(self._beat, behind, waits_for))
