"""Background tasks: kept, reported when they fail, gone when their owner is."""

from __future__ import annotations

import asyncio

from app.runtime.tasks import TaskGroupKeeper


async def forever(started: asyncio.Event, ended: list[str]) -> None:
    started.set()
    try:
        await asyncio.Event().wait()
    finally:
        ended.append("ended")


async def failing() -> None:
    raise ValueError("broken")


async def test_a_task_that_fails_is_reported_by_name_and_the_others_go_on() -> None:
    crashes: list[tuple[str, str]] = []
    keeper = TaskGroupKeeper(lambda name, error: crashes.append((name, str(error))))
    started, ended = asyncio.Event(), list[str]()
    going = keeper.start(forever(started, ended), name="going")
    await asyncio.wait([keeper.start(failing(), name="bad")])
    await started.wait()
    assert crashes == [("bad", "broken")]
    assert not going.done()
    await keeper.close()


async def test_close_cancels_all_waits_for_them_and_reports_nothing() -> None:
    crashes: list[str] = []
    keeper = TaskGroupKeeper(lambda name, error: crashes.append(name))
    started, ended = asyncio.Event(), list[str]()
    keeper.start(forever(started, ended), name="going")
    await started.wait()
    await keeper.close()
    assert ended == ["ended"]
    assert crashes == []


async def test_closing_with_nothing_to_close_is_fine() -> None:
    await TaskGroupKeeper(lambda name, error: None).close()
