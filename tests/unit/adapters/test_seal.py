"""Sealed secrets open for their owner under their key, and for nothing else."""

from __future__ import annotations

import pytest

from app.adapters.store.seal import Sealer
from app.domain.errors import InvalidSettings
from app.domain.secret import Secret

SECRET = Secret("rtmp://push.example/live/CANARY")


def test_a_secret_comes_back_and_its_seal_shows_nothing_and_is_never_the_same_twice() -> None:
    sealer = Sealer(Secret("a-seal-key-of-this-test"))
    first, second = sealer.seal(SECRET, "str_1"), sealer.seal(SECRET, "str_1")
    assert sealer.open(first, "str_1") == SECRET
    assert first != second
    assert "CANARY" not in first


@pytest.mark.parametrize("change", ["owner", "key", "text", "rubbish"])
def test_anything_else_is_refused(change: str) -> None:
    sealer = Sealer(Secret("a-seal-key-of-this-test"))
    text, owner = sealer.seal(SECRET, "str_1"), "str_1"
    if change == "owner":
        owner = "str_2"
    elif change == "key":
        sealer = Sealer(Secret("another-seal-key-for-it"))
    elif change == "text":
        text = text[:-8] + ("A" if text[-8] != "A" else "B") + text[-7:]
    else:
        text = "v1:!!!"
    with pytest.raises(InvalidSettings) as caught:
        sealer.open(text, owner)
    assert "CANARY" not in str(caught.value)


def test_a_weak_key_is_refused() -> None:
    with pytest.raises(InvalidSettings):
        Sealer(Secret("short"))
