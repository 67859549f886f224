"""The stations' side: sends each reading when its time comes, and keeps it until the engine has acknowledged it.

In      readings with the times at which they can be sent; acknowledgements on `acks/<station>`
Out     messages of QoS 1; which readings the broker took (PUBACK), which the engine acknowledged

Which message goes, and goes again, is decided by the relay's own `Forwarding`; what it forgets is checked against the log.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence

from runtime.clock import Clock
from runtime.relay.forwarding import Forwarding
from runtime.relay.link import Acknowledged, EngineLink, Heard, Published
from runtime.relay.numbering import Held
from runtime.relay.settings import EngineBroker
from tests.chaos.judging import Key
from tests.chaos.storm import Line

RESEND_S = 10.0
"""Longer than a loaded machine takes to acknowledge; what was lost waits no longer than any horizon."""
_MOST_UNTAKEN = 1000
_MOST_AT_ONCE = 200
_LOOK_S = 0.02


class Publisher:
    """All stations on one connection, in a thread.

    Parameters
    ----------
    lines
        By time.
    clock
        The engine's own: nothing is sent before it happened.
    """

    def __init__(self, lines: Sequence[Line], clock: Clock, host: str, port: int) -> None:
        self._lines = lines
        self._clock = clock
        self._link = EngineLink(EngineBroker(host=host, port=port, client_id="chaos-stations"), None)
        self._forwarding = Forwarding(RESEND_S)
        self._next = 0
        self._untaken: dict[int, int] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self.taken: set[Key] = set()
        """(station, number) of what the broker took."""
        self.acknowledged: set[Key] = set()
        """(station, number) of what the engine acknowledged."""
        self.sent = 0
        """Messages, repeats included."""
        self.failure: Exception | None = None
        """What ended it."""

    def start(self) -> None:
        """Connect and begin."""
        self._link.start()
        self._thread.start()

    def stop(self) -> None:
        """Send no more."""
        self._stopping.set()
        self._thread.join()
        self._link.stop()

    @property
    def done(self) -> bool:
        """Whether everything has been sent and acknowledged."""
        if self.failure is not None:
            raise self.failure
        return self._next == len(self._lines) and len(self._forwarding) == 0

    @property
    def progress(self) -> str:
        """For whoever waits."""
        return f"{self._next} of {len(self._lines)} sent, {len(self.acknowledged)} acknowledged"

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._take_what_is_due()
                self._send()
                self._listen()
        except Exception as error:  # noqa: BLE001 - told by `done`
            self.failure = error

    def _take_what_is_due(self) -> None:
        now_us, first = self._clock.now_us(), self._next
        while self._next < len(self._lines) and self._lines[self._next].at_us <= now_us:
            self._next += 1
        self._forwarding.add(
            Held(id, self._lines[id].station, self._lines[id].number) for id in range(first, self._next)
        )

    def _send(self) -> None:
        if not self._link.connected.is_set():
            return
        room = min(_MOST_AT_ONCE, _MOST_UNTAKEN - len(self._untaken))
        for id in self._forwarding.to_send(time.monotonic(), room) if room > 0 else ():
            line = self._lines[id]
            self._untaken[self._link.publish(line.topic, line.body)] = id
            self.sent += 1

    def _listen(self) -> None:
        wait_s: float | None = _LOOK_S
        while True:
            try:
                heard = self._link.heard.get(timeout=wait_s) if wait_s else self._link.heard.get_nowait()
            except queue.Empty:
                return
            self._hear(heard)
            wait_s = None

    def _hear(self, heard: Heard) -> None:
        if isinstance(heard, Acknowledged):
            for id in self._forwarding.acknowledged(heard.station, heard.acknowledgement):
                self.acknowledged.add(self._key(id))
        elif isinstance(heard, Published):
            taken = self._untaken.pop(heard.mid, None)
            if taken is not None and heard.good:
                self.taken.add(self._key(taken))
        else:
            self._forwarding.reconnected()

    def _key(self, id: int) -> Key:
        return self._lines[id].station, self._lines[id].number
