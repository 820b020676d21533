"""The sampling child as its gateway sees it: started when it is first needed, asked, ended when it does not answer.

It may die at any time, of a hostile picture or by hand: then it is started anew, each time a little later. Leaves
to others: what it is asked (`rounds`), and what it does (`app.assembly.sampler`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence
from typing import Final

from app.domain.errors import InvalidRequest, Unavailable
from app.media.content.talk import MAX_LINE_BYTES, Look, Seen, look_bytes, read_seen
from app.media.encoding.children import child_environment

START_S: Final = 20.0
"""To its first answer: half a second, and on a machine that is overloaded much more."""
ANSWER_S: Final = 5.0
"""A picture takes some milliseconds; it yields to everybody else."""
RESTART_FIRST_S: Final = 1.0
RESTART_MOST_S: Final = 60.0
WELL_AFTER: Final = 100
"""Answers after which a child that dies is restarted at once again."""


class SamplingChild:
    def __init__(self, command: Sequence[str], *, monotonic: Callable[[], float]) -> None:
        self._command = command
        self._monotonic = monotonic
        self._process: asyncio.subprocess.Process | None = None
        self._restart_from_s = 0.0
        self._pause_s = RESTART_FIRST_S
        self._answers = 0
        self.deaths = 0

    @property
    def pid(self) -> int | None:
        """None: it does not run."""
        return self._process.pid if self._process is not None else None

    @property
    def is_resting(self) -> bool:
        """It died a moment ago, and is not started yet."""
        return self._process is None and self._monotonic() < self._restart_from_s

    async def ask(self, look: Look) -> Seen:
        """Raises Unavailable: it died of this, did not answer in time, rests, or this is too much to look at."""
        if self.is_resting:
            raise Unavailable("the sampling child rests")
        try:
            asked = look_bytes(look)
        except ValueError as error:
            raise Unavailable(str(error)) from error
        try:
            async with asyncio.timeout(ANSWER_S if self._answers else START_S):
                return await self._ask(asked)
        except (TimeoutError, OSError, ValueError, InvalidRequest) as error:
            await self._gone()
            raise Unavailable(f"the sampling child does not answer: {type(error).__name__}") from error

    async def _ask(self, asked: bytes) -> Seen:
        process = self._process or await self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(asked)
        await process.stdin.drain()
        seen = read_seen(await process.stdout.readline())
        self._answers += 1
        if self._answers >= WELL_AFTER:
            self._pause_s = RESTART_FIRST_S
        return seen

    async def _start(self) -> asyncio.subprocess.Process:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            str(os.getpid()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=MAX_LINE_BYTES,
            env=child_environment(os.environ),
            start_new_session=True,
        )
        return self._process

    async def _gone(self) -> None:
        await self.stop()
        self.deaths += 1
        self._restart_from_s = self._monotonic() + self._pause_s
        self._pause_s = min(RESTART_MOST_S, self._pause_s * 2)

    async def stop(self) -> None:
        """It holds nothing worth keeping: ended at once, and reaped."""
        process, self._process, self._answers = self._process, None, 0
        if process is None:
            return
        if process.returncode is None:
            # It may go in this moment.
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.wait()
        if process.stdin is not None:
            process.stdin.close()
