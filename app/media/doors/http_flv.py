"""HTTP-FLV: one muxed stream as an endless FLV body. A viewer that does not read loses frames, never memory."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from aiortmp import MediaBatch
from aiortmp.flv import file_header, tags
from app.media.fanout import FanOut

_TAGS_KEPT: Final = 4
LAST_S: Final = 10.0


class FlvBytes:
    """FLV form of batches, made once and shared by all viewers who are sent the same batch in turn."""

    def __init__(self) -> None:
        self._kept: deque[tuple[MediaBatch, bytes]] = deque(maxlen=_TAGS_KEPT)

    def of(self, batch: MediaBatch) -> bytes:
        for known, data in self._kept:
            if known is batch:
                return data
        data = tags(batch)
        self._kept.append((batch, data))
        return data


class FlvOutlet:
    """Queue between the fan-out and one HTTP response. Without a `transport` the viewer has left already."""

    def __init__(self, transport: asyncio.Transport | None, shared: FlvBytes) -> None:
        self._transport = transport
        self._shared = shared
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._wake = asyncio.Event()
        self._over = False

    @property
    def buffered_bytes(self) -> int:
        waiting = self._transport.get_write_buffer_size() if self._transport is not None else 0
        return self._queued_bytes + waiting

    def send(self, batch: MediaBatch) -> None:
        data = self._shared.of(batch)
        self._queue.append(data)
        self._queued_bytes += len(data)
        self._wake.set()

    def cut(self) -> None:
        """The viewer takes nothing."""
        if self._transport is not None:
            self._transport.abort()

    def finish(self) -> None:
        """Nothing more comes: the viewer has LAST_S to take what waits."""
        self._over = True
        self._wake.set()
        asyncio.get_running_loop().call_later(LAST_S, self.cut)

    async def next(self) -> bytes | None:
        """All that waits, joined; None at the end."""
        while not self._queue:
            if self._over:
                return None
            self._wake.clear()
            await self._wake.wait()
        data = b"".join(self._queue)
        self._queue.clear()
        self._queued_bytes = 0
        return data


async def serve_flv(
    request: web.BaseRequest,
    mux: FanOut,
    *,
    shared: FlvBytes,
    headers: Mapping[str, str],
) -> web.StreamResponse:
    """Send `mux` until the viewer leaves or the stream ends."""
    response = web.StreamResponse(headers={**headers, "Content-Type": "video/x-flv", "Connection": "close"})
    response.force_close()
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    outlet = FlvOutlet(request.transport, shared)
    _, leave = mux.join(outlet, cut=outlet.cut, end=lambda _: outlet.finish())
    begun = False
    try:
        while (data := await outlet.next()) is not None:
            if not begun:
                # Only now is known what there is; ffmpeg waits 90 s for what is announced and does not come.
                data = file_header(audio=mux.headers.has_audio, video=mux.headers.has_video) + data
                begun = True
            await response.write(data)
    except ConnectionError:
        pass  # the viewer left: how most responses end
    finally:
        leave()
    return response
