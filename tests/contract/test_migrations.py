"""A database of every earlier version is brought to this one with what is in it."""

from __future__ import annotations

import pytest
from alembic import command
from sqlalchemy import Connection, inspect, text

from app.adapters.store import migrate
from app.adapters.store.engine import open_engine
from app.adapters.store.rows import stream_row
from app.adapters.store.seal import Sealer
from app.adapters.store.sql_store import SqlStore
from app.adapters.store.tables import METADATA, streams
from app.domain.lease import CONTROL
from tests.contract.conftest import SEAL_KEY
from tests.contract.test_failover_reports import report
from tests.contract.test_store import record


def _to(version: str, connection: Connection) -> None:
    config = migrate._config()
    config.attributes["connection"] = connection
    command.upgrade(config, version)
    connection.execute(streams.insert(), stream_row(record(), Sealer(SEAL_KEY)))


@pytest.mark.parametrize("version", ["0001", "0002", "0003", "0004", "0005"])
async def test_an_older_database_keeps_what_it_holds_and_takes_what_is_new(database_url: str, version: str) -> None:
    engine = open_engine(database_url)
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: _to(version, sync))
    await engine.dispose()
    store = await SqlStore.open(database_url, seal_key=SEAL_KEY)
    assert await store.running_streams() == (record(),)
    assert await store.add_failover(report("str_1", 2))
    assert (await store.claim(CONTROL, "alpha", length_s=15.0, over=None)).holder == "alpha"
    await store.close()


async def test_the_migrations_make_the_tables_that_the_store_uses(store: SqlStore, database_url: str) -> None:
    def columns(connection: Connection) -> dict[str, set[str]]:
        seen = inspect(connection)
        return {name: {column["name"] for column in seen.get_columns(name)} for name in seen.get_table_names()}

    engine = open_engine(database_url)
    async with engine.connect() as connection:
        found = await connection.run_sync(columns)
        version = (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar_one()
    await engine.dispose()
    assert version == "0006"
    assert found.keys() - {"alembic_version"} == METADATA.tables.keys()
    for name, table in METADATA.tables.items():
        assert found[name] == set(table.columns.keys())
