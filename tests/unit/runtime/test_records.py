"""Records become plain data and come back the same; what does not fit is refused with its place."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import NewType

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.domain.link import Fact, Hello, Order
from app.domain.secret import Secret
from app.runtime.records import TIMES, Leaf, RecordError, from_plain, to_plain

LEAVES = {**TIMES, Secret: Leaf(Secret.reveal, Secret)}
Id = NewType("Id", str)


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True)
class Inner:
    id: Id
    colour: Colour = Colour.RED


@dataclass(frozen=True, slots=True)
class Other:
    id: Id


@dataclass(frozen=True, slots=True)
class Outer:
    number: int
    ratio: float
    flag: bool
    at: datetime
    secret: Secret
    maybe: str | None
    inner: Inner | None
    many: tuple[Inner, ...]
    either: Inner | Other


times = st.datetimes(timezones=st.just(UTC))
inners = st.builds(Inner, id=st.text(), colour=st.sampled_from(Colour))
outers = st.builds(
    Outer,
    number=st.integers(),
    ratio=st.floats(allow_nan=False, allow_infinity=False),
    flag=st.booleans(),
    at=times,
    secret=st.builds(Secret, st.text()),
    maybe=st.none() | st.text(),
    inner=st.none() | inners,
    many=st.lists(inners, max_size=3).map(tuple),
    either=inners | st.builds(Other, id=st.text()),
)


@given(outers)
def test_a_record_survives_the_way_through_json(record: Outer) -> None:
    plain = json.loads(json.dumps(to_plain(record, LEAVES)))
    assert from_plain(Outer, plain, LEAVES) == record


@pytest.mark.parametrize("union", [Hello, Order, Fact], ids=["hello", "order", "fact"])
@settings(max_examples=30)
@given(data=st.data())
def test_every_message_of_the_link_survives_the_way_through_json(union: object, data: st.DataObject) -> None:
    record = data.draw(st.from_type(union))  # type: ignore[arg-type]  # a union is no type, but hypothesis takes it
    text = json.dumps(to_plain(record, LEAVES))
    assume("NaN" not in text and "Infinity" not in text)  # JSON has neither, and no reading is either
    assert from_plain(union, json.loads(text), LEAVES) == record  # type: ignore[arg-type]  # likewise


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(Outer.__dataclass_fields__, anything)) | anything)
def test_whatever_is_no_record_is_refused_and_nothing_else_happens(plain: object) -> None:
    try:
        record = from_plain(Outer, plain, LEAVES)
    except RecordError:
        return
    assert isinstance(record, Outer)


def good() -> dict[str, object]:
    record = Outer(
        1, 1.5, True, datetime(2026, 1, 2, tzinfo=UTC), Secret("s"), None, None, (Inner(Id("a")),), Other(Id("b"))
    )
    plain = to_plain(record, LEAVES)
    assert isinstance(plain, dict)
    return plain


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"number": "1"}, "Outer.number"),
        ({"number": True}, "Outer.number"),
        ({"ratio": float("nan")}, "Outer.ratio"),
        ({"flag": 1}, "Outer.flag"),
        ({"at": "yesterday"}, "Outer.at"),
        ({"many": {"0": {}}}, "Outer.many"),
        ({"many": [{"id": 1}]}, "Outer.many[0].id"),
        ({"many": [{"id": "x"}, {"id": 1}]}, "Outer.many[1].id"),
        ({"many": [{"id": "x", "colour": "green"}]}, "Outer.many[0].colour"),
        ({"either": {"type": "Stranger", "id": "x"}}, "Outer.either"),
        ({"either": None}, "Outer.either"),
        ({"inner": 3}, "Outer.inner"),
    ],
)
def test_a_refusal_names_the_place(change: dict[str, object], place: str) -> None:
    with pytest.raises(RecordError, match=place.replace("[", r"\[")):
        from_plain(Outer, good() | change, LEAVES)


def test_a_missing_entry_is_refused_unless_it_has_a_default() -> None:
    assert from_plain(Inner, {"id": "x"}) == Inner(Id("x"))
    with pytest.raises(RecordError, match=r"Inner\.id is missing"):
        from_plain(Inner, {})


def test_an_entry_from_a_newer_peer_is_ignored() -> None:
    assert from_plain(Inner, {"id": "x", "mood": "new"}) == Inner(Id("x"))


def test_an_int_may_stand_for_a_float() -> None:
    assert from_plain(Outer, good() | {"ratio": 2}, LEAVES).ratio == 2.0


def test_what_has_no_plain_form_is_refused_not_guessed() -> None:
    with pytest.raises(RecordError, match="Secret has no plain form"):
        to_plain(Secret("x"))
