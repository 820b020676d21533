"""Media files: read as packets, and nothing read but them."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.domain.errors import InvalidRequest, NotFound
from app.domain.ladder import FrameRate
from app.media.encoding.files import file_facts, read_source
from app.media.encoding.order import in_order
from app.media.encoding.packets import AudioConfig, AudioPacket, SourceItem, VideoConfig, VideoPacket
from tests.e2e.source import make_source
from tests.unit.media.encoding.clips import headless, run, small


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".flv", ".ts"])
def test_every_container_gives_the_same_pictures(tmp_path: Path, suffix: str) -> None:
    path = make_source(tmp_path / f"clip{suffix}", small(b_frames=2))
    items = list(read_source(path))
    config = next(item for item in items if isinstance(item, VideoConfig))
    assert config.extradata[:1] == b"\x01", "an avcC record, whatever the container holds"
    assert min(item.dts_ms for item in items if isinstance(item, VideoPacket)) >= 0
    decoded = [item.dts_ms for item in items if isinstance(item, VideoPacket)]
    assert decoded == sorted(set(decoded))
    assert all(item.pts_ms >= item.dts_ms for item in items if isinstance(item, VideoPacket))
    audio = next(item for item in items if isinstance(item, AudioConfig))
    assert audio.extradata[:2] == b"\x11\x90"
    programme = run(items)
    assert programme.numbers("big") == list(range(90))
    assert programme.problems == []


def test_an_hevc_transport_stream_gets_its_record(tmp_path: Path) -> None:
    path = make_source(tmp_path / "clip.ts", small(video="libx265", audio=None))
    assert run(read_source(path)).numbers("big") == list(range(90))


def test_facts_of_a_file(tmp_path: Path) -> None:
    facts = file_facts(make_source(tmp_path / "clip.mp4", small()))
    assert (facts.video_codec, facts.audio_codec, facts.width, facts.height) == ("h264", "aac", 320, 180)
    assert facts.frame_rate == FrameRate(30)


def test_a_missing_file_and_no_media_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        list(read_source(tmp_path / "nothing.mp4"))
    text = tmp_path / "text.mp4"
    text.write_text("no media")
    with pytest.raises(InvalidRequest, match=r"text\.mp4"):
        list(read_source(text))


def test_a_track_of_an_unknown_codec_counts_as_none(tmp_path: Path) -> None:
    known = make_source(tmp_path / "known.mkv", small(seconds=1))
    path = tmp_path / "unknown.mkv"
    path.write_bytes(known.read_bytes().replace(b"V_MPEG4/ISO/AVC", b"V_MPEG4/ISO/XYZ"))
    facts = file_facts(path)
    assert (facts.video_codec, facts.audio_codec) == (None, "aac")
    assert not [item for item in read_source(path) if isinstance(item, VideoConfig)]


def test_a_file_without_a_readable_header_of_its_picture_is_refused(tmp_path: Path) -> None:
    path = headless(make_source(tmp_path / "whole.ts", small(seconds=1, video="libx265", audio=None)))
    with pytest.raises(InvalidRequest, match=r"headless\.ts"):
        list(read_source(path))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{secret}\n#EXT-X-ENDLIST\n"),
        ("list.mp4", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{secret}\n#EXT-X-ENDLIST\n"),
        ("list.ffconcat", "ffconcat version 1.0\nfile '{secret}'\n"),
        ("list.mkv", "ffconcat version 1.0\nfile secret.mp4\n"),
    ],
)
def test_a_file_that_names_another_is_refused(tmp_path: Path, name: str, content: str) -> None:
    secret = make_source(tmp_path / "secret.mp4", small(seconds=1))
    (tmp_path / name).write_text(content.format(secret=secret))
    with pytest.raises(InvalidRequest):
        list(read_source(tmp_path / name))


@pytest.mark.parametrize(
    "name", ["concat:secret.mp4", "subfile,,start,0,end,0,,:secret.mp4", "http://127.0.0.1:1/x"]
)
def test_an_address_is_no_path(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_source(tmp_path / "secret.mp4", small(seconds=1))
    with pytest.raises((NotFound, InvalidRequest)):
        list(read_source(Path(name)))


def test_two_encoders_outputs_are_put_in_order_of_time() -> None:
    sound = [AudioPacket(time, b"") for time in range(0, 200, 20)]
    picture = [VideoPacket(time, time, b"") for time in range(0, 200, 33)]
    late: list[SourceItem] = [*sound, *picture]
    ordered = list(in_order(late, has_picture=True))
    times = [item.pts_ms for item in ordered if isinstance(item, VideoPacket | AudioPacket)]
    assert times == sorted(times)
    assert len(ordered) == len(late)
    assert list(in_order(sound, has_picture=False)) == sound
