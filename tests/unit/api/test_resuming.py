"""Clients that come back after a break are told what they missed, or how things are now."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from app.domain.access import Scope
from app.domain.events import StreamChanged, StreamFailedOver, WorkerReplaced
from app.domain.ids import EncoderId, StreamId
from app.domain.stream import StreamState
from app.services.websocket_security import SocketLimits
from tests.unit.api.fleet import ENCODER, T0, report_of
from tests.unit.api.test_sockets import Follower, follower, opened

__all__ = ["follower"]


@pytest.fixture
async def stream_id(house: Any, http: aiohttp.ClientSession) -> StreamId:
    house.keys.give("mine", Scope.READ, Scope.STREAMS)
    return await opened(house, http, "mine")


def tell_changes(house: Any, stream_id: StreamId, count: int, reason: str = "") -> None:
    for number in range(count):
        house.bus.tell(StreamChanged(stream_id, "acme", StreamState.LIVE, T0, f"{reason}{number}"))


async def test_a_client_that_comes_back_hears_every_change_it_missed_in_order_and_none_twice(
    house: Any, follower: Follower, stream_id: StreamId
) -> None:
    await follower.connect(house, "mine")
    first = await follower.client.call("subscribe", {"stream_id": stream_id})
    house.bus.tell(StreamChanged(stream_id, "acme", StreamState.LIVE, T0))
    heard = await follower.next("stream_changed")
    assert heard["seq"] == first["seq"] + 1
    await follower.client.disconnect()

    tell_changes(house, stream_id, 3)
    house.bus.tell(WorkerReplaced(stream_id, "acme", ENCODER, EncoderId("enc_b"), 2, "exited", T0))
    house.bus.tell(StreamFailedOver(stream_id, "acme", report_of(stream_id, 2)))

    again = Follower()
    await again.connect(house, "mine")
    asked = {"stream_id": stream_id, "last_seq": heard["seq"], "log_id": heard["log_id"]}
    answer = await again.client.call("subscribe", asked)
    assert (answer["ok"], answer["resumed"]) == (True, True)
    tell_changes(house, stream_id, 1, "later")
    numbers, words = [], []
    while "later0" not in words:
        event, data = await again.any()
        if event != "stream_health":
            numbers.append(data["seq"])
            words.append(data.get("reason") or event)
    assert numbers == list(range(heard["seq"] + 1, heard["seq"] + 8))
    assert words == ["0", "1", "2", "stream_failover", "worker_replaced", "stream_failover", "later0"]
    await again.client.disconnect()


async def test_both_words_about_a_switch_have_one_form_and_one_generation(
    house: Any, follower: Follower, stream_id: StreamId
) -> None:
    await follower.connect(house, "mine")
    await follower.client.call("subscribe", {"stream_id": stream_id})
    house.bus.tell(WorkerReplaced(stream_id, "acme", ENCODER, EncoderId("enc_b"), 2, "exited", T0))
    house.bus.tell(StreamFailedOver(stream_id, "acme", report_of(stream_id, 2)))
    at_once, measured = await follower.next("stream_failover"), await follower.next("stream_failover")
    assert at_once.keys() == measured.keys()
    assert at_once["generation"] == measured["generation"] == 2
    assert (at_once["reconnect_needed"], at_once["connection"], at_once["report"]) == (False, None, None)
    report = measured["report"]
    assert (report["frames_missing"], report["frames_doubled"], report["stall_ms"]) == (0, 0, 190.0)
    assert [track["name"] for track in report["tracks"]] == ["720p", "audio"]


@pytest.mark.parametrize("log_id", ["log_of_another_run", None])
async def test_what_cannot_be_told_any_more_is_replaced_by_a_snapshot(
    house: Any, follower: Follower, stream_id: StreamId, log_id: str | None
) -> None:
    house.streams.reports += [report_of(stream_id, generation) for generation in range(2, 9)]
    house.streams.records[stream_id] = replace(house.streams.records[stream_id], state=StreamState.LIVE)
    tell_changes(house, stream_id, 200)
    await follower.connect(house, "mine")
    asked = {"stream_id": stream_id, "last_seq": 1} | ({"log_id": log_id} if log_id else {})
    answer = await follower.client.call("subscribe", asked)
    assert answer["resumed"] is False
    now = await follower.next("snapshot")
    assert (now["seq"], now["log_id"], now["state"]) == (answer["seq"], answer["log_id"], "live")
    assert now["health"]["stream_id"] == stream_id
    assert [report["generation"] for report in now["failovers"]] == [8, 7, 6, 5, 4]
    tell_changes(house, stream_id, 1)
    assert (await follower.next("stream_changed"))["seq"] == now["seq"] + 1


async def test_a_client_that_missed_more_than_may_wait_for_it_is_told_the_present_and_stays(
    serve: Any, http: aiohttp.ClientSession, follower: Follower
) -> None:
    house = await serve(socket_limits=SocketLimits(outbox_messages=10))
    house.keys.give("mine", Scope.READ, Scope.STREAMS)
    stream_id = await opened(house, http, "mine")
    await follower.connect(house, "mine")
    first = await follower.client.call("subscribe", {"stream_id": stream_id})
    await follower.client.disconnect()
    tell_changes(house, stream_id, 20)
    again = Follower()
    await again.connect(house, "mine")
    answer = await again.client.call("subscribe", {"stream_id": stream_id, "last_seq": first["seq"]})
    assert answer["resumed"] is False
    assert (await again.next("snapshot"))["seq"] == first["seq"] + 20
    assert again.client.connected
    await again.client.disconnect()


async def test_another_tenants_changes_cannot_be_had_by_asking_for_missed_ones(
    house: Any, follower: Follower, stream_id: StreamId
) -> None:
    tell_changes(house, stream_id, 3)
    await follower.connect(house, "other")
    refusal = await follower.client.call("subscribe", {"stream_id": stream_id, "last_seq": 0})
    assert (refusal["ok"], refusal["code"]) == (False, "not_found")
    assert {event for event, _ in (await follower.any(),)} == {"problem"}
