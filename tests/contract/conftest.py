"""Databases for the store's contract: a SQLite file each, and one private PostgreSQL server for the session."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from app.adapters.store.sql_store import SqlStore
from app.domain.secret import Secret
from tests.support.servers import postgres

SEAL_KEY = Secret("seal-key-of-the-contract-suite")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Base URL of a server of our own; databases are made in it by name."""
    with postgres() as url:
        yield url


async def new_database(base: str) -> str:
    name = f"encman_{uuid.uuid4().hex}"
    connection = await asyncpg.connect(f"{base}/postgres")
    await connection.execute(f'CREATE DATABASE "{name}"')
    await connection.close()
    return f"{base}/{name}".replace("postgresql", "postgresql+asyncpg", 1)


@pytest.fixture(params=["sqlite", "postgresql"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/store.db"
    return await new_database(request.getfixturevalue("postgres_url"))


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[SqlStore]:
    store = await SqlStore.open(database_url, seal_key=SEAL_KEY)
    yield store
    await store.close()
