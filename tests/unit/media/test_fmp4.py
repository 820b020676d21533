"""Fragmented MP4: what is written is what libav reads, and parameter sets are read as they are."""

from __future__ import annotations

import io
import itertools

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.media.fmp4.formats import (
    UnsupportedFormat,
    aac_format,
    av1_format,
    avc_format,
    hevc_format,
    opus_format,
    opus_samples,
    vp9_format,
)
from app.media.fmp4.fragment import Run, Sample, fragment
from app.media.fmp4.init import init_segment
from app.media.fmp4.lanes import AudioLane, VideoLane
from app.media.fmp4.parameter_sets import av1_size, avc_size, hevc_size

MAKERS = {"libx264": avc_format, "libx265": hevc_format, "libsvtav1": av1_format}
SIZES = [(320, 180), (322, 182), (1920, 1080)]


def encoded(codec: str, size: tuple[int, int], frames: int = 12) -> tuple[bytes, list[av.Packet]]:  # type: ignore[type-arg]  # PyAV's own generic
    """Configuration record and packets in decoding order, with B-frames where the codec has them."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = size[0], size[1], "yuv420p"
        stream.gop_size = 6
        stream.options = {"preset": "12"} if codec == "libsvtav1" else {"preset": "ultrafast", "bf": "2"}
        if codec == "libx265":
            stream.options["x265-params"] = "log-level=none"
        for number in range(frames):
            frame = av.VideoFrame(*size, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes([number * 16 % 256]) * plane.buffer_size)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    buffer.seek(0)
    with av.open(buffer) as container:
        record = bytes(container.streams.video[0].codec_context.extradata or b"")
        return record, [packet for packet in container.demux() if packet.size]


@pytest.mark.parametrize("codec", MAKERS)
@pytest.mark.parametrize("size", SIZES)
def test_what_is_written_is_read_back_frame_by_frame(codec: str, size: tuple[int, int]) -> None:
    record, packets = encoded(codec, size)
    made = MAKERS[codec](record)
    assert (made.width, made.height) == size
    samples = [
        Sample(
            bytes(packet),
            3600,
            round((packet.pts - packet.dts) * packet.time_base * 90_000),
            packet.is_keyframe,
        )
        for packet in packets
    ]
    begin = 2**33
    data = init_segment([made])
    data += fragment(1, [Run(1, begin, samples[:6])]) + fragment(2, [Run(1, begin + 6 * 3600, samples[6:])])
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == {"libx264": "h264", "libx265": "hevc"}.get(
            codec, stream.codec_context.name
        )
        frames = list(container.decode(stream))
        assert (frames[0].width, frames[0].height) == size
        times = [frame.pts for frame in frames if frame.pts is not None]
        assert [right - left for left, right in itertools.pairwise(times)] == [3600] * 11


def test_two_tracks_share_a_fragment() -> None:
    record, packets = encoded("libx264", (320, 180))
    sound = aac_format(bytes.fromhex("1208"))
    pictures = [Sample(bytes(packet), 3600, 0, packet.is_keyframe) for packet in packets]
    sounds = [Sample(b"\x21\x10\x04\x60\x8c\x1c", 1024, 0, True)] * 4
    data = init_segment([avc_format(record), sound]) + fragment(1, [Run(1, 0, pictures), Run(2, 512, sounds)])
    with av.open(io.BytesIO(data)) as container:
        kinds = [(packet.stream.type, packet.size) for packet in container.demux() if packet.size]
    assert sorted(kinds) == sorted([("video", p.size) for p in packets] + [("audio", 6)] * 4)


@pytest.mark.parametrize(
    ("config", "codecs", "rate", "channels", "samples"),
    [
        ("1210", "mp4a.40.2", 44_100, 2, 1024),
        ("1208", "mp4a.40.2", 44_100, 1, 1024),
        ("1190", "mp4a.40.2", 48_000, 2, 1024),
        ("1194", "mp4a.40.2", 48_000, 2, 960),
        ("2b0a8800", "mp4a.40.5", 24_000, 1, 1024),
        ("17806f0010", "mp4a.40.2", 56_832, 2, 1024),
    ],
)
def test_aac_is_read_from_its_configuration(
    config: str, codecs: str, rate: int, channels: int, samples: int
) -> None:
    made = aac_format(bytes.fromhex(config))
    assert (made.codecs, made.timescale, made.channels, made.frame_samples) == (codecs, rate, channels, samples)


def test_codec_strings_follow_their_standards() -> None:
    vp9 = bytes([2, 31, 0xA3, 9, 16, 9, 0, 0])
    assert vp9_format(vp9, (640, 360)).codecs == "vp09.02.31.10"
    assert vp9_format(b"\x01\x00\x00\x00" + vp9, (640, 360)) == vp9_format(vp9, (640, 360))
    assert av1_format(bytes([0x81, 0x28, 0xC0, 0]), (640, 360)).codecs == "av01.1.08H.10"
    opus = opus_format(b"OpusHead" + bytes([1, 2, 0x38, 1, 0x80, 0xBB, 0, 0, 0, 0, 0]))
    assert (opus.codecs, opus.timescale, opus.channels) == ("opus", 48_000, 2)


@pytest.mark.parametrize(
    ("first", "rest", "samples"),
    [(0, b"", 480), (0xFC, b"", 960), (0xFD, b"", 1920), (0xFF, b"\x03", 2880), (0xFF, b"", 0)],
)
def test_opus_packets_say_how_long_they_are(first: int, rest: bytes, samples: int) -> None:
    assert opus_samples(bytes([first]) + rest) == samples
    assert opus_samples(b"") == 0


@given(st.binary(max_size=120))
def test_no_bytes_of_a_stranger_upset_the_readers(data: bytes) -> None:
    for size_of in (avc_size, hevc_size, av1_size):
        found = size_of(data)
        assert found is None or len(found) == 2
    for make in (avc_format, hevc_format, av1_format, vp9_format, aac_format, opus_format):
        try:
            made = make(data)
        except UnsupportedFormat:
            continue
        assert made.entry


@given(st.integers(1, 2**40), st.lists(st.integers(-25, 25), min_size=2, max_size=60))
def test_jitter_of_a_publishers_clock_makes_no_seam_in_the_sound(begin_ms: int, jitter: list[int]) -> None:
    lane = AudioLane(aac_format(bytes.fromhex("1210")))
    for number, off_ms in enumerate(jitter):
        # The first packet sets the clock; the others stray from it by no more than the seam.
        stray_ms = off_ms if number else 0
        lane.add(begin_ms + round(number * 1024 / 44.1) + stray_ms, memoryview(b"a"))
    cut = lane.take(None)
    assert cut is not None
    assert [sample.duration for sample in cut.run.samples] == [1024] * len(jitter)


def test_a_real_gap_in_the_sound_is_kept() -> None:
    lane = AudioLane(aac_format(bytes.fromhex("1190")))
    for stamp in (0, 21, 43, 1_064):
        lane.add(stamp, memoryview(b"a"))
    first = lane.take(1_000)
    rest = lane.take(None)
    assert first is not None
    assert rest is not None
    assert (first.run.decode_time, first.end_ms) == (0, 64.0)
    assert rest.run.decode_time == 1_064 * 48


@given(st.lists(st.integers(1, 3_000), min_size=1, max_size=40), st.integers(1, 10_000))
def test_frames_last_until_the_next_and_a_segment_until_its_end(steps: list[int], last_ms: int) -> None:
    lane, position, starts = VideoLane(), 0, []
    for step in steps:
        starts.append(position)
        lane.add(position, 0, memoryview(b"v"), sync=position == 0)
        position += step
    cut = lane.take(starts[-1] + last_ms)
    assert cut is not None
    ends = [start * 90 for start in [*starts[1:], round(cut.end_ms)]]
    reached = 0
    for sample, end in zip(cut.run.samples, ends, strict=True):
        reached += sample.duration
        assert reached == end
    assert lane.take(None) is None
