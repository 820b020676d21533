"""Audio payloads: parse, build, and cheap looks at the first bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from aiortmp.errors import ProtocolError
from aiortmp.flv.enhanced import Track, open_enhanced, read_tracks, write_tracks
from aiortmp.flv.kinds import AUDIO_FOURCC, CLASSIC_AUDIO, AudioCodec, AudioPacket, Multitrack
from aiortmp.flv.tags import AudioTag

_ENHANCED: Final = 9
_AAC: Final = 10
_RATES_HZ: Final = (5512, 11025, 22050, 44100)
_FIXED_RATES_HZ: Final = {4: 16000, 5: 8000, 7: 8000, 8: 8000, 11: 16000, 14: 8000}
_AAC_FLAGS: Final = 0xAF
"""44.1 kHz, 16 bit, stereo: what the specification wants for AAC, whatever it really is."""


def audio_is_sequence_header(head: bytes) -> bool:
    """Whether a payload that begins with ``head`` (2 bytes) is a codec header.

    Multitrack is seen through, ModEx is not: use `parse_audio`.
    """
    if len(head) < 2:
        return False
    if head[0] >> 4 == _ENHANCED:
        packet = head[0] & 0x0F
        if packet == AudioPacket.MULTITRACK:
            packet = head[1] & 0x0F
        return packet == AudioPacket.SEQUENCE_START
    return head[0] >> 4 == _AAC and head[1] == 0


def parse_audio(payload: bytes) -> AudioTag:
    """The first track of an audio payload, the others in its ``others``. Raises ProtocolError."""
    if not payload:
        raise ProtocolError("audio payload is empty")
    return _enhanced(payload) if payload[0] >> 4 == _ENHANCED else _classic(payload)


def _classic(payload: bytes) -> AudioTag:
    sound_format = payload[0] >> 4
    packet_type, start = 1, 1
    if sound_format == _AAC:
        if len(payload) < 2:
            raise ProtocolError("audio payload is too short for its codec")
        packet_type, start = payload[1], 2
    mono = sound_format in _FIXED_RATES_HZ and sound_format != 14
    return AudioTag(
        codec=CLASSIC_AUDIO.get(sound_format, AudioCodec.UNKNOWN),
        is_enhanced=False,
        is_sequence_header=packet_type == 0,
        is_end_of_sequence=False,
        is_coded=packet_type == 1,
        body_start=start,
        body_end=len(payload),
        sample_rate_hz=_FIXED_RATES_HZ.get(sound_format, _RATES_HZ[payload[0] >> 2 & 3]),
        channels=1 if mono or not payload[0] & 1 else 2,
    )


def _enhanced(payload: bytes) -> AudioTag:
    head = open_enhanced(payload, mod_ex=AudioPacket.MOD_EX, multitrack=AudioPacket.MULTITRACK)
    tags = [_track(track, head.nanoseconds) for track in read_tracks(payload, head)]
    return replace(tags[0], others=tuple(tags[1:])) if len(tags) > 1 else tags[0]


def _track(track: Track, nanoseconds: int) -> AudioTag:
    return AudioTag(
        codec=AUDIO_FOURCC.get(track.fourcc, AudioCodec.UNKNOWN),
        is_enhanced=True,
        is_sequence_header=track.packet_type == AudioPacket.SEQUENCE_START,
        is_end_of_sequence=track.packet_type == AudioPacket.SEQUENCE_END,
        is_coded=track.packet_type == AudioPacket.CODED_FRAMES,
        body_start=track.start,
        body_end=track.end,
        track_id=track.track_id,
        nanoseconds=nanoseconds,
    )


def build_audio(
    codec: AudioCodec,
    body: bytes,
    *,
    sequence_header: bool = False,
    enhanced: bool | None = None,
    track_id: int | None = None,
) -> bytes:
    """A payload with ``body``: one frame, or the codec's configuration.

    ``enhanced`` None: classic for AAC and MP3, enhanced for all others. A ``track_id`` makes it a
    multitrack payload with that one track. ValueError for a codec the form cannot carry.
    """
    if enhanced is None:
        enhanced = codec not in (AudioCodec.AAC, AudioCodec.MP3) or track_id is not None
    if not enhanced:
        if codec is AudioCodec.AAC:
            return bytes((_AAC_FLAGS, 0 if sequence_header else 1)) + body
        if codec is AudioCodec.MP3:
            return b"\x2f" + body
        raise ValueError(f"classic FLV audio of {codec.value} is not written")
    fourcc = codec.value.encode()
    if fourcc not in AUDIO_FOURCC:
        raise ValueError(f"enhanced FLV cannot carry {codec.value}")
    packet_type = AudioPacket.SEQUENCE_START if sequence_header else AudioPacket.CODED_FRAMES
    if track_id is None:
        return bytes((_ENHANCED << 4 | packet_type,)) + fourcc + body
    first = bytes((_ENHANCED << 4 | AudioPacket.MULTITRACK,))
    return first + write_tracks(Multitrack.ONE_TRACK, packet_type, [(fourcc, track_id, body)])
