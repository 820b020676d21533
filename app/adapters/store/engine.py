"""Opens the database: SQLite (one control, one file) or PostgreSQL, and turns its errors into ours."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TextIO

from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.domain.errors import InvalidRequest, InvalidSettings, Unavailable

BUSY_TIMEOUT_MS: Final = 2_000
"""Only a backup or an operator's shell competes for the file; whoever waits is told soon."""
WAL_LIMIT_BYTES: Final = 64 * 1024 * 1024
POOL_WAIT_S: Final = 3
STATEMENT_S: Final = 5
CONNECT_S: Final = 3
IDLE_IN_TRANSACTION_MS: Final = 3_000
"""A control that stands still in the middle of a write holds its lease's row: the server ends that, and the next
control may take over."""

_DRIVERS: Final = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}


def open_engine(database_url: str) -> AsyncEngine:
    """Raises InvalidSettings for a URL of neither database. Connects to nothing yet."""
    try:
        url = make_url(database_url)
    except ArgumentError as error:
        raise InvalidSettings("database_url is no SQLAlchemy URL") from error
    backend = url.drivername.partition("+")[0]
    if backend not in _DRIVERS:
        raise InvalidSettings(f"database_url: {backend!r} is neither sqlite nor postgresql")
    url = url.set(drivername=_DRIVERS[backend])
    if backend == "sqlite":
        if not url.database or url.database == ":memory:":
            raise InvalidSettings("database_url: SQLite needs a file")
        engine = create_async_engine(url, pool_timeout=POOL_WAIT_S, hide_parameters=True)
        event.listen(engine.sync_engine, "connect", _tune_sqlite)
        return engine
    return create_async_engine(
        url,
        pool_size=8,
        max_overflow=0,
        pool_timeout=POOL_WAIT_S,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={
            "timeout": CONNECT_S,
            "command_timeout": STATEMENT_S,
            "server_settings": {"idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS)},
        },
    )


def _tune_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        # FULL: a write that was acknowledged survives a power cut, not only a crash.
        "synchronous=FULL",
        f"journal_size_limit={WAL_LIMIT_BYTES}",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def own_file(engine: AsyncEngine) -> TextIO | None:
    """Hold a SQLite file for this process alone, until the result is closed; None for PostgreSQL.

    Raises InvalidSettings when another control holds it: two would undo each other's decisions.
    """
    if engine.dialect.name != "sqlite":
        return None
    path = f"{engine.url.database}.lock"
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    lock = open(path, "w")  # noqa: SIM115 - it is held open for as long as the store lives
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise InvalidSettings(
            f"another control uses the database {engine.url.database}",
            hint="Stop it first, or give this one a data directory of its own.",
        ) from error
    return lock


@contextmanager
def our_errors() -> Iterator[None]:
    """Foreign errors become Unavailable, or InvalidRequest for a value that no database takes, with the cause kept.

    Values never enter the text.
    """
    try:
        yield
    except DBAPIError as error:
        if _is_about_a_value(error):
            raise InvalidRequest(f"the database refuses a value: {type(error.orig).__name__}") from error
        raise Unavailable(f"the database: {type(error.orig).__name__}", retry_after_s=2.0) from error
    except (PoolTimeout, SQLAlchemyError, OSError, TimeoutError) as error:
        raise Unavailable(f"the database: {type(error).__name__}", retry_after_s=2.0) from error


def _is_about_a_value(error: DBAPIError) -> bool:
    """asyncpg's errors keep SQL's codes: class 22 is about data, 23 about constraints (PostgreSQL, appendix A)."""
    code: str | None = getattr(error.orig, "sqlstate", None)
    return isinstance(error, DataError | IntegrityError) or (code or "")[:2] in ("22", "23")
