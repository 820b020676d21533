"""The guard on addresses that users give: sixty ways to reach what is private, none of them works."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.policy.outgoing import Refused, Target, is_allowed, judge_addresses, judge_url

FORBIDDEN = [
    "127.0.0.1",
    "127.1.2.3",
    "0.0.0.0",
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.254",
    "192.168.0.1",
    "169.254.169.254",
    "169.254.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "192.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "::7f00:1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2002:c0a8:1::",
    "fc00::1",
    "fd00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "2001:db8::1",
    "100::1",
    "not-an-address",
    "",
]
OPEN = ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450:4001:80b::200e", "::ffff:8.8.8.8"]
BAD_URLS = [
    "http://a.example/live/x",
    "file:///etc/passwd",
    "gopher://a.example/x/y",
    "//a.example/live/x",
    "a.example/live/x",
    "rtmp:///live/x",
    "rtmp://user:pass@a.example/live/x",
    "rtmp://user@a.example/live/x",
    "rtmp://a.example:22/live/x",
    "rtmp://a.example:25/live/x",
    "rtmp://a.example:0/live/x",
    "rtmp://a.example:99999/live/x",
    "rtmp://a b.example/l/x",
    "rtmp://a.example/live/x\r\nSET x",
    "rtmp://a.example\\@b.example/live/x",
    "rtmp://[::1/live/x",
    "",
    "rtmp://" + "a" * 3000,
]


@pytest.mark.parametrize("address", FORBIDDEN)
def test_what_is_private_or_special_is_refused(address: str) -> None:
    assert isinstance(judge_addresses([address]), Refused)


@pytest.mark.parametrize("address", OPEN)
def test_the_open_internet_is_allowed(address: str) -> None:
    assert judge_addresses([address]) == (address,)


def test_one_private_address_among_open_ones_refuses_all() -> None:
    assert isinstance(judge_addresses([*OPEN, "10.0.0.1"]), Refused)


def test_no_address_at_all_is_refused() -> None:
    assert isinstance(judge_addresses([]), Refused)


def test_an_operator_may_release_a_network_and_only_that() -> None:
    allowed = (ip_network("10.1.0.0/16"), ip_network("fd00:1::/32"))
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "fd00:1::5"):
        assert judge_addresses([address], allowed=allowed) == (address,)
    for address in ("10.2.0.1", "127.0.0.1", "fd00:2::5"):
        assert isinstance(judge_addresses([address], allowed=allowed), Refused)


@pytest.mark.parametrize(
    "address",
    ["100.100.100.200", "::ffff:100.100.100.200", "64:ff9b::6464:64c8", "fd00:ec2::254", "fd20:ce::254"],
)
def test_no_release_of_a_network_opens_where_clouds_keep_credentials(address: str) -> None:
    released = (ip_network("100.64.0.0/10"), ip_network("fc00::/7"))
    assert judge_addresses(["100.100.100.201", "fd00:ec2::255"], allowed=released) != ()
    assert isinstance(judge_addresses([address], allowed=released), Refused)


@pytest.mark.parametrize("url", BAD_URLS)
def test_an_address_of_the_wrong_form_is_refused_without_repeating_it(url: str) -> None:
    verdict = judge_url(url)
    assert isinstance(verdict, Refused)
    assert "example" not in verdict.reason


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("rtmp://a.example/live/x", Target("rtmp", "a.example", 1935)),
        ("rtmps://a.example/live/x", Target("rtmps", "a.example", 443)),
        ("rtmp://a.example.:8935/live/x?y=z", Target("rtmp", "a.example", 8935)),
        ("rtmp://[2606:4700::1]:1935/live/x", Target("rtmp", "2606:4700::1", 1935)),
    ],
)
def test_a_good_address_is_taken_apart(url: str, target: Target) -> None:
    assert judge_url(url) == target


@given(st.ip_addresses(v=4))
def test_wrapping_an_address_changes_no_verdict(address: object) -> None:
    plain = ip_address(str(address))
    assert is_allowed(ip_address(f"::ffff:{plain}")) == is_allowed(plain)
    assert is_allowed(ip_address(int(ip_address("64:ff9b::")) + int(plain))) == is_allowed(plain)


@given(st.text(max_size=100))
def test_no_text_upsets_the_reader(text: str) -> None:
    assert isinstance(judge_url(text), Refused | Target)
    assert isinstance(judge_addresses([text]), Refused | tuple)
