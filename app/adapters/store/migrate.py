"""Brings the database to this version, in one transaction and under a lock, so two starts cannot meet in it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.errors import InvalidSettings

_HERE: Final = Path(__file__).parent / "migrations"
_LOCK: Final = 0x656E636D_616E0001
"""Name of PostgreSQL's advisory lock: `encman` and 1."""

log = structlog.get_logger()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _version(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _upgrade(connection: Connection) -> None:
    # Alembic tells at every start that it looked; what it did is told below.
    logging.getLogger("alembic.runtime.migration").setLevel(logging.WARNING)
    config = _config()
    found = _version(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        # A database of a later release may mean what this one does not know.
        raise InvalidSettings(
            f"the database is of version {found}, which this release does not know",
            hint="Start the release that wrote it, or restore a backup from before the upgrade.",
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    now = _version(connection)
    if now != found:
        log.info("database upgraded", from_version=found, to_version=now)


async def upgrade(engine: AsyncEngine) -> None:
    """Raises InvalidSettings for a database of a newer release. Killed half-way, nothing has happened."""
    async with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            # The driver opens no transaction for DDL by itself.
            await connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        await connection.run_sync(_upgrade)
        await connection.commit()
