"""Decoders open from headers alone, within bounds."""

from __future__ import annotations

import pytest

from app.domain.errors import InvalidRequest
from app.media.encoding.decoder import VideoDecoder
from app.media.encoding.packets import VideoConfig
from tests.unit.media.encoding.clips import clip, small, video_of


def config() -> VideoConfig:
    return next(item for item in clip(small()) if isinstance(item, VideoConfig))


def test_a_picture_larger_than_allowed_is_not_decoded() -> None:
    decoder = VideoDecoder(config(), max_pixels=320 * 180 // 2)
    frames = [frame for packet in video_of(clip(small()))[:5] for frame in decoder.decode(packet)]
    assert frames == []
    assert decoder.broken == 5


def test_an_unknown_codec_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no decoder"):
        VideoDecoder(VideoConfig("rv40", b""))


def test_frames_carry_the_source_s_times() -> None:
    decoder = VideoDecoder(config())
    packets = video_of(clip(small()))[:20]
    frames = [frame for packet in packets for frame in decoder.decode(packet)] + decoder.drain()
    assert [frame.pts for frame in frames] == [packet.pts_ms for packet in packets]


def test_pictures_that_nobody_wants_nor_refers_to_are_not_decoded() -> None:
    items = clip(small(b_frames=2))
    config = next(item for item in items if isinstance(item, VideoConfig))
    packets = video_of(items)
    whole, hasty = VideoDecoder(config), VideoDecoder(config)
    skipped = 0
    shown: list[tuple[int | None, bytes]] = []
    expected: list[tuple[int | None, bytes]] = []
    for number, packet in enumerate(packets):
        frames = hasty.decode(packet, may_skip=number < 45)
        skipped += not frames
        shown += [(frame.pts, bytes(frame.planes[0])) for frame in frames]
        expected += [(frame.pts, bytes(frame.planes[0])) for frame in whole.decode(packet)]
    assert skipped > 10
    assert hasty.broken == 0
    after = packets[47].pts_ms
    assert [each for each in shown if (each[0] or 0) > after] == [
        each for each in expected if (each[0] or 0) > after
    ]
