"""The ledger and the state beside it, as the first release has them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# SQLite numbers rows only where the key is a plain INTEGER.
_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "acts",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("association", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("act", sa.String(), nullable=False),
        sa.Column("alert", sa.String(), nullable=True),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acts")),
    )
    op.create_index(op.f("ix_acts_alert"), "acts", ["alert"], unique=False)
    op.create_index(op.f("ix_acts_at_us"), "acts", ["at_us"], unique=False)
    op.create_table(
        "alerts",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("association", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("hazard", sa.String(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("area", sa.String(), nullable=False),
        sa.Column("issued_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", "version", name=op.f("pk_alerts")),
    )
    op.create_index(
        op.f("ix_alerts_association_position"), "alerts", ["association", "position"], unique=False
    )
    op.create_index(op.f("ix_alerts_issued_us"), "alerts", ["issued_us"], unique=False)
    op.create_table(
        "bundles",
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("canonical", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_bundles")),
    )
    op.create_table(
        "channel_references",
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("notice", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "reference", name=op.f("pk_channel_references")),
    )
    op.create_index(op.f("ix_channel_references_notice"), "channel_references", ["notice"], unique=False)
    op.create_table(
        "checkpoint_heads",
        sa.Column("association", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("association", name=op.f("pk_checkpoint_heads")),
    )
    op.create_table(
        "checkpoint_rows",
        sa.Column("association", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("bytes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("association", "key", name=op.f("pk_checkpoint_rows")),
    )
    op.create_table(
        "findings",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("association", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("hazard", sa.String(), nullable=False),
        sa.Column("detector", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("area", sa.String(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("observed_us", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_findings")),
    )
    op.create_index(
        op.f("ix_findings_association_position"), "findings", ["association", "position"], unique=False
    )
    op.create_index(op.f("ix_findings_observed_us"), "findings", ["observed_us"], unique=False)
    op.create_table(
        "leases",
        sa.Column("sequence", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("notice", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("first_due_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.Column("ready_us", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("resend", sa.Boolean(), nullable=False),
        sa.Column("worker", sa.String(), nullable=True),
        sa.Column("until_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_leases")),
        sa.UniqueConstraint("notice"),
    )
    op.create_index(
        op.f("ix_leases_channel_priority_first_due_us"),
        "leases",
        ["channel", "priority", "first_due_us"],
        unique=False,
    )
    op.create_index(op.f("ix_leases_recipient_channel"), "leases", ["recipient", "channel"], unique=False)
    op.create_index(op.f("ix_leases_worker"), "leases", ["worker"], unique=False)
    op.create_table(
        "notice_alerts",
        sa.Column("notice", sa.String(), nullable=False),
        sa.Column("alert", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("notice", "alert", name=op.f("pk_notice_alerts")),
    )
    op.create_index(op.f("ix_notice_alerts_alert"), "notice_alerts", ["alert"], unique=False)
    op.create_index(
        op.f("ix_notice_alerts_recipient_channel_alert_version"),
        "notice_alerts",
        ["recipient", "channel", "alert", "version"],
        unique=False,
    )
    op.create_table(
        "notice_decisions",
        sa.Column("notice", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("notice", "state", name=op.f("pk_notice_decisions")),
    )
    op.create_table(
        "notice_states",
        sa.Column("sequence", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("notice", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_notice_states")),
    )
    op.create_index(
        op.f("ix_notice_states_notice_sequence"), "notice_states", ["notice", "sequence"], unique=False
    )
    op.create_index(op.f("ix_notice_states_state_at_us"), "notice_states", ["state", "at_us"], unique=False)
    op.create_table(
        "notices",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("association", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("cancel", sa.Boolean(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
    )
    op.create_index(
        op.f("ix_notices_association_position"), "notices", ["association", "position"], unique=False
    )
    op.create_table(
        "receipts",
        sa.Column("sequence", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("notice", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_receipts")),
    )
    op.create_index(
        op.f("ix_receipts_notice_state_device_reference"),
        "receipts",
        ["notice", "state", "device", "reference"],
        unique=True,
    )
    op.create_table(
        "reject_replays",
        sa.Column("reject", sa.String(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("reject", name=op.f("pk_reject_replays")),
    )
    op.create_table(
        "rejects",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("received_us", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rejects")),
    )
    op.create_index(op.f("ix_rejects_received_us"), "rejects", ["received_us"], unique=False)
    op.create_table(
        "releases",
        sa.Column("alert", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("audience", sa.String(), nullable=False),
        sa.Column("association", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("alert", "version", "audience", name=op.f("pk_releases")),
    )
