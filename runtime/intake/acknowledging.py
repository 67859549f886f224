"""The application acknowledgement: tells senders, on `acks/<station>`, what of theirs is in the log.

In      what the intake has made durable, in its thread
Out     retained messages by the connection of the MQTT source, at most once a second a station
State   the numbers of each station in `log.db`, a few seconds behind; the gateway keeps none

What is lost of the state (a crash, the gateway's restart) is missing in the next acknowledgement: senders re-send it,
and it counts once. So nothing is ever acknowledged that is not durable.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Protocol

import msgspec
import numpy as np
from pydantic import ValidationError

from ingest.acknowledgement import (
    EVERY_S,
    Acknowledgements,
    NumbersRow,
    acknowledgement_of,
    durable_of,
)
from runtime import metrics
from schemas.acknowledgement import Acknowledgement
from schemas.bundle import Bundle
from schemas.errors import PlainError, plain
from schemas.log import Record
from schemas.packet import Packet
from schemas.reject import Reject
from schemas.times import Micros

TOPIC = "acks"
_LOOK_S = 0.2
_SAVE_S = 5.0


class Publisher(Protocol):
    """The part of the MQTT source that this needs."""

    def publish_retained(self, topic: str, body: bytes) -> bool:
        """Send a message; False where it cannot go just now."""
        ...


class NumberStore(Protocol):
    """The part of the log that this needs."""

    def save_numbers(self, rows: Sequence[NumbersRow]) -> None:
        """Keep rows in place of earlier ones of the same stations."""
        ...

    def numbers(self) -> list[NumbersRow]:
        """All rows kept."""
        ...


class Acknowledger:
    """Notes what becomes durable and publishes it.

    Parameters
    ----------
    publisher
        Whose connection the messages take.
    store
        Keeps the numbers over a restart, in the same file as the log; None: begin with what is seen.
    """

    def __init__(self, publisher: Publisher, store: NumberStore | None = None) -> None:
        self._publisher = publisher
        self._store = store
        self._numbers = Acknowledgements()
        self._lock = threading.Lock()
        self._bundle: Bundle | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="acknowledger", daemon=True)
        self._unsaved_because: str | None = None

    def start(self) -> None:
        """Take up what was stored, and begin."""
        if self._store is not None:
            self._numbers.restore(self._store.numbers())
        self._thread.start()

    def stop(self) -> None:
        """Tell and store what is known, and end; call it while the source still stands."""
        self._stopping.set()
        self._thread.join()

    def note(
        self, bundle: Bundle, records: Sequence[tuple[str, Micros, Record]], rejects: Sequence[Reject]
    ) -> None:
        """Take what the intake has just made durable. `bundle`: in whose rows the packets are."""
        try:
            with self._lock:
                self._bundle = bundle
                for _, _, record in records:
                    if isinstance(record, Packet) and record.bundle == bundle.hash:
                        self._numbers.note_all(*_durable_in(record, bundle))
                for reject in rejects:
                    for one in durable_of(reject.bytes):
                        self._numbers.note(*one)
        except Exception:  # noqa: BLE001 - what is durable stays so; its sender only hears of it at the next repeat
            metrics.log.exception("acknowledgement.failed")

    def hear(self, topic: str, body: bytes) -> None:
        """Take what another gateway has told on `acks/<station>`: with a shared subscription each has a part of it."""
        try:
            told = Acknowledgement.model_validate_json(body)
        except ValidationError as error:
            metrics.log.warning("acknowledgement.unreadable topic=%s reason=%s", topic, plain(error))
            return
        with self._lock:
            self._numbers.merge(topic.removeprefix(f"{TOPIC}/"), told)

    def _run(self) -> None:
        saved_s = time.monotonic()
        self._stopping.wait(EVERY_S)  # the process before may have told a station just now
        while not self._stopping.wait(_LOOK_S):
            self._tell()
            if time.monotonic() - saved_s >= _SAVE_S:
                saved_s = time.monotonic()
                self._save()
        self._tell()
        self._save()

    def _tell(self) -> None:
        with self._lock:
            due = self._numbers.due(time.monotonic())
        for row in due:
            body = acknowledgement_of(row).model_dump_json().encode()
            if self._publisher.publish_retained(f"{TOPIC}/{row.station}", body):
                metrics.acknowledgements_total.inc()
            else:
                with self._lock:
                    self._numbers.not_told(row.station)

    def _save(self) -> None:
        if self._store is None or self._bundle is None:
            return
        with self._lock:
            bundle, rows = self._bundle, self._numbers.changed()
        # Names that no configuration has would fill the file for ever.
        known = [r for r in rows if r.station in bundle.stations.row_of or r.station in bundle.areas]
        try:
            if known:
                self._store.save_numbers(known)
        except PlainError as error:
            with self._lock:
                self._numbers.not_saved(known)
            if self._unsaved_because is None:
                metrics.log.warning("acknowledgement.unsaved reason=%s", error)
            self._unsaved_because = str(error)
            return
        self._unsaved_because = None


def _durable_in(packet: Packet, bundle: Bundle) -> tuple[list[str], list[int], list[Micros]]:
    """Stations, numbers and times of the numbered messages of a packet."""
    numbers = packet.columns["sequence"]
    numbered = np.flatnonzero(numbers >= 0)
    rows = packet.row[numbered].tolist()
    stations = bundle.stations
    names = [
        # A forecast comes from no station: its area is in its text.
        stations[row].id if row >= 0 else _area_of(packet.texts["payload"][index])
        for row, index in zip(rows, numbered.tolist(), strict=True)
    ]
    return names, numbers[numbered].tolist(), packet.observed_us[numbered].tolist()


class _Forecast(msgspec.Struct):
    area: str


def _area_of(payload: str) -> str:
    return msgspec.json.decode(payload, type=_Forecast).area
