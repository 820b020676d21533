"""A secret is seen only on purpose."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.secret import STARS, Secret


@given(st.text())
def test_no_way_of_printing_shows_it(text: str) -> None:
    secret = Secret(text)
    assert {str(secret), repr(secret), f"{secret}", f"{secret!s}", "%s" % secret} == {STARS}  # noqa: UP031
    assert secret.reveal() == text
    assert not hasattr(secret, "__dict__")


def test_secrets_compare_by_text_and_an_empty_one_is_false() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert len({Secret("a"), Secret("a")}) == 1
    assert Secret("a") != "a"
    assert not Secret("")


def test_it_takes_no_other_attribute() -> None:
    with pytest.raises(AttributeError):
        Secret("a").note = "b"  # type: ignore[attr-defined]
