"""One association area at work: its pipeline, fed from its log, writing to the ledger and checkpointing.

In      positioned records of the area's log, in order
Out     decisions in the ledger, as soon as they are decided; checkpoints, every few seconds
State   the pipeline's, restored from the last checkpoint; a crash is a replay from there to the same ids

Both engines run this: the embedded one over SQLite, the Faust worker over the topic `log`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any, Protocol

from sqlalchemy.exc import DataError, SQLAlchemyError

from alerting.ledger import LedgerError, UnknownBundle
from runtime import metrics
from runtime.met import OtherContent
from runtime.pipeline import Decisions, Pipeline
from schemas.bundle import Bundle
from schemas.errors import PlainError, plain
from schemas.log import Broken, Positioned, UnreadableRecord
from schemas.stage import UnknownState
from schemas.times import Micros

CHECKPOINT_EVERY_S = 2.5
"""With the time that one takes to be written, what it holds is never older than 5 s."""


class NotThereYet(PlainError):
    """What was decided cannot be put where others wait for it just now: no checkpoint may include it."""


STOPPING_FAULTS = (LedgerError, UnknownState, UnreadableRecord, OtherContent)
"""What stops an area (EXACT, rules 9 and 16); anything else that a record does is laid to that record."""
PASSING_FAULTS = (SQLAlchemyError, UnknownBundle, NotThereYet)
"""What may be over when the same records are given again: a ledger that is away, a bundle not stored yet (rule 17)."""

_MOST_SINCE = 10_000
"""Records that may come without a checkpoint: more of them would fill the memory while the ledger is away."""


class Keeping(Protocol):
    """What an area needs of a ledger: where its decisions and its state are kept."""

    def load_checkpoint(self, area: str) -> tuple[dict[str, bytes], int]: ...

    def checkpoint(
        self, area: str, rows: Mapping[str, bytes | None], position: int, *, epoch: int | None = None
    ) -> None: ...

    def load_bundle(self, identity: str) -> bytes: ...

    def write_decisions(
        self,
        area: str,
        position: int,
        findings: Sequence[Any] = (),
        alerts: Sequence[Any] = (),
        notices: Sequence[Any] = (),
        releases: Sequence[Any] = (),
        acts: Sequence[Any] = (),
        *,
        epoch: int | None = None,
    ) -> None: ...


class Association:
    """Runs one area's pipeline.

    Parameters
    ----------
    bundle
        The configuration that holds where neither checkpoint nor log names one.
    on_decisions
        Told what was decided, after it is durable in the ledger. What it raises is its own affair, but a passing fault
        brings the same decisions to it again.
    on_dead
        Told of a record that no pipeline can process: its position and the reason. It changes no state.
    epoch
        Fences out an earlier owner of the area; None where there can be none.
    all_told
        Whether what `on_decisions` was told is where others wait for it: in other areas' logs, on topics. A checkpoint
        waits for that, or a crash would lose it.
    """

    def __init__(
        self,
        code: str,
        bundle: Bundle,
        ledger: Keeping,
        *,
        on_decisions: Callable[[Decisions], None],
        on_dead: Callable[[int, str], None],
        epoch: int | None = None,
        all_told: Callable[[], bool] = lambda: True,
    ) -> None:
        self.code = code
        self._first_bundle = bundle
        self._ledger = ledger
        self._on_decisions = on_decisions
        self._on_dead = on_dead
        self._epoch = epoch
        self._all_told = all_told
        self._since: list[Positioned] = []
        """What came since the last checkpoint: enough to go back to it and on again."""
        self._torn = False
        """The pipeline has gone ahead of a ledger that could not be written: go back before going on."""
        self._working = threading.Lock()
        """A checkpoint of a pipeline in the middle of a record would hold what its position does not."""
        self._saving = threading.Lock()
        """One checkpoint at a time; taken before `_working`, and held without it while the ledger writes."""
        self._due: Micros | None = None
        self._tried_s = self._saved_s = time.monotonic()
        self.position = self.saved_position = 0
        self._restore()

    @property
    def now(self) -> Micros:
        """The log's time, as far as it has been processed."""
        return self.pipeline.now

    def next_due(self) -> Micros | None:
        """When the pipeline wanted its next tick as of the last record; from any thread."""
        return self._due

    def take(self, records: Sequence[Positioned]) -> None:
        """Process the records that follow; those at or before the position are passed over.

        Raises
        ------
        sqlalchemy.exc.SQLAlchemyError, UnknownBundle
            The ledger cannot be written just now, or lacks a configuration that the log names; nothing is lost, give
            the same records again.
        LedgerError, UnknownState, UnreadableRecord
            The area must stop; a person has to look.
        """
        if len(self._since) >= _MOST_SINCE:
            if not self._all_told():
                raise NotThereYet(
                    f"{len(self._since)} records wait until what they led to has been forwarded"
                )
            self.checkpoint()
        with self._working:
            try:
                self._take(records)
            finally:
                self._due = self.pipeline.next_due()

    def _take(self, records: Sequence[Positioned]) -> None:
        if self._torn:
            self._go_back()
        ahead = [entry for entry in records if entry.position > self.position]
        if not ahead:
            return
        for broken, group in groupby(ahead, lambda entry: isinstance(entry.record, Broken)):
            if broken:
                self._pass_over(list(group))
            else:
                self._decide_or_bury(list(group))

    def _pass_over(self, entries: Sequence[Positioned]) -> None:
        """Bury what is no record at all: no pipeline need be tried with it."""
        for position, record in entries:
            if isinstance(record, Broken):
                self._bury(position, record.reason)
                self.position = position

    def _decide_or_bury(self, records: Sequence[Positioned]) -> None:
        try:
            self._decide(records)
        except Exception as error:
            if not _is_the_records(error):
                raise
            metrics.log.error(
                "association.poison area=%s error=%s: %s; looking for the record",
                self.code,
                type(error).__name__,
                plain(error),
            )
            self._go_back()
            self._decide_one_by_one(records)

    def checkpoint_is_due(self) -> bool:
        """Whether the last checkpoint is older than a few seconds."""
        return time.monotonic() - self._tried_s >= CHECKPOINT_EVERY_S

    def unsaved_s(self) -> float:
        """How old the state is that the last checkpoint holds, while something has come since; else 0."""
        return 0.0 if self.position == self.saved_position else time.monotonic() - self._saved_s

    def checkpoint_if_due(self) -> bool:
        """Save the state where the last checkpoint is older than a few seconds; whether it did."""
        return self.checkpoint_is_due() and self.checkpoint()

    def checkpoint(self) -> bool:
        """Save changed rows and position in one transaction; False where nothing has come since the last.

        Records may be taken by another thread while the ledger writes.
        """
        with self._saving:
            with self._working:
                began_s = self._tried_s = time.monotonic()
                if self.position == self.saved_position:
                    self._saved_s = began_s
                    return False
                if self._torn or not self._all_told():
                    return False
                pipeline, position, rows = self.pipeline, self.position, self.pipeline.changed()
            self._ledger.checkpoint(self.code, rows, position, epoch=self._epoch)
            with self._working:
                # Another one has been restored meanwhile where a record went wrong; it knows best what it has to save.
                if self.pipeline is pipeline:
                    pipeline.saved(position)
                self._saved_s = began_s
                self.saved_position = max(self.saved_position, position)
                self._since = [entry for entry in self._since if entry.position > position]
            return True

    def _restore(self) -> None:
        rows, position = self._ledger.load_checkpoint(self.code)
        bundle = self._bundle(rows["bundle"].decode()) if rows else self._first_bundle
        self.pipeline = Pipeline(bundle, self.code, self._bundle)
        self.pipeline.restore(rows)
        self.position = self.saved_position = position
        self._due = self.pipeline.next_due()
        self._torn = False

    def _bundle(self, bundle_hash: str) -> Bundle:
        # Nearly always it is the one that this process has read already, and very many stations take a while to read.
        if bundle_hash == self._first_bundle.hash:
            return self._first_bundle
        return Bundle(self._ledger.load_bundle(bundle_hash))

    def _go_back(self) -> None:
        """Restore the last checkpoint and take again what was decided since: the same decisions, the same ids."""
        self._torn = True
        self._restore()
        # A checkpoint that was being written may have become durable with what it includes.
        again = [entry for entry in self._since if entry.position > self.position]
        self._since = []
        if again:
            try:
                self._decide(again)
            except BaseException:
                self._since = again
                raise

    def _decide(self, records: Sequence[Positioned]) -> None:
        # Torn until position and ledger have followed: whatever ends this in the middle, the next step goes back first.
        self._torn = True
        decisions = self.pipeline.process([record for _, record in records if not isinstance(record, Broken)])
        position = records[-1].position
        if decisions:
            self._ledger.write_decisions(
                self.code,
                position,
                findings=decisions.findings,
                alerts=decisions.alerts,
                notices=decisions.notices,
                releases=decisions.releases,
                acts=decisions.acts,
                epoch=self._epoch,
            )
        if decisions:
            self._tell(decisions)
        self._since += records
        self.position = position
        self._torn = False

    def _tell(self, decisions: Decisions) -> None:
        try:
            self._on_decisions(decisions)
        except SQLAlchemyError:
            raise
        except Exception as error:  # noqa: BLE001 - decided and durable: a listener's fault is no fault of the record
            metrics.log.exception("association.listener area=%s error=%r", self.code, error)

    def _decide_one_by_one(self, records: Sequence[Positioned]) -> None:
        for entry in records:
            try:
                self._decide([entry])
            except Exception as error:
                if not _is_the_records(error):
                    raise
                self._bury(entry.position, f"{type(error).__name__}: {plain(error)}")
                self._go_back()
                self.position = entry.position

    def _bury(self, position: int, reason: str) -> None:
        metrics.log.error(
            "association.dead_record area=%s position=%d reason=%s", self.code, position, reason
        )
        self._on_dead(position, reason)
        metrics.dead_records_total.inc()


def _is_the_records(error: Exception) -> bool:
    """Whether the record is to blame: one bad record must not stop the warnings of a whole area.

    What a database cannot hold will not pass by waiting either.
    """
    return isinstance(error, DataError) or not isinstance(error, (*STOPPING_FAULTS, *PASSING_FAULTS))
