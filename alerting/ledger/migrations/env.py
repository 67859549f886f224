"""Alembic's entry: runs on the connection that `Database.migrate` hands over, in its transaction."""

from __future__ import annotations

from alembic import context

from alerting.ledger.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
