"""Socket.IO as clients use it and as attackers try it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
import socketio

from app.api.limits import DoorLimits
from app.api.socket_transports import CLOSE_GRACE_S
from app.domain.access import Scope
from app.domain.encoder import EncoderReading
from app.domain.events import (
    EncoderRead,
    Severity,
    StreamChanged,
    StreamErrorSeen,
    StreamHealthRead,
    WorkerReplaced,
)
from app.domain.ids import EncoderId, StreamId
from app.domain.stream import StreamState
from app.policy.rates import Rate
from app.services.websocket_security import LABEL, SocketLimits
from tests.unit.api.fleet import ENCODER, T0, health_of

INIT = {"resolution": "1920x1080", "bitrate": 5_000_000, "fps": 30}


class Follower:
    """A Socket.IO client that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self.client = socketio.AsyncClient(reconnection=False)
        self.client.on("*", self._hear)
        self.client.on("disconnect", self._gone)

    async def _hear(self, event: str, data: Any) -> None:
        self.heard.put_nowait((event, data))

    async def _gone(self, *_: object) -> None:
        self.heard.put_nowait(("gone", None))

    async def connect(self, house: Any, key: str | None, **options: Any) -> None:
        auth = None if key is None else {"token": key}
        await self.client.connect(house.base, auth=auth, **options)

    async def any(self) -> tuple[str, Any]:
        async with asyncio.timeout(5):
            return await self.heard.get()

    async def next(self, event: str) -> Any:
        while True:
            name, data = await self.any()
            if name == event:
                return data


@pytest.fixture
async def follower() -> Any:
    one = Follower()
    yield one
    await one.client.disconnect()


async def opened(house: Any, http: aiohttp.ClientSession, key: str = "admin") -> StreamId:
    async with http.post(f"{house.base}/api/streams/init", json=INIT, headers=house.auth(key)) as response:
        return StreamId((await response.json())["stream_id"])


@pytest.mark.parametrize("transports", [["polling"], ["websocket"], None])
async def test_a_client_with_a_key_subscribes_and_hears_how_its_stream_is(
    house: Any, http: aiohttp.ClientSession, follower: Follower, transports: list[str] | None
) -> None:
    house.keys.give("mine", Scope.READ, Scope.STREAMS)
    stream_id = await opened(house, http, "mine")
    await follower.connect(house, "mine", transports=transports)
    answer = await follower.client.call("subscribe", {"stream_id": stream_id})
    assert (answer["ok"], answer["stream_id"]) == (True, stream_id)
    first = await follower.next("stream_health")
    assert {"cpu_usage", "dropped_frames", "bitrate"} <= first.keys()
    record = house.streams.records[stream_id]
    house.bus.tell(StreamHealthRead("acme", health_of(record, cpu=71.0)))
    assert (await follower.next("stream_health"))["cpu_usage"] == 71.0
    house.bus.tell(StreamChanged(stream_id, "acme", StreamState.LIVE, T0))
    assert (await follower.next("stream_changed"))["state"] == "live"
    house.bus.tell(StreamErrorSeen(stream_id, "acme", Severity.WARNING, "slow", "falls behind", T0, "moved"))
    error = await follower.next("stream_error")
    assert (error["severity"], error["cause"], error["acted"]) == ("warning", "slow", True)
    house.bus.tell(WorkerReplaced(stream_id, "acme", ENCODER, EncoderId("enc_b"), 2, "exited", T0))
    assert (await follower.next("stream_failover"))["to_encoder_id"] == "enc_b"
    assert (await follower.next("worker_replaced"))["reconnect_needed"] is False
    house.bus.tell(EncoderRead(ENCODER, EncoderReading(cpu_percent=12.0, temperature_c=61.0), T0))
    update = await follower.next("health_update")
    assert update["device_status"]["temperature"] == 61.0
    assert update["connection_health"]["health_score"] == 88.0
    assert update["score"] == 96.0
    assert (await follower.client.call("unsubscribe", {"stream_id": stream_id}))["ok"]
    house.bus.tell(StreamChanged(stream_id, "acme", StreamState.ENDED, T0))
    await follower.client.call("subscribe", {"encoder_id": ENCODER})
    assert follower.heard.empty()


async def test_the_key_may_come_in_the_authorization_header(house: Any, follower: Follower) -> None:
    await follower.connect(house, None, headers=house.auth("read"))
    assert follower.client.connected


