"""What a stream may ask for, and the ladder it gets."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.ladder import FrameRate, Rendition
from app.domain.session import StreamRequest
from app.domain.stream import StreamMode
from app.policy.default_ladder import default_ladder, frame_rate, recommended_bps
from app.policy.stream_rules import judge, key_is_well_formed

GOOD = StreamRequest(width=1920, height=1080, bitrate_bps=8_000_000, fps=30.0)
RUNG = Rendition("hi", 1280, 720, FrameRate(30), 3_000_000)


def errors(**changes: object) -> str:
    return "; ".join(judge(dataclasses.replace(GOOD, **changes)).advice.errors)  # type: ignore[arg-type]


def test_a_good_request_has_neither_errors_nor_warnings() -> None:
    verdict = judge(GOOD)
    assert (verdict.advice.errors, verdict.advice.warnings) == ((), ())
    assert verdict.ladder is not None


@pytest.mark.parametrize("fps", [24, 25, 29.97, 30, 50, 59.94, 60])
@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1280, 720), (854, 480), (640, 360), (1080, 1920)])
def test_every_size_and_rate_of_the_contract_is_allowed(width: int, height: int, fps: float) -> None:
    assert errors(width=width, height=height, fps=float(fps)) == ""


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"width": 3840, "height": 2160}, "resolution"),
        ({"width": 32}, "resolution"),
        ({"bitrate_bps": 999_999}, "bitrate"),
        ({"bitrate_bps": 20_000_001}, "bitrate"),
        ({"fps": 31.0}, "fps"),
        ({"fps": 120.0}, "fps"),
        ({"keyframe_interval_ms": 100}, "keyframe"),
        ({"segment_ms": 5_000}, "segment"),
        ({"segment_ms": 0}, "segment"),
        ({"reconnect_window_s": 601}, "reconnect"),
        ({"key_lifetime_s": 1}, "key_lifetime"),
        ({"name": "x" * 201}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"preset": "placebo"}, "preset"),
        ({"codec": "lib x;rm"}, "codec"),
        ({"renditions": ()}, "renditions"),
        ({"renditions": (RUNG, RUNG)}, "once"),
        ({"renditions": (dataclasses.replace(RUNG, name="audio"),)}, "name"),
        ({"renditions": (dataclasses.replace(RUNG, width=1279),)}, "even"),
        ({"renditions": (dataclasses.replace(RUNG, width=2000),)}, "upscaled"),
        ({"renditions": (dataclasses.replace(RUNG, frame_rate=FrameRate(60)),)}, "fps"),
        ({"renditions": (dataclasses.replace(RUNG, video_bps=1),)}, "bitrate"),
        ({"renditions": (RUNG,), "mode": StreamMode.PASSTHROUGH}, "passed through"),
        ({"destinations": ("http://x/y",)}, "destinations[0]"),
        ({"destinations": ("rtmp://host",)}, "destinations[0]"),
        ({"destinations": ("rtmp://user:pw@host/app/key",)}, "destinations[0]"),
        ({"destinations": ("rtmp://h/a/k", "rtmp://h/a/k")}, "twice"),
        ({"destinations": tuple(f"rtmp://h/a/{n}" for n in range(17))}, "at most"),
    ],
)
def test_what_can_never_work_is_refused_with_its_place(changes: dict[str, object], word: str) -> None:
    assert word in errors(**changes)


def test_all_faults_are_told_at_once_and_no_url_is() -> None:
    text = errors(bitrate_bps=1, fps=1.0, destinations=("ftp://CANARY/live/key",))
    assert "bitrate" in text
    assert "fps" in text
    assert "destinations[0]" in text
    assert "CANARY" not in text


def test_a_passed_through_stream_may_have_any_rate_and_size_and_has_no_renditions() -> None:
    verdict = judge(dataclasses.replace(GOOD, mode=StreamMode.PASSTHROUGH, fps=23.976, width=3840, height=2160))
    assert verdict.advice.errors == ()
    assert verdict.ladder is not None
    assert verdict.ladder.renditions == ()


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"width": 1000, "height": 562}, "no standard size"),
        ({"width": 1281, "height": 720}, "odd sizes"),
        ({"bitrate_bps": 1_000_000}, "little"),
        ({"preset": "slow"}, "CPU"),
    ],
)
def test_what_is_doubtful_is_warned_of(changes: dict[str, object], word: str) -> None:
    verdict = judge(dataclasses.replace(GOOD, **changes))  # type: ignore[arg-type]
    assert verdict.advice.errors == ()
    assert word in " ".join(verdict.advice.warnings)


@pytest.mark.parametrize(
    ("short", "fps", "bps"),
    [(360, 30.0, 2_000_000), (480, 30.0, 2_000_000), (720, 30.0, 4_500_000), (1080, 30.0, 8_000_000),
     (720, 59.94, 6_750_000), (1080, 60.0, 12_000_000)],
)  # fmt: skip
def test_the_recommended_rates_are_the_contracts(short: int, fps: float, bps: int) -> None:
    assert recommended_bps(short, fps) == bps


@pytest.mark.parametrize(
    ("width", "height", "rungs"),
    [
        (1920, 1080, ["1080p", "720p", "480p"]),
        (1280, 720, ["720p", "480p"]),
        (854, 480, ["480p", "360p"]),
        (640, 360, ["360p"]),
        (1080, 1920, ["1080p", "720p", "480p"]),
        (720, 576, ["576p", "480p"]),
        (1281, 721, ["720p", "480p"]),
    ],
)
def test_the_default_ladder_is_the_asked_size_and_standard_rungs_below(
    width: int, height: int, rungs: list[str]
) -> None:
    ladder = default_ladder(width=width, height=height, rate=FrameRate(30), video_bps=5_000_000)
    assert [r.name for r in ladder] == rungs


@given(
    st.integers(64, 2560), st.integers(64, 1080), st.booleans(), st.integers(1_000_000, 20_000_000),
    st.sampled_from([24.0, 25.0, 29.97, 30.0, 50.0, 59.94, 60.0]),
)  # fmt: skip
def test_no_ladder_upscales_or_has_odd_sizes_or_distorts(
    long: int, short: int, portrait: bool, bps: int, fps: float
) -> None:
    width, height = (short, long) if portrait else (long, short)
    rate = frame_rate(fps)
    assert rate is not None
    ladder = default_ladder(width=width, height=height, rate=rate, video_bps=bps)
    assert ladder[0].video_bps == bps
    for rung in ladder:
        assert rung.width <= width
        assert rung.height <= height
        assert rung.width % 2 == rung.height % 2 == 0
        assert 0 < rung.video_bps <= bps
        # Rounding to even pixels moves an edge by one pixel at most, and cropping to even by one more.
        assert abs(rung.width * height - rung.height * width) <= 3 * (width + height)
    assert len({rung.name for rung in ladder}) == len(ladder)
    assert [r.video_bps for r in ladder] == sorted((r.video_bps for r in ladder), reverse=True)


@pytest.mark.parametrize(
    ("key", "good"),
    [("a" * 16, True), ("A-_9" * 32, True), ("a" * 15, False), ("a" * 129, False), ("ä" * 20, False),
     ("a" * 16 + "\n", False), ("../" * 8, False), ("", False)],
)  # fmt: skip
def test_a_stream_keys_form(key: str, good: bool) -> None:
    assert key_is_well_formed(key) is good
