"""Publishes the test card or a media file to an RTMP server, at the pace of its timestamps.

Packets are sent as they are where RTMP can carry their codec; other files are encoded to H.264 and AAC on the way.
Leaves to others: finding the stream and its key.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Final

from aiortmp import MediaBatch, MediaMessage, Rejected, RtmpError, amf0
from aiortmp.aio import ClientConnection, Publish, connect
from app.domain.errors import InvalidRequest, ManagerError, NotAllowed, Unavailable
from app.domain.ladder import AudioPlan, FrameRate, Ladder, Rendition
from app.domain.secret import Secret
from app.domain.stream import EncodeSettings
from app.media.encoding.conduit import Closed, Conduit
from app.media.encoding.files import FileFacts, file_facts, read_source
from app.media.encoding.order import in_order
from app.media.encoding.packets import (
    AudioConfig,
    AudioHeader,
    AudioPacket,
    SourceItem,
    TrackPacket,
    VideoConfig,
    VideoEnd,
    VideoHeader,
    VideoPacket,
)
from app.media.encoding.pipeline import Pipeline
from app.media.encoding.testcard import CardPlan, Drawn, card_packets
from app.media.encoding.wire import PublisherWriter, metadata
from app.runtime.clock import monotonic

TESTCARD: Final = "testcard"
_CARRIED_VIDEO: Final = frozenset(("h264", "hevc", "av1", "vp9"))
_CARRIED_AUDIO: Final = frozenset(("aac", "mp3", "opus"))
_AHEAD_ITEMS: Final = 256
_MAX_UNSENT_BYTES: Final = 4 * 1024 * 1024
_ENCODED_RATE: Final = FrameRate(30)
_ENCODED_BPS_PER_PIXEL_S: Final = 0.1

Items = Callable[[], Iterator[SourceItem]]


async def publish(
    source: str,
    url: str,
    key: Secret,
    *,
    loop: bool = False,
    card: CardPlan | None = None,
    drawn: Drawn | None = None,
    ahead_items: int = _AHEAD_ITEMS,
    tls: ssl.SSLContext | None = None,
    on_live: Callable[[], None] = lambda: None,
) -> None:
    """Publish `source`, which is `testcard` or a file's path, to `url` (rtmp[s]://host[:port]/app).

    Returns at the source's end; with `loop` a file begins anew. `drawn` draws instead of the test card.
    `ahead_items`: packets that are made before their time. `on_live` is called when the server has accepted.
    Raises NotAllowed with the server's reason when it refuses, Unavailable when the connection fails,
    NotFound or InvalidRequest for the source or the address.
    """
    facts, items = _open(source, card or CardPlan(), drawn)
    connection = await _connect(url, tls)
    try:
        stream = await _enter(connection, key)
        on_live()
        stream.send(MediaBatch.of([_metadata(facts)]))
        await _send(items, stream, loop=loop, ahead_items=ahead_items)
        await stream.drain()
        await stream.close()
    except RtmpError as error:
        raise Unavailable(f"the connection to the server ended: {error}") from error
    finally:
        await connection.close()


def _open(source: str, card: CardPlan, drawn: Drawn | None) -> tuple[FileFacts, Items]:
    if source == TESTCARD:
        facts = FileFacts("h264", "aac", card.width, card.height, card.rate)
        return facts, lambda: in_order(card_packets(card, drawn), has_picture=True)
    path = Path(source)
    facts = file_facts(path)
    if facts.video_codec in (*_CARRIED_VIDEO, None) and facts.audio_codec in (*_CARRIED_AUDIO, None):
        return facts, lambda: read_source(path)
    return facts, lambda: in_order(_encoded(path, facts), has_picture=facts.width is not None)


async def _connect(url: str, tls: ssl.SSLContext | None) -> ClientConnection:
    try:
        return await connect(url, ssl=tls)
    except ValueError as error:
        raise InvalidRequest(str(error)) from error
    except Rejected as error:
        raise NotAllowed(f"the server refused: {error}") from error
    except (RtmpError, OSError) as error:
        raise Unavailable(f"no connection to the server: {error}") from error


async def _enter(connection: ClientConnection, key: Secret) -> Publish:
    try:
        return await connection.publish(key.reveal())
    except Rejected as error:
        raise NotAllowed(f"the server refused: {error}") from error


async def _send(items: Items, stream: Publish, *, loop: bool, ahead_items: int) -> None:
    writer = PublisherWriter()
    ahead: Conduit[tuple[SourceItem, int]] = Conduit(ahead_items)
    failures: list[ManagerError] = []
    Thread(target=_produce, args=(items, ahead, failures, loop), name="source", daemon=True).start()
    started = monotonic()
    try:
        while (entry := await asyncio.to_thread(ahead.get)) is not None:
            item, shift_ms = entry
            await _keep_pace(item, shift_ms, started)
            if not stream.is_open:
                raise Unavailable("the server ended the connection")
            messages = writer.write(item, shift_ms=shift_ms)
            if messages:
                stream.send(MediaBatch.of(messages))
            if stream.buffered_bytes > _MAX_UNSENT_BYTES:
                await stream.drain()
    except Closed:
        if failures:
            raise failures[0] from None
    finally:
        ahead.abort()


async def _keep_pace(item: SourceItem, shift_ms: int, started: float) -> None:
    match item:
        case VideoPacket(dts_ms=at_ms) | AudioPacket(pts_ms=at_ms):
            await asyncio.sleep(started + (at_ms + shift_ms) / 1000 - monotonic())
        case _:
            return


def _produce(
    items: Items, ahead: Conduit[tuple[SourceItem, int]], failures: list[ManagerError], loop: bool
) -> None:
    """In a thread: reading and encoding must not hold up the pace."""
    shift_ms = 0
    try:
        while True:
            clock = _Clock()
            has_picture = False
            for item in items():
                clock.note(item)
                has_picture = has_picture or isinstance(item, VideoConfig)
                ahead.put((item, shift_ms))
            if not loop or clock.length_ms == 0:
                if has_picture:
                    ahead.put((VideoEnd(), shift_ms + clock.length_ms))
                break
            shift_ms += clock.length_ms
    except Closed:
        return
    except ManagerError as error:
        failures.append(error)
    except Exception as error:  # the supervisor of a thread: a failure must reach the one who waits
        failures.append(Unavailable(f"the source failed: {error!r}"))
    ahead.close()


class _Clock:
    """How long one round of the source lasts: to the end of its last frame."""

    def __init__(self) -> None:
        self.length_ms = 0
        self._last_ms: dict[type, int] = {}

    def note(self, item: SourceItem) -> None:
        match item:
            case VideoPacket(dts_ms=at_ms) | AudioPacket(pts_ms=at_ms):
                step_ms = max(0, at_ms - self._last_ms.get(type(item), at_ms))
                self._last_ms[type(item)] = at_ms
                self.length_ms = max(self.length_ms, at_ms + step_ms)
            case _:
                return


def _metadata(facts: FileFacts) -> MediaMessage:
    known: dict[str, amf0.Value] = {"encoder": "encoder-manager"}
    if facts.width is not None and facts.height is not None:
        known |= {"width": facts.width, "height": facts.height}
    if facts.frame_rate is not None:
        known["framerate"] = facts.frame_rate.fps
    return metadata(known)


def _encoded(path: Path, facts: FileFacts) -> Iterator[SourceItem]:
    """The file as H.264 and AAC, by the same pipeline that workers run."""
    pipeline = Pipeline(EncodeSettings(_ladder(facts), keyframe_interval_ms=2_000))
    Thread(target=_feed, args=(path, pipeline), name="file", daemon=True).start()
    try:
        while (out := pipeline.outbox.get()) is not None:
            match out:
                case VideoHeader():
                    yield VideoConfig(out.codec, out.extradata)
                case AudioHeader():
                    yield AudioConfig("aac", out.extradata, out.sample_rate, out.channels)
                case TrackPacket(track="picture"):
                    yield VideoPacket(out.pts_ms, out.pts_ms, out.data, out.is_key)
                case TrackPacket():
                    yield AudioPacket(out.pts_ms, out.data)
    except Closed:
        if pipeline.failure is not None:
            raise pipeline.failure from None
    finally:
        pipeline.abort()


def _feed(path: Path, pipeline: Pipeline) -> None:
    try:
        for item in read_source(path):
            pipeline.put(item)
        pipeline.finish()
    except Closed:
        return
    except ManagerError as error:
        pipeline.fail(error)
    except Exception as error:  # the supervisor of a thread: a failure must reach the one who waits
        pipeline.fail(Unavailable(f"the file failed: {error!r}"))


def _ladder(facts: FileFacts) -> Ladder:
    if facts.width is None or facts.height is None:
        return Ladder((), AudioPlan())
    width, height = facts.width // 2 * 2, facts.height // 2 * 2
    rate = facts.frame_rate or _ENCODED_RATE
    video_bps = max(300_000, int(width * height * rate.fps * _ENCODED_BPS_PER_PIXEL_S))
    return Ladder((Rendition("picture", width, height, rate, video_bps),), AudioPlan())
