"""Encoder set-ups depend on the order alone."""

from __future__ import annotations

import pytest

from app.domain.errors import InvalidRequest
from app.domain.ladder import FrameRate, Rendition
from app.media.encoding.codecs import (
    OUTPUT_CODECS,
    encoder_name,
    encoder_options,
    encoder_threads,
    lookahead_frames,
)

HD = Rendition("1080p", 1920, 1080, FrameRate(30), 5_000_000)


def test_auto_is_x264_and_unknown_names_are_refused() -> None:
    assert encoder_name("auto") == "libx264"
    assert encoder_name("hevc_nvenc") == "hevc_nvenc"
    with pytest.raises(InvalidRequest):
        encoder_name("mpeg4")


@pytest.mark.parametrize("name", sorted(OUTPUT_CODECS))
def test_no_encoder_makes_b_frames_or_goes_over_its_rate(name: str) -> None:
    options = encoder_options(name, HD, "veryfast")
    assert options["bf"] == "0"
    assert options["maxrate"] == options["b"] == "5000000"


def test_looking_ahead_takes_a_fifth_of_a_second_at_most_ten_frames() -> None:
    frames = {rate: lookahead_frames(Rendition("x", 640, 360, FrameRate(rate), 1)) for rate in (5, 10, 30, 60)}
    assert frames == {5: 1, 10: 2, 30: 6, 60: 10}


def test_threads_follow_the_picture() -> None:
    small = Rendition("360p", 640, 360, FrameRate(30), 1)
    huge = Rendition("2160p", 3840, 2160, FrameRate(60), 1)
    assert (encoder_threads(small), encoder_threads(HD), encoder_threads(huge)) == (1, 3, 6)


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="plaid"):
        encoder_options("libx264", HD, "plaid")
