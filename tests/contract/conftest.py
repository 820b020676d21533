"""Databases for the store's contract: a SQLite file each, and one private PostgreSQL server for the session."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from app.adapters.store.sql_store import SqlStore
from app.domain.secret import Secret

SEAL_KEY = Secret("seal-key-of-the-contract-suite")


def _binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) if shutil.which("initdb") is None else []
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


def _run(user: str | None, *command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, user=user, timeout=60, cwd="/")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Base URL of a server of our own; databases are made in it by name. Refuses to run it as root."""
    binaries = _binaries()
    if binaries is None:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is not installed, and CI must test it")
        pytest.skip("PostgreSQL is not installed")
    user = "postgres" if os.geteuid() == 0 else None
    home = Path(tempfile.mkdtemp(prefix="encman-pg-", dir="/tmp"))
    if user is not None:
        shutil.chown(home, user, user)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = str(home / "data")
    options = f"-p {port} -k {home} -c listen_addresses=127.0.0.1 -c max_connections=100"
    try:
        _run(user, str(binaries / "initdb"), "-D", data, "-U", "encman", "-A", "trust", "-E", "UTF8", "--no-locale")
        _run(user, str(binaries / "pg_ctl"), "-D", data, "-w", "-l", str(home / "log"), "-o", options, "start")
        yield f"postgresql+asyncpg://encman@127.0.0.1:{port}"
        _run(user, str(binaries / "pg_ctl"), "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


async def _new_database(base: str) -> str:
    import asyncpg

    name = f"encman_{uuid.uuid4().hex}"
    connection = await asyncpg.connect(base.replace("postgresql+asyncpg", "postgresql") + "/postgres")
    await connection.execute(f'CREATE DATABASE "{name}"')
    await connection.close()
    return f"{base}/{name}"


@pytest.fixture(params=["sqlite", "postgresql"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/store.db"
    return await _new_database(request.getfixturevalue("postgres_url"))


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[SqlStore]:
    store = await SqlStore.open(database_url, seal_key=SEAL_KEY)
    yield store
    await store.close()
