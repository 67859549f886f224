"""Quality of camera frames: repeats within the horizon. What a camera sees is judged by the fire detector.

In      camera readings
Out     whether each counts; conflicts flagged
State   the frames of the last hour
Source  EXACT, rules 4 and 7: a frame is told by station, time and azimuth
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from ingest.quality.history import History
from schemas.bundle import Bundle
from schemas.packet import FAIL, PASS, Packet
from schemas.rows import StationRows
from schemas.times import HOUR, Micros

HORIZON_US: Micros = HOUR
_NEVER: Micros = -(2**62)


class CameraQuality:
    """Judges the frames of all cameras, turn by turn."""

    def __init__(self, name: str, version: int, bundle: Bundle) -> None:
        self._place_of_row = bundle.stations.places_of("camera")
        ids = [bundle.stations[row].id for row in bundle.stations.rows_of("camera").tolist()]
        self._state = np.full(len(ids), _NEVER, dtype=np.dtype([("newest_us", "<i8")]))
        self.rows = StationRows(name, version, ids, self._state, head="camera/")
        self.history = History("camera_said", name, version, ids, 2, HORIZON_US)

    def assess(
        self, packet: Packet, turn: NDArray[np.intp], flag: NDArray[np.uint8], counts: NDArray[np.bool_]
    ) -> None:
        """Judge the frames `turn`, a camera at most once; writes into `flag` and `counts`."""
        places = self._place_of_row[packet.row[turn]]
        observed_us = packet.observed_us[turn]
        content = self._content(packet, turn)
        known = counts[turn]
        within = observed_us >= packet.log_us[turn] - HORIZON_US
        known &= within
        flags = np.full(len(turn), PASS, dtype=np.uint8)
        for k in np.flatnonzero(within & (observed_us <= self._state["newest_us"][places])).tolist():
            _, before = self.history.find(int(places[k]), int(observed_us[k]), int(observed_us[k]))
            same = before[before[:, 0] == content[k, 0]]
            if len(same):
                known[k] = False
                flags[k] = PASS if same[0, 1] == content[k, 1] else FAIL
        self.history.add(places[known], observed_us[known], content[known])
        at = places[known]
        self._state["newest_us"][at] = np.maximum(self._state["newest_us"][at], observed_us[known])
        flag[turn], counts[turn] = flags, known
        self.rows.touch(places)

    def _content(self, packet: Packet, turn: NDArray[np.intp]) -> NDArray[np.int64]:
        """Azimuth, and a digest of all else that a frame says; (m, 2)."""
        assert packet.offsets is not None
        azimuth = np.ascontiguousarray(packet.columns["azimuth_deg"][turn] + 0.0).view(np.int64)
        digest = np.zeros(len(turn), dtype=np.int64)
        for name in ("field_of_view_deg", "max_temperature_c"):
            bits = np.ascontiguousarray(packet.columns[name][turn] + 0.0).view(np.int64)
            digest = (digest ^ bits) * np.int64(31)
        for k in np.flatnonzero(packet.offsets[turn + 1] > packet.offsets[turn]).tolist():
            index, crc = int(turn[k]), 0
            for name in packet.parts:
                crc = zlib.crc32(np.ascontiguousarray(packet.part(name, index)).tobytes(), crc)
            digest[k] ^= crc + 1
        return np.stack([azimuth, digest], axis=1)
