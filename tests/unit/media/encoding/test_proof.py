"""A standby's proof: what it is made with, what it gives, and what it says when there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.domain.errors import Unavailable
from app.domain.ladder import Ladder
from app.domain.stream import EncodeSettings
from app.media.encoding.packets import AudioPacket, SourceItem, VideoConfig, VideoPacket
from app.media.encoding.pipeline import Pipeline
from app.media.encoding.proof import Proof, Sample, prove
from app.media.encoding.standby import Samples
from tests.unit.media.encoding.clips import clip, run, settings, small, video_of

FIRST, SECOND = VideoConfig("h264", b"1"), VideoConfig("h264", b"2")
KEY = VideoPacket(40, 40, b"k", True)


def proved(plan: EncodeSettings, sample: Sample | None) -> Proof:
    return prove(Pipeline(plan), plan, sample)


def sample_of(items: tuple[SourceItem, ...]) -> Sample:
    config = next(item for item in items if isinstance(item, VideoConfig))
    return Sample(config, video_of(items)[0])


@pytest.mark.parametrize("source", [small(), small(b_frames=2), small(video="libx265", b_frames=3)])
def test_a_key_frame_tells_the_parameter_sets_of_every_rendition(source: object) -> None:
    items = clip(source)  # type: ignore[arg-type]  # parametrize knows no types
    proof = proved(settings(), sample_of(items))
    assert (proof.failure, proof.unread) == (None, None)
    assert proof.at_ms == video_of(items)[0].pts_ms
    programme = run(items)
    assert list(proof.headers) == [programme.videos[track][0] for track in ("big", "small")]


def test_without_a_source_a_picture_of_its_own_will_do() -> None:
    proof = proved(settings(), None)
    assert [header.track for header in proof.headers] == ["big", "small"]
    assert proof.failure is None


def test_a_programme_without_a_picture_has_nothing_to_prove() -> None:
    assert proved(EncodeSettings(Ladder(()), 1_000), None) == Proof((), 0)


def test_an_encoder_that_does_not_open_is_this_worker_s_fault() -> None:
    proof = proved(replace(settings(), codec="h264_nvenc"), None)
    assert isinstance(proof.failure, Unavailable)
    assert "h264_nvenc" in proof.failure.detail


def test_a_source_that_can_t_be_read_is_not() -> None:
    config = next(item for item in clip(small()) if isinstance(item, VideoConfig))
    proof = proved(settings(), Sample(config, VideoPacket(0, 0, b"\xff" * 40, True)))
    assert proof.failure is None
    assert proof.unread is not None
    assert "big, small" in proof.unread


def test_a_proof_that_is_aborted_ends() -> None:
    pipeline = Pipeline(settings())
    pipeline.abort()
    assert prove(pipeline, settings(), None).headers == ()


def test_each_new_header_gives_a_sample_with_its_first_key_frame() -> None:
    samples = Samples()
    other = replace(KEY, data=b"o")
    first = [KEY, FIRST, replace(KEY, is_key=False), AudioPacket(0, b"a"), KEY, other, FIRST, other]
    given = [sample for item in [*first, SECOND, FIRST, other, SECOND, other] if (sample := samples.take(item))]
    assert given == [Sample(FIRST, KEY), Sample(SECOND, other)]
