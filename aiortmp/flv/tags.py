"""What a parsed media payload says. A payload holds one track, or several in multitrack tags."""

from __future__ import annotations

from dataclasses import dataclass

from aiortmp.flv.kinds import AudioCodec, FrameType, VideoCodec


@dataclass(frozen=True, slots=True)
class VideoTag:
    """One track's part of a video payload: ``payload[body_start:body_end]`` is the codec's data."""

    codec: VideoCodec
    frame_type: int
    """A `FrameType`, or a number it does not know."""
    is_enhanced: bool
    is_sequence_header: bool
    is_end_of_sequence: bool
    is_coded: bool
    """Whether the body holds pictures (neither header, end, metadata nor command)."""
    composition_time_ms: int
    body_start: int
    body_end: int
    track_id: int = 0
    nanoseconds: int = 0
    """To be added to the message's timestamp (ModEx)."""
    is_metadata: bool = False
    """HDR and the like, in AMF0."""
    others: tuple[VideoTag, ...] = ()
    """The further tracks of a multitrack payload, in order."""

    @property
    def is_keyframe(self) -> bool:
        """A picture that a decoder can begin with."""
        return self.is_coded and self.frame_type == FrameType.KEY

    def body(self, payload: bytes) -> bytes:
        """The codec's data of this track."""
        return payload[self.body_start : self.body_end]


@dataclass(frozen=True, slots=True)
class AudioTag:
    """One track's part of an audio payload: ``payload[body_start:body_end]`` is the codec's data."""

    codec: AudioCodec
    is_enhanced: bool
    is_sequence_header: bool
    is_end_of_sequence: bool
    is_coded: bool
    body_start: int
    body_end: int
    sample_rate_hz: int | None = None
    """From the classic header, where AAC always says 44100; None in enhanced tags."""
    channels: int | None = None
    """From the classic header, where AAC always says 2; None in enhanced tags."""
    track_id: int = 0
    nanoseconds: int = 0
    others: tuple[AudioTag, ...] = ()

    def body(self, payload: bytes) -> bytes:
        """The codec's data of this track."""
        return payload[self.body_start : self.body_end]
