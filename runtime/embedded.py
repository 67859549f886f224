"""The embedded engine: one process, two SQLite files, no server to install.

In      arrivals from sources (`intake`), acts from people
Out     the ledger; `on_decisions` for the console
State   `log.db` (the log) and `state.db` (checkpoints and ledger); no transaction spans both

A reading is acknowledged when it is in `log.db`. A crash at any instruction is a replay of the log from the last
checkpoint, to the same ids, which the ledger keeps once. What one association area forwards is in the other's log before
the checkpoint that includes its cause: forwarded twice rather than never, and counted once by its id.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from functools import partial
from pathlib import Path

from alerting.ledger import Ledger
from runtime import metrics
from runtime.acts import NOT_IN_THE_LOG, WAIT_S, association_of
from runtime.association import PASSING_FAULTS, STOPPING_FAULTS, Association
from runtime.clock import Clock
from runtime.hops import TimedLedger, TimedLog, observe
from runtime.intake.durable import Records
from runtime.intake.taking import Intake
from runtime.logs.store import LogFull, LogStore
from runtime.pipeline import Decisions
from schemas.act import Act
from schemas.bundle import Bundle
from schemas.errors import plain
from schemas.finding import Forward
from schemas.log import FindingRecord, Positioned
from schemas.times import DAY, HOUR, SECOND, Micros

_IDLE_S = 0.5
_RECORDS = 500
_RETRY_S = 1.0


class EmbeddedEngine:
    """Log, pipelines and ledger of one process.

    Parameters
    ----------
    folder
        Holds `log.db` and `state.db`; made where it is missing.
    retention_days
        How long log records are kept behind the checkpoint.
    on_decisions
        Told what was decided, after it is durable; in the engine's thread.
    """

    def __init__(
        self,
        bundle: Bundle,
        folder: Path,
        clock: Clock,
        *,
        retention_days: float = 30.0,
        on_decisions: Callable[[Decisions], None] = lambda _: None,
    ) -> None:
        self.bundle = bundle
        self.clock = clock
        self._retention_us = int(retention_days * DAY)
        self._tell = on_decisions
        self.log = LogStore(folder / "log.db")
        self.ledger = Ledger.open(str(folder / "state.db"))
        self.ledger.store_bundle(bundle.hash, bundle.canonical)
        self._waiting: dict[str, Future[Act]] = {}
        self.faults: dict[str, str] = {}
        """By association area: why it has stopped. Empty while all run."""
        self._unforwarded: dict[str, list[Forward]] = {code: [] for code in bundle.associations}
        """By association area: what it found for others and is not in their logs yet."""
        self._timed = TimedLog(self.log, clock)
        timed_ledger = TimedLedger(self.ledger, clock, self._timed.logged_at)
        self.associations = {
            code: Association(
                code,
                bundle,
                timed_ledger,
                on_decisions=partial(self._decided, code),
                on_dead=partial(self.log.bury, code),
                all_told=partial(self._forward, code),
            )
            for code in bundle.associations
        }
        for code in self.log.areas - self.associations.keys():
            metrics.log.error(
                "association.gone area=%s; the configuration has no such association area: what stands there is not"
                " looked at until it is back",
                code,
            )
        self.ledger_fault: str | None = None
        """Why the ledger cannot be written just now; None while it can."""
        self.failure: str | None = None
        """What else keeps the pipelines from going on just now; None while they do."""
        self._logged = threading.Event()
        self._stopping = threading.Event()
        self._pruned_us: Micros = clock.now_us()
        self.intake = Intake(
            self._timed, self.ledger, bundle, clock, due=self._due, on_logged=self._logged.set
        )
        self._thread = threading.Thread(target=self._run, name="pipelines", daemon=True)

    def start(self) -> None:
        """Catch up with the log, write a changed configuration into it, and begin."""
        for association in self.associations.values():
            while self._advance(association):
                self._guarded(association, association.checkpoint_if_due)
        self.intake.start()
        if any(
            a.pipeline.bundle.hash != self.bundle.hash or a.position == 0 for a in self.associations.values()
        ):
            for written in self.intake.configure(self.bundle):
                written.result()
        self._thread.start()

    def stop(self) -> None:
        """Write what has been taken, process it, checkpoint, and end."""
        self.intake.stop()
        self._stopping.set()
        self._logged.set()
        self._thread.join()
        self.log.close()
        self.ledger.close()

    def act(self, act: Act) -> Act | None:
        """Append an act and wait for the pipeline's judgement.

        Returns
        -------
        Act or None
            The judged act; None where no judgement came within 5 s (it will come: the act is in the log).

        Raises
        ------
        LogFull
            It is not in the log. The same act may be sent again: it counts once.
        """
        earlier = self.ledger.act(act.id)
        if earlier is not None:
            return earlier
        if self.intake.fault is not None:
            raise LogFull(NOT_IN_THE_LOG)
        ends_s = time.monotonic() + WAIT_S
        # Of two that send one act at once, both hear the one judgement.
        judged = self._waiting.setdefault(act.id, Future())
        try:
            try:
                self.intake.append_act(association_of(act, self.ledger, self.bundle), act).result(
                    timeout=WAIT_S
                )
            except FutureTimeout as error:
                raise LogFull(NOT_IN_THE_LOG) from error
            return judged.result(timeout=max(0.0, ends_s - time.monotonic()))
        except FutureTimeout:
            return self.ledger.act(
                act.id
            )  # a repeat is judged once, and that may have been before we listened
        finally:
            self._waiting.pop(act.id, None)

    def append(self, records: Records) -> None:
        """Append records that another intake has packed.

        Raises
        ------
        LogFull
            Nothing was written.
        """
        self._timed.append(records)
        self._logged.set()

    def append_acts(self, acts: Sequence[Act]) -> None:
        """Append acts of the system; nobody waits for their judgement.

        Raises
        ------
        LogFull
            Not all are in the log. The same acts may be given again: they count once.
        """
        if self.intake.fault is not None:
            raise LogFull(NOT_IN_THE_LOG)
        ends_s = time.monotonic() + WAIT_S
        written = [self.intake.append_act(association_of(act, self.ledger, self.bundle), act) for act in acts]
        try:
            for one in written:
                one.result(timeout=max(0.0, ends_s - time.monotonic()))
        except FutureTimeout as error:
            raise LogFull(NOT_IN_THE_LOG) from error

    def _due(self, area: str) -> Micros | None:
        return self.associations[area].next_due()

    # --- the thread --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._logged.wait(_IDLE_S)
            self._logged.clear()
            for association in self.associations.values():
                while self._advance(association):
                    self._guarded(association, association.checkpoint_if_due)
                self._guarded(association, association.checkpoint_if_due)
                self._measure(association)
            self._guarded_prune()
        for association in self.associations.values():
            while self._advance(association):
                pass
            self._guarded(association, association.checkpoint)

    def _advance(self, association: Association) -> int:
        taken = 0
        records: list[Positioned] = []

        def advance() -> int:
            nonlocal taken, records
            records = self.log.read(association.code, association.position, _RECORDS)
            association.take(records)
            taken = len(records)
            return taken

        self._guarded(association, advance)
        if taken:
            observe(records, partial(self._timed.logged_at, association.code), self.clock.now_us())
            metrics.records_total.inc(taken)
        return taken

    def _measure(self, association: Association) -> None:
        waiting = max(0, self.log.end(association.code) - association.position)
        behind_us = self.clock.now_us() - association.now if waiting and association.now else 0
        metrics.lag_records.labels(association.code).set(waiting)
        metrics.lag_seconds.labels(association.code).set(max(0, behind_us) / SECOND)
        metrics.checkpoint_age_seconds.labels(association.code).set(association.unsaved_s())

    def _guarded(self, association: Association, step: Callable[[], object]) -> None:
        if association.code in self.faults:
            return
        try:
            if step():
                self.ledger_fault = self.failure = None
        except PASSING_FAULTS as error:
            if self.ledger_fault is None:
                metrics.log.error("ledger.away reason=%s; nothing is lost, trying again", plain(error))
            self.ledger_fault = plain(error)
            self._stopping.wait(_RETRY_S)
        except STOPPING_FAULTS as error:
            self.faults[association.code] = str(error)
            metrics.areas_stopped.set(len(self.faults))
            metrics.log.critical("association.stopped area=%s reason=%s", association.code, error)
        except Exception as error:  # noqa: BLE001 - this thread decides all warnings: it says what is wrong and goes on
            if self.failure is None:
                metrics.log.critical(
                    "pipelines.failing area=%s; trying again", association.code, exc_info=error
                )
            self.failure = f"{type(error).__name__}: {plain(error)}"
            self._stopping.wait(_RETRY_S)

    def _decided(self, code: str, decisions: Decisions) -> None:
        self._unforwarded[code] += decisions.forwards
        self._forward(code)
        for act in decisions.acts:
            waiting = self._waiting.get(act.id)
            if waiting is not None and not waiting.done():
                waiting.set_result(act)
        metrics.count(decisions)
        self._tell(decisions)

    def _forward(self, code: str) -> bool:
        """Append to other areas' logs what one has for them; whether all of it is there."""
        forwards = self._unforwarded[code]
        if not forwards:
            return True
        now = self.clock.now_us()
        try:
            self._timed.append([(forward.area, now, FindingRecord.of(forward)) for forward in forwards])
        except LogFull as error:
            metrics.log.error("association.not_forwarded area=%s reason=%s; trying again", code, error)
            return False
        forwards.clear()
        self._logged.set()
        return True

    def _guarded_prune(self) -> None:
        try:
            self._prune()
        except sqlite3.Error as error:  # a full disk refuses even this; the next hour tries again
            metrics.log.error("log.not_pruned reason=%s", error)

    def _prune(self) -> None:
        now = self.clock.now_us()
        if now - self._pruned_us < HOUR:
            return
        self._pruned_us = now
        behind = {code: association.saved_position for code, association in self.associations.items()}
        dropped = self.log.prune(behind, now - self._retention_us)
        if dropped:
            metrics.log.info("log.pruned records=%d", dropped)
