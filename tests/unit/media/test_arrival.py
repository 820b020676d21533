"""One look through a read: what is a frame, a key frame, a header; and bytes that stay as they came."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiortmp import MediaBatch, MediaMessage, MessageType
from aiortmp.flv import AudioCodec, VideoCodec, build_audio, build_video, parse_audio, parse_video
from app.media.arrival import arrive, tail
from app.media.timeline import Timeline
from tests.unit.media.stream_parts import at_stamps, audio, audio_header, video, video_header


def test_frames_headers_and_the_key_frame_are_told_apart() -> None:
    data = MediaMessage(MessageType.DATA, 0, b"\x02")
    arrival = at_stamps(data, video_header(), audio_header(), audio(7), video(10, key=True), video(50))
    assert list(arrival.headers) == [0, 1, 2]
    assert arrival.key == 4
    assert (arrival.video_frames, arrival.audio_frames) == (2, 1)
    assert arrival.positions == [7, 7, 7, 7, 10, 50]


def test_sound_is_never_a_key_frame() -> None:
    assert at_stamps(audio(0), audio(20)).key is None


def test_a_batch_whose_timestamps_are_the_timeline_goes_on_as_it_came() -> None:
    batch = MediaBatch.of([video(0, key=True), audio(5), video(40)])
    assert arrive(batch, lambda stamps: [stamp for _, stamp in stamps]).batch is batch


def test_moved_timestamps_make_a_new_batch_with_the_same_payloads() -> None:
    batch = MediaBatch.of([video(0, key=True), audio(5)])
    arrival = arrive(batch, lambda stamps: [stamp + 2**32 + 1000 for _, stamp in stamps])
    assert [message.timestamp for message in arrival.batch] == [1000, 1005]
    assert [message.payload for message in arrival.batch] == [message.payload for message in batch]
    assert arrival.positions == [2**32 + 1000, 2**32 + 1005]


def test_a_header_stamped_zero_in_mid_stream_takes_the_place_of_the_next_frame() -> None:
    arrival = at_stamps(video_header(), video(50_000, key=True))
    assert [message.timestamp for message in arrival.batch] == [50_000, 50_000]


def test_hdr_metadata_and_ends_of_sequence_are_no_frames() -> None:
    metadata = MediaMessage(MessageType.VIDEO, 40, b"\x94hvc1" + b"\x02\x00\x01x")
    end = MediaMessage(MessageType.VIDEO, 80, b"\x17\x02\x00\x00\x00")
    empty = MediaMessage(MessageType.VIDEO, 80, b"")
    arrival = at_stamps(video(40), metadata, end, empty)
    assert arrival.frames == 1
    assert list(arrival.others) == [1, 2, 3]


def test_a_tail_of_everything_is_the_batch_itself() -> None:
    arrival = at_stamps(video(0, key=True), video(40))
    assert tail(arrival, 0) is arrival.batch
    assert [message.timestamp for message in tail(arrival, 1)] == [40]


@pytest.mark.parametrize("codec", [VideoCodec.AVC, VideoCodec.HEVC, VideoCodec.AV1, VideoCodec.VP9])
@pytest.mark.parametrize("track_id", [None, 1])
def test_the_first_bytes_say_what_the_parser_says(codec: VideoCodec, track_id: int | None) -> None:
    for keyframe, header, composition_ms in [(True, False, 0), (False, False, 40), (True, True, 0)]:
        payload = build_video(
            codec,
            b"body",
            keyframe=keyframe,
            sequence_header=header,
            composition_time_ms=composition_ms,
            track_id=track_id,
        )
        arrival = at_stamps(MediaMessage(MessageType.VIDEO, 0, payload))
        tag = parse_video(payload)
        assert bool(arrival.headers) == tag.is_sequence_header
        assert (arrival.key is not None) == tag.is_keyframe
        assert arrival.video_frames == tag.is_coded


@pytest.mark.parametrize("codec", [AudioCodec.AAC, AudioCodec.OPUS, AudioCodec.MP3])
@pytest.mark.parametrize("header", [True, False])
def test_the_first_bytes_of_sound_say_what_the_parser_says(codec: AudioCodec, header: bool) -> None:
    payload = build_audio(codec, b"body", sequence_header=header)
    arrival = at_stamps(MediaMessage(MessageType.AUDIO, 0, payload))
    tag = parse_audio(payload)
    assert bool(arrival.headers) == tag.is_sequence_header
    assert arrival.audio_frames == tag.is_coded


@given(
    st.lists(
        st.tuples(
            st.sampled_from([MessageType.AUDIO, MessageType.VIDEO, MessageType.DATA]),
            st.integers(0, 2**32 - 1),
            st.binary(max_size=12),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_no_bytes_of_a_stranger_upset_it(parts: list[tuple[MessageType, int, bytes]]) -> None:
    timeline = Timeline()
    batch = MediaBatch.of([MediaMessage(*part) for part in parts])
    arrival = arrive(batch, lambda stamps: timeline.place(stamps, now_s=0, wall_ms=0))
    assert len(arrival.positions) == len(batch) == len(arrival.batch)
    assert arrival.frames + len(arrival.headers) + len(arrival.others) == len(batch)
    for message, sent in zip(arrival.batch, batch, strict=True):
        assert message.payload == sent.payload
