"""What every store promises about leases: one holder, growing epochs, and no write under an older one."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.adapters.store.sql_store import SqlStore
from app.domain.errors import NotLeading, Unavailable
from app.domain.lease import CONTROL, Lease
from app.domain.note import Note
from tests.contract.conftest import SEAL_KEY, new_database
from tests.contract.test_store import AT, record
from tests.integration.services.peers import until

LENGTH_S = 15.0
ROUNDS = 100


async def claim(store: SqlStore, holder: str, over: Lease | None = None) -> Lease:
    return await store.claim(CONTROL, holder, length_s=LENGTH_S, over=over)


@pytest.fixture
def postgres_base(postgres_url: str) -> str:
    return postgres_url


@asynccontextmanager
async def two_stores(base: str) -> AsyncIterator[tuple[SqlStore, SqlStore]]:
    url = await new_database(base)
    first = await SqlStore.open(url, seal_key=SEAL_KEY)
    second = await SqlStore.open(url, seal_key=SEAL_KEY)
    try:
        yield first, second
    finally:
        await first.close()
        await second.close()


async def test_the_first_claim_gets_a_lease_of_its_length_and_a_renewal_keeps_its_epoch(store: SqlStore) -> None:
    mine = await claim(store, "alpha")
    assert (mine.holder, mine.length_s) == ("alpha", LENGTH_S)
    assert LENGTH_S - 5 < mine.left_s <= LENGTH_S
    again = await store.renew(CONTROL, mine)
    assert (again.holder, again.epoch) == ("alpha", mine.epoch)
    assert again.expires_us >= mine.expires_us


async def test_a_holder_that_comes_back_gets_a_new_epoch_at_once(store: SqlStore) -> None:
    first = await claim(store, "alpha")
    second = await claim(store, "alpha")
    assert (await claim(store, "alpha")).epoch > second.epoch > first.epoch


async def test_the_epochs_of_a_new_database_are_above_those_of_an_older_one(
    store: SqlStore, tmp_path: Path
) -> None:
    before = await claim(store, "alpha")
    later = int(time.time()) + 1
    await until(lambda: time.time() >= later)
    new = await SqlStore.open(f"sqlite+aiosqlite:///{tmp_path}/new.db", seal_key=SEAL_KEY)
    assert (await claim(new, "alpha")).epoch > before.epoch
    await new.close()


async def test_what_was_given_back_is_anybody_s(store: SqlStore) -> None:
    mine = await claim(store, "alpha")
    await store.give_back(CONTROL, mine)
    await store.give_back(CONTROL, mine)
    taken = await claim(store, "beta")
    assert taken.epoch > mine.epoch
    await store.give_back(CONTROL, mine)
    now = await store.renew(CONTROL, mine)
    assert (now.holder, now.epoch) == ("beta", taken.epoch)


async def test_leases_of_other_names_are_other_leases(store: SqlStore) -> None:
    await claim(store, "alpha")
    assert (await store.claim("another", "beta", length_s=1.0, over=None)).holder == "beta"


async def test_writes_go_under_the_newest_epoch_only(store: SqlStore) -> None:
    mine = await claim(store, "alpha")
    store.write_under(CONTROL, mine.epoch)
    await store.put_stream(record("str_1"))
    newer = await claim(store, "alpha")
    with pytest.raises(NotLeading, match="alpha leads"):
        await store.put_stream(record("str_2"))
    with pytest.raises(NotLeading):
        await store.add_note(Note(AT, "str_1", "kind", "must not stay"))
    assert [found.stream_id for found in await store.running_streams()] == ["str_1"]
    assert await store.notes() == ()
    store.write_under(CONTROL, newer.epoch)
    await store.put_stream(record("str_2"))


async def test_what_is_left_of_a_reign_writes_nothing_in_a_later_one_of_the_same_store(store: SqlStore) -> None:
    old, new = store.for_a_reign(), store.for_a_reign()
    old.write_under(CONTROL, (await claim(store, "alpha")).epoch)
    new.write_under(CONTROL, (await claim(store, "alpha")).epoch)
    writes = [
        reign.put_stream(record(f"str_{name}_{number}"))
        for number in range(10)
        for name, reign in (("old", old), ("new", new))
    ]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert {type(result) for result in results[0::2]} == {NotLeading}
    assert {type(result) for result in results[1::2]} == {type(None)}
    assert {found.stream_id for found in await store.running_streams()} == {f"str_new_{n}" for n in range(10)}


async def test_a_lease_of_another_one_is_taken_only_as_it_was_seen(postgres_base: str) -> None:
    async with two_stores(postgres_base) as (alpha, beta):
        held = await claim(alpha, "alpha")
        assert await claim(beta, "beta") == dataclasses.replace(held, left_s=pytest.approx(LENGTH_S, abs=5))
        seen = await claim(beta, "beta")
        renewed = await alpha.renew(CONTROL, held)
        refused = await claim(beta, "beta", over=seen)
        assert (refused.holder, refused.epoch) == ("alpha", held.epoch)
        taken = await claim(beta, "beta", over=renewed)
        assert taken.holder == "beta"
        assert taken.epoch > held.epoch
        late = await alpha.renew(CONTROL, held)
        assert (late.holder, late.epoch) == ("beta", taken.epoch)


async def test_of_two_that_take_over_at_once_exactly_one_gets_it(postgres_base: str) -> None:
    async with two_stores(postgres_base) as (alpha, beta):
        seen = await claim(alpha, "dead")
        for turn in range(ROUNDS):
            answers = await asyncio.gather(
                claim(alpha, f"alpha {turn}", over=seen), claim(beta, f"beta {turn}", over=seen)
            )
            winners = {
                answer.holder
                for answer, who in zip(answers, ("alpha", "beta"), strict=True)
                if answer.holder == f"{who} {turn}"
            }
            assert len(winners) == 1
            assert len({answer.epoch for answer in answers}) == 1
            assert answers[0].epoch > seen.epoch
            seen = answers[0]


async def test_a_takeover_reads_every_write_that_was_acknowledged_before_it(postgres_base: str) -> None:
    """Writers of the old epoch go on while another one takes over: each write is there before, or refused."""
    async with two_stores(postgres_base) as (alpha, beta):
        mine = await claim(alpha, "alpha")
        alpha.write_under(CONTROL, mine.epoch)
        acknowledged: set[str] = set()

        async def lane(number: int) -> None:
            for turn in range(10_000):
                await alpha.put_stream(record(f"str_{number}_{turn}"))
                acknowledged.add(f"str_{number}_{turn}")

        lanes = [asyncio.create_task(lane(number)) for number in range(8)]
        async with asyncio.timeout(20):
            while len(acknowledged) < 50:
                await asyncio.wait(lanes, timeout=0.01)
        await claim(beta, "beta", over=mine)
        taken_up = {found.stream_id for found in await beta.running_streams()}
        results = await asyncio.gather(*lanes, return_exceptions=True)
        assert {type(result) for result in results} == {NotLeading}
        assert acknowledged <= taken_up
        assert {found.stream_id for found in await beta.running_streams()} == taken_up


async def test_one_that_stands_still_in_the_middle_of_a_write_does_not_keep_the_lease_for_ever(
    postgres_base: str,
) -> None:
    async with two_stores(postgres_base) as (alpha, beta):
        mine = await claim(alpha, "alpha")
        alpha.write_under(CONTROL, mine.epoch)
        holds, goes_on = asyncio.Event(), asyncio.Event()

        async def stands_still(connection: object) -> None:
            holds.set()
            await goes_on.wait()

        write = asyncio.create_task(alpha._write(stands_still))  # a write that a stopped process is in
        await holds.wait()
        async with asyncio.timeout(20):
            while (taken := await _claim_or_none(beta, mine)) is None:
                pass
        assert taken.holder == "beta"
        goes_on.set()
        with pytest.raises(Unavailable):
            await write
        with pytest.raises(NotLeading):
            await alpha.put_stream(record())


async def _claim_or_none(store: SqlStore, over: Lease) -> Lease | None:
    try:
        return await claim(store, "beta", over=over)
    except Unavailable:
        return None
