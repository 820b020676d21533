"""A worker's way into the gateway: where to, and how it says who it is. Leaves to others: what it does there."""

from __future__ import annotations

from typing import Final

from aiortmp.aio import ClientConnection, connect
from app.domain.ladder import AUDIO_TRACK, AudioMode
from app.domain.stream import WorkerOrder

APP: Final = "worker"


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


def tracks_of(order: WorkerOrder) -> list[str]:
    """What the worker publishes, each as a stream of its own."""
    ladder = order.encode.ladder
    names = [rendition.name for rendition in ladder.renditions]
    return names if ladder.audio.mode is AudioMode.OFF else [*names, AUDIO_TRACK]


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
