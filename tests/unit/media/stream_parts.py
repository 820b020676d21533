"""Small made-up packets for tests of the gateway's pure parts."""

from __future__ import annotations

from aiortmp import MediaBatch, MediaMessage, MessageType, amf0
from aiortmp.flv import AudioCodec, VideoCodec, build_audio, build_video
from app.media.arrival import Arrival, arrive

AVC_RECORD = bytes.fromhex("0164001fffe1001a6764001facd9405005bb011000000300100000030320f183196001000568ebecb22c")
ASC = bytes.fromhex("1210")
"""AAC-LC, 44.1 kHz, stereo."""


def video(stamp: int, *, key: bool = False, body: bytes = b"v", composition_ms: int = 0) -> MediaMessage:
    payload = build_video(VideoCodec.AVC, body, keyframe=key, composition_time_ms=composition_ms)
    return MediaMessage(MessageType.VIDEO, stamp & 0xFFFFFFFF, payload)


def audio(stamp: int, body: bytes = b"a") -> MediaMessage:
    return MediaMessage(MessageType.AUDIO, stamp & 0xFFFFFFFF, build_audio(AudioCodec.AAC, body))


def video_header(record: bytes = AVC_RECORD) -> MediaMessage:
    return MediaMessage(MessageType.VIDEO, 0, build_video(VideoCodec.AVC, record, sequence_header=True))


def audio_header(config: bytes = ASC) -> MediaMessage:
    return MediaMessage(MessageType.AUDIO, 0, build_audio(AudioCodec.AAC, config, sequence_header=True))


def data(*values: amf0.Value) -> MediaMessage:
    return MediaMessage(MessageType.DATA, 0, amf0.encode(values))


def at_stamps(*messages: MediaMessage) -> Arrival:
    """An arrival placed exactly where its timestamps say."""
    return arrive(MediaBatch.of(messages), lambda stamps: [stamp for _, stamp in stamps])


class Outlet:
    """Keeps what it is sent; `buffered_bytes` is set by the test."""

    def __init__(self) -> None:
        self.batches: list[MediaBatch] = []
        self.buffered_bytes = 0

    def send(self, batch: MediaBatch) -> None:
        self.batches.append(batch)

    def stamps(self, kind: MessageType = MessageType.VIDEO) -> list[int]:
        """Timestamps of the frames of one kind, without headers."""
        return [
            message.timestamp
            for batch in self.batches
            for message in batch
            if message.type is kind and message.payload[1] != 0
        ]
