"""AMF0 and AMF3: round trips, forms written by others, and bounds."""

from __future__ import annotations

import contextlib
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiortmp import LimitExceeded, Limits, ProtocolError, amf0, amf3
from aiortmp.amf0 import UNDEFINED, Date, EcmaArray, Value

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
KEYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=10)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(allow_nan=False),
    st.integers(-(2**53), 2**53).map(float),
    TEXT,
    st.just(UNDEFINED),
    st.builds(Date, st.floats(allow_nan=False)),
)
# An AMF3 array without entries cannot say which kind it is, so arrays by name have some here.
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(KEYS, inner, max_size=4),
        st.dictionaries(KEYS, inner, min_size=1, max_size=4).map(EcmaArray),
    ),
    max_leaves=12,
)
DEEP = Limits(max_amf_depth=64)


def same(left: object, right: object) -> bool:
    """Equal, and of the same kinds all the way down: True is not 1.0, an EcmaArray not an object."""
    if isinstance(left, dict) and isinstance(right, dict):
        return (
            type(left) is type(right) and list(left) == list(right) and all(same(left[k], right[k]) for k in left)
        )
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right


@given(st.lists(VALUES, max_size=4))
def test_amf0_gives_back_what_it_was_given(values: list[Value]) -> None:
    assert same(amf0.decode(amf0.encode(values), DEEP), values)


@given(st.lists(VALUES | st.binary(max_size=20), max_size=4))
def test_amf3_gives_back_what_it_was_given(values: list[Value]) -> None:
    assert same(amf3.decode(amf3.encode(values), DEEP), values)


@given(st.integers(-(2**28), 2**28 - 1))
def test_amf3_integers_keep_their_value_and_sign(number: int) -> None:
    assert amf3.decode(amf3.encode([number])) == [float(number)]


@given(st.lists(VALUES, max_size=4), st.sampled_from([amf0, amf3]))
def test_a_body_cut_anywhere_is_an_error_or_fewer_values(values: list[Value], amf: object) -> None:
    encode, decode = amf.encode, amf.decode  # type: ignore[attr-defined]  # either module
    body = encode(values)
    for end in range(len(body)):
        with contextlib.suppress(ProtocolError):
            assert len(decode(body[:end], DEEP)) < len(values)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("0c 00000003 616263", "abc"),
        ("0f 00000003 3c612f", "<a/"),
        ("0d", UNDEFINED),
        ("10 0003 466f6f 0001 61 0101 0000 09", {"a": True}),
        ("0b 4050000000000000 003c", Date(64.0, 60)),
        ("11 06 07 616263", "abc"),
        ("11 0a 0b 01 03 61 04 05 01", {"a": 5.0}),
        ("02 0002 ff41", "\ufffdA"),
    ],
)
def test_amf0_forms_that_others_write_are_read(body: str, value: Value) -> None:
    assert amf0.decode(bytes.fromhex(body)) == [value]


@pytest.mark.parametrize(
    ("body", "values"),
    [
        # A string, then a reference to it.
        ("06 07 616263 06 00", ["abc", "abc"]),
        # A sealed object of class "P" with one member, then another that refers to its traits.
        ("0a 13 03 50 03 78 04 01 0a 01 04 02", [{"x": 1.0}, {"x": 2.0}]),
        # An array, then a reference to it.
        ("09 03 01 03 09 00", [[True], [True]]),
        # An array with a named and a plain entry.
        ("09 03 03 6b 02 01 03", [{"k": False, "0": True}]),
        ("07 03 61 0b 03 62", ["a", "b"]),
        ("0d 05 00 ffffffff 00000002", [[-1.0, 2.0]]),
        ("0e 03 00 ffffffff", [[4294967295.0]]),
        ("0f 03 00 3ff0000000000000", [[1.0]]),
        ("10 03 00 01 03", [[True]]),
        ("11 03 00 06 03 61 03", [{"a": True}]),
        ("04 bfffff ff", [268435455.0]),
        ("04 ffffffff", [-1.0]),
    ],
)
def test_amf3_forms_that_others_write_are_read(body: str, values: list[Value]) -> None:
    assert amf3.decode(bytes.fromhex(body)) == values


def test_nan_survives_both() -> None:
    for amf in (amf0, amf3):
        (number,) = amf.decode(amf.encode([math.nan]))
        assert isinstance(number, float)
        assert math.isnan(number)


def test_long_strings_take_the_long_form() -> None:
    text = "x" * 70_000
    body = amf0.encode([text])
    assert body[:5] == b"\x0c" + struct.pack(">I", 70_000)
    assert amf0.decode(body, Limits(max_amf_string_bytes=70_000)) == [text]
    with pytest.raises(LimitExceeded):
        amf0.decode(body)


@pytest.mark.parametrize("amf", [amf0, amf3])
def test_values_without_a_form_are_refused(amf: object) -> None:
    with pytest.raises(TypeError):
        amf.encode([object()])  # type: ignore[attr-defined]  # either module
    with pytest.raises(ValueError, match="empty key"):
        amf.encode([{"": 1.0}])  # type: ignore[attr-defined]  # either module


