"""Supervised asyncio tasks: named, kept, and never lost with their error.

The one place, with the process entry, where a broad `except` is right.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

OnCrash = Callable[[str, BaseException], None]


class TaskGroupKeeper:
    """Keeps background tasks of one owner. `close()` cancels all and waits for them.

    A task that fails is reported to `on_crash(name, error)`; the others go on.
    """

    def __init__(self, on_crash: OnCrash) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._on_crash = on_crash

    def start(self, work: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            self._on_crash(task.get_name(), error)

    async def close(self) -> None:
        # A task that ends may start another one on its way out.
        while tasks := list(self._tasks):
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def run_again(make: Callable[[], Coroutine[Any, Any, None]], *, pause_s: float, on_crash: OnCrash) -> None:
    """Runs until cancelled: a loop that must not end is started anew when it fails, each failure reported."""
    while True:
        work = make()
        name = getattr(work, "__qualname__", "loop")
        try:
            await work
        except Exception as error:  # a supervisor: whatever failed, the loop is needed
            on_crash(name, error)
        await asyncio.sleep(pause_s)
