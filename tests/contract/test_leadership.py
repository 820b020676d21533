"""Controls that share a store: one leads, another takes over when it is gone, and comes back as standby."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from app.adapters.store.engine import open_engine
from app.adapters.store.sql_store import SqlStore
from app.runtime.clock import sleepless
from app.services.leadership import Leadership
from tests.contract.conftest import SEAL_KEY, new_database
from tests.integration.services.peers import until

LEASE_S = 1.5
WITHIN_S = 15.0


class Candidate:
    """A control of which only the lease is real. `ahead_s` moves its clock, as if it had stood still."""

    def __init__(self, store: SqlStore, holder: str) -> None:
        self.store = store
        self.ahead_s = 0.0
        self.leadership = Leadership(
            book=store, holder=holder, lease_s=LEASE_S, clock=lambda: sleepless() + self.ahead_s
        )
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self.leadership.run())

    async def die(self) -> None:
        """Without a word, as by kill -9."""
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def leads(self) -> int:
        async with asyncio.timeout(WITHIN_S):
            return await self.leadership.won()


@asynccontextmanager
async def candidates(url: str, *holders: str) -> AsyncIterator[list[Candidate]]:
    stores = [await SqlStore.open(url, seal_key=SEAL_KEY) for _ in holders]
    found = [Candidate(store, holder) for store, holder in zip(stores, holders, strict=True)]
    try:
        yield found
    finally:
        for one in found:
            await one.die()
            await one.store.close()


@pytest.fixture
async def shared(postgres_url: str) -> str:
    return await new_database(postgres_url)


async def test_a_control_alone_leads_at_once_on_every_database(database_url: str) -> None:
    async with candidates(database_url, "alpha") as (alpha,):
        assert alpha.leadership.standby == "standby: nobody is known to lead"
        alpha.start()
        first = await alpha.leads()
        assert alpha.leadership.standby is None
    async with candidates(database_url, "alpha") as (again,):
        again.start()
        assert await again.leads() > first


async def test_a_store_that_is_held_alone_is_led_for_good(tmp_path: object) -> None:
    async with candidates(f"sqlite+aiosqlite:///{tmp_path}/s.db", "alpha") as (alpha,):
        alpha.start()
        epoch = await alpha.leads()
        alpha.ahead_s = 1e7
        assert alpha.leadership.epoch == epoch


async def test_another_one_stands_by_and_takes_over_when_the_leader_is_gone(shared: str) -> None:
    async with candidates(shared, "alpha", "beta") as (alpha, beta):
        alpha.start()
        epoch = await alpha.leads()
        beta.start()
        await until(lambda: beta.leadership.standby == "standby: alpha leads")
        outlived = sleepless() + 2 * LEASE_S
        await until(lambda: sleepless() > outlived or beta.leadership.epoch is not None)
        assert (alpha.leadership.epoch, beta.leadership.epoch) == (epoch, None)
        await alpha.die()
        assert await beta.leads() > epoch


async def test_a_lease_that_was_given_back_is_taken_up_by_another_one(shared: str) -> None:
    async with candidates(shared, "alpha", "beta") as (alpha, beta):
        alpha.start()
        epoch = await alpha.leads()
        await alpha.die()
        await alpha.leadership.resign()
        beta.start()
        assert await beta.leads() > epoch


async def test_one_that_stood_still_does_not_act_and_stands_by_behind_the_new_leader(shared: str) -> None:
    async with candidates(shared, "alpha", "beta") as (alpha, beta):
        alpha.start()
        old = await alpha.leads()
        await alpha.die()
        beta.start()
        new = await beta.leads()
        alpha.ahead_s = 60.0
        assert alpha.leadership.epoch is None
        alpha.start()
        async with asyncio.timeout(WITHIN_S):
            await alpha.leadership.lost(old)
        await until(lambda: alpha.leadership.standby == "standby: beta leads")
        assert beta.leadership.epoch == new


async def test_a_leader_whose_store_is_away_steps_down_in_time_and_leads_again_when_it_is_back(shared: str) -> None:
    async with candidates(shared, "alpha") as (alpha,):
        alpha.start()
        old = await alpha.leads()
        reachable, alpha.store._engine = alpha.store._engine, open_engine("postgresql://nobody@127.0.0.1:1/none")
        async with asyncio.timeout(WITHIN_S):
            reason = await alpha.leadership.lost(old)
        assert "could not be renewed" in reason
        await until(lambda: "the database" in (alpha.leadership.standby or ""))
        alpha.store._engine = reachable
        assert await alpha.leads() > old
