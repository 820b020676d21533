"""Between what is wanted and a HELO's settings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.adapters.encoders.helo.profile import differing, read_profile, writes
from app.domain.device import DeviceProfile
from app.domain.errors import DeviceError
from app.domain.secret import Secret

P50, P5994 = 17, 16
WANTED = DeviceProfile(
    rtmp_url="rtmp://gateway:1935/live", stream_key=Secret("007"), width=1280, height=720, video_bps=4_500_000,
    audio_bps=130_000, fps=25.0,
)  # fmt: skip


def test_a_rate_becomes_a_share_of_the_inputs_pictures_and_key_frames_are_counted_in_them() -> None:
    written = writes(WANTED, P50)
    assert (written["StreamingFrameRate"], written["StreamingGOPSize"]) == ("1", "50")
    assert writes(replace(WANTED, fps=None), P50)["StreamingGOPSize"] == "100"
    assert writes(replace(WANTED, fps=60.0), P5994)["StreamingFrameRate"] == "0"
    assert writes(replace(WANTED, fps=30.0), P5994)["StreamingFrameRate"] == "1"


def test_a_rate_that_is_no_share_of_the_input_is_refused_and_the_possible_ones_are_named() -> None:
    with pytest.raises(DeviceError, match=r"50, 25, 12\.5"):
        writes(replace(WANTED, fps=30.0), P50)


def test_without_an_input_all_its_pictures_are_streamed() -> None:
    written = writes(WANTED, 0)
    assert (written["StreamingFrameRate"], written["StreamingGOPSize"]) == ("0", "50")


def test_the_sound_gets_the_highest_step_that_is_not_above_what_is_wanted() -> None:
    assert writes(WANTED, P50)["StreamingAudioBitrate"] == "3"
    assert writes(replace(WANTED, audio_bps=1), P50)["StreamingAudioBitrate"] == "0"


def test_what_was_written_is_read_as_what_was_wanted() -> None:
    assert read_profile(writes(WANTED, P50), P50) == replace(WANTED, audio_bps=128_000)


def test_differences_are_named_and_numbers_compared_as_numbers_but_texts_as_texts() -> None:
    held = writes(WANTED, P50)
    wanted = writes(WANTED, P50)
    assert differing(wanted, held) == ()
    assert differing(wanted, {**held, "StreamingWidth": "01280"}) == ()
    assert differing(wanted, {**held, "RTMPStreamName": "7"}) == ("RTMPStreamName",)
    assert differing(wanted, {**held, "StreamingWidth": "640"}) == ("StreamingWidth",)
    assert differing(wanted, {}) == tuple(wanted)


@pytest.mark.parametrize(
    "changed", [{"StreamType": "3"}, {"RTMPServerURL": ""}, {"RTMPStreamName": ""}, {"StreamingAudioBitrate": "9"}]
)
def test_one_that_cannot_stream_as_it_is_set_holds_no_profile(changed: dict[str, str]) -> None:
    assert read_profile({**writes(WANTED, P50), **changed}, P50) is None


def test_one_that_follows_its_input_has_the_inputs_size_and_none_without_it() -> None:
    held = {**writes(WANTED, P50), "StreamingFrameGeometryType": "0"}
    profile = read_profile(held, P50)
    assert profile is not None
    assert (profile.width, profile.height) == (1920, 1080)
    assert read_profile(held, None) is None


def test_the_key_is_never_shown() -> None:
    assert "007" not in repr(WANTED)
