"""The probe: a reading of our own that goes through the whole pipeline, so that health is seen and not assumed.

It is a `forecast` of a quantity of our own for each association area: kept in the log as any other, it scores
nothing and is no station's word, so that it hides no silent station.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from console.site import Health
from ingest.arrival import Arrival, NoRoom, Settled
from runtime.embedded import EmbeddedEngine
from schemas.times import SECOND, rfc3339

PROBE_EVERY_S = 10.0
FRESH_S = 30.0
_CLOCK_BEHIND_S = 60.0
QUANTITY = "fenghuo.probe"


class Prober:
    """Sends a probe reading every few seconds and watches it arrive behind the pipeline.

    Parameters
    ----------
    connections
        For each outside connection its name and whether it stands; one that does not is a fault.
    """

    def __init__(self, engine: EmbeddedEngine, connections: Callable[[], dict[str, bool]]) -> None:
        self._engine = engine
        self._connections = connections
        self._stopping = threading.Event()
        self._passed_s: float | None = None
        self._waits_for: dict[str, int] | None = None
        self._thread = threading.Thread(target=self._run, name="probe", daemon=True)

    def start(self) -> None:
        """Begin to probe."""
        self._thread.start()

    def stop(self) -> None:
        """Probe no more."""
        self._stopping.set()
        self._thread.join()

    def health(self) -> Health:
        """Whether the last probe went through in time and all stands."""
        engine = self._engine
        faults = [f"association area {code} has stopped: {why}" for code, why in dict(engine.faults).items()]
        if engine.intake.fault is not None:
            faults.append(f"the log cannot be written: {engine.intake.fault}; nothing is acknowledged")
        if engine.ledger_fault is not None:
            faults.append(f"the ledger cannot be written: {engine.ledger_fault}")
        if engine.failure is not None:
            faults.append(f"the pipelines do not go on: {engine.failure}")
        if engine.intake.failure is not None:
            faults.append(
                f"the intake tripped over a payload, which stays unacknowledged: {engine.intake.failure}"
            )
        faults += [f"{name} does not stand" for name, stands in self._connections().items() if not stands]
        # Only where the machine's clock was set back while nothing ran: time would stand still for the pipelines.
        behind_s = (
            max((one.now for one in engine.associations.values()), default=0) - engine.clock.now_us()
        ) / SECOND
        if behind_s > _CLOCK_BEHIND_S:
            faults.append(
                f"the clock is {behind_s:.0f} s behind the log: deadlines wait for it; set the clock"
            )
        age_s = None if self._passed_s is None else time.monotonic() - self._passed_s
        if age_s is None or age_s > FRESH_S:
            faults.append("no probe reading went through the pipeline in the last half minute")
        details = {
            "now": rfc3339(engine.clock.now_us()),
            "probe_age_s": None if age_s is None else round(age_s, 1),
            "log_ends": {code: engine.log.end(code) for code in engine.associations},
            "positions": {code: one.position for code, one in engine.associations.items()},
            "bundle": engine.bundle.hash,
        }
        return Health(not faults, tuple(faults), details)

    def _run(self) -> None:
        sent_s = 0.0
        while not self._stopping.wait(0.2):
            self._look()
            # One that is under way is waited for: with a new aim each time a busy pipeline would never reach one.
            if self._waits_for is None and time.monotonic() - sent_s >= PROBE_EVERY_S:
                sent_s = time.monotonic()
                self._send()

    def _send(self) -> None:
        now = rfc3339(self._engine.clock.now_us())
        probes = [
            {
                "kind": "forecast",
                "area": code,
                "observed_at": now,
                "from": now,
                "until": now,
                "quantity": QUANTITY,
                "value": 1,
                "source": "fenghuo",
            }
            for code in self._engine.associations
        ]
        # Where there is no room, health says why, and the next probe tries again.
        with suppress(NoRoom):
            self._engine.intake.offer(Arrival(json.dumps(probes).encode(), "probe", self._logged))

    def _logged(self, settled: Settled) -> None:
        if settled.accepted:
            self._waits_for = {code: self._engine.log.end(code) for code in self._engine.associations}

    def _look(self) -> None:
        waits_for = self._waits_for
        if waits_for is not None and all(
            self._engine.associations[code].position >= end for code, end in waits_for.items()
        ):
            self._waits_for = None
            self._passed_s = time.monotonic()
