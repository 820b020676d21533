"""Shapes are kept: what does not fit gets borders."""

from __future__ import annotations

from fractions import Fraction

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.media.encoding.scaler import Fit, Scaler, fit

SIZES = st.integers(8, 4096).map(lambda size: size * 2)


@pytest.mark.parametrize(
    ("source", "aspect", "into", "expected"),
    [
        ((1920, 1080), 1, (1280, 720), (1280, 720)),
        ((1920, 1080), 1, (854, 480), (854, 480)),
        ((1080, 1920), 1, (1280, 720), (404, 720)),
        ((640, 480), 1, (1280, 720), (960, 720)),
        ((720, 576), Fraction(64, 45), (1280, 720), (1280, 720)),
        ((2560, 1080), 1, (1280, 720), (1280, 540)),
    ],
)
def test_known_shapes(
    source: tuple[int, int], aspect: Fraction | int, into: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert fit(*source, Fraction(aspect), *into) == Fit(*expected)


@given(SIZES, SIZES, SIZES, SIZES)
def test_a_picture_always_fits_in_whole_chroma_samples(width: int, height: int, into_w: int, into_h: int) -> None:
    inside = fit(width, height, Fraction(1), into_w, into_h)
    assert 2 <= inside.width <= into_w
    assert 2 <= inside.height <= into_h
    assert inside.width % 2 == inside.height % 2 == 0
    assert inside.width == into_w or inside.height == into_h


def test_a_frame_of_the_right_size_is_passed_on_and_a_handle_is_another_frame() -> None:
    frame = av.VideoFrame(320, 180, "yuv420p")
    frame.pts = 40
    scaler = Scaler(320, 180)
    assert scaler.scale(frame, Fraction(1)) is frame
    handle = scaler.own_handle(frame)
    assert handle is not frame
    assert handle.pts == 40


def test_the_scaler_follows_a_source_that_changes() -> None:
    scaler = Scaler(320, 180)
    for width, height, layout in ((640, 360, "yuv420p"), (180, 320, "yuv422p"), (640, 480, "yuv420p10le")):
        frame = av.VideoFrame(width, height, layout)
        frame.pts = 7
        scaled = scaler.scale(frame, Fraction(1))
        assert (scaled.width, scaled.height, scaled.format.name, scaled.pts) == (320, 180, "yuv420p", 7)
