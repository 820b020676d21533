"""One destination: dials, pushes, notices a stall, waits, dials again. Nothing it does touches another.

Its queue is the connection's own buffer, bounded by the fan-out: a destination that does not read loses frames up
to the next key frame, and after a while its connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import StrEnum
from typing import Final

import structlog

from aiortmp import Rejected, RtmpError
from app.domain.errors import ManagerError
from app.domain.link import DestinationReading
from app.domain.secret import STARS
from app.domain.stream import Destination
from app.media.fanout import FanOut, Reader
from app.media.push.backoff import Backoff
from app.media.push.dial import Dialled, Dialler

log = structlog.get_logger()

QUEUE_MAX_BYTES: Final = 8 * 1024 * 1024
STALL_S: Final = 15.0
"""A connection that took no byte for this long while some wait is dead, whatever TCP believes."""
_LOOK_S: Final = 1.0


class PushState(StrEnum):
    CONNECTING = "connecting"
    LIVE = "live"
    BACKING_OFF = "backing_off"
    REFUSED = "refused"
    """The guard forbids the address: not tried again until the plan changes."""


class DestinationPush:
    """Runs as its own task from `start` until `close`."""

    def __init__(
        self,
        destination: Destination,
        mux: FanOut,
        *,
        dialler: Dialler,
        backoff: Backoff,
        monotonic: Callable[[], float],
    ) -> None:
        self._destination = destination
        self._mux = mux
        self._dialler = dialler
        self._backoff = backoff
        self._monotonic = monotonic
        self._state = PushState.CONNECTING
        self._detail: str | None = None
        self._sent_before = 0
        self._dropped_before = 0
        self._dialled: Dialled | None = None
        self._reader: Reader | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self, task: asyncio.Task[None]) -> None:
        """`task` runs `run`; it ends with `close`."""
        self._task = task

    async def run(self) -> None:
        """Until cancelled, or the guard refuses the address."""
        while True:
            self._state = PushState.CONNECTING
            live_s: float | None = None
            try:
                dialled = await self._dialler.dial(self._destination.url)
                live_s = self._monotonic()
                self._detail = await self._push(dialled)
            except ManagerError as error:
                self._detail = error.detail
                if not error.retryable:
                    self._state = PushState.REFUSED
                    log.warning("push refused", destination_id=self._destination.id, reason=error.detail)
                    return
            except Rejected as error:
                self._detail = f"the destination refuses the stream or its key: {self._told(error)}"
            except (RtmpError, OSError) as error:
                self._detail = f"the destination did not take the stream: {self._told(error)}"
            self._state = PushState.BACKING_OFF
            wait_s = self._backoff.failed(0.0 if live_s is None else self._monotonic() - live_s)
            log.info("push ended", destination_id=self._destination.id, reason=self._detail, again_in_s=wait_s)
            await asyncio.sleep(wait_s)

    def reading(self) -> DestinationReading:
        sent = self._dialled.connection.bytes_out if self._dialled is not None else 0
        dropped = self._reader.dropped if self._reader is not None else 0
        return DestinationReading(
            self._destination.id,
            self._state,
            self._detail,
            self._sent_before + sent,
            self._dropped_before + dropped,
        )

    def follow(self, mux: FanOut) -> None:
        """Send `mux` from now on, over the connection that there is."""
        if self._reader is not None and self._mux.now is not mux:
            self._reader.home.hand(self._reader, mux)
        self._mux = mux

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _told(self, error: Exception) -> str:
        """What went wrong, without the key that a server may repeat in its answer."""
        text = str(error) or type(error).__name__
        name = self._destination.url.reveal().rstrip("/").rpartition("/")[2]
        for secret in {name, name.partition("?")[0]} - {""}:
            text = text.replace(secret, STARS)
        return text[:200]

    async def _push(self, dialled: Dialled) -> str:
        """Push until the connection is over or stalls; why it ended."""
        connection = dialled.connection
        self._state, self._detail, self._dialled = PushState.LIVE, None, dialled
        log.info("push live", destination_id=self._destination.id)
        self._reader, leave = self._mux.join(dialled.publish, max_bytes=QUEUE_MAX_BYTES)
        over = asyncio.ensure_future(connection.wait_closed())
        try:
            return await self._watch(dialled, over)
        finally:
            leave()
            over.cancel()
            self._sent_before += connection.bytes_out
            self._dropped_before += self._reader.dropped
            self._dialled = self._reader = None
            connection.abort("push ended")

    async def _watch(self, dialled: Dialled, over: asyncio.Future[RtmpError | None]) -> str:
        """Returns when the connection is over, or takes nothing for STALL_S."""
        connection = dialled.connection
        taken, since_s = 0, self._monotonic()
        while True:
            done, _ = await asyncio.wait({over}, timeout=_LOOK_S)
            if done:
                reason = over.result()
                return self._told(reason) if reason is not None else "connection closed"
            waiting = connection.buffered_bytes
            now_s = self._monotonic()
            if not waiting or connection.bytes_out - waiting > taken:
                taken, since_s = connection.bytes_out - waiting, now_s
            elif now_s - since_s > STALL_S:
                return f"the destination took nothing for {STALL_S:.0f} s"
