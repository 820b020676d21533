"""NAL units from start codes to lengths, parameter sets into records."""

from __future__ import annotations

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.media.encoding.nal import avc_record, hevc_record, length_prefixed, split_units
from tests.unit.media.encoding.clips import clip, run, settings, small

# A unit never ends with a zero byte and never holds a start code: the encoder escapes both.
UNITS = st.lists(
    st.binary(min_size=1, max_size=40)
    .map(lambda data: data.replace(b"\x00\x00", b"\x00\x03") + b"\x80")
    .filter(lambda data: b"\x00\x00\x01" not in data),
    max_size=6,
)


@given(UNITS, st.sampled_from([b"\x00\x00\x01", b"\x00\x00\x00\x01"]))
def test_units_come_out_as_they_were_between_either_start_code(units: list[bytes], code: bytes) -> None:
    stream = b"".join(code + unit for unit in units)
    assert split_units(stream) == units
    assert length_prefixed(stream) == b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


def test_the_avc_record_says_profile_and_holds_both_sets() -> None:
    sps, pps = bytes.fromhex("6764001facb405017f"), bytes.fromhex("68ef3cb0")
    record = avc_record(b"\x00\x00\x00\x01" + sps + b"\x00\x00\x01" + pps)
    assert record == bytes.fromhex("0164001fffe10009") + sps + bytes.fromhex("010004") + pps + bytes.fromhex(
        "fdf8f800"
    )


@pytest.mark.parametrize("make", [avc_record, hevc_record])
def test_missing_parameter_sets_are_refused(make: object) -> None:
    with pytest.raises(ValueError, match="parameter sets"):
        make(b"\x00\x00\x01\x65\x88")  # type: ignore[operator]  # parametrize knows no types


def test_the_hevc_record_opens_a_decoder() -> None:
    plan = settings()
    plan = type(plan)(plan.ladder, 1_000, "ultrafast", "libx265")
    header = run(clip(small(seconds=1)), plan).videos["big"][0]
    assert header.extradata[0] == 1
    assert header.extradata[21] & 3 == 3, "lengths of four bytes"
    context = av.CodecContext.create("hevc", "r")
    context.extradata = header.extradata
    context.open()
    assert (context.width, context.height) == (320, 180)


@pytest.mark.parametrize(
    ("make", "data"),
    [
        (avc_record, b"\0\0\1\x67\x64\0\0\1\x68\xef"),
        (hevc_record, b"\0\0\1\x40\1\x0c\0\0\1\x42\1\0\0\1\x44\1\xc1"),
    ],
)
def test_parameter_sets_that_are_cut_short_are_refused(make: object, data: bytes) -> None:
    with pytest.raises(ValueError, match="parameter sets"):
        make(data)  # type: ignore[operator]  # parametrize knows no types
