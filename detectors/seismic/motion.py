"""Motion: the vector sum of a station's components, second by second.

State   one `_Kept` a station: samples of seconds that are not complete
Source  GB/T 17742-2020 appendix A: peaks of the three components' vector sum, 0.1 to 10 Hz
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.seismic.stream import Moved
from schemas.times import SECOND, Micros

_WAIT_US = 3 * SECOND
"""How long a second waits for a component that is late."""
_FULL = 3


class Peak(NamedTuple):
    """Peaks of one second that ends at `until_us`."""

    until_us: Micros
    acceleration: float
    velocity: float
    components: int
    clipped: bool


class KeptSeconds(msgspec.Struct):
    """State of one station's `Seconds`."""

    channels: list[str]
    time_us: list[bytes]
    acceleration: list[bytes]
    velocity: list[bytes]
    clipped: list[bytes]
    reached_us: list[Micros]
    closed_us: Micros


class _Waiting:
    """Samples of one channel in seconds that are still open."""

    def __init__(self) -> None:
        self.time_us: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self.acceleration: NDArray[np.float64] = np.empty(0)
        self.velocity: NDArray[np.float64] = np.empty(0)
        self.clipped: NDArray[np.bool_] = np.empty(0, dtype=bool)
        self.reached_us: Micros = -(2**62)

    def append(self, moved: Moved) -> None:
        self.time_us = np.concatenate([self.time_us, moved.time_us])
        self.acceleration = np.concatenate([self.acceleration, moved.acceleration])
        self.velocity = np.concatenate([self.velocity, moved.velocity])
        self.clipped = np.concatenate([self.clipped, np.full(len(moved.time_us), moved.clipped)])
        self.reached_us = moved.reached_us

    def drop(self, n: int) -> None:
        self.time_us = self.time_us[n:]
        self.acceleration = self.acceleration[n:]
        self.velocity = self.velocity[n:]
        self.clipped = self.clipped[n:]


class Seconds:
    """Closes UTC seconds of one station as its channels pass them.

    Parameters
    ----------
    channels
        The channels that the station is known to have; further ones join as they speak.
    """

    def __init__(self, channels: Iterable[str]) -> None:
        self.waiting: dict[str, _Waiting] = {channel: _Waiting() for channel in channels}
        self.closed_us: Micros = -(2**62)

    def take(self, channel: str, moved: Moved) -> list[Peak]:
        """Add a piece of one channel; the seconds that it completes."""
        keep = int(np.searchsorted(moved.time_us, self.closed_us))
        piece = Moved(
            moved.time_us[keep:],
            moved.acceleration[keep:],
            moved.velocity[keep:],
            moved.clipped,
            moved.reached_us,
        )
        if not len(piece.time_us):
            return []
        self.waiting.setdefault(channel, _Waiting()).append(piece)
        return self._close()

    def _close(self) -> list[Peak]:
        peaks: list[Peak] = []
        newest = max(w.reached_us for w in self.waiting.values())
        while True:
            starts = [int(w.time_us[0]) for w in self.waiting.values() if len(w.time_us)]
            if not starts:
                return peaks
            until_us = (min(starts) // SECOND + 1) * SECOND
            complete = all(w.reached_us >= until_us for w in self.waiting.values())
            if newest < until_us or (not complete and newest < until_us + _WAIT_US):
                return peaks
            peaks.append(self._peak(until_us))
            self.closed_us = until_us

    def _peak(self, until_us: Micros) -> Peak:
        counts = {c: int(np.searchsorted(w.time_us, until_us)) for c, w in self.waiting.items()}
        longest = max(counts.values())
        # A channel that has only a rest of this second joins from its start; the sum is then a lower bound.
        present = [c for c in sorted(counts) if counts[c] >= longest - 1 and counts[c]]
        n = min(counts[c] for c in present)
        acceleration, velocity = np.zeros(n), np.zeros(n)
        clipped = False
        for channel in present[:_FULL]:
            w = self.waiting[channel]
            acceleration += w.acceleration[:n] ** 2
            velocity += w.velocity[:n] ** 2
            clipped = clipped or bool(w.clipped[: counts[channel]].any())
        for channel, count in counts.items():
            self.waiting[channel].drop(count)
        return Peak(
            until_us,
            float(np.sqrt(acceleration.max())),
            float(np.sqrt(velocity.max())),
            len(present[:_FULL]),
            clipped,
        )

    def pack(self) -> KeptSeconds:
        """Its state, exact."""
        waiting = self.waiting.values()
        return KeptSeconds(
            list(self.waiting),
            [w.time_us.tobytes() for w in waiting],
            [w.acceleration.tobytes() for w in waiting],
            [w.velocity.tobytes() for w in waiting],
            [w.clipped.tobytes() for w in waiting],
            [w.reached_us for w in waiting],
            self.closed_us,
        )

    @classmethod
    def unpack(cls, kept: KeptSeconds) -> Seconds:
        """The seconds of a packed state."""
        seconds = cls(kept.channels)
        seconds.closed_us = kept.closed_us
        for i, w in enumerate(seconds.waiting.values()):
            w.time_us = np.frombuffer(kept.time_us[i], dtype=np.int64)
            w.acceleration = np.frombuffer(kept.acceleration[i])
            w.velocity = np.frombuffer(kept.velocity[i])
            w.clipped = np.frombuffer(kept.clipped[i], dtype=bool)
            w.reached_us = kept.reached_us[i]
        return seconds
