"""Live clients of the real process: those that stop reading, those that guess keys, those that say nothing."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import aiohttp
import psutil
import pytest

from app.domain.ids import StreamId
from app.domain.link import PublishRefused
from tests.integration.api.control_process import ControlProcess, control_process
from tests.integration.services.peers import FakeGateway, FakeNode, at, encoder, until

READERS: Final = 90
STALLED: Final = 10
CLIENTS_PER_KEY: Final = 18
"""Of the 20 that a key may have."""
GROWTH_BYTES: Final = 10_000_000
EVENT_BYTES: Final = 20_000
"""Large, so that what the system itself holds for a client is soon full."""
EVENTS_AT_ONCE: Final = 5
WARM_ROUNDS: Final = 10
"""The memory that the readers alone need is the server's before it is measured."""
MAX_ROUNDS: Final = 200
INIT: Final = {"resolution": "640x360", "bitrate": 1_000_000, "fps": 30}


@pytest.fixture
async def control(tmp_path: Path) -> AsyncIterator[ControlProcess]:
    async with control_process(tmp_path) as one:
        yield one


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session


async def test_clients_that_stop_reading_cost_little_and_the_others_hear_everything(
    control: ControlProcess, http: aiohttp.ClientSession
) -> None:
    async with AsyncExitStack() as stack:
        gateway = FakeGateway()
        for peer in (gateway, FakeNode(encoder("a"))):
            await peer.come(control.port)
            stack.push_async_callback(peer.go)
        stream_id = await opened(control, http)
        keys = [await made_key(control, http) for _ in range(-(-(READERS + STALLED) // CLIENTS_PER_KEY))]
        readers = [Reader() for _ in range(READERS)]
        for number, reader in enumerate(readers):
            key = keys[number // CLIENTS_PER_KEY]
            await stack.enter_async_context(reading(reader, control, http, key, stream_id))

        async def tell_some() -> None:
            told = readers[0].errors + EVENTS_AT_ONCE
            for _ in range(EVENTS_AT_ONCE):
                gateway.tell(PublishRefused(StreamId(stream_id), at(), "127.0.0.1", "x" * EVENT_BYTES))
            await until(lambda: all(reader.errors == told for reader in readers))

        for _ in range(WARM_ROUNDS):
            await tell_some()
        process = psutil.Process(control.process.pid)
        before = peak = process.memory_info().rss
        for number in range(READERS, READERS + STALLED):
            await stack.enter_async_context(stalled(control, keys[number // CLIENTS_PER_KEY], stream_id))
        for _ in range(MAX_ROUNDS):
            await tell_some()
            peak = max(peak, process.memory_info().rss)
            gone = let_go(control)
            if gone == STALLED:
                break
    assert gone == STALLED
    assert [reader.gaps for reader in readers] == [0] * READERS
    assert peak - before <= GROWTH_BYTES, f"grew by {(peak - before) / 1e6:.1f} MB"


async def test_a_guesser_is_cut_at_the_first_wrong_key_and_its_address_shut_out(
    control: ControlProcess, http: aiohttp.ClientSession
) -> None:
    answers = [
        await guess(control, http, [f'40{{"token":"guess {number} {n}"}}' for n in range(10)])
        for number in range(20)
    ]
    # An answer can be lost when the server closes on what it did not read; none may come too many.
    assert all(len(codes) <= 1 for codes in answers)
    assert 0 < sum(codes == ["not_authenticated"] for codes in answers) <= 5
    assert await guess(control, http, ['40{"token":"another guess"}']) == ["too_many_requests"]


async def test_guesses_from_many_addresses_are_counted_for_each(control: ControlProcess) -> None:
    for last in range(2, 42):
        connector = aiohttp.TCPConnector(local_addr=(f"127.0.0.{last}", 0))
        async with aiohttp.ClientSession(connector=connector) as http:
            codes = [await guess(control, http, [f'40{{"token":"guess{n}"}}']) for n in range(7)]
        assert codes == [["not_authenticated"]] * 5 + [["too_many_requests"]] * 2


async def test_transports_that_show_no_key_are_closed_within_ten_seconds(
    control: ControlProcess, http: aiohttp.ClientSession
) -> None:
    polling = f"{control.base}/socket.io/?EIO=4&transport=polling"

    async def silent_websocket() -> None:
        async with http.ws_connect(control.sockets) as silent:
            async for _ in silent:
                pass

    async def silent_polling() -> None:
        async with http.get(polling) as response:
            sid = json.loads((await response.text())[1:])["sid"]
        while True:
            async with http.get(f"{polling}&sid={sid}") as response:
                if response.status != 200 or await response.text() in ("1", "6"):
                    return

    async with asyncio.timeout(10):
        await asyncio.gather(silent_websocket(), silent_polling())


class Reader:
    """A client that reads all it is told; `gaps`: changes it should have heard and did not."""

    def __init__(self) -> None:
        self.errors = 0
        self.gaps = 0
        self._last: int | None = None

    async def read(self, live: aiohttp.ClientWebSocketResponse) -> None:
        async for message in live:
            if message.data == "2":
                await live.send_str("3")
            elif message.data.startswith("42"):
                self.hear(*json.loads(message.data[2:]))

    def hear(self, event: str, data: dict[str, Any]) -> None:
        if not event.startswith("stream_"):
            return
        if self._last is not None and data["seq"] != self._last + (event != "stream_health"):
            self.gaps += 1
        self._last = data["seq"]
        self.errors += event == "stream_error"


@asynccontextmanager
async def reading(
    reader: Reader, control: ControlProcess, http: aiohttp.ClientSession, key: str, stream_id: str
) -> AsyncIterator[None]:
    async with subscribed(control, http, key, stream_id) as live:
        task = asyncio.create_task(reader.read(live))
        yield
        await live.close()
        await task


@asynccontextmanager
async def stalled(control: ControlProcess, key: str, stream_id: str) -> AsyncIterator[None]:
    """Subscribed, and from then on it reads nothing, with as little room in between as the system grants."""

    def narrow(address: Any) -> socket.socket:
        made = socket.socket(address[0], address[1], address[2])
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        return made

    connector = aiohttp.TCPConnector(socket_factory=narrow)
    async with (
        aiohttp.ClientSession(connector=connector) as http,
        subscribed(control, http, key, stream_id) as live,
    ):
        transport = live._response.connection.transport
        transport.pause_reading()
        yield
        transport.abort()


@asynccontextmanager
async def subscribed(
    control: ControlProcess, http: aiohttp.ClientSession, key: str, stream_id: str
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    live = await http.ws_connect(control.sockets)
    try:
        await live.send_str(f'40{{"token":"{key}"}}')
        await live.send_str(f"421{json.dumps(['subscribe', {'stream_id': stream_id}])}")
        async with asyncio.timeout(10):
            while not (await live.receive_str()).startswith("431"):
                pass
        yield live
    finally:
        await live.close()


def let_go(control: ControlProcess) -> int:
    """Clients whose connection the server ended, by its own log: too far behind, or for long without an answer to
    its pings."""
    return control.log.read_text().count("live connection closed")


async def guess(control: ControlProcess, http: aiohttp.ClientSession, packets: list[str]) -> list[str]:
    """The codes of the refusals, until the server has closed."""
    async with asyncio.timeout(10), http.ws_connect(control.sockets) as live:
        with suppress(ConnectionError):  # the server may have closed before the last one
            for packet in packets:
                await live.send_str(packet)
        said = [message.data async for message in live]
    return [json.loads(text[2:])["data"]["code"] for text in said if text.startswith("44")]


async def opened(control: ControlProcess, http: aiohttp.ClientSession) -> str:
    async with http.post(f"{control.base}/api/streams/init", json=INIT, headers=control.auth()) as response:
        answer = await response.json()
        assert response.status == 201, answer
        stream_id: str = answer["stream_id"]
        return stream_id


async def made_key(control: ControlProcess, http: aiohttp.ClientSession) -> str:
    body = {"name": "reader", "scopes": ["admin"], "lifetime_s": 3600}
    async with http.post(f"{control.base}/api/keys", json=body, headers=control.auth()) as response:
        answer = await response.json()
        assert response.status == 201, answer
        key: str = answer["api_key"]
        return key
