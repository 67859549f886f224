"""One association area at work: its pipeline, fed from its log, writing to the ledger and checkpointing.

In      positioned records of the area's log, in order
Out     decisions in the ledger, as soon as they are decided; checkpoints, every few seconds
State   the pipeline's, restored from the last checkpoint; a crash is a replay from there to the same ids

Both engines run this: the embedded one over SQLite, the Faust worker over the topic `log`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError

from alerting.ledger import Contradiction, Ledger
from runtime import metrics
from runtime.logstore import Positioned
from runtime.pipeline import Decisions, Pipeline
from schemas.bundle import Bundle
from schemas.log import UnreadableRecord
from schemas.stage import UnknownState
from schemas.times import Micros

CHECKPOINT_EVERY_S = 5.0
_STOPPING_FAULTS = (Contradiction, UnknownState, UnreadableRecord)
"""What stops an area (EXACT, rules 9 and 16); anything else that a record does is buried with that record."""


class AreaLog(Protocol):
    """The part of a log that an association area needs to run and to recover."""

    def read(self, area: str, after: int, limit: int = 1000) -> list[Positioned]:
        """Records behind a position."""
        ...

    def bury(self, area: str, position: int, reason: str) -> None:
        """Mark a record as dead."""
        ...

    def dead(self, area: str) -> dict[int, str]:
        """Positions of dead records."""
        ...


class Association:
    """Runs one area's pipeline.

    Parameters
    ----------
    bundle
        The configuration that holds where neither checkpoint nor log names one.
    on_decisions
        Told what was decided, after it is durable in the ledger.
    """

    def __init__(
        self,
        code: str,
        bundle: Bundle,
        log: AreaLog,
        ledger: Ledger,
        on_decisions: Callable[[Decisions], None],
    ) -> None:
        self.code = code
        self._first_bundle = bundle
        self._log = log
        self._ledger = ledger
        self._on_decisions = on_decisions
        self._dead = log.dead(code)
        self._checkpointed_s = time.monotonic()
        self._torn = False
        """The pipeline has gone ahead of a ledger that could not be written: restore before going on."""
        self._restore()

    @property
    def now(self) -> Micros:
        """The log's time, as far as it has been processed."""
        return self.pipeline.now

    def next_due(self) -> Micros | None:
        """When the pipeline wants a tick."""
        return self.pipeline.next_due()

    def advance(self, limit: int = 500) -> int:
        """Process what the log holds behind the position, at most `limit` records; return how many there were.

        Raises
        ------
        Contradiction, UnknownState, UnreadableRecord
            The area must stop; a person has to look.
        sqlalchemy.exc.SQLAlchemyError
            The ledger cannot be written just now; nothing is lost, call again.
        """
        if self._torn:
            self._restore()
        records = self._log.read(self.code, self.position, limit)
        if not records:
            return 0
        try:
            self._take(records)
        except _STOPPING_FAULTS:
            raise
        except SQLAlchemyError:
            self._torn = True
            raise
        except Exception as error:  # noqa: BLE001 - one bad record must not stop the warnings of a whole area
            metrics.log.error("association.poison area=%s error=%r; looking for the record", self.code, error)
            self._restore()
            self._take_one_by_one()
        return len(records)

    def checkpoint_if_due(self) -> None:
        """Save the state where the last checkpoint is older than a few seconds and something has come since."""
        if time.monotonic() - self._checkpointed_s >= CHECKPOINT_EVERY_S:
            self.checkpoint()

    def checkpoint(self) -> None:
        """Save changed rows and position in one transaction."""
        self._checkpointed_s = time.monotonic()
        if self.position == self.saved_position:
            return
        self._ledger.checkpoint(self.code, self.pipeline.changed(), self.position)
        self.pipeline.saved(self.position)
        self.saved_position = self.position

    def _restore(self) -> None:
        rows, position = self._ledger.load_checkpoint(self.code)
        bundle = self._first_bundle
        if rows:
            bundle = self._bundle(rows["bundle"].decode())
        self.pipeline = Pipeline(bundle, self.code, self._bundle)
        self.pipeline.restore(rows)
        self.position = self.saved_position = position
        self._torn = False

    def _bundle(self, bundle_hash: str) -> Bundle:
        return Bundle(self._ledger.load_bundle(bundle_hash))

    def _take(self, records: Sequence[Positioned]) -> None:
        living = [record for position, record in records if position not in self._dead]
        decisions = self.pipeline.process(living)
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
            )
        self.position = position
        if decisions:
            self._on_decisions(decisions)

    def _take_one_by_one(self) -> None:
        """Go on from the checkpoint record by record; bury the one that fails, as if it had never come."""
        while records := self._log.read(self.code, self.position, 100):
            for record in records:
                try:
                    self._take([record])
                except _STOPPING_FAULTS:
                    raise
                except SQLAlchemyError:
                    self._torn = True
                    raise
                except Exception as error:  # noqa: BLE001 - see advance
                    reason = f"{type(error).__name__}: {error}"
                    metrics.log.error(
                        "association.dead_record area=%s position=%d reason=%s",
                        self.code,
                        record.position,
                        reason,
                    )
                    metrics.dead_records_total.inc()
                    self._log.bury(self.code, record.position, reason)
                    self._dead[record.position] = reason
                    self._restore()
                    break
            else:
                continue
