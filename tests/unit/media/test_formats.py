"""Codec headers and metadata as publishers send them."""

from __future__ import annotations

import pytest

from aiortmp.flv import AudioCodec, VideoCodec, build_audio, build_video
from app.media.fmp4.formats import UnsupportedFormat
from app.media.formats import HEADER_MAX_BYTES, audio_format, video_format
from tests.unit.media.stream_parts import ASC


def test_a_codec_header_of_absurd_length_is_not_parsed() -> None:
    record = b"\x01" + bytes(21) + b"\xff" + (b"\x20\xff\xff" + bytes(131_070)) * 2
    with pytest.raises(UnsupportedFormat, match="longer than any"):
        video_format(build_video(VideoCodec.HEVC, record, sequence_header=True), (1920, 1080))
    with pytest.raises(UnsupportedFormat, match="longer than any"):
        audio_format(build_audio(AudioCodec.AAC, ASC + bytes(HEADER_MAX_BYTES), sequence_header=True))
