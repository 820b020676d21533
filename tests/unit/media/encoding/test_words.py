"""The gateway's words: understood with this worker's nonce, and only with it."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiortmp import MediaMessage, MessageType, ProtocolError, amf0
from app.domain.stream import SlateMode, StandbyGrade
from app.media.encoding.words import FeedStart, Slate, Speak, Standby, Word, read_word

NONCE = "n-1"


def said(name: str, **values: amf0.Value) -> MediaMessage:
    return MediaMessage(MessageType.DATA, 0, amf0.encode([name, values]))


@pytest.mark.parametrize(
    ("message", "word"),
    [
        (
            said("onFeedStart", nonce=NONCE, generation=3.0, start_after={"720p": 1234.0, "audio": None}),
            FeedStart(3, {"720p": 1234, "audio": None}),
        ),
        (said("onStandby", nonce=NONCE, generation=3, grade="warm"), Standby(3, StandbyGrade.WARM)),
        (
            said("onStandby", nonce=NONCE, generation=3, grade="active-active", start_after={"a": 5}),
            Standby(3, StandbyGrade.ACTIVE_ACTIVE, {"a": 5}),
        ),
        (said("onSpeak", nonce=NONCE, generation=3, start_after={"a": 5}), Speak(3, {"a": 5})),
        (said("onSlate", nonce=NONCE, mode="still", from_ms=7.0), Slate(SlateMode.STILL, 7)),
        (said("onSlate", nonce=NONCE, mode="last_frame", from_ms=None), Slate(SlateMode.LAST_FRAME, None)),
    ],
)
def test_each_word_is_read(message: MediaMessage, word: Word) -> None:
    assert read_word(message, NONCE) == word


@pytest.mark.parametrize("name", ["onFeedStart", "onStandby", "onSpeak", "onSlate"])
@pytest.mark.parametrize("nonce", [{}, {"nonce": "n-2"}, {"nonce": None}, {"nonce": 1.0}])
def test_a_word_without_the_nonce_is_the_publisher_s(name: str, nonce: dict[str, amf0.Value]) -> None:
    message = said(name, generation=1, start_after={}, grade="warm", mode="still", **nonce)
    assert read_word(message, NONCE) is None


@pytest.mark.parametrize("payload", [b"", b"\xff", amf0.encode(["onFeedStart"]), amf0.encode([1.0, {}])])
def test_other_data_is_no_word(payload: bytes) -> None:
    assert read_word(MediaMessage(MessageType.DATA, 0, payload), NONCE) is None
    assert read_word(MediaMessage(MessageType.VIDEO, 0, payload), NONCE) is None


@pytest.mark.parametrize(
    "message",
    [
        said("onFeedStart", nonce=NONCE, generation=1),
        said("onFeedStart", nonce=NONCE, start_after={}),
        said("onStandby", nonce=NONCE, generation=1, grade="lukewarm"),
        said("onSlate", nonce=NONCE, mode="off?"),
    ],
)
def test_a_word_that_says_too_little_is_an_error(message: MediaMessage) -> None:
    with pytest.raises(ProtocolError):
        read_word(message, NONCE)


@given(st.binary(max_size=60), st.sampled_from(["onFeedStart", "onStandby", "onSpeak", "onSlate"]))
def test_no_payload_does_worse_than_a_protocol_error(payload: bytes, name: str) -> None:
    known = amf0.encode([name, {"nonce": NONCE}])[:-3]  # without the end of the object
    for each in (payload, known + payload):
        with suppress(ProtocolError):
            read_word(MediaMessage(MessageType.DATA, 0, each), NONCE)
