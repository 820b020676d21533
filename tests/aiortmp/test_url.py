"""RTMP addresses."""

from __future__ import annotations

import pytest

from aiortmp.aio.url import parse_url


@pytest.mark.parametrize(
    ("text", "host", "port", "app", "tc_url"),
    [
        ("rtmp://host/app", "host", 1935, "app", "rtmp://host:1935/app"),
        ("rtmps://host/app/inst", "host", 443, "app/inst", "rtmps://host:443/app/inst"),
        ("rtmp://user:secret@host:19/app/", "host", 19, "app", "rtmp://host:19/app"),
        ("rtmp://[::1]:1/app?a=b", "::1", 1, "app?a=b", "rtmp://[::1]:1/app?a=b"),
    ],
)
def test_addresses_are_taken_apart(text: str, host: str, port: int, app: str, tc_url: str) -> None:
    address = parse_url(text)
    assert (address.host, address.port, address.app, address.tc_url) == (host, port, app, tc_url)


@pytest.mark.parametrize("text", ["http://host/app", "rtmp:///app", "host/app", "rtmp://host:99999/app"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_url(text)
