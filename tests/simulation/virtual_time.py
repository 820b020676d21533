"""An event loop whose time jumps to the next timer, so a minute of a fleet takes a fraction of a second.

Everything that runs on it runs in one thread and in an order that depends on nothing but the program and its seed.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import random
import selectors
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from app.runtime import clock
from app.services import names

PROCESS: contextvars.ContextVar[str | None] = contextvars.ContextVar("process", default=None)
"""Whose process a task belongs to: tasks inherit it from who starts them."""
WALL_AT_ZERO = datetime(2030, 1, 1, tzinfo=UTC).timestamp()


class Clock:
    """Stands in for the module `time` where clocks are read. `step_s` is how far the wall clock is off."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.step_s = 0.0

    def monotonic(self) -> float:
        return self.now_s

    def time(self) -> float:
        return WALL_AT_ZERO + self.now_s + self.step_s


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "nothing is left that could happen: every task waits for ever"
            self._clock.now_s += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, clock: Clock) -> None:
        super().__init__(_JumpingSelector(clock))
        self._virtual = clock
        self._stopped: str | None = None
        self._held: list[asyncio.Handle] = []
        self._held_timers: list[asyncio.TimerHandle] = []

    def time(self) -> float:
        return self._virtual.now_s

    @property
    def is_holding(self) -> bool:
        """A process stands still."""
        return self._stopped is not None

    def stop_process(self, name: str) -> None:
        """As by SIGSTOP: no task of it gets a turn, and its timers run on."""
        self._stopped = name
        self._held_timers = [timer for timer in self._scheduled if self._is_held(timer)]
        self._scheduled = [timer for timer in self._scheduled if not self._is_held(timer)]
        heapq.heapify(self._scheduled)

    def continue_process(self) -> None:
        self._stopped = None
        for timer in self._held_timers:
            heapq.heappush(self._scheduled, timer)
        self._ready.extend(self._held)
        self._held, self._held_timers = [], []

    def _is_held(self, handle: asyncio.Handle) -> bool:
        return bool(handle._context.get(PROCESS) == self._stopped)

    def _run_once(self) -> None:
        # The one place that every turn of every task goes through; asyncio has no public one.
        if self._stopped is not None:
            self._held += [handle for handle in self._ready if self._is_held(handle)]
            ready = [handle for handle in self._ready if not self._is_held(handle)]
            self._ready.clear()
            self._ready.extend(ready)
        super()._run_once()


@contextmanager
def _in_virtual_time(clock_of_run: Clock, dice: random.Random) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "time", clock_of_run)
        patch.setattr(names.secrets, "token_bytes", dice.randbytes)
        patch.setattr(names.secrets, "token_urlsafe", lambda n: dice.randbytes(n).hex())
        yield


async def _end_all() -> None:
    rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)


def run(seed: int, story: Callable[[Clock, random.Random], Coroutine[Any, Any, None]]) -> None:
    """Run `story` to its end. It gets its clock and its dice; the same seed gives the same history."""
    dice, virtual = random.Random(seed), Clock()
    loop = VirtualLoop(virtual)
    with _in_virtual_time(virtual, dice):
        try:
            loop.run_until_complete(story(virtual, dice))
        finally:
            loop.run_until_complete(_end_all())
            loop.close()
