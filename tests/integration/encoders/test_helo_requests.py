"""One request to a HELO: what it may not leave behind, and when it counts as never sent."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import traceback
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from app.adapters.encoders.aja_helo import HeloDriver
from app.adapters.encoders.helo import http as module
from app.adapters.encoders.helo.client import HeloClient
from app.adapters.encoders.helo.descriptors import DescriptorCache
from app.adapters.encoders.helo.http import Http, NotReached
from app.domain.device import Reach
from app.domain.errors import ManagerError, NotAllowed, Unavailable
from app.policy.breaker import FIRST_REST_S, OPENS_AFTER
from app.runtime import clock
from tests.contract.encoder_benches import QUICK, entry
from tests.integration.encoders.scripted import drop, scripted, value

KEY = "key-that-nobody-may-see"

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Nowhere(AbstractResolver):
    """A name server that does not answer."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        await asyncio.Event().wait()
        return []

    async def close(self) -> None:
        """It keeps nothing."""


def client_at(url: str) -> HeloClient:
    return HeloClient(link=Http(url), password=None, dice=lambda: 0.0, patience=QUICK)


async def failure(client: HeloClient) -> str:
    """All that a log would show of a write that failed, with what led to it."""
    with pytest.raises(ManagerError) as failed:
        await client.put("RTMPStreamName", KEY)
    await client.close()
    return "".join(traceback.format_exception(failed.value))


@pytest.mark.parametrize(
    "said",
    [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{", b"HTTP/1.1 500 No\r\n\r\n"],
)
async def test_what_a_failed_write_held_is_nowhere_in_its_error(said: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(said)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        shown = await failure(client_at(f"http://127.0.0.1:{port}"))
    assert "Traceback" in shown
    assert KEY not in shown


async def test_one_whose_name_is_not_resolved_in_time_was_never_reached_and_its_error_is_clean(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "CONNECT_S", 0.05)
    monkeypatch.setattr(module, "GuardedResolver", Nowhere)
    client = client_at("http://helo.test")
    with pytest.raises(NotReached):
        await client.put("Reboot", "1")
    assert KEY not in await failure(client)


@pytest.mark.parametrize("name", ["0xa9fea9fe", "0x646464c8"])
async def test_what_only_resolves_to_where_no_device_may_be_is_refused_when_it_is_dialled(name: str) -> None:
    client = client_at(f"http://{name}")
    with pytest.raises(NotAllowed):
        await client.get("Temperature")
    await client.close()


async def test_after_it_was_closed_nothing_is_sent_any_more() -> None:
    async def answer(request: web.Request) -> web.Response:
        return value(request, "1")

    async with scripted(answer) as device:
        client = client_at(device.url)
        await client.get("Temperature")
        await client.close()
        with pytest.raises(NotReached):
            await client.get("Temperature")
        assert device.asked["get Temperature"] == 1


@pytest.mark.parametrize(
    ("login", "reach"), [("hangs", Reach.SLOW), ("drops", Reach.UNREACHABLE), ("garbled", Reach.GARBLED)]
)
async def test_an_order_that_was_not_let_in_was_not_done(login: str, reach: Reach) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path != "/authenticator/login":
            return web.Response(status=404)
        match login:
            case "hangs":
                await asyncio.Event().wait()
            case "drops":
                return drop(request)
        return web.Response(text="{", headers={"Set-Cookie": "session=00000001-abc"})

    async with scripted(answer) as device:
        driver = HeloDriver(entry(device.url, password="word"), cache=DescriptorCache(), patience=QUICK)
        try:
            with pytest.raises(Unavailable):
                await driver.reboot()
            assert driver.reach is reach
            assert device.asked["set Reboot"] == 1
        finally:
            await driver.close()


async def test_a_probe_that_was_cancelled_leaves_the_way_open_for_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    is_well, asked = False, asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        asked.set()
        if request.query["paramid"].endswith("Hanging"):
            await asyncio.Event().wait()
        return value(request, "1") if is_well else drop(request)

    async with scripted(answer) as device:
        client = client_at(device.url)
        for _ in range(OPENS_AFTER):
            with pytest.raises(Unavailable):
                await client.get("Temperature")
        at = clock.monotonic() + FIRST_REST_S
        monkeypatch.setattr("app.adapters.encoders.helo.client.monotonic", lambda: at)
        asked.clear()
        probe = asyncio.create_task(client.get("Hanging"))
        await asked.wait()
        probe.cancel()
        await asyncio.gather(probe, return_exceptions=True)
        is_well = True
        found = await client.get("Temperature")
        await client.close()
    assert found is not None
