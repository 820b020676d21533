"""A look as it travels, is decoded and measured."""

from __future__ import annotations

import io
import math

import pytest

from aiortmp import MediaMessage, MessageType
from app.domain.content import Fault, Side
from app.domain.errors import InvalidRequest
from app.domain.ladder import FrameRate
from app.media.content import levels
from app.media.content.measure import Eye
from app.media.content.talk import MAX_LOOK_BYTES, Look, Seen, look_bytes, read_look, read_seen, seen_line
from app.media.encoding.testcard import CardPlan, card_packets
from app.media.encoding.wire import PublisherWriter
from benchmarks import detectors, scenes
from tests.unit.media.stream_parts import audio, audio_header, video, video_header


def card() -> tuple[list[MediaMessage], list[MediaMessage]]:
    """Header and frames of picture and sound: 20 frames at 10 a second."""
    writer = PublisherWriter()
    plan = CardPlan(width=320, height=180, rate=FrameRate(10), keyframe_interval_ms=1_000, frames=20)
    messages = [message for item in card_packets(plan) for message in writer.write(item)]
    return (
        [m for m in messages if m.type is MessageType.VIDEO],
        [m for m in messages if m.type is MessageType.AUDIO],
    )


def test_a_look_travels_unchanged() -> None:
    look = Look("str_1/source", [video_header(), video(5, key=True)], [audio_header(), audio(7)])
    stream = io.BytesIO(look_bytes(look) + look_bytes(Look("other")))
    assert read_look(stream) == look
    assert read_look(stream) == Look("other", [], [])
    assert read_look(stream) is None


def test_a_look_that_is_too_large_is_not_sent() -> None:
    with pytest.raises(ValueError, match="too much"):
        look_bytes(Look("room", [video(0, body=bytes(MAX_LOOK_BYTES))]))


def test_an_answer_travels_unchanged_and_another_line_is_refused() -> None:
    seen = Seen(2.5, mean=10.0, change=None, rms_dbfs=-20.0)
    assert read_seen(seen_line(seen)) == seen
    with pytest.raises(InvalidRequest):
        read_seen(b"")


def test_a_picture_is_measured_and_compared_with_the_last_of_its_room() -> None:
    pictures, _ = card()
    eye = Eye()
    first = eye.look(Look("a", pictures[:2]))
    assert first.mean is not None
    assert 30 < first.mean < 150
    assert first.change is None
    assert eye.look(Look("b", pictures[:2])).change is None
    assert eye.look(Look("a", pictures[:2])).change == 0.0
    moved = eye.look(Look("a", pictures))
    assert moved.change is not None
    assert moved.change > 50


def test_the_loudness_of_a_beep_is_told() -> None:
    _, sound = card()
    seen = Eye().look(Look("a", (), sound))
    assert seen.mean is None
    assert seen.peak_dbfs == pytest.approx(-12.0, abs=1.5)
    # A tenth of each second of a sine at a quarter of full scale.
    assert seen.rms_dbfs == pytest.approx(20 * math.log10(0.25 / math.sqrt(2) * math.sqrt(0.1)), abs=1.5)


@pytest.mark.parametrize(
    "look",
    [
        Look("a", [video_header(), video(0, key=True, body=b"\x00\x00\x00\x05nonsense")]),
        Look("a", [video(0, key=True)]),
        Look("a", [video_header(b"")]),
        Look("a", (), [audio_header(b""), audio(0, body=b"\xff" * 40)]),
        Look("a", (), [audio(0)]),
        Look("a", [MediaMessage(MessageType.VIDEO, 0, b"\x17")]),
    ],
)
def test_what_cannot_be_decoded_says_nothing(look: Look) -> None:
    seen = Eye().look(look)
    assert (seen.mean, seen.rms_dbfs) == (None, None)


def test_levels_of_grey_are_those_of_the_picture() -> None:
    size = levels.WIDTH * levels.HEIGHT
    black, half = bytes(size), bytes(size // 2) + b"\xff" * (size // 2)
    assert levels.luma(black) == levels.Luma(0.0, 1.0, 0.0)
    assert levels.luma(half) == levels.Luma(127.5, 0.5, 0.5)
    assert levels.change(black, black) == 0.0
    assert levels.change(black, half) == 255.0
    one_block = bytearray(size)
    one_block[levels.WIDTH + 1] = 64
    assert levels.change(black, bytes(one_block)) == 1.0


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("black of an encoder", {(Fault.BLACK_PICTURE, Side.ENCODER)}),
        ("silenced by an encoder", {(Fault.SILENT_AUDIO, Side.ENCODER)}),
        ("frozen encoder, source keys 8 s", {(Fault.FROZEN_PICTURE, Side.ENCODER)}),
        ("fade to black", set()),
        ("title card on black", set()),
        ("still slide with talk", set()),
    ],
)
def test_faults_are_found_and_what_looks_like_one_is_not(kind: str, expected: set[tuple[Fault, Side]]) -> None:
    (scene,) = [scene for scene in detectors.labelled(1) if scene.kind == kind]
    outcome = detectors.run(scene)
    assert set(outcome.found) == expected
    grace_s = 3.0
    hold_s = 10.0 if Fault.SILENT_AUDIO in {fault for fault, _ in expected} else 5.0
    for told_s in outcome.found.values():
        assert told_s - scenes.FROM_S <= hold_s + grace_s
