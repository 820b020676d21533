"""The control as it runs: it proves its names itself, and serves what it is given without closing a connection."""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from app.adapters.certificates import tls_probe
from app.assembly.control import serving
from app.assembly.settings import Settings
from tests.integration.certificates.conftest import KEY, NAMES, environment, settings_of, until
from tests.support.acme import pebble
from tests.support.peers import free_port

AUTH = {"Authorization": f"Bearer {KEY.reveal()}"}


def trusting(settings: Settings) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(settings.certificate_roots))


async def shown(settings: Settings) -> bytes:
    """The certificate of the HTTPS port, verified for its name; DER."""
    _, writer = await asyncio.open_connection(
        "127.0.0.1", settings.https_port, ssl=trusting(settings), server_hostname=NAMES[0]
    )
    try:
        return tls_probe.unverified_chain(writer.get_extra_info("ssl_object"))[0]
    finally:
        writer.close()
        await writer.wait_closed()


async def is_shown(settings: Settings) -> bool:
    try:
        return bool(await shown(settings))
    except (ssl.SSLError, OSError):
        return False


def counting(dialled: list[str]) -> aiohttp.TraceConfig:
    trace = aiohttp.TraceConfig()

    async def note(*_: object) -> None:
        dialled.append("dialled")

    trace.on_connection_create_end.append(note)
    return trace


async def certificates(http: aiohttp.ClientSession, settings: Settings) -> Any:
    url = f"http://127.0.0.1:{settings.control_port}/api/monitoring/certificates"
    async with http.get(url, headers=AUTH) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def test_a_control_gets_a_certificate_renews_it_and_keeps_its_connections(tmp_path: Path) -> None:
    with pebble(tmp_path / "pebble") as server:
        settings = settings_of(tmp_path, server)
        async with serving(settings), aiohttp.ClientSession() as http:
            await until("a certificate", lambda: is_shown(settings))
            first = await shown(settings)
            url = f"https://127.0.0.1:{settings.https_port}/api/whoami"
            dialled: list[str] = []
            async with aiohttp.ClientSession(headers=AUTH, trace_configs=[counting(dialled)]) as secure:
                options = {"ssl": trusting(settings), "server_hostname": NAMES[0]}
                socket_url = f"https://127.0.0.1:{settings.https_port}/socket.io/?EIO=4&transport=websocket"
                async with http.ws_connect(socket_url, **options) as live:
                    assert (await live.receive()).data.startswith("0")
                    async with secure.get(url, **options) as answer:
                        assert answer.status == 200
                        await answer.read()
                    renew = f"http://127.0.0.1:{settings.control_port}/api/monitoring/certificates/own/renew"
                    async with http.post(renew, headers=AUTH) as accepted:
                        assert accepted.status == 202, await accepted.text()

                    async def is_new() -> bool:
                        return await shown(settings) != first

                    await until("another certificate", is_new)
                    async with secure.get(url, **options) as answer:
                        assert answer.status == 200
                        await answer.read()
                    assert dialled == ["dialled"]
                    await live.send_str(f'40{{"token":"{KEY.reveal()}"}}')
                    assert (await live.receive()).type is aiohttp.WSMsgType.TEXT
            told = await certificates(http, settings)
            assert server.orders() == 2
            assert told["own"]["renewal"]["failures"] == 0
            [own] = [one for one in told["certificates"] if one["name"] == "https"]
            assert (own["kind"], own["names"]) == ("own", list(NAMES))
    assert (tmp_path / "data" / "certificates" / "pair.pem").stat().st_mode & 0o777 == 0o600


async def test_the_challenge_route_knows_the_running_order_and_nothing_else(tmp_path: Path) -> None:
    with pebble(tmp_path / "pebble") as server:
        settings = settings_of(tmp_path, server)
        async with serving(settings), aiohttp.ClientSession() as http:
            await until("a certificate", lambda: is_shown(settings))
            base = f"http://127.0.0.1:{settings.control_port}/.well-known/acme-challenge/"
            asked = ["x", "-leading", "..%2f..%2fetc%2fpasswd", "pair.pem", "account.json", "%00", "a" * 5000]
            for token in asked:
                async with http.get(base + token) as answer:
                    assert answer.status in (400, 404), token
            async with http.get(base) as answer:
                assert answer.status == 404


@asynccontextmanager
async def patient_proxy(port: int, behind: int) -> AsyncIterator[None]:
    async with aiohttp.ClientSession() as http:

        async def pass_on(request: web.Request) -> web.Response:
            async with asyncio.timeout(20):
                while True:
                    try:
                        async with http.get(f"http://127.0.0.1:{behind}{request.path}") as answer:
                            if answer.status == 200:
                                return web.Response(body=await answer.read())
                    except aiohttp.ClientError:
                        pass
                    await asyncio.sleep(0.05)

        app = web.Application()
        app.router.add_get("/{path:.*}", pass_on)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        try:
            yield
        finally:
            await runner.cleanup()


@pytest.mark.parametrize("moment", ["order.json", "pair.pem"])
async def test_a_control_killed_in_an_order_goes_on_with_it(tmp_path: Path, moment: str) -> None:
    """Killed when the order is on disk, and when its certificate just got there. The server looks when it likes: a
    proxy before the control holds its question until somebody answers."""
    async with AsyncExitStack() as stack:
        server = stack.enter_context(pebble(tmp_path / "pebble"))
        settings = settings_of(tmp_path, server, control_port=free_port())
        await stack.enter_async_context(patient_proxy(server.http_port, settings.control_port))
        told = environment(settings)
        folder = settings.data_dir / "certificates"

        async def reached() -> bool:
            text = (folder / moment).read_text() if (folder / moment).exists() else ""
            # The placeholder is one certificate, an issued one comes with its issuer's.
            return '"url": "http' in text or text.count("BEGIN CERTIFICATE") > 1

        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "app", "control"), env=told, cwd=tmp_path, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            await until(moment, reached)
        finally:
            process.kill()
            await process.wait()
        async with serving(settings):
            await until("a certificate", lambda: is_shown(settings))
        assert server.orders() == 1
