"""Tables of the ledger and of the state beside it.

Rows are only added. Updated in place are `leases` (the queue of notices that wait or are being sent), `owed_acts`,
`checkpoint_rows` and `checkpoint_heads` (state, which is no part of the truth about what was said).
Times are int64 microseconds UTC. `hash` is the SHA-256 of the content that must not differ when an id comes again.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"}
)

# SQLite numbers rows only where the key is a plain INTEGER.
_SERIAL = BigInteger().with_variant(Integer, "sqlite")
_MICROS = BigInteger

findings = Table(
    "findings",
    metadata,
    Column("id", String, primary_key=True),
    Column("association", String, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("hazard", String, nullable=False),
    Column("detector", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("area", String, nullable=False),
    Column("level", Integer, nullable=False),
    Column("observed_us", _MICROS, nullable=False),
    Column("hash", String, nullable=False),
    Column("body", Text, nullable=False),
    Index(None, "observed_us"),
    Index(None, "association", "position"),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", String, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("association", String, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("status", String, nullable=False),
    Column("type", String, nullable=False),
    Column("hazard", String, nullable=False),
    Column("level", Integer, nullable=False),
    Column("area", String, nullable=False),
    Column("issued_us", _MICROS, nullable=False),
    Column("expires_us", _MICROS, nullable=False),
    Column("hash", String, nullable=False),
    Column("body", Text, nullable=False),
    Index(None, "issued_us"),
    Index(None, "association", "position"),
)

releases = Table(
    "releases",
    metadata,
    Column("alert", String, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("audience", String, primary_key=True),
    Column("association", String, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("at_us", _MICROS, nullable=False),
    Column("hash", String, nullable=False),
    Column("body", Text, nullable=False),
)

acts = Table(
    "acts",
    metadata,
    Column("id", String, primary_key=True),
    Column("association", String, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("act", String, nullable=False),
    Column("alert", String),
    Column("at_us", _MICROS, nullable=False),
    Column("hash", String, nullable=False),
    Column("body", Text, nullable=False),
    Index(None, "alert"),
    Index(None, "at_us"),
)

notices = Table(
    "notices",
    metadata,
    Column("id", String, primary_key=True),
    Column("association", String, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("recipient", String, nullable=False),
    Column("channel", String, nullable=False),
    Column("level", Integer, nullable=False),
    Column("cancel", Boolean, nullable=False),
    Column("hash", String, nullable=False),
    Index(None, "association", "position"),
)

notice_alerts = Table(
    "notice_alerts",
    metadata,
    Column("notice", String, primary_key=True),
    Column("alert", String, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("recipient", String, nullable=False),
    Column("channel", String, nullable=False),
    Index(None, "recipient", "channel", "alert", "version"),
    Index(None, "alert"),
)

notice_decisions = Table(
    "notice_decisions",
    metadata,
    Column("notice", String, primary_key=True),
    Column("state", String, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("hash", String, nullable=False),
    Column("body", Text, nullable=False),
)
"""What the log decided of a notice: one row when it is held, one when it is due."""

decision_times = Table(
    "decision_times",
    metadata,
    Column("association", String, primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("logged_us", _MICROS),
    Column("decided_us", _MICROS, nullable=False),
)
"""When what was decided at a position was decided, and its record logged: told by clocks, compared with no replay."""

notice_states = Table(
    "notice_states",
    metadata,
    Column("sequence", _SERIAL, primary_key=True, autoincrement=True),
    Column("notice", String, nullable=False),
    Column("state", String, nullable=False),
    Column("at_us", _MICROS),
    Column("attempt", Integer, nullable=False),
    Column("worker", String),
    Column("error", String),
    Index(None, "notice", "sequence"),
    Index(None, "state", "at_us"),
)

leases = Table(
    "leases",
    metadata,
    Column("sequence", _SERIAL, primary_key=True, autoincrement=True),
    Column("notice", String, nullable=False, unique=True),
    Column("recipient", String, nullable=False),
    Column("channel", String, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("first_due_us", _MICROS, nullable=False),
    Column("expires_us", _MICROS, nullable=False),
    Column("ready_us", _MICROS, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("resend", Boolean, nullable=False),
    Column("worker", String),
    Column("until_us", _MICROS),
    Index(None, "channel", "priority", "first_due_us"),
    Index(None, "recipient", "channel"),
    Index(None, "worker"),
)
"""Notices that wait or are being sent; a row leaves with the notice's last attempt. All of it follows from the rest."""

owed_acts = Table(
    "owed_acts",
    metadata,
    Column("id", String, primary_key=True),
    Column("notice", String, nullable=False),
    Column("until_us", _MICROS, nullable=False),
    Column("body", Text, nullable=False),
    Index(None, "notice"),
)
"""Acts that the log does not have yet, and until when somebody has them in hand; a row leaves when the log has it."""

channel_references = Table(
    "channel_references",
    metadata,
    Column("channel", String, primary_key=True),
    Column("reference", String, primary_key=True),
    Column("notice", String, nullable=False),
    Index(None, "notice"),
)
"""How a channel names what it took (an SMS in three parts has three names), so that a receipt finds its notice."""

receipts = Table(
    "receipts",
    metadata,
    Column("sequence", _SERIAL, primary_key=True, autoincrement=True),
    Column("notice", String, nullable=False),
    Column("state", String, nullable=False),
    Column("at_us", _MICROS, nullable=False),
    Column("device", String, nullable=False),
    Column("reference", String, nullable=False),
    Column("body", Text, nullable=False),
    Index(None, "notice", "state", "device", "reference", unique=True),
)

rejects = Table(
    "rejects",
    metadata,
    Column("id", String, primary_key=True),
    Column("received_us", _MICROS, nullable=False),
    Column("reason", String, nullable=False),
    Column("body", Text, nullable=False),
    Index(None, "received_us"),
)

reject_replays = Table(
    "reject_replays",
    metadata,
    Column("reject", String, primary_key=True),
    Column("at_us", _MICROS, nullable=False),
)

bundles = Table(
    "bundles",
    metadata,
    Column("hash", String, primary_key=True),
    Column("canonical", LargeBinary, nullable=False),
)

configurations = Table(
    "configurations",
    metadata,
    Column("sequence", _SERIAL, primary_key=True, autoincrement=True),
    Column("hash", String, nullable=False),
    Column("at_us", _MICROS, nullable=False),
)
"""Which configurations the logs were told to follow, in that order; the newest is in force."""

told_locally = Table(
    "told_locally",
    metadata,
    Column("gateway", String, primary_key=True),
    Column("began_us", _MICROS, primary_key=True, autoincrement=False),
    Column("recipient", String, primary_key=True),
    Column("channel", String, primary_key=True),
    Column("hazard", String, primary_key=True),
    Column("area", String, primary_key=True),
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("until_us", _MICROS, nullable=False),
    Column("at_us", _MICROS, nullable=False),
    Index(None, "recipient"),
)
"""What gateways that were cut off told people by themselves; level 0: that it is over."""

checkpoint_rows = Table(
    "checkpoint_rows",
    metadata,
    Column("association", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("bytes", LargeBinary, nullable=False),
)

checkpoint_heads = Table(
    "checkpoint_heads",
    metadata,
    Column("association", String, primary_key=True),
    Column("position", BigInteger),
    Column("epoch", BigInteger, nullable=False),
)
