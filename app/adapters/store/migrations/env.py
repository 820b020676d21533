"""Alembic's entry: works on the connection that `migrate.py` hands over, inside its transaction."""

from __future__ import annotations

from alembic import context

from app.adapters.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"], target_metadata=METADATA, transactional_ddl=True
)
context.run_migrations()
