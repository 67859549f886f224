"""The ledger as its callers see it: synchronous, safe from any thread, every write durable when it returns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Self

from sqlalchemy import Connection

from alerting.ledger import checkpoints, decisions, hops, kept, outbox, owed, queries
from alerting.ledger.composed import notices_of
from alerting.ledger.database import Database
from alerting.ledger.kept import Configured
from alerting.ledger.outbox import Claim, Settlement
from alerting.ledger.questions import Questions
from alerting.ledger.queue import being_sent
from schemas.act import Act
from schemas.alert import Alert, Release
from schemas.finding import Finding
from schemas.notice import Notice, Receipt
from schemas.reject import Reject, RejectReason
from schemas.times import Micros, seconds


class Ledger(Questions):
    """One database of decisions, notices and state.

    Parameters
    ----------
    database
        Whose schema is at this release's head; `Ledger.open` sees to it.
    """

    @classmethod
    def open(cls, url: str, explain: Callable[[Exception], str] | None = None) -> Self:
        """Open a database and bring its schema to this release's.

        Parameters
        ----------
        url
            A path of an SQLite file (``state.db``), or a URL (``sqlite:///…``, ``postgresql://…``).
        explain
            What an error of a connection means for whoever mends it; it becomes the error's text.
        """
        database = Database(url, explain)
        database.migrate()
        return cls(database)

    def close(self) -> None:
        """Close all connections."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- the pipeline -----------------------------------------------------------------------------------------------

    def write_decisions(
        self,
        area: str,
        position: int,
        findings: Sequence[Finding] = (),
        alerts: Sequence[Alert] = (),
        notices: Sequence[Notice] = (),
        releases: Sequence[Release] = (),
        acts: Sequence[Act] = (),
        *,
        epoch: int | None = None,
        times: hops.DecisionTimes | None = None,
    ) -> None:
        """Write what an area's pipeline decided at a position of its log, in one transaction, each thing once.

        Parameters
        ----------
        times
            Kept beside alert versions that are new.

        Raises
        ------
        Contradiction
            An id is there with other content. Nothing was written; stop that area.
        Fenced
            `epoch` is given and another worker has drawn a newer one.
        """

        def work(connection: Connection) -> None:
            if epoch is not None:
                checkpoints.guard(connection, area, epoch)
            decisions.write_findings(connection, area, position, findings)
            if decisions.write_alerts(connection, area, position, alerts) and times is not None:
                hops.write(connection, area, position, times)
            decisions.write_releases(connection, area, position, releases)
            decisions.write_acts(connection, area, position, acts)
            decisions.write_notices(connection, area, position, notices)

        self.database.write_again(work)

    def checkpoint(
        self, area: str, rows: Mapping[str, bytes | None], position: int, *, epoch: int | None = None
    ) -> None:
        """Save changed rows of state (None: gone) with the position that they include.

        Raises
        ------
        StalePosition
            The position does not lie behind the newest.
        Fenced
            `epoch` is given and another worker has drawn a newer one.
        """
        with self.database.write() as connection:
            checkpoints.save(connection, area, rows, position, epoch)

    def load_checkpoint(self, area: str) -> tuple[dict[str, bytes], int]:
        """All rows of an area's state and their position in the log; nothing and 0 where there is none."""
        with self.database.read() as connection:
            return checkpoints.load(connection, area)

    def checkpoint_position(self, area: str) -> int:
        """The position in the log that an area's checkpoint includes; 0 where there is none."""
        with self.database.read() as connection:
            return checkpoints.position(connection, area)

    def clear_checkpoint(self, area: str) -> None:
        """Forget an area's state before it is rebuilt from the log."""
        with self.database.write() as connection:
            checkpoints.clear(connection, area)

    def draw_epoch(self, area: str) -> int:
        """Draw the next epoch of an area; writes under earlier ones are refused from now on."""
        with self.database.write() as connection:
            return checkpoints.draw_epoch(connection, area)

    def decided_position(self, area: str) -> int | None:
        """The greatest position in the log at which something of an area was decided."""
        with self.database.read() as connection:
            return queries.decided_position(connection, area)

    # --- rejects and bundles ----------------------------------------------------------------------------------------

    def add_rejects(self, rejects: Sequence[Reject]) -> None:
        """Keep refused payloads, each once."""
        with self.database.write() as connection:
            kept.add_rejects(connection, rejects)

    def rejects(
        self,
        *,
        reason: RejectReason | None = None,
        since_us: Micros | None = None,
        replayed: bool | None = None,
        newest: int | None = None,
    ) -> list[Reject]:
        """Refused payloads in order of arrival, filtered; of many only the newest so many."""
        with self.database.read() as connection:
            return kept.rejects(
                connection, reason=reason, since_us=since_us, replayed=replayed, newest=newest
            )

    def rejects_to_replay(
        self, reason: RejectReason | None = None, *, rows_at_once: int = 200
    ) -> Iterator[Reject]:
        """Refused payloads that were not replayed yet, in order of arrival, read a few at a time."""
        return kept.rejects_to_replay(self.database, reason, rows_at_once)

    def mark_replayed(self, ids: Sequence[str], at_us: Micros) -> None:
        """Remember that rejects were read again after mending."""
        with self.database.write() as connection:
            kept.mark_replayed(connection, ids, at_us)

    def store_bundle(self, identity: str, canonical: bytes) -> None:
        """Keep a configuration's canonical bytes by their hash."""
        with self.database.write() as connection:
            kept.store_bundle(connection, identity, canonical)

    def load_bundle(self, identity: str) -> bytes:
        """A configuration's canonical bytes; raises `UnknownBundle` where the ledger lacks them."""
        with self.database.read() as connection:
            return kept.load_bundle(connection, identity)

    def configuration(self) -> Configured | None:
        """The configuration that the logs follow; None where none was ever put in force."""
        with self.database.read() as connection:
            return kept.configuration(connection)

    def configure(self, configured: Configured, tell_logs: Callable[[], None]) -> bool:
        """Put a configuration in force, one caller at a time; False where it is already.

        Parameters
        ----------
        tell_logs
            Writes it into every log, durably; called before the ledger remembers it, so that what it forgets is told
            again, which changes nothing.
        """
        with self.database.write() as connection:
            kept.hold_configuration(connection)
            newest = kept.configuration(connection)
            if newest is not None and newest.hash == configured.hash:
                return False
            tell_logs()
            kept.add_configuration(connection, configured)
            return True

    # --- dispatchers ------------------------------------------------------------------------------------------------

    def claim_due(
        self,
        now_us: Micros,
        limit: int,
        worker: str,
        lease_s: float,
        *,
        machine_us: Micros,
        channels: Collection[str] | None = None,
    ) -> list[Claim]:
        """Claim notices to send, red before orange before yellow before blue; they are `sending` when this returns.

        Parameters
        ----------
        now_us, machine_us
            The house's clock (expiry, times of states) and the machine's (leases, pauses).
        limit
            At most so many; claim no more than can be sent at once.
        channels
            Only notices of these channels.
        """
        return self.database.write_again(
            lambda connection: outbox.claim_due(
                connection, now_us, machine_us, limit, worker, seconds(lease_s), channels
            )
        )

    def adopt(self, worker: str, lease_s: float, *, machine_us: Micros, own: bool = False) -> list[Claim]:
        """Take over leases that have run out; `own`: at a start, also those of an earlier process of this name."""
        with self.database.write() as connection:
            return outbox.adopt(connection, machine_us, worker, seconds(lease_s), own=own)

    def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
        """Record what became of claims, in one transaction.

        Returns
        -------
        list[bool]
            For each: False where its lease was lost and somebody else has taken the notice on.
        """
        return self.database.write_again(
            lambda connection: [outbox.settle(connection, settlement) for settlement in settlements]
        )

    def unpark(self, notice: str, now_us: Micros) -> bool:
        """Queue a parked notice again; False where it is not parked or has become pointless."""
        with self.database.write() as connection:
            found = notices_of(connection, [notice]).get(notice)
            return found is not None and outbox.unpark(connection, found, now_us)

    def add_receipt(self, receipt: Receipt, reference: str = "") -> bool:
        """Keep a receipt once and move its notice; False where there is no such notice.

        Parameters
        ----------
        reference
            The channel's name of the part that it is about, where a notice went in several.
        """
        return self.database.write_again(
            lambda connection: outbox.add_receipt(connection, receipt, reference)
        )

    def add_receipts(self, receipts: Sequence[tuple[Receipt, str]]) -> list[bool]:
        """Keep receipts with their references as `add_receipt` does, in one transaction."""

        def work(connection: Connection) -> list[bool]:
            being_sent(connection, sorted({receipt.notice for receipt, _ in receipts}))
            return [outbox.add_receipt(connection, receipt, reference) for receipt, reference in receipts]

        return self.database.write_again(work)

    def notices_of_references(self, names: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """The notices that channels' own names (channel, reference) belong to; those that nobody knows are left out."""
        with self.database.read() as connection:
            return outbox.notices_of_references(connection, names)

    def claim_owed_acts(self, lease_s: float, *, machine_us: Micros, limit: int = 100) -> list[Act]:
        """Take acts that the log is owed and nobody else has in hand: append them, then say so by `acts_logged`."""
        with self.database.write() as connection:
            return owed.claim(connection, machine_us, seconds(lease_s), limit)

    def give_back_owed_acts(self, ids: Sequence[str]) -> None:
        """The log took none of these acts: anybody may try again at once."""
        with self.database.write() as connection:
            owed.give_back(connection, ids)

    def acts_logged(self, ids: Sequence[str]) -> None:
        """The log has these acts."""
        with self.database.write() as connection:
            owed.paid(connection, ids)
