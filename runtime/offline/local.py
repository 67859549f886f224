"""Warnings of a gateway that is cut off: the embedded pipelines over what it takes, and a dispatcher of its own.

In      what waits in the disk buffer, in its order
Out     notices by the configuration's channels; when the line is back, who was told what, into the shared ledger
State   a folder with `log.db` and `state.db`, which lasts as long as the cut

The pipelines begin with nothing: they grade what came since the cut. What they told is in the shared ledger before the
first of it enters the shared log, so that no dispatcher says the same again.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from alerting.ledger import Ledger
from alerting.ledger.told import Told, add
from runtime import metrics
from runtime.clock import Clock
from runtime.configuration.loading import Configuration
from runtime.dispatch.dispatching import Dispatching
from runtime.embedded import EmbeddedEngine
from runtime.logs.store import LogFull
from runtime.offline.buffer import DiskBuffer
from runtime.servers.surroundings import mqtt_password
from schemas.bundle import Bundle
from schemas.errors import plain
from schemas.log import decode_record
from schemas.notice import Notice, NoticeState
from schemas.times import to_micros

_FED, _BEGAN = "fed", "began"
_FEED_RECORDS, _FEED_BYTES = 200, 8 * 1024 * 1024
_LOOK_S = 0.5
_MANY = 1_000_000


class LocalWarnings:
    """What `gateway.offline.local_warnings` asks for.

    Parameters
    ----------
    bundle
        The configuration that the gateway decodes by, asked at the beginning of a cut.
    ledger
        The shared one.
    folder
        Lasts as long as the cut.
    name
        The gateway's.
    """

    def __init__(
        self,
        configuration: Configuration,
        bundle: Callable[[], Bundle],
        ledger: Ledger,
        buffer: DiskBuffer,
        clock: Clock,
        environment: Mapping[str, str],
        *,
        folder: Path,
        name: str,
    ) -> None:
        self._configuration = configuration
        self._bundle = bundle
        self._ledger = ledger
        self._buffer = buffer
        self._clock = clock
        self._environment = environment
        self._folder = folder
        self._name = name
        self._running: _Cut | None = None

    def begin(self) -> None:
        """Warn from now on; where a cut was under way when the process ended, go on with it."""
        if self._running is not None:
            return
        if not self._folder.exists():
            self._buffer.note(_BEGAN, str(self._clock.now_us()))
        configuration = replace(self._configuration, bundle=self._bundle())
        self._running = _Cut(
            configuration,
            self._bundle,
            self._buffer,
            self._clock,
            self._environment,
            self._folder,
            self._name,
        )
        self._running.start()
        metrics.gateway_local_warnings.set(1)
        metrics.log.error("gateway.warns_locally; until Kafka answers, this gateway tells people by itself")

    def wake(self) -> None:
        """Something more waits in the buffer."""
        if self._running is not None:
            self._running.wake()

    def hand_over(self) -> None:
        """Warn no more, and write into the shared ledger who was told what.

        Raises
        ------
        sqlalchemy.exc.SQLAlchemyError
            It cannot be written just now: call this again before anything of the cut enters the log.
        """
        if self._running is None and not self._folder.exists():
            return
        if self._running is not None:
            self._ledger.configuration()  # while it does not answer, go on warning
            self._running.stop()
            self._running = None
            metrics.gateway_local_warnings.set(0)
        told = self._told()
        with self._ledger.database.write() as connection:
            add(connection, told)
        metrics.log.warning("gateway.told_locally notices=%d; nobody is told them again", len(told))
        shutil.rmtree(self._folder)

    def stop(self) -> None:
        """End with the process; the next one goes on."""
        if self._running is not None:
            self._running.stop()
            self._running = None

    def _told(self) -> list[Told]:
        began_us = int(self._buffer.noted(_BEGAN) or 0)
        until_us = self._clock.now_us()
        with Ledger.open(str(self._folder / "state.db")) as own:
            return [
                Told(
                    self._name,
                    began_us,
                    notice.recipient,
                    notice.channel,
                    notice.hazard.value,
                    area,
                    0 if notice.cancel else level,
                    until_us,
                    to_micros(notice.delivered_at or notice.sent_at),  # type: ignore[arg-type]
                )
                for state in (NoticeState.SENT, NoticeState.DELIVERED)
                for notice in own.notices_in(state, _MANY)
                for area, level in _says(own, notice)
            ]


class _Cut:
    """The engine and the dispatcher of one cut."""

    def __init__(
        self,
        configuration: Configuration,
        bundle: Callable[[], Bundle],
        buffer: DiskBuffer,
        clock: Clock,
        environment: Mapping[str, str],
        folder: Path,
        name: str,
    ) -> None:
        self._bundle = bundle
        self._known = configuration.bundle.hash
        self._buffer = buffer
        self._engine = EmbeddedEngine(
            configuration.bundle, folder, clock, on_decisions=lambda _: self._dispatching.wake()
        )
        mqtt = configuration.settings.brokers.mqtt
        self._dispatching = Dispatching(
            configuration,
            self._engine.ledger,
            clock,
            mqtt,
            mqtt_password(configuration.settings, environment),
            environment,
            worker=f"{name}-local",
            append_acts=self._engine.append_acts,
            # Alerts of these pipelines end with the cut, and nobody would take them from the topics again.
            keeps_topics=False,
        )
        self._fed = int(buffer.noted(_FED) or 0)
        self._more = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="local", daemon=True)

    def start(self) -> None:
        self._engine.start()
        self._dispatching.start()
        self._thread.start()

    def wake(self) -> None:
        self._more.set()

    def stop(self) -> None:
        """Finish what is being decided and sent; what is due and not begun is left to the deployment's dispatchers."""
        self._stopping.set()
        self._more.set()
        self._thread.join()
        self._dispatching.stop()
        self._engine.stop()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._more.wait(_LOOK_S)
            self._more.clear()
            try:
                while not self._stopping.is_set() and self._feed():
                    pass
            except LogFull as error:
                metrics.log.error(
                    "local.log_full reason=%s; what was taken is safe, local warnings wait", plain(error)
                )

    def _feed(self) -> bool:
        kept = self._buffer.after(self._fed, _FEED_RECORDS, _FEED_BYTES)
        if not kept:
            return False
        bundle = self._bundle()
        if bundle.hash != self._known:  # put in force meanwhile: what is decoded by it is translated
            self._engine.ledger.store_bundle(bundle.hash, bundle.canonical)
            self._known = bundle.hash
        self._engine.append([(one.area, one.at_us, decode_record(one.body)) for one in kept])
        self._fed = kept[-1].sequence
        # Behind the append: a crash between them feeds some again, which counts once.
        self._buffer.note(_FED, str(self._fed))
        return True


def _says(ledger: Ledger, notice: Notice) -> list[tuple[str, int]]:
    """The areas that a notice speaks of, each with its level."""
    found = []
    for named in notice.alerts:
        version = next(one for one in ledger.alert_versions(named.id) if one.version == named.version)
        found.append((version.area, version.level))
    return found
