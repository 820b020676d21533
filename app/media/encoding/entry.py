"""A worker's way into the gateway: how it says who it is, and the tracks that it publishes.

Leaves to others: what it publishes, and what the gateway says (`worker`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from aiortmp import MediaBatch, MediaMessage
from aiortmp.aio import ClientConnection, Publish, connect
from app.domain.ladder import AUDIO_TRACK, AudioMode
from app.domain.stream import WorkerOrder
from app.media.encoding.packets import VideoHeader
from app.media.encoding.wire import sequence_header, standby_ready

APP: Final = "worker"
_MAX_UNSENT_BYTES: Final = 1024 * 1024
"""Above it nothing is taken from the pipeline: the encoders wait until the socket has drained."""


async def dial(order: WorkerOrder, nonce: str) -> ClientConnection:
    """`nonce` marks what the gateway says to this worker. Raises Rejected, RtmpError, OSError."""
    return await connect(
        f"rtmp://{_bracketed(order.gateway_host)}:{order.gateway_port}/{APP}",
        args={
            "stream_id": order.stream_id,
            "worker_id": order.worker_id,
            "generation": order.generation,
            "token": order.token.reveal(),
            "nonce": nonce,
        },
    )


class Tracks:
    """What the worker publishes, each track as a stream of its own."""

    def __init__(self, order: WorkerOrder) -> None:
        self._generation = order.generation
        ladder = order.encode.ladder
        self._names = [rendition.name for rendition in ladder.renditions]
        if ladder.audio.mode is not AudioMode.OFF:
            self._names.append(AUDIO_TRACK)
        self._publishes: dict[str, Publish] = {}

    async def open(
        self, connection: ClientConnection, *, on_end: Callable[[str], None], on_writable: Callable[[], None]
    ) -> None:
        """Raises RtmpError, OSError."""
        for name in self._names:
            publish = await connection.publish(name)
            publish.on_end = on_end
            publish.on_writable = on_writable
            self._publishes[name] = publish

    @property
    def is_full(self) -> bool:
        """Nothing more is to be sent before `on_writable` is called."""
        return any(publish.buffered_bytes > _MAX_UNSENT_BYTES for publish in self._publishes.values())

    def send(self, messages: Mapping[str, Sequence[MediaMessage]]) -> None:
        for name, of_track in messages.items():
            self._publishes[name].send(MediaBatch.of(of_track))

    def say_ready(self, headers: Iterable[VideoHeader], at_ms: int) -> None:
        """This standby is proved, with these headers."""
        for header in headers:
            self.send({header.track: [sequence_header(header, at_ms)]})
        self.send({self._names[0]: [standby_ready(self._generation)]})


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
