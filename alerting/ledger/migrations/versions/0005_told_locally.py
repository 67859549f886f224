"""What gateways that were cut off told people by themselves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "told_locally",
        sa.Column("gateway", sa.String(), nullable=False),
        sa.Column("began_us", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("hazard", sa.String(), nullable=False),
        sa.Column("area", sa.String(), nullable=False),
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            *("gateway", "began_us", "recipient", "channel", "hazard", "area", "level"),
            name=op.f("pk_told_locally"),
        ),
    )
    op.create_index(op.f("ix_told_locally_recipient"), "told_locally", ["recipient"], unique=False)
