"""The relay, put together: sources, store and link, and the one thread that forwards."""

from __future__ import annotations

import queue
import sqlite3
import threading
import time
from collections.abc import Mapping

from ingest.sources.mqtt import MqttSource
from runtime import metrics
from runtime.clock import Clock, MachineClock
from runtime.configuration.secrets import read_secret
from runtime.page.server import ConsoleServer
from runtime.relay.door import create_app
from runtime.relay.forwarding import Forwarding
from runtime.relay.link import Acknowledged, Connected, EngineLink, Heard, Published
from runtime.relay.numbering import Numbering
from runtime.relay.settings import RelaySettings
from runtime.relay.store import RelayStore
from runtime.relay.taking import Taking
from runtime.servers.connections import mqtt_explained, mqtt_tls
from runtime.servers.surroundings import MQTT_PASSWORD_VARIABLE

DEVICES_PASSWORD_VARIABLE = "FENGHUO_DEVICES_PASSWORD"
TOKEN_VARIABLE = "FENGHUO_TOKEN"
MOST_IN_HAND = 100_000
MOST_UNTAKEN = 1000
"""How many publications the broker may owe an answer to."""
_LOAD = 5000
_SEND = 200
_WAIT_S = 0.1


class Relay:
    """Everything that `fenghuo relay` runs.

    Parameters
    ----------
    environment
        Where secrets are found.
    """

    def __init__(
        self, settings: RelaySettings, environment: Mapping[str, str], clock: Clock | None = None
    ) -> None:
        clock = clock or MachineClock()
        self._store = RelayStore(settings.folder / "relay.db", int(settings.most_mb * 1e6))
        numbering = Numbering(self._store.last_numbers(), lambda: clock.now_us() // 1000)
        self._kept = threading.Event()
        self._taking = Taking(self._store, numbering, self._kept.set)
        engine = settings.engine
        tls = mqtt_tls(engine, "engine")
        self._link = EngineLink(
            engine,
            read_secret(engine.password_file, MQTT_PASSWORD_VARIABLE, environment),
            tls,
            mqtt_explained(engine, tls),
        )
        devices = settings.devices
        self._source = None
        if devices is not None:
            password = read_secret(devices.password_file, DEVICES_PASSWORD_VARIABLE, environment)
            tls = mqtt_tls(devices, "devices")
            self._source = MqttSource(
                devices, self._taking.submit, password, tls=tls, explain=mqtt_explained(devices, tls)
            )
        token = read_secret(settings.ports.token_file, TOKEN_VARIABLE, environment)
        app = create_app(self._taking.submit, self._taking.refusal, self.faults, token)
        self.door = ConsoleServer(app, settings.ports.address, settings.ports.http, setting="ports.http")
        self._forwarding = Forwarding(settings.resend_s)
        self._untaken: dict[int, int] = {}
        self._loaded = 0
        self._gone: list[int] = []
        self._failure: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="forwarding", daemon=True)

    def start(self) -> None:
        """Start everything, sources last."""
        self._taking.start()
        self._link.start()
        self._thread.start()
        self.door.start()
        if self._source is not None:
            self._source.start()

    def stop(self) -> None:
        """Take no more, and end; what is held stays on the disk."""
        self._taking.close()
        if self._source is not None:
            self._source.stop()
        self.door.stop()
        self._taking.stop()
        self._stopping.set()
        self._thread.join()
        self._link.stop()
        self._store.close()

    def faults(self) -> list[str]:
        """What keeps readings from being taken or forwarded just now."""
        faults = []
        refusal = self._taking.refusal()
        if refusal is not None:
            faults.append(f"nothing more is taken: {refusal}")
        if self._failure is not None:
            faults.append(f"nothing is forwarded: {self._failure}")
        if not self._link.connected.is_set():
            faults.append("the engine's broker is not there")
        if self._forwarding.forbidden:
            faults.append(
                f"the engine's broker forbids what {self._forwarding.forbidden} stations say: held until it is allowed"
            )
        if self._source is not None and not self._source.connected.is_set():
            faults.append("the devices' broker is not there")
        return faults

    # --- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen()
                self._forget()
                self._load()
                self._send()
                self._failure = None
            except Exception as error:  # noqa: BLE001 - without this thread nothing is forwarded at all
                if self._failure is None:
                    told = None if isinstance(error, sqlite3.Error) else error
                    metrics.log.error("relay.failing reason=%s; trying again", error, exc_info=told)
                self._failure = f"{type(error).__name__}: {error}"
                self._stopping.wait(1.0)
            metrics.relay_untaken.set(len(self._untaken))
            metrics.relay_held.set(self._store.count)
            metrics.relay_held_bytes.set(self._store.size)
            metrics.relay_full.set(self._taking.refusal() is not None)
            metrics.relay_connected.set(self._link.connected.is_set())

    def _listen(self) -> None:
        """Wait a moment for news of the engine or of the store, and take what there is."""
        try:
            if self._kept.is_set():
                self._kept.clear()
                self._take(self._link.heard.get_nowait())
            else:
                self._take(self._link.heard.get(timeout=_WAIT_S))
            while True:
                self._take(self._link.heard.get_nowait())
        except queue.Empty:
            return

    def _take(self, heard: Heard) -> None:
        match heard:
            case Acknowledged(station, acknowledgement):
                gone = self._forwarding.acknowledged(station, acknowledgement)
                metrics.relay_acknowledged_total.inc(len(gone))
                self._gone += gone
            case Published(mid, good, refused):
                id = self._untaken.pop(mid, None)
                if id is not None and refused:
                    self._forwarding.refused(id)
                elif id is not None and good and self._forwarding.taken(id):
                    self._gone.append(id)
            case Connected():
                self._forwarding.reconnected()

    def _forget(self) -> None:
        if self._gone:
            self._store.forget(self._gone)
            self._gone = []

    def _load(self) -> None:
        while len(self._forwarding) < MOST_IN_HAND:
            messages = self._store.after(self._loaded, _LOAD)
            if not messages:
                return
            self._forwarding.add(messages)
            self._loaded = messages[-1].id

    def _send(self) -> None:
        while self._link.connected.is_set() and len(self._untaken) < MOST_UNTAKEN:
            ids = self._forwarding.to_send(time.monotonic(), min(_SEND, MOST_UNTAKEN - len(self._untaken)))
            if not ids:
                return
            self._kept.set()  # there may be more: look again without waiting
            bodies = self._store.bodies(ids)
            for id in ids:
                topic, body = bodies[id]
                self._untaken[self._link.publish(topic, body)] = id
                metrics.relay_untaken.set(len(self._untaken))
                which = "first" if self._forwarding.tries(id) == 1 else "again"
                metrics.relay_forwarded_total.labels(which).inc()
