"""Silence, pings and the times for handshake and set-up, in both roles."""

from __future__ import annotations

import pytest

from aiortmp import LimitExceeded, Limits
from aiortmp.message.control import UserControl
from tests.aiortmp.pairs import Pair
from tests.aiortmp.test_sessions import controls


def test_a_silent_peer_is_pinged_and_then_given_up() -> None:
    pair = Pair(limits=Limits(idle_s=30.0))
    pair.connect()
    pair.publish()
    assert pair.server.due == 15.0
    pair.server.tick(14.9)
    assert not pair.server.has_data
    pair.server.tick(15.0)
    assert controls(pair.server.data_to_send()) == [(UserControl.PING_REQUEST, [15000])]
    assert pair.server.due == 30.0
    with pytest.raises(LimitExceeded) as caught:
        pair.server.tick(30.0)
    assert caught.value.limit == "idle_s"


def test_another_time_for_silence_counts_from_when_it_is_set() -> None:
    pair = Pair(limits=Limits(idle_s=30.0))
    pair.connect()
    pair.publish()
    pair.server.set_idle_s(6.0, 10.0)
    assert pair.server.due == 13.0
    pair.server.tick(13.0)
    assert pair.server.due == 16.0
    pair.server.set_idle_s(30.0, 14.0)
    pair.server.tick(16.0)
    assert pair.server.due == 29.0
    pair.server.set_idle_s(6.0, 29.0)
    pair.server.tick(29.0)
    with pytest.raises(LimitExceeded):
        pair.server.tick(35.0)


def test_a_peer_that_answers_the_ping_is_kept() -> None:
    pair = Pair()
    pair.connect()
    pair.publish()
    pair.now = 15.0
    pair.server.tick(pair.now)
    pair.run()
    pair.server.tick(30.0)
    assert pair.server.due is not None
    assert pair.server.due > 30.0


def test_a_server_that_never_answered_a_ping_is_not_given_up_by_its_client() -> None:
    pair = Pair()
    pair.connect()
    pair.publish()
    pair.client.setup_finished()
    for now in (15.0, 30.0, 45.0, 300.0):
        pair.client.tick(now)


def test_a_server_that_used_to_answer_pings_is_given_up_when_it_stops() -> None:
    pair = Pair()
    pair.connect()
    pair.publish()
    pair.client.setup_finished()
    pair.now = 15.0
    pair.client.tick(15.0)
    pair.run()
    pair.client.tick(30.0)
    with pytest.raises(LimitExceeded):
        pair.client.tick(45.0)


def test_in_15_a_handshake_that_does_not_finish_is_given_up() -> None:
    pair = Pair()
    assert pair.server.due == 5.0
    for at in range(4):
        pair.server.receive_data(b"\x03" if at == 0 else b"\x00", float(at))
    with pytest.raises(LimitExceeded) as caught:
        pair.server.tick(5.0)
    assert caught.value.limit == "handshake_s"


def test_a_long_time_for_the_handshake_asks_for_no_tick_that_does_nothing() -> None:
    pair = Pair(limits=Limits(handshake_s=60.0, idle_s=30.0))
    assert pair.server.due == 30.0
    with pytest.raises(LimitExceeded) as caught:
        pair.server.tick(30.0)
    assert caught.value.limit == "idle_s"


def test_silence_that_is_excused_does_not_count() -> None:
    pair = Pair(limits=Limits(idle_s=30.0))
    pair.connect()
    pair.publish()
    pair.server.excuse_silence(29.0)
    pair.server.tick(30.0)
    assert pair.server.due == 44.0
    assert not pair.server.has_data


def test_a_client_that_wants_nothing_is_given_up() -> None:
    pair = Pair()
    pair.connect()
    pair.create_stream()
    with pytest.raises(LimitExceeded) as caught:
        pair.server.tick(10.0)
    assert caught.value.limit == "setup_s"
