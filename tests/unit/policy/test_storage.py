"""Advice about media, and which recordings may go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.device import Medium
from app.policy.storage import SPARED_S, Recording, advise, to_delete


def old(name: str, age_s: float, **how: bool) -> Recording:
    return Recording(name, 10, age_s, is_own=how.get("is_own", True), is_active=how.get("is_active", False))


def test_nothing_goes_unless_an_operator_said_how_much_is_to_stay_free() -> None:
    many = [old(str(n), 10_000.0 + n) for n in range(5)]
    assert to_delete(many, free_bytes=0, total_bytes=100, min_free_percent=0.0) == ()


def test_the_oldest_go_first_and_only_as_many_as_needed() -> None:
    many = [old("b", 20_000.0), old("a", 30_000.0), old("c", 10_000.0)]
    assert to_delete(many, free_bytes=5, total_bytes=100, min_free_percent=10.0) == ("a",)
    assert to_delete(many, free_bytes=0, total_bytes=100, min_free_percent=15.0) == ("a", "b")
    assert to_delete(many, free_bytes=10, total_bytes=100, min_free_percent=10.0) == ()


def test_foreign_active_fresh_and_the_newest_recordings_stay_whatever_the_disk_says() -> None:
    many = [
        old("foreign", 90_000.0, is_own=False),
        old("active", 80_000.0, is_active=True),
        old("goes", 70_000.0),
        old("fresh", SPARED_S - 1.0),
        old("newest", 10.0),
    ]
    assert to_delete(many, free_bytes=0, total_bytes=1_000, min_free_percent=90.0) == ("goes",)
    assert to_delete([old("only", 90_000.0)], free_bytes=0, total_bytes=100, min_free_percent=90.0) == ()


@given(
    st.lists(
        st.builds(
            Recording,
            st.text(min_size=1, max_size=3),
            st.integers(0, 100),
            st.floats(0.0, 1e6),
            st.booleans(),
            st.booleans(),
        ),
        max_size=20,
        unique_by=lambda one: one.name,
    ),
    st.integers(0, 1_000),
    st.floats(0.0, 90.0),
)
def test_whatever_lies_there_no_foreign_and_no_active_one_goes(
    many: list[Recording], free: int, percent: float
) -> None:
    going = to_delete(many, free_bytes=free, total_bytes=1_000, min_free_percent=percent)
    chosen = [one for one in many if one.name in going]
    assert all(one.is_own and not one.is_active and one.age_s >= SPARED_S for one in chosen)


@pytest.mark.parametrize(
    ("free", "words", "urgent"),
    [(26.0, None, False), (25.0, "at hand", False), (15.0, "before the next", False), (9.0, "not start", True)],
)
def test_the_fuller_a_medium_the_clearer_the_advice(free: float, words: str | None, urgent: bool) -> None:
    advice = advise([Medium("primary", is_mounted=True, free_percent=free)])
    if words is None:
        assert advice == ()
    else:
        assert words in advice[0].words
        assert advice[0].is_urgent is urgent


def test_another_medium_that_is_ready_is_named() -> None:
    full = Medium("primary", is_mounted=True, is_ready=False, free_percent=0.0)
    spare = Medium("secondary", is_mounted=True, is_ready=True, free_percent=90.0)
    assert [one.slot for one in advise([full, spare])] == ["primary", "secondary"]


def test_a_medium_that_can_not_record_though_it_has_room_is_to_be_formatted_by_a_person() -> None:
    (advice,) = advise([Medium("primary", is_mounted=True, is_ready=False, free_percent=50.0)])
    assert "format" in advice.words
    assert advice.is_urgent


def test_what_is_not_known_gives_no_advice() -> None:
    assert advise([Medium("primary")]) == ()
    assert advise([]) == ()
