"""What publishers are told to dial."""

from __future__ import annotations

import ipaddress

import pytest

from app.assembly import addresses
from app.assembly.settings import Settings


def test_on_the_loopback_nothing_changes() -> None:
    settings = Settings()
    assert addresses.reachable(settings) is settings
    assert addresses.page_url(settings) == "http://127.0.0.1:8080"


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_open_doors_are_told_with_an_address_that_others_can_dial(host: str) -> None:
    settings = addresses.reachable(Settings(rtmp_host=host, control_host=host))
    address = addresses.outward_address()
    if address is None:  # a machine without a network keeps the loopback
        assert settings.public_host == "127.0.0.1"
    else:
        assert not ipaddress.ip_address(address).is_loopback
        assert settings.public_host == address
        assert addresses.page_url(settings) == f"http://{address}:8080"


@pytest.mark.parametrize("chosen", ["video.example.org", "192.0.2.7"])
def test_a_host_that_was_chosen_stays(chosen: str) -> None:
    assert addresses.reachable(Settings(rtmp_host="0.0.0.0", public_host=chosen)).public_host == chosen


@pytest.mark.parametrize(
    ("host", "so"), [("localhost", True), ("::1", True), ("127.8.8.8", True), ("example", False)]
)
def test_the_loopback_has_many_names(host: str, so: bool) -> None:
    assert addresses.is_loopback(host) is so
