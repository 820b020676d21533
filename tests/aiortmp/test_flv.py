"""FLV payloads: what real encoders write, what we write, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiortmp import LimitExceeded, Limits, MediaMessage, MessageType, ProtocolError, flv
from aiortmp.flv import AudioCodec, AudioTag, FlvReader, FrameType, VideoCodec, VideoTag

BODY = b"\x00\x00\x00\x02\x65\x88"


def video(text: str) -> VideoTag:
    return flv.parse_video(bytes.fromhex(text))


def audio(text: str) -> AudioTag:
    return flv.parse_audio(bytes.fromhex(text))


@pytest.mark.parametrize(
    ("text", "codec", "header", "key", "composition", "body"),
    [
        # AVC: configuration, key frame, inter frame 40 ms late, end of sequence.
        ("17 00 000000 0164001f", VideoCodec.AVC, True, False, 0, "0164001f"),
        ("17 01 000000 00000002 6588", VideoCodec.AVC, False, True, 0, "000000026588"),
        ("27 01 000028 00000002 4188", VideoCodec.AVC, False, False, 40, "000000024188"),
        ("27 01 ffffd8 00000002 0188", VideoCodec.AVC, False, False, -40, "000000020188"),
        ("17 02 000000", VideoCodec.AVC, False, False, 0, ""),
        # HEVC under the unofficial id 12.
        ("1c 00 000000 0101", VideoCodec.HEVC, True, False, 0, "0101"),
        ("22 aabb", VideoCodec.SORENSON, False, False, 0, "aabb"),
        ("12 aabb", VideoCodec.SORENSON, False, True, 0, "aabb"),
        # Enhanced: SequenceStart, CodedFrames with and without composition time, X form, end.
        ("90 68766331 0101", VideoCodec.HEVC, True, False, 0, "0101"),
        ("91 68766331 000028 0002 2601", VideoCodec.HEVC, False, True, 40, "00022601"),
        ("a3 68766331 00000002 0201", VideoCodec.HEVC, False, False, 0, "000000020201"),
        ("91 61763031 0a0b", VideoCodec.AV1, False, True, 0, "0a0b"),
        ("95 61763031 0a0b", VideoCodec.AV1, True, False, 0, "0a0b"),
        ("91 76703039 8249", VideoCodec.VP9, False, True, 0, "8249"),
        ("91 61766331 000001 00000002 6588", VideoCodec.AVC, False, True, 1, "000000026588"),
        ("92 68766331", VideoCodec.HEVC, False, False, 0, ""),
        ("91 78787878 ff", VideoCodec.UNKNOWN, False, True, 0, "ff"),
    ],
)
def test_video_payloads_are_understood(
    text: str, codec: VideoCodec, header: bool, key: bool, composition: int, body: str
) -> None:
    tag = video(text)
    assert (tag.codec, tag.is_sequence_header, tag.is_keyframe) == (codec, header, key)
    assert tag.composition_time_ms == composition
    assert tag.body(bytes.fromhex(text)) == bytes.fromhex(body)
    head = bytes.fromhex(text)[:2]
    assert flv.video_is_keyframe(head) == key
    assert flv.video_is_sequence_header(head) == header


def test_end_of_sequence_is_told() -> None:
    assert video("17 02 000000").is_end_of_sequence
    assert video("92 68766331").is_end_of_sequence
    assert not video("17 01 000000").is_end_of_sequence


def test_commands_hold_no_picture() -> None:
    for text in ("57 00", "d1 00"):
        tag = video(text)
        assert tag.frame_type == FrameType.COMMAND
        assert not tag.is_coded
        assert not tag.is_metadata


def test_enhanced_metadata_is_told() -> None:
    tag = video("94 68766331 02 0001 61")
    assert tag.is_metadata
    assert not tag.is_coded


def test_one_track_carries_its_id() -> None:
    tag = video("96 01 68766331 03 000028 aabb")
    assert (tag.track_id, tag.codec, tag.composition_time_ms, tag.others) == (3, VideoCodec.HEVC, 40, ())
    assert tag.body(bytes.fromhex("96 01 68766331 03 000028 aabb")) == b"\xaa\xbb"


def test_many_tracks_share_a_codec() -> None:
    text = "96 10 61763031 00 000002 aabb 07 000001 cc"
    tag = video(text)
    bodies = [(one.track_id, one.body(bytes.fromhex(text))) for one in (tag, *tag.others)]
    assert bodies == [(0, b"\xaa\xbb"), (7, b"\xcc")]
    assert tag.is_sequence_header
    assert tag.others[0].is_sequence_header


def test_many_tracks_may_have_many_codecs() -> None:
    text = "96 21 61763031 00 000002 aabb 68766331 01 000005 000028 ccdd 61766331 02 000003 000000"
    tag = video(text)
    found = [(one.codec, one.track_id, one.composition_time_ms) for one in (tag, *tag.others)]
    assert found == [(VideoCodec.AV1, 0, 0), (VideoCodec.HEVC, 1, 40), (VideoCodec.AVC, 2, 0)]
    assert tag.others[0].body(bytes.fromhex(text)) == b"\xcc\xdd"


@pytest.mark.parametrize(
    "text",
    [
        # 3 bytes of data (size - 1 = 2): nanoseconds 0x0186a0; then CodedFramesX of HEVC.
        "97 02 0186a0 03 68766331 aabb",
        # The same with the long form of the size.
        "97 ff 0002 0186a0 03 68766331 aabb",
        # An unknown ModEx type before it is stepped over.
        "97 00 ee 17 02 0186a0 03 68766331 aabb",
    ],
)
def test_mod_ex_gives_nanoseconds(text: str) -> None:
    tag = video(text)
    assert (tag.nanoseconds, tag.codec, tag.is_keyframe) == (100_000, VideoCodec.HEVC, True)
    assert tag.body(bytes.fromhex(text)) == b"\xaa\xbb"


def test_mod_ex_may_stand_before_multitrack() -> None:
    tag = video("97 02 000005 06 03 68766331 09 aabb")
    assert (tag.nanoseconds, tag.track_id) == (5, 9)


@pytest.mark.parametrize(
    ("text", "codec", "header", "coded", "body"),
    [
        ("af 00 1210", AudioCodec.AAC, True, False, "1210"),
        ("af 01 2110", AudioCodec.AAC, False, True, "2110"),
        ("2f fffb", AudioCodec.MP3, False, True, "fffb"),
        ("90 4f707573 4f70", AudioCodec.OPUS, True, False, "4f70"),
        ("91 4f707573 fc00", AudioCodec.OPUS, False, True, "fc00"),
        ("91 6d703461 2110", AudioCodec.AAC, False, True, "2110"),
        ("90 664c6143 00", AudioCodec.FLAC, True, False, "00"),
        ("91 61632d33 0b77", AudioCodec.AC3, False, True, "0b77"),
        ("91 65632d33 0b77", AudioCodec.EAC3, False, True, "0b77"),
        ("92 4f707573", AudioCodec.OPUS, False, False, ""),
        ("94 4f707573 0102", AudioCodec.OPUS, False, False, "0102"),
        ("95 01 4f707573 02 fc00", AudioCodec.OPUS, False, True, "fc00"),
        ("97 02 0186a0 01 4f707573 fc00", AudioCodec.OPUS, False, True, "fc00"),
    ],
)
def test_audio_payloads_are_understood(text: str, codec: AudioCodec, header: bool, coded: bool, body: str) -> None:
    tag = audio(text)
    assert (tag.codec, tag.is_sequence_header, tag.is_coded) == (codec, header, coded)
    assert tag.body(bytes.fromhex(text)) == bytes.fromhex(body)
    assert flv.audio_is_sequence_header(bytes.fromhex(text)[:2]) == header


@pytest.mark.parametrize(
    ("first", "codec", "rate", "channels"),
    [
        (0x2E, AudioCodec.MP3, 44100, 1),
        (0x2B, AudioCodec.MP3, 22050, 2),
        (0x5A, AudioCodec.NELLYMOSER, 8000, 1),
        (0xB6, AudioCodec.SPEEX, 16000, 1),
        (0xE3, AudioCodec.MP3, 8000, 2),
        (0xC0, AudioCodec.UNKNOWN, 5512, 1),
    ],
)
def test_classic_audio_says_its_rate_and_channels(first: int, codec: AudioCodec, rate: int, channels: int) -> None:
    tag = flv.parse_audio(bytes((first, 0)))
    assert (tag.codec, tag.sample_rate_hz, tag.channels) == (codec, rate, channels)


def test_audio_tracks_carry_their_ids() -> None:
    tag = audio("95 11 4f707573 00 000002 fc00 01 000002 fc01")
    assert [(one.track_id, one.codec) for one in (tag, *tag.others)] == [(0, AudioCodec.OPUS), (1, AudioCodec.OPUS)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "17",
        "17 01 0000",
        "91 6876",
        "91 68766331 0000",
        "96",
        "96 01 68766331",
        "96 11 68766331 00 0000ff aa",
        "96 31 68766331 00",
        "96 21",
        "97",
        "97 02 0000",
        "97 01 0000 03 68766331",
        "97 02 000000",
        "97" + " 00 ee 17" * 9 + " 03 68766331",
    ],
)
def test_video_payloads_that_end_too_soon_are_errors(text: str) -> None:
    with pytest.raises(ProtocolError):
        video(text)


@pytest.mark.parametrize("text", ["", "af", "91", "91 4f70", "95 01", "95 11 4f707573 00 000009 00", "97 02 00"])
def test_audio_payloads_that_end_too_soon_are_errors(text: str) -> None:
    with pytest.raises(ProtocolError):
        audio(text)


VIDEO_CODECS = st.sampled_from([VideoCodec.AVC, VideoCodec.HEVC, VideoCodec.AV1, VideoCodec.VP8, VideoCodec.VP9])
TRACKS = st.none() | st.integers(0, 255)


@given(
    codec=VIDEO_CODECS,
    body=st.binary(max_size=40),
    key=st.booleans(),
    composition=st.integers(-(2**23), 2**23 - 1),
    track=TRACKS,
    enhanced=st.sampled_from([None, True]),
)
def test_built_frames_are_read_back(
    codec: VideoCodec, body: bytes, key: bool, composition: int, track: int | None, enhanced: bool | None
) -> None:
    carries_composition = codec in (VideoCodec.AVC, VideoCodec.HEVC)
    payload = flv.build_video(
        codec, body, keyframe=key, composition_time_ms=composition, track_id=track, enhanced=enhanced
    )
    tag = flv.parse_video(payload)
    assert (tag.codec, tag.is_keyframe, tag.body(payload), tag.track_id) == (codec, key, body, track or 0)
    assert tag.composition_time_ms == (composition if carries_composition else 0)


@given(codec=VIDEO_CODECS, body=st.binary(min_size=1, max_size=40), track=TRACKS)
def test_built_headers_and_ends_are_read_back(codec: VideoCodec, body: bytes, track: int | None) -> None:
    payload = flv.build_video(codec, body, sequence_header=True, track_id=track)
    tag = flv.parse_video(payload)
    assert (tag.is_sequence_header, tag.codec, tag.body(payload)) == (True, codec, body)
    assert flv.parse_video(flv.build_video(codec, b"", end_of_sequence=True, track_id=track)).is_end_of_sequence


AUDIO_CODECS = st.sampled_from([AudioCodec.AAC, AudioCodec.OPUS, AudioCodec.FLAC, AudioCodec.AC3, AudioCodec.EAC3])


@given(codec=AUDIO_CODECS, body=st.binary(max_size=40), header=st.booleans(), track=TRACKS)
def test_built_audio_is_read_back(codec: AudioCodec, body: bytes, header: bool, track: int | None) -> None:
    payload = flv.build_audio(codec, body, sequence_header=header, track_id=track)
    tag = flv.parse_audio(payload)
    assert (tag.codec, tag.is_sequence_header, tag.body(payload)) == (codec, header, body)
    assert tag.track_id == (track or 0)


def test_classic_mp3_is_written_and_read() -> None:
    payload = flv.build_audio(AudioCodec.MP3, b"\xff\xfb")
    assert (payload[0], flv.parse_audio(payload).codec) == (0x2F, AudioCodec.MP3)


def test_codecs_without_a_form_are_refused() -> None:
    with pytest.raises(ValueError, match="vp09"):
        flv.build_video(VideoCodec.VP9, b"", enhanced=False)
    with pytest.raises(ValueError, match="sorenson"):
        flv.build_video(VideoCodec.SORENSON, b"")
    with pytest.raises(ValueError, match="Opus"):
        flv.build_audio(AudioCodec.OPUS, b"", enhanced=False)
    with pytest.raises(ValueError, match="speex"):
        flv.build_audio(AudioCodec.SPEEX, b"")
    assert flv.parse_video(flv.build_video(VideoCodec.SORENSON, b"x", enhanced=False)).codec is VideoCodec.SORENSON


MESSAGES = st.lists(
    st.builds(
        MediaMessage,
        st.sampled_from([MessageType.AUDIO, MessageType.VIDEO, MessageType.DATA]),
        st.integers(0, 2**32 - 1),
        st.binary(max_size=50),
    ),
    max_size=6,
)


@given(messages=MESSAGES, places=st.lists(st.integers(0, 400), max_size=10))
def test_an_flv_file_is_read_back_however_it_is_cut(messages: list[MediaMessage], places: list[int]) -> None:
    data = flv.file_header() + flv.tags(messages)
    reader = FlvReader()
    ends = [*sorted(place for place in places if place < len(data)), len(data)]
    found: list[MediaMessage] = []
    start = 0
    for end in ends:
        found += reader.feed(data[start:end])
        start = end
    assert found == messages


def test_the_file_header_names_what_is_in_it() -> None:
    assert flv.file_header(audio=False) == b"FLV\x01\x01\x00\x00\x00\x09\x00\x00\x00\x00"
    assert flv.file_header(video=False)[4] == 4


def test_a_file_that_is_not_flv_is_refused() -> None:
    with pytest.raises(ProtocolError, match="not an FLV"):
        FlvReader().feed(b"FLX")
    with pytest.raises(ProtocolError, match="impossible"):
        FlvReader().feed(b"FLV\x01\x05\x00\x00\x00\x01")


def test_tags_of_unknown_type_are_stepped_over() -> None:
    odd = bytes((15, 0, 0, 1)) + bytes(7) + b"x" + bytes(4)
    message = MediaMessage(MessageType.AUDIO, 1, b"\xaf\x01")
    assert FlvReader().feed(flv.file_header() + odd + flv.tag(message)) == [message]


def test_a_tag_longer_than_the_limit_is_refused_before_it_is_kept() -> None:
    with pytest.raises(LimitExceeded):
        FlvReader(Limits(max_media_bytes=100)).feed(flv.file_header() + bytes((9, 0, 0, 200)) + bytes(7))


@pytest.mark.parametrize("start", ["95 11 4f707573", "95 21", "96 11 61763031"])
def test_more_tracks_than_there_are_ids_are_refused(start: str) -> None:
    head = bytes.fromhex(start)
    track = (b"Opus" if head[1] == 0x21 else b"") + bytes(4)
    parse = flv.parse_video if head[0] == 0x96 else flv.parse_audio
    assert len(parse(head + track * 256).others) == 255
    with pytest.raises(ProtocolError, match="more tracks"):
        parse(head + track * 257)
