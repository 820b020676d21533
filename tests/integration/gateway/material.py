"""RTMP messages of any media file, and a publisher for them: for codecs that the ffmpeg binary cannot publish."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import av

from aiortmp import MediaBatch, MediaMessage, MessageType
from aiortmp.aio import ClientConnection, Publish, connect
from aiortmp.flv import AudioCodec, VideoCodec, build_audio, build_video
from tests.integration.gateway.rig import KEY, Rig

CODECS = {
    "h264": VideoCodec.AVC,
    "hevc": VideoCodec.HEVC,
    "av1": VideoCodec.AV1,
    "aac": AudioCodec.AAC,
    "opus": AudioCodec.OPUS,
}


def messages_of(file: Path) -> list[MediaMessage]:
    """Codec headers, then every packet in decoding order, timestamps in ms from 0."""
    with av.open(str(file)) as container:
        messages = [
            _message(stream.codec_context.name, 0, bytes(stream.codec_context.extradata or b""), header=True)
            for stream in container.streams
        ]
        packets = [packet for packet in container.demux() if packet.size and packet.dts is not None]
        first = min(packet.dts * packet.time_base for packet in packets)
        for packet in packets:
            stamp = round((packet.dts * packet.time_base - first) * 1000)
            composition = round((packet.pts - packet.dts) * packet.time_base * 1000)
            name = packet.stream.codec_context.name
            messages.append(
                _message(name, stamp, bytes(packet), key=packet.is_keyframe, composition_ms=composition)
            )
    return messages


def _message(
    name: str, stamp: int, body: bytes, *, key: bool = False, composition_ms: int = 0, header: bool = False
) -> MediaMessage:
    codec = CODECS[{"libdav1d": "av1", "libopus": "opus"}.get(name, name)]
    if isinstance(codec, AudioCodec):
        return MediaMessage(MessageType.AUDIO, stamp, build_audio(codec, body, sequence_header=header))
    payload = build_video(codec, body, keyframe=key, sequence_header=header, composition_time_ms=composition_ms)
    return MediaMessage(MessageType.VIDEO, stamp, payload)


async def publisher(rig: Rig, key: str = KEY) -> tuple[ClientConnection, Publish]:
    connection = await connect(f"{rig.rtmp}/live")
    return connection, await connection.publish(key)


def send(publish: Publish, messages: Iterable[MediaMessage]) -> None:
    publish.send(MediaBatch.of(messages))


def shifted(messages: Iterable[MediaMessage], by_ms: int) -> list[MediaMessage]:
    """The same messages with timestamps moved, modulo 32 bits."""
    return [MediaMessage(m.type, (m.timestamp + by_ms) & 0xFFFFFFFF, m.payload) for m in messages]
