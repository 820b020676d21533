"""Ports are checked before anything starts, and the message says what to change."""

from __future__ import annotations

import socket

import pytest

from app.assembly.ports_check import Door, free_doors
from app.domain.errors import InvalidSettings


def test_port_zero_becomes_a_free_port_and_no_two_are_the_same() -> None:
    ports = free_doors(tuple(Door(f"door {i}", "127.0.0.1", 0, "--x") for i in range(5)))
    assert len(set(ports)) == 5
    assert all(ports)


def test_every_port_in_use_is_named_with_its_option() -> None:
    with socket.socket() as first, socket.socket() as second:
        for listener in (first, second):
            listener.bind(("127.0.0.1", 0))
            listener.listen(1)
        taken = first.getsockname()[1], second.getsockname()[1]
        doors = (
            Door("RTMP", "127.0.0.1", taken[0], "--rtmp-port"),
            Door("HLS", "127.0.0.1", taken[1], "--http-port"),
        )
        with pytest.raises(InvalidSettings) as caught:
            free_doors(doors)
    for port, option in zip(taken, ("--rtmp-port", "--http-port"), strict=True):
        assert f"port {port}" in caught.value.detail
        assert option in caught.value.detail
    assert "in use" in caught.value.detail


def test_an_address_that_is_not_ours_is_told_in_words_with_a_hint_that_fits() -> None:
    with pytest.raises(InvalidSettings) as caught:
        free_doors((Door("RTMP", "192.0.2.1", 0, "--rtmp-port"),))
    assert "192.0.2.1 is no address of this machine" in caught.value.detail
    assert "--host" in str(caught.value.hint)
