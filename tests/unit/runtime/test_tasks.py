"""Background tasks: kept, reported when they fail, gone when their owner is."""

from __future__ import annotations

import asyncio

from app.runtime.tasks import TaskGroupKeeper, run_again


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


async def test_close_also_ends_what_a_task_starts_on_its_way_out() -> None:
    keeper = TaskGroupKeeper(lambda name, error: None)
    last_words: list[asyncio.Task[None]] = []

    async def talkative() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            last_words.append(keeper.start(asyncio.sleep(3600), name="last words"))

    keeper.start(talkative(), name="talkative")
    await asyncio.sleep(0)
    await keeper.close()
    assert [task.cancelled() for task in last_words] == [True]


async def test_closing_with_nothing_to_close_is_fine() -> None:
    await TaskGroupKeeper(lambda name, error: None).close()


async def test_a_loop_that_fails_or_ends_is_started_anew_until_it_is_cancelled() -> None:
    crashes: list[tuple[str, str]] = []
    starts: list[int] = []
    third = asyncio.Event()

    async def beat() -> None:
        starts.append(len(starts))
        if len(starts) == 1:
            raise ValueError("broken")
        if len(starts) == 3:
            third.set()
            await asyncio.Event().wait()

    def report(name: str, error: BaseException) -> None:
        crashes.append((name, str(error)))

    running = asyncio.create_task(run_again(beat, pause_s=0, on_crash=report))
    await asyncio.wait_for(third.wait(), 10)
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    assert starts == [0, 1, 2]
    assert [(name.rpartition(".")[2], text) for name, text in crashes] == [("beat", "broken")]
