"""What every store promises, whatever database is behind it."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from app.adapters.store.engine import open_engine
from app.adapters.store.sql_store import SqlStore
from app.adapters.store.tables import streams
from app.domain.access import ApiKey, Scope
from app.domain.errors import Conflict, InvalidSettings
from app.domain.fleet import OperatorWish
from app.domain.ids import DestinationId, EncoderId, GatewayId, KeyId, PlaybackId, StreamId, WorkerId
from app.domain.ladder import FrameRate, Ladder, Rendition
from app.domain.note import Note
from app.domain.secret import Secret
from app.domain.session import StreamRecord
from app.domain.stream import (
    ChannelPlan,
    Destination,
    EncodeSettings,
    Outputs,
    StreamMode,
    StreamState,
    Timing,
    WorkerGrant,
)

AT = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
PUSH = "rtmp://push.example/live/CANARY-of-somebody"
LADDER = Ladder((Rendition("720p", 1280, 720, FrameRate(30000, 1001), 3_000_000),))
KEY = ApiKey(KeyId("key_1"), "ops", "acme", frozenset({Scope.READ, Scope.STREAMS}), "d" * 64, "abcd", AT, AT)


def record(stream_id: str = "str_1", *, revision: int = 1, minute: int = 0, tenant: str = "acme") -> StreamRecord:
    destinations = (Destination(DestinationId("dst_1"), Secret(PUSH)),)
    plan = ChannelPlan(
        StreamId(stream_id),
        PlaybackId("play_1"),
        revision,
        StreamMode.TRANSCODE,
        "ab" * 32,
        AT,
        LADDER,
        outputs=Outputs(destinations=destinations),
        active=WorkerGrant(WorkerId("wrk_1"), EncoderId("enc_1"), 1, "cd" * 32),
    )
    return StreamRecord(
        StreamId(stream_id),
        PlaybackId("play_1"),
        tenant,
        "näme \u2603",
        StreamMode.TRANSCODE,
        StreamState.WAITING,
        GatewayId("gw"),
        "ab" * 32,
        "wxyz",
        AT,
        LADDER,
        EncodeSettings(LADDER, 2_000),
        Timing(),
        destinations,
        False,
        True,
        None,
        EncoderId("enc_1"),
        None,
        1,
        revision,
        AT + timedelta(minutes=minute),
        plan=plan,
    )


def ended(stream_id: str, minute: int, tenant: str = "acme") -> StreamRecord:
    return dataclasses.replace(
        record(stream_id, tenant=tenant), state=StreamState.ENDED, ended_at=AT + timedelta(minutes=minute)
    )


async def test_a_stream_comes_back_equal_with_its_destinations_open(store: SqlStore) -> None:
    await store.put_stream(record())
    assert await store.stream(StreamId("str_1")) == record()
    assert await store.stream(StreamId("str_2")) is None


async def test_a_newer_revision_replaces_an_older_one_and_never_the_other_way(store: SqlStore) -> None:
    await store.put_stream(record(revision=2))
    await store.put_stream(record(revision=3))
    with pytest.raises(Conflict):
        await store.put_stream(record(revision=2), Note(AT, "str_1", "x", "must not stay"))
    found = await store.stream(StreamId("str_1"))
    assert found is not None
    assert found.revision == 3
    assert await store.notes() == ()


async def test_running_streams_come_oldest_first_and_ended_ones_newest_first(store: SqlStore) -> None:
    await store.put_stream(record("str_b", minute=2))
    await store.put_stream(record("str_a", minute=1))
    await store.put_stream(ended("str_c", 1))
    await store.put_stream(ended("str_d", 2, tenant="other"))
    assert [r.stream_id for r in await store.running_streams()] == ["str_a", "str_b"]
    assert [r.stream_id for r in await store.ended_streams(None)] == ["str_d", "str_c"]
    assert [r.stream_id for r in await store.ended_streams("acme")] == ["str_c"]
    assert [r.stream_id for r in await store.ended_streams(None, limit=1)] == ["str_d"]


async def test_many_writers_at_once_lose_nothing_and_a_refused_one_takes_no_other_with_it(store: SqlStore) -> None:
    await store.put_stream(record("str_0", revision=9))
    writes = [store.put_stream(record(f"str_{n}", minute=n)) for n in range(100)]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(r) for r in results if r is not None] == [Conflict]
    assert len(await store.running_streams()) == 100


@pytest.mark.parametrize(
    ("revision", "text"), [(1 << 80, "opened"), (2, "a text with \0 in it")], ids=["number", "text"]
)
async def test_what_no_database_takes_is_refused_and_takes_no_other_write_with_it(
    store: SqlStore, revision: int, text: str
) -> None:
    async def write(number: int) -> None:
        await store.put_stream(record(f"str_{number}", revision=1 if number else revision), note(number))

    def note(number: int) -> Note:
        return Note(AT, f"str_{number}", "stream opened", "opened" if number else text)

    results = await asyncio.gather(*(write(number) for number in range(20)), return_exceptions=True)
    assert results[1:] == [None] * 19
    await store.put_stream(record("str_after"))
    kept = {found.stream_id for found in await store.running_streams()}
    assert kept >= {f"str_{number}" for number in range(1, 20)} | {"str_after"}


async def test_a_key_is_found_by_its_digest_only(store: SqlStore) -> None:
    await store.add_key(KEY)
    assert await store.key_by_digest("d" * 64) == KEY
    assert await store.key_by_digest("e" * 64) is None
    with pytest.raises(Conflict):
        await store.add_key(dataclasses.replace(KEY, key_id=KeyId("key_2")))
    assert await store.keys() == (KEY,)


async def test_a_revocation_keeps_its_first_time(store: SqlStore) -> None:
    await store.add_key(KEY)
    assert await store.revoke_key(KEY.key_id, AT)
    assert await store.revoke_key(KEY.key_id, AT + timedelta(days=1))
    assert not await store.revoke_key(KeyId("key_9"), AT)
    assert (await store.keys())[0].revoked_at == AT


async def test_the_last_wish_of_an_operator_stays(store: SqlStore) -> None:
    await store.put_wish(EncoderId("enc_1"), OperatorWish.DRAINING, AT)
    await store.put_wish(EncoderId("enc_1"), OperatorWish.STOPPED, AT)
    await store.put_wish(EncoderId("enc_2"), OperatorWish.ACTIVE, AT)
    assert await store.wishes() == {"enc_1": OperatorWish.STOPPED, "enc_2": OperatorWish.ACTIVE}


async def test_notes_come_newest_first_by_subject(store: SqlStore) -> None:
    for number in range(3):
        await store.add_note(Note(AT, f"str_{number % 2}", "kind", str(number)))
    assert [note.text for note in await store.notes()] == ["2", "1", "0"]
    assert [note.text for note in await store.notes("str_0")] == ["2", "0"]
    assert [note.text for note in await store.notes(limit=1)] == ["2"]


async def test_a_store_opened_again_holds_what_was_written(database_url: str) -> None:
    seal_key = Secret("the-same-seal-key-twice")
    first = await SqlStore.open(database_url, seal_key=seal_key)
    await first.put_stream(record())
    await first.close()
    second = await SqlStore.open(database_url, seal_key=seal_key)
    assert await second.running_streams() == (record(),)
    await second.close()


async def test_another_seal_key_is_refused_with_words(database_url: str) -> None:
    first = await SqlStore.open(database_url, seal_key=Secret("one-seal-key-of-many"))
    await first.put_stream(record())
    await first.close()
    second = await SqlStore.open(database_url, seal_key=Secret("another-seal-key-here"))
    with pytest.raises(InvalidSettings, match="seal_key"):
        await second.running_streams()
    await second.close()


async def spoil(database_url: str, stream_id: str, body: str) -> None:
    engine = open_engine(database_url)
    async with engine.begin() as connection:
        await connection.execute(update(streams).where(streams.c.stream_id == stream_id).values(body=body))
    await engine.dispose()


@pytest.mark.parametrize("body", ["{", '{"type": "StreamRecord"}', "[]"])
async def test_a_stream_that_cannot_be_read_is_kept_and_hides_no_other(
    store: SqlStore, database_url: str, body: str
) -> None:
    await store.put_stream(record("str_1"))
    await store.put_stream(record("str_2"))
    await spoil(database_url, "str_1", body)
    assert [found.stream_id for found in await store.running_streams()] == ["str_2"]
    assert await store.running_ids() == {"str_1", "str_2"}
    assert await store.stream(StreamId("str_1")) is None
    await store.put_stream(record("str_1", revision=2))
    assert len(await store.running_streams()) == 2


async def test_one_secret_that_does_not_open_hides_no_other_stream(store: SqlStore, database_url: str) -> None:
    await store.put_stream(record("str_1"))
    await store.put_stream(record("str_2"))
    engine = open_engine(database_url)
    async with engine.connect() as connection:
        # Sealed for another stream: it opens for nobody else.
        other = select(streams.c.body).where(streams.c.stream_id == "str_2")
        body = (await connection.execute(other)).scalar_one()
    await engine.dispose()
    await spoil(database_url, "str_1", body)
    assert [found.stream_id for found in await store.running_streams()] == ["str_2"]
