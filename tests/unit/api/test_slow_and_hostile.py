"""Clients that stop reading, drip, or send what is no HTTP."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.bodies import parse
from app.api.limits import DoorLimits
from app.api.registry import Body
from app.api.schemas.encoders import ControlBody
from app.api.schemas.failovers import DrillBody
from app.api.schemas.keys import KeyBody
from app.api.schemas.stream_requests import ConfigBody, InitBody
from app.domain.access import Scope
from app.domain.errors import ManagerError
from app.domain.events import StreamChanged, StreamHealthRead
from app.domain.stream import StreamState
from app.services.websocket_security import SocketLimits
from tests.unit.api.fleet import T0, health_of
from tests.unit.api.test_sockets import Follower, opened, websocket

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


async def test_a_client_that_stops_reading_is_disconnected_and_harms_no_other(
    serve: Any, http: aiohttp.ClientSession
) -> None:
    house = await serve(socket_limits=SocketLimits(outbox_messages=32))
    house.keys.give("mine", Scope.READ, Scope.STREAMS)
    stream_id = await opened(house, http, "mine")
    reader = Follower()
    await reader.connect(house, "mine", transports=["websocket"])
    await reader.client.call("subscribe", {"stream_id": "*"})
    async with websocket(house, http) as stalled:
        await stalled.send_str('40{"token":"mine"}')
        await stalled.send_str('42["subscribe",{"stream_id":"*"}]')
        await eventually(lambda: house.doors.sockets.clients == 2)
        await stalled.receive()
        told = 0
        while house.doors.sockets.clients == 2:
            house.bus.tell(StreamChanged(stream_id, "acme", StreamState.LIVE, T0, "x" * 30_000))
            await reader.next("stream_changed")
            told += 1
            assert told < 2000
    assert told > 32
    await reader.client.disconnect()


async def test_readings_for_a_client_that_stops_reading_take_the_place_of_older_ones(
    house: Any, http: aiohttp.ClientSession
) -> None:
    house.keys.give("mine", Scope.READ, Scope.STREAMS)
    stream_id = await opened(house, http, "mine")
    record = house.streams.records[stream_id]
    async with websocket(house, http) as stalled:
        await stalled.send_str('40{"token":"mine"}')
        await stalled.send_str(f'42["subscribe",{{"stream_id":"{stream_id}"}}]')
        await eventually(lambda: house.doors.sockets.clients == 1)
        for number in range(5000):
            house.bus.tell(StreamHealthRead("acme", health_of(record, cpu=float(number))))
        assert house.doors.sockets.clients == 1
        last = None
        async with asyncio.timeout(5):
            while last != 4999.0:
                text = (await stalled.receive()).data
                if text.startswith('42["stream_health"'):
                    last = json.loads(text[2:])[1]["cpu_usage"]


async def test_a_body_that_drips_is_answered_408(serve: Any) -> None:
    house = await serve(DoorLimits(body_deadline_s=0.2))
    status = await raw(
        house,
        b"POST /api/streams/init HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer streams\r\n"
        b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
    )
    assert status == 408


async def test_a_socket_poll_that_drips_is_answered_408(serve: Any, http: aiohttp.ClientSession) -> None:
    house = await serve(DoorLimits(body_deadline_s=0.2))
    async with http.get(f"{house.base}/socket.io/?EIO=4&transport=polling") as response:
        sid = json.loads((await response.text())[1:])["sid"]
    status = await raw(
        house,
        f"POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: x\r\n".encode()
        + b"Content-Length: 100\r\n\r\n4",
    )
    assert status == 408


async def test_a_socket_message_that_comes_in_pieces_is_read_whole(house: Any, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{house.base}/socket.io/?EIO=4&transport=polling") as response:
        sid = json.loads((await response.text())[1:])["sid"]
    message = b'40{"token":"read","padding":"' + b"x" * 60_000 + b'"}'
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    head = (
        f"POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(message)}"
    )
    writer.write(head.encode() + b"\r\n\r\n")
    for start in range(0, len(message), 20_000):
        writer.write(message[start : start + 20_000])
        await writer.drain()
        await eventually(lambda: writer.transport.get_write_buffer_size() == 0)
        async with http.get(f"{house.base}/livez"):
            pass  # a turn for the server, so that the pieces do not come as one
    assert (await asyncio.wait_for(reader.readline(), 5)).split()[1] == b"200"
    writer.close()
    await eventually(lambda: house.doors.sockets.clients == 1)


@pytest.mark.parametrize(
    ("headers", "size", "status"),
    [({"Content-Encoding": "gzip"}, 10, 400), ({"Transfer-Encoding": "chunked"}, 10, 400), ({}, 100_001, 413)],
)
async def test_socket_messages_of_other_forms_are_refused(
    house: Any, http: aiohttp.ClientSession, headers: dict[str, str], size: int, status: int
) -> None:
    url = f"{house.base}/socket.io/?EIO=4&transport=polling&sid=x"
    async with http.post(url, data=b"4" * size, headers=headers) as response:
        assert response.status == status


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /livez HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nA: b\r\n folded\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 10_000 + b"\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 1_000_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_what_parsers_disagree_about_is_answered_400_or_cut(house: Any, request_bytes: bytes) -> None:
    assert await raw(house, request_bytes) in (400, None)


async def raw(house: Any, request_bytes: bytes) -> int | None:
    """The status of the first answer; None when the connection was cut without one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    try:
        writer.write(request_bytes)
        line = await asyncio.wait_for(reader.readline(), 10)
        return int(line.split()[1]) if line else None
    except ConnectionError:
        return None
    finally:
        writer.close()


@pytest.mark.parametrize("model", [InitBody, ConfigBody, KeyBody, ControlBody, DrillBody])
@given(junk=JUNK)
def test_no_json_whatever_makes_a_model_fail_in_another_way_than_by_refusal(model: type[Body], junk: Any) -> None:
    try:
        parse(json.dumps(junk).encode(), model)
    except ManagerError:
        return
    assert model in (ConfigBody,)  # the only one that may be empty


@given(raw_body=st.binary(max_size=200))
def test_no_bytes_whatever_make_a_body_fail_in_another_way_than_by_refusal(raw_body: bytes) -> None:
    with pytest.raises(ManagerError):
        parse(raw_body, InitBody)


async def eventually(holds: Any) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event to wait on
            await asyncio.sleep(0.005)
