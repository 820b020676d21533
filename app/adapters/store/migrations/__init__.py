"""The database's versions, run by Alembic at the start of control. A released version is never changed."""
