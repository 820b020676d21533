"""What only a real file shows: one owner, one version, and nothing acknowledged lost by kill -9."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from app.adapters.store.sql_store import SqlStore
from app.domain.errors import InvalidSettings
from app.domain.secret import Secret
from tests.contract.test_store import record

SEAL_KEY = Secret("seal-key-of-these-tests")
KILLS = 6
WRITES_BEFORE_KILL = (1, 3, 10, 40)

WRITER = """
import asyncio, sys
from datetime import UTC, datetime
from app.adapters.store.sql_store import SqlStore
from app.domain.secret import Secret
from app.domain.note import Note

async def main():
    store = await SqlStore.open(sys.argv[1], seal_key=Secret("seal-key-of-these-tests"))
    first = int(sys.argv[2])
    async def lane(lane):
        number = first + lane
        while True:
            await store.add_note(Note(datetime.now(UTC), f"n{number}", "kind", "x" * 500))
            print(f"told {number}", flush=True)
            number += 8
    await asyncio.gather(*(lane(number) for number in range(8)))

asyncio.run(main())
"""


def url(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder}/s.db"


async def test_a_second_control_on_one_file_is_refused_with_words(tmp_path: Path) -> None:
    first = await SqlStore.open(url(tmp_path), seal_key=SEAL_KEY)
    with pytest.raises(InvalidSettings, match="another control"):
        await SqlStore.open(url(tmp_path), seal_key=SEAL_KEY)
    await first.close()
    again = await SqlStore.open(url(tmp_path), seal_key=SEAL_KEY)
    await again.close()


async def test_a_database_of_a_later_release_is_refused_and_left_alone(tmp_path: Path) -> None:
    store = await SqlStore.open(url(tmp_path), seal_key=SEAL_KEY)
    await store.close()
    with sqlite3.connect(tmp_path / "s.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(InvalidSettings, match="9999"):
        await SqlStore.open(url(tmp_path), seal_key=SEAL_KEY)


async def test_the_file_is_written_ahead_and_synced_in_full(tmp_path: Path) -> None:
    store = await SqlStore.open(url(tmp_path), seal_key=SEAL_KEY)
    async with store._engine.connect() as connection:  # the pragmas are of the connection, not of the file
        mode = (await connection.exec_driver_sql("PRAGMA journal_mode")).scalar()
        synchronous = (await connection.exec_driver_sql("PRAGMA synchronous")).scalar()
    await store.close()
    assert (mode, synchronous) == ("wal", 2)


async def test_a_stolen_file_shows_no_destination(tmp_path: Path) -> None:
    store = await SqlStore.open(url(tmp_path), seal_key=SEAL_KEY)
    await store.put_stream(record())
    await store.close()
    raw = _bytes_under(tmp_path)
    assert b"str_1" in raw
    assert b"CANARY" not in raw


def _bytes_under(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("s.db*"))


@pytest.mark.parametrize("text", ["mysql://x/y", "no url", "sqlite+aiosqlite://", "sqlite+aiosqlite:///:memory:"])
async def test_a_database_url_that_can_never_work_is_refused(text: str) -> None:
    with pytest.raises(InvalidSettings, match="database_url"):
        await SqlStore.open(text, seal_key=SEAL_KEY)


def _told(output: bytes) -> set[int]:
    """Of whole lines only; the log writes to the same place."""
    lines = output.split(b"\n")[:-1]
    return {int(line.removeprefix(b"told ")) for line in lines if line.startswith(b"told ")}


async def _killed_in_the_middle(folder: Path, *, first: int, writes: int) -> set[int]:
    """Numbers that a writer process was told are durable before it was killed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, url(folder), str(first), stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    told: set[int] = set()
    while len(told) < writes:
        told |= _told(await process.stdout.readline())
    os.kill(process.pid, signal.SIGKILL)
    told |= _told(await process.stdout.read())
    await process.wait()
    return told


async def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    told: set[int] = set()
    for kill in range(KILLS):
        writes = WRITES_BEFORE_KILL[kill % len(WRITES_BEFORE_KILL)]
        told |= await _killed_in_the_middle(tmp_path, first=kill * 1_000_000, writes=writes)
    store = await SqlStore.open(url(tmp_path), seal_key=SEAL_KEY)
    kept = {int(note.subject[1:]) for note in await store.notes(limit=1_000_000)}
    await store.close()
    assert told <= kept
    assert len(told) >= sum(WRITES_BEFORE_KILL)
