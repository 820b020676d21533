"""What happened is written down, readings are not, and a store that is away loses lines but no process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.adapters.store.sql_store import SqlStore
from app.domain.drill import DrillKind, DrillOutcome
from app.domain.encoder import EncoderReading, EncoderState
from app.domain.events import (
    EncoderChanged,
    EncoderRead,
    Severity,
    StreamChanged,
    StreamDrilled,
    StreamErrorSeen,
    StreamFailedOver,
    WorkerReplaced,
)
from app.domain.failover import SwitchKind, TrackSplice
from app.domain.ids import EncoderId, StreamId
from app.domain.secret import Secret
from app.domain.stream import Input, StreamState
from app.services.journal import MAX_WAITING, Journal, note_of
from tests.contract.test_failover_reports import report

AT = datetime(2030, 1, 1, tzinfo=UTC)
REPLACED = WorkerReplaced(StreamId("s"), "t", EncoderId("a"), EncoderId("b"), 2, "reset", AT)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    store = await SqlStore.open(f"sqlite+aiosqlite:///{tmp_path}/j.db", seal_key=Secret("seal-key-of-tests"))
    yield store
    await store.close()


def test_each_kind_of_event_says_what_a_person_wants_to_know_later() -> None:
    error = StreamErrorSeen(StreamId("s"), "t", Severity.CRITICAL, "no encoder", "all full", AT, "tried again")
    changed = EncoderChanged(EncoderId("a"), EncoderState.OFFLINE, AT, "no heartbeat")
    texts = [note.text for note in map(note_of, (REPLACED, error, changed)) if note is not None]
    assert texts == ["a to b, generation 2: reset", "all full; tried again", "no heartbeat"]
    assert note_of(EncoderRead(EncoderId("a"), EncoderReading(), AT)) is None


def test_a_publisher_that_comes_or_goes_is_seen_in_the_state_of_its_stream() -> None:
    changed = StreamChanged(StreamId("s"), "t", StreamState.WAITING, AT, "no encoder: all full")
    note = note_of(changed)
    assert note is not None
    assert (note.subject, note.kind, note.text) == ("s", "stream waiting", "no encoder: all full")


def test_an_end_that_is_saved_with_its_line_is_not_written_twice() -> None:
    assert note_of(StreamChanged(StreamId("s"), "t", StreamState.ENDED, AT, "ended by request")) is None


@pytest.mark.parametrize(("fault", "kind"), [(None, "drill passed"), ("2 frames missing", "drill failed")])
def test_a_drill_is_told_apart_from_a_fault(fault: str | None, kind: str) -> None:
    note = note_of(StreamDrilled(StreamId("s"), "t", DrillOutcome(AT, DrillKind.KILL, fault)))
    assert note is not None
    assert (note.at, note.kind) == (AT, kind)
    assert note.text.startswith("kill")


def test_a_change_of_input_says_what_it_cost_and_a_switch_of_workers_is_written_elsewhere() -> None:
    switch = report("s", 2)
    change = replace(
        switch,
        kind=SwitchKind.INPUT,
        from_input=Input.MAIN,
        to_input=Input.BACKUP,
        tracks=(TrackSplice("source", 0, 400, 11, 0),),
    )
    assert note_of(StreamFailedOver(StreamId("s"), "t", switch)) is None
    note = note_of(StreamFailedOver(StreamId("s"), "t", change))
    assert note is not None
    assert (note.kind, note.text) == (
        "input changed",
        "main to backup: connection closed; frames: about 11 missing",
    )
    uncounted = replace(change, tracks=(TrackSplice("source", 0, 400, None, 0),))
    note = note_of(StreamFailedOver(StreamId("s"), "t", uncounted))
    assert note is not None
    assert note.text.endswith("frames: not counted")


async def test_events_reach_the_store_in_order(store: SqlStore) -> None:
    journal = Journal(store=store)
    for state in (EncoderState.SUSPECT, EncoderState.OFFLINE):
        journal.hear(EncoderChanged(EncoderId("a"), state, AT))
    task = asyncio.create_task(journal.run())
    async with asyncio.timeout(10):
        while len(await store.notes()) < 2:  # noqa: ASYNC110 - the journal owes nobody an event
            await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [note.kind for note in await store.notes()] == ["encoder offline", "encoder suspect"]


async def test_more_than_it_can_hold_is_counted_as_lost(store: SqlStore) -> None:
    journal = Journal(store=store)
    for _ in range(MAX_WAITING + 3):
        journal.hear(REPLACED)
    assert journal.lost == 3
