"""Tells once why Kafka cannot be reached, and once when it can be again, for a program whose library only retries."""

from __future__ import annotations

import threading
from collections.abc import Callable

from runtime import metrics

LOOK_EVERY_S = 5.0


class KafkaWatch:
    """Looks every few seconds, in a thread of its own.

    Parameters
    ----------
    why_away
        Why a client could not do its part just now; None while one could.
    """

    def __init__(self, why_away: Callable[[], str | None]) -> None:
        self._why_away = why_away
        self.fault: str | None = None
        """What was seen at the last look."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kafka-watch", daemon=True)

    def __enter__(self) -> KafkaWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S):
            fault = self._why_away()
            if fault is not None and fault != self.fault:
                metrics.log.error("kafka.away reason=%s; nothing is acknowledged, trying again", fault)
            if fault is None and self.fault is not None:
                metrics.log.warning("kafka.back after=%s", self.fault)
            self.fault = fault
