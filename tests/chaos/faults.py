"""Faults: what is broken when, as a function of the seed; and the hand that breaks it.

Each seed plays every fault once, in an order and at times of its own; some overlap.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["kill", "crash", "pause", "cut", "add"]
FIRST_S, LAST_S = 12.0, 160.0
"""Within the three minutes that a run plays."""
PAUSE_S = 20.0

_WHAT: tuple[tuple[Kind, str, tuple[float, float]], ...] = (
    ("kill", "gateway", (0, 0)),
    ("kill", "worker-1", (0, 0)),
    ("kill", "worker-2", (0, 0)),
    ("kill", "dispatcher", (0, 0)),
    ("crash", "kafka", (1, 8)),
    ("crash", "mosquitto", (0.5, 6)),
    ("crash", "postgres", (0.5, 8)),
    ("pause", "worker", (PAUSE_S, PAUSE_S)),
    ("cut", "gateway-1", (4, 15)),
    ("add", "worker-3", (20, 35)),
)
_ONE_OF = {"gateway": 2, "dispatcher": 2, "worker": 2}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes
    ----------
    at_s
        Seconds from the beginning.
    kind
        `kill`: a program, SIGKILL, its supervisor starts it again; `crash`: a server, SIGKILL, started again after
        `lasts_s`; `pause`: a program sleeps; `cut`: the line to Kafka; `add`: a program more, for a while.
    """

    at_s: float
    kind: Kind
    target: str
    lasts_s: float

    def __str__(self) -> str:
        lasts = f" {self.lasts_s:.1f} s" if self.lasts_s else ""
        return f"{self.at_s:5.1f} s {self.kind} {self.target}{lasts}"


def schedule(seed: int) -> list[Fault]:
    """The faults of a seed, by time."""
    chance = random.Random(seed)
    order = list(_WHAT)
    chance.shuffle(order)
    step_s = (LAST_S - FIRST_S) / len(order)
    faults = []
    for number, (kind, target, (low, high)) in enumerate(order):
        if target in _ONE_OF:
            target = f"{target}-{chance.randint(1, _ONE_OF[target])}"
        at_s = FIRST_S + step_s * (number + chance.random())
        faults.append(Fault(round(at_s, 1), kind, target, round(chance.uniform(low, high), 1)))
    return sorted(faults, key=lambda fault: fault.at_s)


Hands = Mapping[Kind, tuple[Callable[[str], None], Callable[[str], None]]]
"""For each kind how it begins and how it ends, given the target."""


class Breaking:
    """Plays a schedule, each fault in a thread of its own: what takes long to come back holds up no other.

    The kernel ends what a thread has started when that thread ends (`die_with_parent`), so they stay until `release`.

    Parameters
    ----------
    began_s
        The machine's running time (`time.monotonic`) at which the schedule's 0 lies.
    """

    def __init__(self, faults: Sequence[Fault], hands: Hands, began_s: float) -> None:
        self._hands = hands
        self._began_s = began_s
        self._failures: list[Exception] = []
        self._whole = threading.Semaphore(0)
        self._released = threading.Event()
        self._threads = [
            threading.Thread(target=self._play, args=(fault,), name=str(fault), daemon=True)
            for fault in faults
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def wait_whole(self) -> None:
        """Wait until everything is whole again; raises what kept a fault from being played."""
        for _ in self._threads:
            self._whole.acquire()
        if self._failures:
            raise self._failures[0]

    def release(self) -> None:
        """What was started again may end."""
        self._released.set()

    def _play(self, fault: Fault) -> None:
        begin, end = self._hands[fault.kind]
        try:
            _sleep_until(self._began_s + fault.at_s)
            begin(fault.target)
            _sleep_until(self._began_s + fault.at_s + fault.lasts_s)
            end(fault.target)
        except Exception as error:  # noqa: BLE001 - raised by `wait_whole`: a run with half its faults proves nothing
            self._failures.append(error)
        self._whole.release()
        self._released.wait()


def _sleep_until(moment_s: float) -> None:
    time.sleep(max(0.0, moment_s - time.monotonic()))
