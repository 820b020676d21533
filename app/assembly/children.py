"""One child process of `encoder-manager up`: started, watched, stopped with all its own children.

When it is started again is decided in `app/policy/restarts.py`; which children there are, in `supervisor.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from app.assembly.process import EXIT_SETTINGS, LIFELINE
from app.domain.errors import InvalidSettings
from app.policy.restarts import Restarts
from app.runtime.clock import monotonic

STOP_GRACE_S: Final = 10.0
"""From SIGTERM to SIGKILL."""

log = structlog.get_logger("supervisor")


@dataclass(frozen=True, slots=True)
class ChildPlan:
    """`command` is what follows `encoder-manager`; `environ` is added to our own environment."""

    name: str
    command: tuple[str, ...]
    environ: Mapping[str, str] = field(default_factory=dict)


class Child:
    """Keeps one process running until `stop()`. Each process leads a group of its own, so that a Ctrl-C in the
    terminal reaches the supervisor alone and a kill reaches its grandchildren too."""

    def __init__(self, plan: ChildPlan) -> None:
        self.plan = plan
        self.restarts = Restarts()
        self._process: asyncio.subprocess.Process | None = None
        self._stop_asked = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """None while it is not running."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def keep_running(self) -> None:
        """Returns after `stop()`, once the process and its group are gone. Raises InvalidSettings when the child
        says that its settings are the fault."""
        while not self._stop_asked.is_set():
            began = monotonic()
            process = await self._start()
            code = await self._until_over(process)
            if self._stop_asked.is_set():
                return
            if code == EXIT_SETTINGS:
                raise InvalidSettings(f"{self.plan.name} refuses its settings; the lines above say why")
            self.restarts = self.restarts.after_death(monotonic() - began)
            log.warning(
                "part died, starting it again",
                part=self.plan.name,
                exit_code=code,
                restarts=self.restarts.count,
                delay_s=self.restarts.delay_s,
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop_asked.wait(), self.restarts.delay_s)

    async def _start(self) -> asyncio.subprocess.Process:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "app",
            *self.plan.command,
            stdin=asyncio.subprocess.PIPE,
            env={**os.environ, **self.plan.environ, LIFELINE: "1"},
            process_group=0,
        )
        log.info("part started", part=self.plan.name, pid=self._process.pid)
        return self._process

    async def _until_over(self, process: asyncio.subprocess.Process) -> int:
        """The exit code, once it ended by itself or was asked to; nothing of its group is left."""
        stop = asyncio.create_task(self._stop_asked.wait())
        over = asyncio.create_task(process.wait())
        try:
            await asyncio.wait({stop, over}, return_when=asyncio.FIRST_COMPLETED)
            if not over.done():
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
                await asyncio.wait({over}, timeout=STOP_GRACE_S)
            if not over.done():
                log.warning("part does not end, killing it", part=self.plan.name)
        finally:
            stop.cancel()
            self._sweep(process.pid)
        return await over

    def stop(self) -> None:
        """Ask, then kill; `keep_running` returns when that is done."""
        self._stop_asked.set()

    def kill(self) -> None:
        if self.pid is not None:
            self._sweep(self.pid)

    @staticmethod
    def _sweep(group: int) -> None:
        """End whatever is left of the group."""
        # macOS answers "not permitted" for a group of which only the dead are left.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
