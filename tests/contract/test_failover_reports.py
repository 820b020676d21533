"""What every store promises about reports of failovers."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

from app.adapters.store import failovers, sql_store
from app.adapters.store.sql_store import SqlStore
from app.domain.failover import DecidedBy, SwitchKind, SwitchReport, TrackSplice
from app.domain.ids import EncoderId, StreamId, WorkerId
from app.domain.note import Note
from app.domain.stream import Input, StandbyGrade
from tests.contract.test_store import record

AT = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def report(stream_id: str, generation: int, *, minute: int = 0) -> SwitchReport:
    return SwitchReport(
        StreamId(stream_id),
        generation,
        generation - 1,
        WorkerId("wrk_1"),
        WorkerId("wrk_2"),
        None,
        EncoderId("enc_2"),
        SwitchKind.REFLEX,
        StandbyGrade.WARM,
        "connection closed",
        "end of the connection after 12 frames\0",
        DecidedBy.GATEWAY,
        AT + timedelta(minutes=minute),
        True,
        0.25,
        0.5,
        None,
        12.0,
        None,
        (TrackSplice("720p", 1_000, 1_033, 0, 0), TrackSplice("audio", None, None, None, 2)),
        complete=False,
    )


async def test_a_report_comes_back_equal_and_is_kept_once(store: SqlStore) -> None:
    await store.put_stream(record("str_1"))
    assert await store.add_failover(report("str_1", 2))
    again = dataclasses.replace(report("str_1", 2), cause="told twice")
    assert not await store.add_failover(again)
    assert await store.failovers(StreamId("str_1")) == (report("str_1", 2),)


async def test_reports_come_newest_first_of_one_stream_or_of_all(store: SqlStore) -> None:
    for stream_id, generation, minute in (("str_1", 2, 0), ("str_2", 2, 1), ("str_1", 3, 2)):
        assert await store.add_failover(report(stream_id, generation, minute=minute))
    found = await store.failovers(None)
    assert [(r.stream_id, r.generation) for r in found] == [("str_1", 3), ("str_2", 2), ("str_1", 2)]
    assert [r.generation for r in await store.failovers(StreamId("str_1"))] == [3, 2]
    assert len(await store.failovers(None, limit=1)) == 1
    assert await store.failovers(StreamId("str_9")) == ()


async def test_the_last_reports_of_each_stream_stay(store: SqlStore) -> None:
    assert await store.add_failover(report("str_2", 1))
    count = failovers.MAX_OF_A_STREAM + 3
    for generation in range(1, count + 1):
        assert await store.add_failover(report("str_1", generation, minute=generation))
    kept = await store.failovers(StreamId("str_1"), limit=count)
    assert [r.generation for r in kept] == list(range(count, 3, -1))
    assert len(await store.failovers(StreamId("str_2"))) == 1


async def test_reports_go_with_their_stream(store: SqlStore) -> None:
    await store.put_stream(record("str_1"))
    await store.add_failover(report("str_1", 2))
    await store.add_failover(report("str_gone", 2))
    for _ in range(sql_store.TRIM_EVERY):
        await store.add_note(Note(AT, "str_1", "kind", "text"))
    assert [r.stream_id for r in await store.failovers(None)] == ["str_1"]


async def test_changes_of_input_are_kept_beside_switches_of_one_generation(store: SqlStore) -> None:
    await store.put_stream(record("str_1"))
    first = dataclasses.replace(
        report("str_1", 2, minute=1),
        kind=SwitchKind.INPUT,
        to_worker_id=None,
        to_encoder_id=None,
        from_input=Input.MAIN,
        to_input=Input.BACKUP,
    )
    second = dataclasses.replace(first, at=AT + timedelta(minutes=3))
    switch = report("str_1", 2, minute=2)
    for each in (first, switch, second):
        assert await store.add_failover(each)
        assert not await store.add_failover(each)
    assert await store.failovers(StreamId("str_1")) == (second, switch, first)
    assert await store.failovers(None, limit=2) == (second, switch)
