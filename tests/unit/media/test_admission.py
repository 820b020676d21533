"""Names, keys and guesses at the door."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.media.admission import (
    FIRST_BLOCK_S,
    GUESSES_PER_MINUTE,
    KEY_FORM,
    MAX_BLOCK_S,
    GuessLimit,
    play_name,
    published_key,
)

KEY = "abcdefghijklmnop_-09"


@pytest.mark.parametrize("name", [KEY, f"{KEY}?a=b", f"anything?key={KEY}", f"?key={KEY}&x=1"])
def test_a_key_is_found_where_encoders_put_it(name: str) -> None:
    assert published_key(name) == KEY


@pytest.mark.parametrize(
    "name",
    [
        "",
        "short",
        "x" * 129,
        "x" * 70_000,
        f"../{KEY}",
        f"{KEY}\x00",
        f"{KEY}\n",
        "user:pass@host/keykeykeykey",
        f"a?key={KEY}%00",
        "a?" + "&".join(f"k{n}=1" for n in range(40)),
        "k\u0435ykeykeykeykeykey",
    ],
)
def test_what_has_no_keys_form_is_no_key(name: str) -> None:
    assert published_key(name) is None


@given(st.text(max_size=300))
def test_no_text_gets_past_the_alphabet(name: str) -> None:
    key = published_key(name)
    assert key is None or KEY_FORM.fullmatch(key)
    viewed = play_name(name)
    assert viewed is None or viewed.replace("_", "").replace("-", "").isascii()


def test_five_wrong_keys_in_a_minute_block_an_address_and_no_other() -> None:
    limit = GuessLimit()
    for turn in range(GUESSES_PER_MINUTE):
        assert not limit.is_blocked("1.2.3.4", turn)
        limit.wrong("1.2.3.4", turn)
    assert limit.is_blocked("1.2.3.4", 10)
    assert not limit.is_blocked("1.2.3.5", 10)
    assert not limit.is_blocked("1.2.3.4", 10 + FIRST_BLOCK_S)


def test_wrong_keys_spread_over_time_block_nobody() -> None:
    limit = GuessLimit()
    for turn in range(50):
        limit.wrong("1.2.3.4", turn * 61.0)
        assert not limit.is_blocked("1.2.3.4", turn * 61.0)


def test_each_block_is_longer_than_the_last_and_none_is_for_ever() -> None:
    limit, now_s, lengths = GuessLimit(), 0.0, []
    for _ in range(8):
        for _ in range(GUESSES_PER_MINUTE):
            limit.wrong("1.2.3.4", now_s)
        begin_s = now_s
        while limit.is_blocked("1.2.3.4", now_s):
            now_s += 1
        lengths.append(now_s - begin_s)
    assert lengths == sorted(lengths)
    assert lengths[1] == 2 * lengths[0]
    assert lengths[-1] == MAX_BLOCK_S


def test_the_right_key_forgives() -> None:
    limit = GuessLimit()
    for _ in range(GUESSES_PER_MINUTE - 1):
        limit.wrong("1.2.3.4", 0)
    limit.right("1.2.3.4")
    limit.wrong("1.2.3.4", 1)
    assert not limit.is_blocked("1.2.3.4", 1)


def test_many_addresses_do_not_fill_memory() -> None:
    limit = GuessLimit()
    for number in range(20_000):
        limit.wrong(f"10.0.{number // 256}.{number % 256}", 0)
    assert len(limit) <= 10_000