async def test_another_tenants_stream_can_neither_be_subscribed_to_nor_heard(
    house: Any, http: aiohttp.ClientSession, follower: Follower
) -> None:
    stream_id = await opened(house, http, "streams")
    await follower.connect(house, "other")
    refusal = await follower.client.call("subscribe", {"stream_id": stream_id})
    assert (refusal["ok"], refusal["code"]) == (False, "not_found")
    assert (await follower.next("problem"))["code"] == "not_found"
    assert (await follower.client.call("subscribe", {"stream_id": "*"}))["ok"]
    house.bus.tell(StreamChanged(stream_id, "acme", StreamState.LIVE, T0))
    house.bus.tell(StreamChanged(StreamId("str_theirs"), "rival", StreamState.LIVE, T0))
    assert (await follower.next("stream_changed"))["stream_id"] == "str_theirs"


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        {},
        "str_1",
        {"stream_id": 1},
        {"stream_id": ["a"]},
        {"stream_id": "../x"},
        {"room": "x"},
        {"stream_id": "a", "x": 1},
    ],
)
async def test_strange_subscriptions_are_refused_in_words(house: Any, follower: Follower, payload: Any) -> None:
    await follower.connect(house, "read")
    refusal = await follower.client.call("subscribe", payload)
    assert (refusal["ok"], refusal["code"]) == (False, "invalid_request")


async def test_unknown_events_are_answered_by_a_problem(house: Any, follower: Follower) -> None:
    await follower.connect(house, "read")
    assert (await follower.client.call("shutdown", {"now": True}))["ok"] is False
    await follower.client.emit("connect", {"aiohttp.request": None})
    assert (await follower.client.call("subscribe", {"encoder_id": "*"}))["ok"]


async def test_rooms_are_capped(serve: Any, http: aiohttp.ClientSession, follower: Follower) -> None:
    house = await serve(socket_limits=SocketLimits(messages_per_s=10_000))
    first = await opened(house, http)
    for number in range(2, 103):
        name = StreamId(f"str_{number}")
        house.streams.records[name] = replace(house.streams.records[first], stream_id=name)
    await follower.connect(house, "admin")
    answers = [
        (await follower.client.call("subscribe", {"stream_id": f"str_{number}"}))["ok"] for number in range(1, 103)
    ]
    assert answers == [True] * 100 + [False] * 2


@pytest.mark.parametrize("token", ["wrong", "", None, 7, "kl\u00fcssel", "x" * 90_000])
async def test_a_wrong_key_closes_the_transport(house: Any, http: aiohttp.ClientSession, token: Any) -> None:
    async with websocket(house, http) as ws:
        await ws.send_str("40" + json.dumps({"token": token}))
        kinds = [message async for message in ws]
        assert any(message.data.startswith("44") for message in kinds)
        assert ws.closed


async def test_guesses_are_counted_over_transports_and_blocked(serve: Any, http: aiohttp.ClientSession) -> None:
    house = await serve(DoorLimits())
    codes = []
    for number in range(7):
        async with websocket(house, http) as ws:
            await ws.send_str("40" + json.dumps({"token": f"guess{number}"}))
            said = [message.data async for message in ws]
            codes += [json.loads(text[2:])["data"]["code"] for text in said if text.startswith("44")]
    assert codes == ["not_authenticated"] * 5 + ["too_many_requests"] * 2


@pytest.mark.parametrize(
    "packets",
    [
        ["4"],
        ["49"],
        ["42"],
        ["42[]"],
        ["42{}"],
        ["42[[]]"],
        ['42[{"a":1}]'],
        ["42" + "[" * 5000],
        ['451-["subscribe",{"_placeholder":true,"num":0}]'],
        ['4599999-["x"]'],
        ["43999[]"],
        ["44{}"],
        ["40/other,{}", "40/other,{}"],
        ["x", "9", "1", ""],
    ],
)
async def test_packets_that_are_none_harm_nobody_else(
    house: Any,
    http: aiohttp.ClientSession,
    follower: Follower,
    packets: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    await follower.connect(house, "read")
    async with websocket(house, http) as ws:
        await ws.send_str('40{"token":"read"}')
        for packet in packets:
            await ws.send_str(packet)
        with_error = [record for record in caplog.records if record.exc_info]
    assert (await follower.client.call("subscribe", {"encoder_id": ENCODER}))["ok"]
    assert with_error == []


async def test_a_binary_message_closes_the_connection(house: Any, http: aiohttp.ClientSession) -> None:
    async with websocket(house, http) as ws:
        await ws.send_bytes(b"\x00" * 100)
        await closed(ws)


async def test_a_message_above_the_limit_closes_the_connection(house: Any, http: aiohttp.ClientSession) -> None:
    async with websocket(house, http) as ws:
        await ws.send_str('40{"token":"' + "x" * 150_000 + '"}')
        await closed(ws)


async def test_messages_above_the_rate_are_dropped_and_the_stubborn_disconnected(
    house: Any, http: aiohttp.ClientSession
) -> None:
    async with websocket(house, http) as ws:
        await ws.send_str('40{"token":"read"}')
        for number in range(400):
            await ws.send_str(f'42{number}["subscribe",{{"encoder_id":"*"}}]')
        answers = [message.data async for message in ws]
        assert ws.closed
    assert len([text for text in answers if text.startswith("43")]) < 60


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1.evil.example", "http://127.0.0.1:1"]
)
async def test_a_foreign_origin_is_refused_at_the_handshake(
    house: Any, http: aiohttp.ClientSession, origin: str
) -> None:
    query = "/socket.io/?EIO=4&transport=polling"
    for headers in (
        {"Origin": origin},
        {"Origin": origin, "X-Forwarded-Host": "evil.example", "Cookie": "key=admin"},
    ):
        async with http.get(house.base + query, headers=headers) as response:
            assert response.status == 400
    async with http.get(house.base + query, headers={"Origin": house.base}) as response:
        assert response.status == 200


