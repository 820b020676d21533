"""Pushes: waits that grow and spread, addresses taken apart."""

from __future__ import annotations

import pytest

from app.domain.errors import InvalidRequest
from app.domain.secret import Secret
from app.media.push.backoff import FIRST_S, MAX_S, STEADY_S, Backoff
from app.media.push.dial import Dialler, split_url


def test_waits_double_up_to_a_bound_and_begin_again_after_a_good_time() -> None:
    backoff = Backoff(lambda: 1.0)
    waits = [backoff.failed(0) for _ in range(10)]
    assert waits[0] == FIRST_S
    assert waits == sorted(waits)
    assert waits[-1] == MAX_S
    assert backoff.failed(STEADY_S) == FIRST_S


def test_randomness_spreads_each_wait_over_its_upper_half() -> None:
    assert Backoff(lambda: 0.0).failed(0) == FIRST_S / 2


@pytest.mark.parametrize(
    ("url", "base", "name"),
    [
        ("rtmp://a.example/live/key", "rtmp://a.example/live", "key"),
        ("rtmps://a.example:443/app/inst/key?x=1", "rtmps://a.example:443/app/inst", "key?x=1"),
        ("rtmp://[2001:db8::1]:1935/live2/k/", "rtmp://[2001:db8::1]:1935/live2", "k"),
    ],
)
def test_an_address_is_application_and_name(url: str, base: str, name: str) -> None:
    assert split_url(url) == (base, name)


@pytest.mark.parametrize("url", ["rtmp://a.example", "rtmp://a.example/live", "rtmp://a.example//"])
def test_an_address_without_a_name_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest):
        split_url(url)


@pytest.mark.parametrize("host", ["x" * 64 + ".example", "a..example"])
async def test_a_host_that_is_no_name_is_refused(host: str) -> None:
    with pytest.raises(InvalidRequest):
        await Dialler(allowed=()).dial(Secret(f"rtmp://{host}/live/key"))
