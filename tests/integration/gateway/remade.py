"""Workers that make pictures of their own of a source, as a broken encoder does, and a publisher of any pace."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from aiortmp import MediaBatch, MediaMessage, MessageType
from aiortmp.aio import Publish
from app.media.encoding.packets import SourceItem
from app.media.encoding.wire import PublisherWriter
from benchmarks import scenes
from tests.integration.gateway.echo import EchoWorker

LASTS_MS = round(scenes.LASTS_S * 1000)


def messages(draw: scenes.Draw, *, key_at_s: float) -> list[MediaMessage]:
    """Of 24 s of picture and music, key frames each 2 s."""
    writer = PublisherWriter()
    items: list[SourceItem] = list(scenes.encoded(draw, scenes.music(), bps=400_000, key_s=2.0, key_at_s=key_at_s))
    return [message for item in items for message in writer.write(item)]


class Remaker(EchoWorker):
    """Hands back sound as it came, and for each picture of the source the one of `made` with the same time."""

    def __init__(self, *given: Any, made: Sequence[MediaMessage], **named: Any) -> None:
        super().__init__(*given, **named)
        header, *pictures = [message for message in made if message.type is MessageType.VIDEO]
        self._header = header
        self._pictures = {message.timestamp: message for message in pictures}

    def on_media(self, batch: MediaBatch) -> None:
        super().on_media(MediaBatch.of([self._remade(message) for message in batch]))

    def _remade(self, message: MediaMessage) -> MediaMessage:
        if message.type is not MessageType.VIDEO:
            return message
        if message.payload[1] == 0:
            return self._header
        made = self._pictures[message.timestamp % LASTS_MS]
        return MediaMessage(made.type, message.timestamp, made.payload)


async def play(publish: Publish, source: Sequence[MediaMessage], pace: float, *, rounds: int = 1) -> None:
    """At `pace` times the speed of life, so many times: a busy machine needs longer to see what there is."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    for start_ms in range(0, rounds * LASTS_MS, LASTS_MS):
        for message in source:
            at_ms = start_ms + message.timestamp
            wait_s = began_s + at_ms / 1000 / pace - loop.time()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            publish.send(MediaBatch.of([MediaMessage(message.type, at_ms, message.payload)]))
