"""What is written behind reaches the store in the end, newest first time, whatever the store does meanwhile."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.adapters.store.sql_store import SqlStore
from app.domain.access import Principal, Scope
from app.domain.errors import NotFound, Unavailable
from app.domain.events import Event, StreamChanged
from app.domain.ids import EncoderId, KeyId, StreamId, WorkerId
from app.domain.note import Note
from app.domain.secret import Secret
from app.domain.session import StreamRecord
from app.domain.stream import StreamState, WorkerGrant
from app.runtime.bus import Bus
from app.runtime.clock import utc_now
from app.services import live_streams
from app.services.live_streams import LiveStream, LiveStreams, live_stream
from app.services.plans import promoted, renewed, with_grants
from tests.contract.test_store import record


class AwayAtFirst(SqlStore):
    """The real store, which is away for the first `away` writes."""

    away = 0

    async def put_stream(self, record: StreamRecord, note: Note | None = None) -> None:
        if self.away > 0:
            self.away -= 1
            raise Unavailable("away")
        await super().put_stream(record, note)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[AwayAtFirst]:
    store = await AwayAtFirst.open(f"sqlite+aiosqlite:///{tmp_path}/l.db", seal_key=Secret("seal-key-of-tests"))
    yield store
    await store.close()


def with_standby(record: StreamRecord) -> StreamRecord:
    assert record.plan is not None
    return with_grants(record, record.plan.active, WorkerGrant(WorkerId("wrk_2"), EncoderId("enc_2"), 2, "ef" * 32))


def fail(error: BaseException) -> None:
    raise error


def room(store: SqlStore, told: list[Event] | None = None) -> LiveStreams:
    bus: Bus[Event] = Bus(fail)
    if told is not None:
        bus.listen(told.append)
    return LiveStreams(store=store, bus=bus)


async def test_a_save_that_failed_is_tried_again_until_it_is_durable(
    store: AwayAtFirst, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_streams, "SAVE_RETRY_S", 0.0)
    streams, stream = room(store), live_stream(record())
    store.away = 4
    await streams.save_or_later(stream, dataclasses.replace(stream.record, generation=7))
    assert stream.record.generation == 7
    behind = asyncio.create_task(streams.save_behind())
    async with asyncio.timeout(10):
        while (kept := await store.stream(stream.id)) is None:  # noqa: ASYNC110 - the store owes nobody an event
            await asyncio.sleep(0)
    behind.cancel()
    await asyncio.gather(behind, return_exceptions=True)
    assert kept.generation == 7
    assert store.away == 0


async def test_a_store_that_is_too_slow_is_named_as_the_reason(
    store: AwayAtFirst, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_streams, "STORE_WAIT_S", 0.0)
    with capture_logs() as logs:
        await room(store).save_or_later(live_stream(record()), record())
    assert [line["reason"] for line in logs] == ["the store did not answer in time"]


async def test_at_the_end_what_waits_is_written(store: AwayAtFirst) -> None:
    streams, stream = room(store), live_stream(record())
    streams.save_later(stream)
    await streams.flush()
    assert await store.stream(stream.id) == stream.record


async def test_a_stream_that_can_never_be_saved_holds_up_no_other(
    store: AwayAtFirst, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_streams, "SAVE_RETRY_S", 0.0)
    streams, good = room(store), live_stream(record())
    streams.save_later(live_stream(record("str_bad", revision=1 << 80)))
    streams.save_later(good)
    store.away = 2
    behind = asyncio.create_task(streams.save_behind())
    async with asyncio.timeout(10):
        while await store.stream(good.id) is None:  # noqa: ASYNC110 - the store owes nobody an event
            await asyncio.sleep(0)
    assert not behind.done()
    behind.cancel()
    await asyncio.gather(behind, return_exceptions=True)


async def test_a_save_that_must_hold_changes_nothing_when_it_fails(store: AwayAtFirst) -> None:
    streams, stream = room(store), live_stream(record())
    store.away = 1
    with pytest.raises(Unavailable):
        await streams.save(stream, lambda now: dataclasses.replace(now, generation=7))
    assert stream.record == record()


@pytest.fixture
def switched_meanwhile(store: AwayAtFirst, monkeypatch: pytest.MonkeyPatch) -> tuple[LiveStreams, LiveStream]:
    """A stream that its gateway gives to its standby while the store writes, and that is saved behind."""
    streams, stream = room(store), live_stream(with_standby(record()))
    put = store.put_stream

    async def switch_first(saved: StreamRecord, note: Note | None = None) -> None:
        monkeypatch.setattr(store, "put_stream", put)
        await put(saved, note)
        stream.record = promoted(stream.record)
        streams.save_later(stream)
        await streams.flush()

    monkeypatch.setattr(store, "put_stream", switch_first)
    return streams, stream


async def test_a_change_that_is_being_saved_does_not_undo_a_switch(
    store: AwayAtFirst, switched_meanwhile: tuple[LiveStreams, LiveStream]
) -> None:
    streams, stream = switched_meanwhile
    standby = stream.standby
    await streams.save(stream, lambda now: renewed(dataclasses.replace(now, name="another")))
    assert (stream.active, stream.standby, stream.record.name) == (standby, None, "another")
    assert await store.stream(stream.id) == stream.record


async def test_a_stream_that_ends_in_the_moment_of_a_switch_stays_ended(
    store: AwayAtFirst, switched_meanwhile: tuple[LiveStreams, LiveStream]
) -> None:
    streams, stream = switched_meanwhile

    def end(now: StreamRecord) -> StreamRecord:
        return dataclasses.replace(now, ended_at=now.created_at, plan=None, revision=now.revision + 1)

    await streams.save(stream, end)
    assert stream.ended
    assert await store.running_streams() == ()


async def test_running_streams_are_taken_up_again_and_their_machines_know_what_runs(store: AwayAtFirst) -> None:
    await store.put_stream(record("str_a"))
    await store.put_stream(dataclasses.replace(record("str_b"), ended_at=record().created_at))
    streams = room(store)
    assert await streams.load() == 1
    stream = streams.find(StreamId("str_a"))
    assert stream is not None
    assert stream.active is not None
    assert stream.machine.generation == stream.active.generation


async def test_a_state_is_told_once_and_kept(store: AwayAtFirst) -> None:
    told: list[Event] = []
    streams, stream = room(store, told), live_stream(record())
    for _ in range(2):
        streams.enter(stream, StreamState.LIVE, None)
    await streams.flush()
    assert [event.state for event in told if isinstance(event, StreamChanged)] == [StreamState.LIVE]
    kept = await store.stream(stream.id)
    assert kept is not None
    assert kept.state is StreamState.LIVE


async def test_unknown_and_foreign_streams_are_not_found_alike(store: AwayAtFirst) -> None:
    streams, stream = room(store), live_stream(record(tenant="acme"))
    streams.add(stream)
    scopes = frozenset({Scope.STREAMS})
    foreign, own = Principal(KeyId("k"), "other", scopes), Principal(KeyId("k"), "acme", scopes)
    admin = Principal(KeyId("k"), "other", frozenset({Scope.ADMIN}))
    texts = []
    for stream_id in (stream.id, StreamId("str_unknown")):
        with pytest.raises(NotFound) as caught:
            streams.owned(stream_id, foreign)
        texts.append((caught.value.detail, caught.value.hint))
    assert texts[0] == texts[1]
    assert streams.owned(stream.id, own) is streams.owned(stream.id, admin) is stream


def test_no_step_of_the_wall_clock_changes_what_is_left_of_a_stream_s_life(monkeypatch: pytest.MonkeyPatch) -> None:
    expires_at = utc_now() + timedelta(hours=2)
    stream = live_stream(dataclasses.replace(record(), key_expires_at=expires_at, created_at=utc_now()))
    lives = []
    for years in (0, 12, -12):
        monkeypatch.setattr(live_streams, "utc_now", lambda years=years: utc_now() + timedelta(days=365 * years))
        lives.append(stream.life(stream.since + 600.0))
    assert lives[0] == lives[1] == lives[2]
    assert lives[0].waited_s == pytest.approx(600.0)
    assert lives[0].key_left_s == pytest.approx(6600.0, abs=1.0)
