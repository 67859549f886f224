"""What can go wrong in the ledger.

LedgerError
├── Contradiction       an id met again with other content
├── StalePosition       a checkpoint that would not move forward
├── Fenced              a worker whose epoch is no longer the newest
├── IllegalTransition   a notice state that cannot follow the one it has
├── UnknownBundle       a configuration that was never stored here
└── UnknownSchema       a database written by a release that this one does not know
"""

from __future__ import annotations

from schemas.errors import PlainError


class LedgerError(PlainError):
    """The ledger refuses; the message is one plain sentence."""


class Contradiction(LedgerError):
    """An id came again with other content, so something was not a function of the log: stop that area."""

    def __init__(self, what: str, key: str) -> None:
        super().__init__(
            f"{what} {key} is in the ledger with other content; something was not a function of the log"
        )
        self.what = what
        self.key = key


class StalePosition(LedgerError):
    """A checkpoint must lie behind the one before it in the log."""

    def __init__(self, area: str, position: int, newest: int) -> None:
        super().__init__(f"checkpoint of {area} at {position}, but the ledger has one at {newest}")


class Fenced(LedgerError):
    """Another worker has drawn a newer epoch for this area: stop writing."""

    def __init__(self, area: str, epoch: int, newest: int) -> None:
        super().__init__(f"epoch {epoch} of {area} is over: a worker holds {newest}")


class IllegalTransition(LedgerError):
    """A notice cannot go from the one state to the other."""

    def __init__(self, notice: str, before: str, after: str) -> None:
        super().__init__(f"notice {notice} is {before} and cannot become {after}")


class UnknownBundle(LedgerError):
    """A log names a configuration that was never stored here."""

    def __init__(self, identity: str) -> None:
        super().__init__(
            f"configuration {identity[:12]} is not in the ledger; store it with `fenghuo configure`"
        )


class UnknownSchema(LedgerError):
    """The database was written by a release that this one does not know."""

    def __init__(self, revision: str) -> None:
        super().__init__(
            f"the database has schema {revision}, which this release does not know; use the release that wrote it"
        )
