"""What is refused before anything is reserved."""

from __future__ import annotations

import ipaddress

import pytest

from app.domain.errors import InvalidRequest
from app.domain.session import StreamRequest
from app.services.stream_validator import StreamValidator


def request_to(url: str) -> StreamRequest:
    return StreamRequest(width=1280, height=720, bitrate_bps=3_000_000, fps=30, destinations=(url,))


@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]"])
def test_a_destination_on_a_private_address_is_refused_by_name(host: str) -> None:
    with pytest.raises(InvalidRequest, match="private or special network"):
        StreamValidator().demand(request_to(f"rtmp://{host}/live/key"))


def test_a_released_network_is_taken() -> None:
    validator = StreamValidator(allowed_targets=(ipaddress.ip_network("10.0.0.0/8"),))
    validator.demand(request_to("rtmp://10.1.2.3/live/key"))


def test_a_host_name_is_left_to_the_one_who_connects() -> None:
    StreamValidator().demand(request_to("rtmp://ingest.example.com/live/key"))


def test_the_refusal_never_repeats_the_destination_s_key() -> None:
    with pytest.raises(InvalidRequest) as caught:
        StreamValidator().demand(request_to("rtmp://127.0.0.1/live/very-secret-key"))
    assert "very-secret-key" not in caught.value.detail
