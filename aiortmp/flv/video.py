"""Video payloads: parse, build, and cheap looks at the first bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from aiortmp.errors import ProtocolError
from aiortmp.flv.enhanced import Track, open_enhanced, read_tracks, write_tracks
from aiortmp.flv.kinds import CLASSIC_VIDEO, VIDEO_FOURCC, FrameType, Multitrack, VideoCodec, VideoPacket
from aiortmp.flv.tags import VideoTag

_CLASSIC_WITH_PACKET_TYPE: Final = frozenset((VideoCodec.AVC, VideoCodec.HEVC, VideoCodec.AV1))
_WITH_COMPOSITION_TIME: Final = frozenset((VideoCodec.AVC, VideoCodec.HEVC))
_CLASSIC_ID: Final = {codec: number for number, codec in CLASSIC_VIDEO.items()}
_SEQUENCE_STARTS: Final = (VideoPacket.SEQUENCE_START, VideoPacket.MPEG2TS_SEQUENCE_START)
_CODED: Final = (VideoPacket.CODED_FRAMES, VideoPacket.CODED_FRAMES_X)


def video_is_keyframe(head: bytes) -> bool:
    """Whether a payload that begins with ``head`` (2 bytes) is a key frame with pictures in it.

    For multitrack and ModEx the answer is that of the frame type alone: use `parse_video`.
    """
    if len(head) < 2 or head[0] & 0x70 != 0x10:
        return False
    if head[0] & 0x80:
        return head[0] & 0x0F in (1, 3, 6, 7)
    return CLASSIC_VIDEO.get(head[0] & 0x0F) not in _CLASSIC_WITH_PACKET_TYPE or head[1] == 1


def video_is_sequence_header(head: bytes) -> bool:
    """Whether a payload that begins with ``head`` (2 bytes) is a codec header.

    Multitrack is seen through, ModEx is not: use `parse_video`.
    """
    if len(head) < 2:
        return False
    if head[0] & 0x80:
        packet = head[0] & 0x0F
        if packet == VideoPacket.MULTITRACK:
            packet = head[1] & 0x0F
        return packet in _SEQUENCE_STARTS
    return CLASSIC_VIDEO.get(head[0] & 0x0F) in _CLASSIC_WITH_PACKET_TYPE and head[1] == 0


def parse_video(payload: bytes) -> VideoTag:
    """The first track of a video payload, the others in its ``others``. Raises ProtocolError."""
    if not payload:
        raise ProtocolError("video payload is empty")
    return _enhanced(payload) if payload[0] & 0x80 else _classic(payload)


def _classic(payload: bytes) -> VideoTag:
    codec = CLASSIC_VIDEO.get(payload[0] & 0x0F, VideoCodec.UNKNOWN)
    frame_type = payload[0] >> 4
    packet_type, composition, start = 1, 0, 1
    if codec in _CLASSIC_WITH_PACKET_TYPE and frame_type != FrameType.COMMAND:
        if len(payload) < 5:
            raise ProtocolError("video payload is too short for its codec")
        packet_type = payload[1]
        composition = _si24(payload, 2)
        start = 5
    return VideoTag(
        codec=codec,
        frame_type=frame_type,
        is_enhanced=False,
        is_sequence_header=packet_type == 0,
        is_end_of_sequence=packet_type == 2,
        is_coded=packet_type == 1 and frame_type != FrameType.COMMAND,
        composition_time_ms=composition,
        body_start=start,
        body_end=len(payload),
    )


def _enhanced(payload: bytes) -> VideoTag:
    frame_type = payload[0] >> 4 & 7
    head = open_enhanced(payload, mod_ex=VideoPacket.MOD_EX, multitrack=VideoPacket.MULTITRACK)
    if frame_type == FrameType.COMMAND and head.packet_type != VideoPacket.METADATA:
        # A command frame carries one byte (seek start or end) and no FourCC.
        command = Track(VideoPacket.METADATA, b"", 0, head.start, len(payload))
        return replace(_track(payload, command, frame_type, head.nanoseconds), is_metadata=False)
    tags = [_track(payload, track, frame_type, head.nanoseconds) for track in read_tracks(payload, head)]
    return replace(tags[0], others=tuple(tags[1:])) if len(tags) > 1 else tags[0]


def _track(payload: bytes, track: Track, frame_type: int, nanoseconds: int) -> VideoTag:
    codec = VIDEO_FOURCC.get(track.fourcc, VideoCodec.UNKNOWN)
    composition, start = 0, track.start
    if track.packet_type == VideoPacket.CODED_FRAMES and codec in _WITH_COMPOSITION_TIME:
        if track.end - start < 3:
            raise ProtocolError("video payload is too short for its composition time")
        composition = _si24(payload, start)
        start += 3
    return VideoTag(
        codec=codec,
        frame_type=frame_type,
        is_enhanced=True,
        is_sequence_header=track.packet_type in _SEQUENCE_STARTS,
        is_end_of_sequence=track.packet_type == VideoPacket.SEQUENCE_END,
        is_coded=track.packet_type in _CODED and frame_type != FrameType.COMMAND,
        composition_time_ms=composition,
        body_start=start,
        body_end=track.end,
        track_id=track.track_id,
        nanoseconds=nanoseconds,
        is_metadata=track.packet_type == VideoPacket.METADATA,
    )


def build_video(
    codec: VideoCodec,
    body: bytes,
    *,
    keyframe: bool = False,
    sequence_header: bool = False,
    end_of_sequence: bool = False,
    composition_time_ms: int = 0,
    enhanced: bool | None = None,
    track_id: int | None = None,
) -> bytes:
    """A payload with ``body``: frames (AVC and HEVC length-prefixed), or the codec's configuration.

    ``enhanced`` None: classic for AVC, enhanced for all others. A ``track_id`` makes it a
    multitrack payload with that one track. ValueError for a codec the form cannot carry.
    """
    frame = FrameType.KEY if keyframe or sequence_header else FrameType.INTER
    if enhanced is None:
        enhanced = codec is not VideoCodec.AVC or track_id is not None
    if not enhanced:
        if codec not in _CLASSIC_ID:
            raise ValueError(f"classic FLV cannot carry {codec.value}")
        head = bytes((frame << 4 | _CLASSIC_ID[codec],))
        if codec not in _CLASSIC_WITH_PACKET_TYPE:
            return head + body
        packet = 0 if sequence_header else 2 if end_of_sequence else 1
        return head + bytes((packet,)) + _to_si24(composition_time_ms) + body
    fourcc = codec.value.encode()
    if fourcc not in VIDEO_FOURCC:
        raise ValueError(f"enhanced FLV cannot carry {codec.value}")
    packet_type = VideoPacket.CODED_FRAMES
    if sequence_header:
        packet_type = VideoPacket.SEQUENCE_START
    elif end_of_sequence:
        packet_type = VideoPacket.SEQUENCE_END
    elif codec in _WITH_COMPOSITION_TIME and not composition_time_ms:
        packet_type = VideoPacket.CODED_FRAMES_X
    elif codec in _WITH_COMPOSITION_TIME:
        body = _to_si24(composition_time_ms) + body
    if track_id is None:
        return bytes((0x80 | frame << 4 | packet_type,)) + fourcc + body
    first = bytes((0x80 | frame << 4 | VideoPacket.MULTITRACK,))
    return first + write_tracks(Multitrack.ONE_TRACK, packet_type, [(fourcc, track_id, body)])


def _si24(payload: bytes, at: int) -> int:
    return int.from_bytes(payload[at : at + 3], "big", signed=True)


def _to_si24(value: int) -> bytes:
    return value.to_bytes(3, "big", signed=True)
