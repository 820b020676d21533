"""What the feed's messages mean, and how renditions go back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aiortmp import MediaMessage, MessageType, amf0, flv
from aiortmp.flv import AudioCodec, VideoCodec
from app.domain.ladder import FrameRate
from app.media.encoding.packets import (
    AudioConfig,
    AudioHeader,
    AudioPacket,
    TrackPacket,
    VideoConfig,
    VideoEnd,
    VideoHeader,
    VideoPacket,
)
from app.media.encoding.wire import (
    ProgrammeWriter,
    PublisherWriter,
    SourceReader,
    WireClock,
)
from app.media.frame_times import composition_ms


def video(timestamp: int, payload: bytes) -> MediaMessage:
    return MediaMessage(MessageType.VIDEO, timestamp, payload)


def audio(timestamp: int, payload: bytes) -> MediaMessage:
    return MediaMessage(MessageType.AUDIO, timestamp, payload)


def data(*values: amf0.Value) -> MediaMessage:
    return MediaMessage(MessageType.DATA, 0, amf0.encode(values))


@given(st.integers(0, 2**50), st.lists(st.integers(-(2**31) + 1, 2**31 - 1), max_size=30))
def test_the_timeline_is_rebuilt_from_its_low_32_bits(start: int, steps: list[int]) -> None:
    clock, time = WireClock(start), start
    for step in steps:
        if time + step < 0:
            continue
        time += step
        assert clock.extend(time % 2**32) == time


def test_without_a_reference_the_first_timestamp_is_taken_as_it_is() -> None:
    clock = WireClock()
    assert clock.nearest(7) == 7
    assert [clock.extend(time) for time in (2**32 - 10, 20)] == [2**32 - 10, 2**32 + 20]
    assert clock.nearest(2**33) == 2**32


@given(
    st.lists(
        st.one_of(
            st.builds(VideoConfig, st.sampled_from(["h264", "hevc", "av1"]), st.binary(min_size=1, max_size=8)),
            st.just(AudioConfig("aac", b"\x11\x90")),
        ),
        max_size=3,
    )
)
def test_what_a_publisher_writes_is_read_back(headers: list[VideoConfig | AudioConfig]) -> None:
    writer, reader = PublisherWriter(), SourceReader()
    items = [
        VideoConfig("h264", b"\x01\x02"),
        AudioConfig("aac", b"\x11\x90"),
        *headers,
        VideoPacket(40, 80, b"\x00\x00\x00\x01\x65", True),
        AudioPacket(45, b"\x21\x00"),
        VideoPacket(80, 80, b"\x00\x00\x00\x01\x41", False),
        VideoEnd(),
    ]
    messages = [message for item in items for message in writer.write(item)]
    read = [item for message in messages for item in reader.read(message)]
    codec = next(h.codec for h in reversed(items[:-4]) if isinstance(h, VideoConfig))
    # AV1 has no composition time: its packets are in order of presentation.
    items[-4] = VideoPacket(40, 40 if codec == "av1" else 80, b"\x00\x00\x00\x01\x65", True)
    assert read == items
    assert reader.problems == []


def test_codecs_without_headers_get_one_made() -> None:
    reader = SourceReader()
    items = reader.read(audio(5, flv.build_audio(AudioCodec.MP3, b"\xff\xfb\x90")))
    assert items == [AudioConfig("mp3", b"", 44_100, 2), AudioPacket(5, b"\xff\xfb\x90")]
    assert reader.read(audio(31, flv.build_audio(AudioCodec.MP3, b"\xff\xfb"))) == [AudioPacket(31, b"\xff\xfb")]


def test_a_codec_nobody_can_decode_is_told_once() -> None:
    reader = SourceReader()
    for time in range(3):
        assert reader.read(video(time, b"\x22\x00\x00")) == []
    assert len(reader.problems) == 1
    assert "sorenson" in reader.problems[0]


@given(st.binary(max_size=40), st.sampled_from([MessageType.VIDEO, MessageType.AUDIO]))
def test_no_payload_makes_the_reader_fail(payload: bytes, kind: MessageType) -> None:
    SourceReader().read(MediaMessage(kind, 0, payload))


def test_a_header_waits_for_its_first_frame_and_takes_its_time() -> None:
    writer = ProgrammeWriter()
    header = VideoHeader("720p", "h264", b"\x01avcC", 1280, 720, FrameRate(30_000, 1_001), 2_500_000)
    assert writer.write(header) == []
    about, opening, frame = writer.write(TrackPacket("720p", 2**32 + 40, b"\x00\x00\x00\x01\x65", True))
    assert (about.type, opening.timestamp, frame.timestamp) == (MessageType.DATA, 40, 40)
    name, values = amf0.decode(about.payload)[1:]
    assert name == "onMetaData"
    assert isinstance(values, dict)
    assert values["videodatarate"] == 2_500.0
    assert flv.parse_video(opening.payload).is_sequence_header
    assert flv.parse_video(frame.payload).is_keyframe
    assert len(writer.write(TrackPacket("720p", 2**32 + 73, b"\x00\x00\x00\x01\x41", False))) == 1


def test_hevc_renditions_go_by_enhanced_rtmp_and_sound_as_aac() -> None:
    writer = ProgrammeWriter()
    writer.write(VideoHeader("1080p", "hevc", b"\x01hvcC", 1920, 1080, FrameRate(30), 1))
    writer.write(AudioHeader("audio", b"\x12\x10", 44_100, 1, 96_000))
    pictures = writer.write(TrackPacket("1080p", 0, b"\x00\x00\x00\x01\x26", True))
    assert [flv.parse_video(m.payload).codec for m in pictures[1:]] == [VideoCodec.HEVC] * 2
    about, opening, _ = writer.write(TrackPacket("audio", 0, b"\x21", True))
    values = amf0.decode(about.payload)[2]
    assert isinstance(values, dict)
    assert (values["stereo"], values["audiosamplerate"]) == (False, 44_100.0)
    assert flv.parse_audio(opening.payload).is_sequence_header


def test_a_picture_that_claims_to_be_shown_hours_later_is_shown_when_it_is_decoded() -> None:
    reader = SourceReader()
    header = flv.build_video(VideoCodec.AVC, b"record", sequence_header=True)
    reader.read(video(0, header))
    for claimed_ms, shown_ms in ((80, 1_080), (-40, 960), (8_000_000, 1_000), (-8_000_000, 1_000)):
        body = flv.build_video(VideoCodec.AVC, b"p", keyframe=True, composition_time_ms=claimed_ms)
        assert reader.read(video(1_000, body)) == [VideoPacket(1_000, shown_ms, b"p", is_key=True)]
        assert composition_ms(body) == shown_ms - 1_000