async def test_messages_of_a_sealed_connection_verify_at_the_client_and_a_forged_one_ends_it(
    house: Any, follower: Follower
) -> None:
    await follower.client.connect(house.base, auth={"token": "read", "seal": True}, transports=["websocket"])
    key = hmac.digest(b"read", LABEL, "sha256")
    sid = follower.client.get_sid()

    def mac(*parts: object) -> str:
        return hmac.new(key, "\n".join(map(str, (sid, *parts))).encode(), hashlib.sha256).hexdigest()

    body = json.dumps({"encoder_id": ENCODER})
    message = {"body": body, "n": 1, "mac": mac("client", "subscribe", 1, body)}
    answer = await follower.client.call("subscribe", message)
    assert answer["mac"] == mac("answer", "subscribe", 1, answer["body"])
    assert json.loads(answer["body"])["ok"]
    house.bus.tell(EncoderRead(ENCODER, EncoderReading(cpu_percent=12.0), T0))
    heard = await follower.next("health_update")
    assert heard["mac"] == mac("server", "health_update", 1, heard["body"])
    assert json.loads(heard["body"])["device_status"]["cpu_usage"] == 12.0
    await follower.client.emit("subscribe", message)
    assert await follower.next("gone") is None


async def test_jsonp_is_not_offered(house: Any, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{house.base}/socket.io/?EIO=4&transport=polling&j=0") as response:
        assert response.status == 400


async def test_upgrades_of_connections_that_do_not_exist_leave_nothing_behind(
    house: Any, http: aiohttp.ClientSession
) -> None:
    wires = house.doors.sockets._transports._wires  # nothing else shows what is kept
    for number in range(20):
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await http.ws_connect(f"{house.base}/socket.io/?EIO=4&transport=websocket&sid=made_up_{number}")
    assert len(wires) == 0
    async with websocket(house, http) as ws:
        await ws.receive()
        assert len(wires) == 1


@pytest.mark.parametrize("query", ["", "&sid=", "&sid=&sid="])
async def test_new_connections_of_one_address_are_counted_however_they_are_asked_for(
    serve: Any, http: aiohttp.ClientSession, query: str
) -> None:
    house = await serve(DoorLimits(handshakes=Rate(3, 60.0)))
    statuses = []
    for _ in range(5):
        async with http.get(f"{house.base}/socket.io/?EIO=4&transport=polling{query}") as response:
            statuses.append(response.status)
    assert statuses == [200] * 3 + [429] * 2


async def test_a_check_of_keys_that_fails_once_is_made_again(
    serve: Any, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await serve(socket_limits=SocketLimits(sweep_s=0.05, recheck_s=0.05))
    house.keys.give("short", Scope.READ)
    await follower.connect(house, "short", transports=["websocket"])
    check, failed = house.keys.authenticate, asyncio.Event()

    async def once_broken(text: str) -> Any:
        if not failed.is_set():
            failed.set()
            raise RuntimeError("the store said something new")
        return await check(text)

    monkeypatch.setattr(house.keys, "authenticate", once_broken)
    await asyncio.wait_for(failed.wait(), 5)
    await house.keys.revoke(house.keys.keys["short"][0].key_id)
    assert await follower.next("gone") is None


async def test_a_revoked_key_ends_its_live_connections(house: Any, follower: Follower) -> None:
    house.keys.give("short", Scope.READ)
    await follower.connect(house, "short", transports=["websocket"])
    await house.keys.revoke(house.keys.keys["short"][0].key_id)
    assert await follower.next("gone") is None


async def test_a_transport_that_shows_no_key_is_closed(serve: Any, http: aiohttp.ClientSession) -> None:
    limits = SocketLimits()
    assert limits.authenticate_s + limits.sweep_s + CLOSE_GRACE_S < 10
    house = await serve(socket_limits=SocketLimits(authenticate_s=0.2, sweep_s=0.1))
    async with websocket(house, http) as ws:
        await closed(ws)
    async with http.get(f"{house.base}/socket.io/?EIO=4&transport=polling") as response:
        assert response.status == 200


async def closed(ws: aiohttp.ClientWebSocketResponse) -> None:
    """Returns once the server has closed; at most what the limits promise."""
    async with asyncio.timeout(10):
        async for _ in ws:
            pass


def websocket(house: Any, http: aiohttp.ClientSession) -> Any:
    return http.ws_connect(f"{house.base}/socket.io/?EIO=4&transport=websocket")
