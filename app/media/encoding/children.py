"""One worker child as a process: started, listened to, watched, stopped for certain.

Leaves to others: which child may run (`roster`), what it does (`worker`).
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from app.domain.errors import Conflict, Unavailable
from app.domain.stream import EncodeSettings, WorkerOrder
from app.media.encoding.confine import MAX_RSS_BYTES
from app.media.encoding.talk import (
    MAX_LINE_BYTES,
    Farewell,
    Figures,
    NewRates,
    Problem,
    order_line,
    rates_line,
    read_report,
)
from app.ports.host import Host, ProcessReading

ASK_S: Final = 3.0
"""After a child was asked to stop; it lets out what is inside within 2 s."""
TERM_S: Final = 1.0
RATES_S: Final = 5.0
"""To open an encoder for each rendition twice, on a busy machine."""
_KEPT_ENVIRONMENT: Final = (
    *("PATH", "HOME", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH"),
    # Which GPU is the node's, and its driver.
    *("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "LIBVA_DRIVER_NAME", "LIBVA_DRIVERS_PATH"),
)

OnExit = Callable[["WorkerChild", int, str], None]
OnProblem = Callable[["WorkerChild", str], None]


def child_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What a child needs to run, without settings and secrets: it handles foreign media."""
    return {name: environ[name] for name in _KEPT_ENVIRONMENT if name in environ}


class WorkerChild:
    """`on_exit(child, exit_code, reason)` is called once, after the process is gone and reaped.

    `on_problem(child, text)` hears what is wrong with the source; the work goes on.
    """

    def __init__(
        self,
        order: WorkerOrder,
        process: asyncio.subprocess.Process,
        *,
        on_exit: OnExit,
        on_problem: OnProblem,
    ) -> None:
        self.order = order
        self.figures: Figures | None = None
        self.reading: ProcessReading | None = None
        self._process = process
        self._on_exit = on_exit
        self._on_problem = on_problem
        self._farewell: Farewell | None = None
        self._cause: str | None = None
        self._answer: asyncio.Future[str | None] | None = None
        self._listening = asyncio.create_task(self._listen(), name=f"worker {order.worker_id}")

    @classmethod
    async def start(
        cls,
        order: WorkerOrder,
        *,
        command: Sequence[str],
        on_exit: OnExit,
        on_problem: OnProblem = lambda child, text: None,
    ) -> WorkerChild:
        """Raises OSError when the process can't be made."""
        process = await asyncio.create_subprocess_exec(
            *command,
            str(os.getpid()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=MAX_LINE_BYTES,
            env=child_environment(os.environ),
            start_new_session=True,  # Ctrl-C in the terminal is for the node, which then stops its children
        )
        assert process.stdin is not None
        process.stdin.write(order_line(order))
        return cls(order, process, on_exit=on_exit, on_problem=on_problem)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def set_rates(self, encode: EncodeSettings) -> None:
        """Raises Conflict when this worker can't, Unavailable when it does not answer."""
        if self._answer is not None:
            raise Conflict("this worker is busy with other rates")
        assert self._process.stdin is not None
        self._answer = asyncio.get_running_loop().create_future()
        try:
            self._process.stdin.write(rates_line(encode))
            async with asyncio.timeout(RATES_S):
                reason = await self._answer
        except TimeoutError:
            raise Unavailable("the worker does not answer") from None
        finally:
            self._answer = None
        if reason is not None:
            raise Conflict(reason)
        self.order = replace(self.order, encode=encode)

    def watch(self, host: Host) -> None:
        """Read the process; end it when it holds more memory than a worker may."""
        self.reading = host.read_process(self.pid)
        if self.reading is not None and self.reading.rss_bytes > MAX_RSS_BYTES and self._cause is None:
            self._cause = f"held {self.reading.rss_bytes // 2**20} MiB of memory"
            self.signal(signal.SIGKILL)

    async def stop(self, reason: str) -> None:
        """Ask, then SIGTERM, then SIGKILL; returns when the process is gone. Safe to call twice."""
        self._cause = self._cause or f"stopped: {reason}"
        assert self._process.stdin is not None
        self._process.stdin.close()
        if await self._gone_within(ASK_S):
            return
        self.signal(signal.SIGTERM)
        if await self._gone_within(TERM_S):
            return
        self.signal(signal.SIGKILL)
        await asyncio.shield(self._listening)

    async def _gone_within(self, timeout_s: float) -> bool:
        done, _ = await asyncio.wait((self._listening,), timeout=timeout_s)
        return bool(done)

    def signal(self, number: int) -> None:
        """Nothing happens when the process is gone."""
        if self._process.returncode is None:
            self._process.send_signal(number)

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        while True:
            try:
                line = await self._process.stdout.readline()
            except ValueError:
                continue  # longer than any report: skipped
            if not line:
                break
            report = read_report(line)
            if isinstance(report, Figures):
                self.figures = report
            elif isinstance(report, Farewell):
                self._farewell = report
            elif isinstance(report, Problem):
                self._on_problem(self, report.text)
            elif isinstance(report, NewRates) and self._answer is not None and not self._answer.done():
                self._answer.set_result(report.refusal)
        code = await self._process.wait()
        self._on_exit(self, code, self._reason(code))

    def _reason(self, code: int) -> str:
        if self._cause is not None:
            return self._cause
        if self._farewell is not None:
            return self._farewell.reason
        if code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"
