"""The worker child's process: its order and later new rates on standard input, lines of figures on standard output.

Started by a node as `python -m app.assembly.worker PARENT_PID`. It ends when told to (SIGTERM, or its standard
input is closed) and when its node has gone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import BinaryIO

import av

from app.domain.errors import InvalidRequest
from app.domain.stream import EncodeSettings, WorkerOrder
from app.media.encoding.confine import confine
from app.media.encoding.talk import (
    MAX_LINE_BYTES,
    ExitCode,
    Farewell,
    Line,
    NewRates,
    read_order,
    read_rates,
    report_line,
)
from app.media.encoding.worker import Worker

_MAX_DECODER_THREADS = 4


def main() -> None:
    confine(int(sys.argv[1]))
    av.logging.set_level(None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    reports = Reports(sys.stdout.fileno())
    try:
        # Unbuffered: what the node says later is for the loop to read.
        with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as orders:
            order = read_order(orders.readline(MAX_LINE_BYTES))
    except InvalidRequest as error:
        farewell = Farewell(ExitCode.BAD_ORDER, error.detail)
    else:
        farewell = asyncio.run(_run(order, reports, sys.stdin.buffer))
    reports.tell(farewell)
    # Threads of the pipeline may still hang in a codec: nothing is left to save.
    os._exit(farewell.exit_code)


class Reports:
    """Lines to the node. A node that does not read costs whole lines, never the stream: the pipe does not block."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd

    def tell(self, line: Line) -> None:
        try:
            os.write(self._fd, report_line(line))
        except (BlockingIOError, BrokenPipeError):
            return


async def _run(order: WorkerOrder, reports: Reports, orders: BinaryIO) -> Farewell:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    threads = min(_MAX_DECODER_THREADS, os.cpu_count() or 1)
    worker = Worker(order, tell=reports.tell, decoder_threads=threads)
    await loop.connect_read_pipe(lambda: _NodeWatch(stopping, worker.set_rates, reports.tell), orders)
    return await worker.run(stopping)


class _NodeWatch(asyncio.Protocol):
    """Standard input brings new rates, a line each, and ends when the node closes it or dies."""

    def __init__(
        self,
        stopping: asyncio.Event,
        set_rates: Callable[[EncodeSettings], None],
        tell: Callable[[Line], None],
    ) -> None:
        self._stopping = stopping
        self._set_rates = set_rates
        self._tell = tell
        self._unread = b""

    def data_received(self, data: bytes) -> None:
        *lines, rest = (self._unread + data).split(b"\n")
        self._unread = rest[:MAX_LINE_BYTES]
        for line in lines:
            try:
                self._set_rates(read_rates(line))
            except InvalidRequest as error:
                self._tell(NewRates(error.detail))

    def connection_lost(self, exc: Exception | None) -> None:
        self._stopping.set()


if __name__ == "__main__":
    main()
