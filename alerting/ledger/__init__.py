"""The ledger: what was decided and what was said, append-only, on SQLite and on PostgreSQL by the same code."""

from __future__ import annotations

from alerting.ledger.errors import (
    Contradiction,
    Fenced,
    IllegalTransition,
    LedgerError,
    StalePosition,
    UnknownBundle,
    UnknownSchema,
)
from alerting.ledger.kept import Configured
from alerting.ledger.ledger import Ledger
from alerting.ledger.outbox import Claim, Settlement

__all__ = [
    "Claim",
    "Configured",
    "Contradiction",
    "Fenced",
    "IllegalTransition",
    "Ledger",
    "LedgerError",
    "Settlement",
    "StalePosition",
    "UnknownBundle",
    "UnknownSchema",
]
