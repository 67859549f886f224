"""Translation: packets that were decoded by another bundle, in the rows of the one in force.

In      packets, each naming the bundle whose stations its rows count
Out     the same readings in our rows; those of stations that we do not have are left out

A gateway may go on for a while by another configuration than the one that the log names last.

Source  EXACT, rule 17
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.bundle import Bundle
from schemas.packet import COLUMNS, Packet

_GONE = -2
"""Row of a station that the bundle in force does not have, or has as another kind."""


class Translation:
    """From the rows of any bundle to those of one.

    Parameters
    ----------
    bundle
        Whose rows the packets get.
    bundles
        Finds another bundle by its hash; None where there is no other.
    """

    def __init__(self, bundle: Bundle, bundles: Callable[[str], Bundle] | None) -> None:
        self._bundle = bundle
        self._bundles = bundles
        self._rows: dict[tuple[str, str], NDArray[np.int32]] = {}
        self._counts = {bundle.hash: len(bundle.stations)}

    def translate(
        self, packets: Sequence[Packet], orders: Sequence[NDArray[Any]]
    ) -> tuple[Sequence[Packet], Sequence[NDArray[Any]]]:
        """Packets in our rows, and the places of their rows in the common order, counted anew where some are left out.

        Raises
        ------
        KeyError
            There is no other bundle.
        IndexError
            A row is no station's of the bundle that the packet names.
        """
        for packet in packets:
            self._check_rows(packet)
        if all(packet.bundle == self._bundle.hash for packet in packets):
            return packets, orders
        ours, places = [], []
        for packet, order in zip(packets, orders, strict=True):
            row = self._rows_of(packet.bundle, packet.kind)[packet.row]
            known = row != _GONE
            ours.append(replace(packet, row=row, bundle=self._bundle.hash).only(known))
            places.append(order[known])
        every = np.sort(np.concatenate(places))
        return ours, [np.searchsorted(every, place) for place in places]

    def _check_rows(self, packet: Packet) -> None:
        """Before numpy counts a row that is too low from the end, and scores another station."""
        if len(packet) == 0:
            return
        stations = self._station_count(packet.bundle)
        low, high = int(packet.row.min()), int(packet.row.max())
        if low < -1 or high >= stations:
            row = low if low < -1 else high
            raise IndexError(
                f"{packet.kind} packet: row {row} is none of the {stations} stations of configuration"
                f" {packet.bundle[:12]}"
            )

    def _station_count(self, bundle_hash: str) -> int:
        count = self._counts.get(bundle_hash)
        if count is None:
            count = self._counts[bundle_hash] = len(self._find(bundle_hash).stations)
        return count

    def _rows_of(self, bundle_hash: str, kind: str) -> NDArray[np.int32]:
        """Our row of each row of a bundle, (n + 1,); the last is that of row -1, which is no station's."""
        rows = self._rows.get((bundle_hash, kind))
        if rows is None:
            rows = self._rows[bundle_hash, kind] = np.array(
                [*(self._row(station.id, kind) for station in self._find(bundle_hash).stations), -1],
                dtype=np.int32,
            )
        return rows

    def _find(self, bundle_hash: str) -> Bundle:
        if bundle_hash == self._bundle.hash:
            return self._bundle
        if self._bundles is None:
            raise KeyError(bundle_hash)
        return self._bundles(bundle_hash)

    def _row(self, station: str, kind: str) -> int:
        row = self._bundle.stations.row_of.get(station, _GONE)
        if row == _GONE or not COLUMNS[kind]:  # an object may come from a station of any kind
            return row
        return row if self._bundle.stations[row].kind == kind else _GONE