def test_amf0_has_no_form_for_bytes() -> None:
    with pytest.raises(TypeError):
        amf0.encode([b"raw"])


DEEP_BODIES = {
    "AMF0 objects": (amf0, b"\x03\x00\x01a" * 70_000),
    "AMF0 arrays": (amf0, b"\x0a\x00\x00\x00\x01" * 70_000),
    "AMF0 into AMF3": (amf0, b"\x11" + b"\x09\x03\x01" * 70_000),
    "AMF3 arrays": (amf3, b"\x09\x03\x01" * 70_000),
    "AMF3 objects": (amf3, b"\x0a\x0b\x01\x03a" + b"\x0a\x01\x03a" * 70_000),
    "AMF3 dictionaries": (amf3, b"\x11\x03\x00" * 70_000),
}
HOSTILE_BODIES = {
    "AMF0 array of 2**32-1": (amf0, b"\x0a\xff\xff\xff\xff\x05"),
    "AMF0 string of 2**32-1": (amf0, b"\x0c\xff\xff\xff\xffab"),
    "AMF0 endless numbers": (amf0, b"\x05" * 100_000),
    "AMF0 reference to itself": (amf0, b"\x03\x00\x01a\x07\x00\x00\x00\x00\x09"),
    "AMF0 reference to nothing": (amf0, b"\x07\x00\x05"),
    "AMF0 unknown marker": (amf0, b"\x55"),
    "AMF0 movie clip": (amf0, b"\x04"),
    "AMF3 array of 2**28": (amf3, b"\x09\xff\xff\xff\xff\x01"),
    "AMF3 vector of 2**28": (amf3, b"\x0f\xff\xff\xff\xff\x00"),
    "AMF3 object with 2**25 members": (amf3, b"\x0a\xff\xff\xff\xf3\x01"),
    "AMF3 array that holds itself": (amf3, b"\x09\x03\x01\x09\x00"),
    "AMF3 externalizable": (amf3, b"\x0a\x07\x03a"),
    "AMF3 unknown traits": (amf3, b"\x0a\x15"),
    "AMF3 unknown string": (amf3, b"\x06\x10"),
    "AMF3 unknown marker": (amf3, b"\x55\x01"),
    "AMF3 endless nulls": (amf3, b"\x01" * 100_000),
}


@pytest.mark.parametrize("name", [*DEEP_BODIES, *HOSTILE_BODIES])
def test_in_18_hostile_bodies_are_protocol_errors(name: str) -> None:
    amf, body = {**DEEP_BODIES, **HOSTILE_BODIES}[name]
    with pytest.raises(ProtocolError):
        amf.decode(body)


def expanding(width: int, levels: int) -> bytes:
    """An AMF3 array whose members each hold ``width`` references to the one before."""
    members = [bytes((9, width << 1 | 1, 1)) + b"\x01" * width]
    members += [bytes((9, width << 1 | 1, 1)) + bytes((9, level << 1)) * width for level in range(1, levels)]
    return bytes((9, levels << 1 | 1, 1)) + b"".join(members)


@pytest.mark.parametrize(("amf", "prefix"), [(amf3, b""), (amf0, b"\x11")])
def test_in_18_references_count_for_what_they_show(amf: object, prefix: bytes) -> None:
    decode = amf.decode  # type: ignore[attr-defined]  # either module
    assert decode(prefix + expanding(4, 2)) == [[[None] * 4, [[None] * 4] * 4]]
    with pytest.raises(LimitExceeded) as caught:
        decode(prefix + expanding(4, 10))
    assert caught.value.limit == "max_amf_elements"


def test_in_18_a_dictionary_key_is_not_a_tree() -> None:
    with pytest.raises(ProtocolError, match="key"):
        amf3.decode(b"\x11\x03\x00\x09\x01\x01\x01")


def test_in_18_amf3_inside_amf0_has_no_bounds_of_its_own() -> None:
    inside = b"\x11" + bytes((9, 50 << 1 | 1, 1)) + b"\x01" * 50
    amf0.decode(inside * 4)
    with pytest.raises(LimitExceeded) as caught:
        amf0.decode(inside * 6)
    assert caught.value.limit == "max_amf_elements"
    deep = b"\x0a\x00\x00\x00\x01" * 5 + b"\x11" + b"\x09\x03\x01" * 5 + b"\x01"
    with pytest.raises(LimitExceeded) as caught:
        amf0.decode(deep)
    assert caught.value.limit == "max_amf_depth"


def test_the_values_of_a_body_are_counted_at_all_levels_together() -> None:
    limits = Limits(max_amf_elements=10)
    amf0.decode(amf0.encode([[1.0] * 4, [1.0] * 4]), limits)
    with pytest.raises(LimitExceeded) as caught:
        amf0.decode(amf0.encode([[1.0] * 4, [1.0] * 5]), limits)
    assert caught.value.limit == "max_amf_elements"
