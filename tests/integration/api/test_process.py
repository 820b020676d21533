"""The control process itself: started as people start it, ended by SIGTERM while clients hang on."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import signal
import sys
from pathlib import Path

import aiohttp

from app.api.connections import ConnectionBook
from app.assembly.control import door_limits
from tests.integration.api.conftest import settings_in
from tests.integration.services.peers import BOOTSTRAP, TOKEN, FakeGateway
from tests.support.peers import free_port


def test_a_trusted_proxy_has_no_cap_of_its_own_and_others_have(tmp_path: Path) -> None:
    proxy = ipaddress.ip_network("10.0.0.1/32")
    book = ConnectionBook(door_limits(settings_in(tmp_path).model_copy(update={"trusted_proxies": (proxy,)})))
    assert all(book.admit("10.0.0.1") for _ in range(60))
    assert not all(book.admit("10.0.0.2") for _ in range(60))


async def test_sigterm_ends_it_at_once_and_well_while_peers_and_clients_are_connected(tmp_path: Path) -> None:
    port = free_port()
    settings = {
        "ENCMAN_CONTROL_PORT": str(port),
        "ENCMAN_LINK_TOKEN": TOKEN.reveal(),
        "ENCMAN_KEY_PEPPER": "pepper-of-these-tests",
        "ENCMAN_SEAL_KEY": "seal-key-of-these-tests",
        "ENCMAN_BOOTSTRAP_API_KEY": BOOTSTRAP.reveal(),
        "ENCMAN_LOG_FORMAT": "json",
    }
    with (tmp_path / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "app", "control"),
            cwd=tmp_path,
            env={**os.environ, **settings},
            stderr=log,
        )
    gateway = FakeGateway()
    base = f"http://127.0.0.1:{port}"
    try:
        async with aiohttp.ClientSession() as http:
            await answers(http, f"{base}/livez")
            await gateway.come(port)
            async with http.ws_connect(f"{base}/socket.io/?EIO=4&transport=websocket") as live:
                await live.send_str(f'40{{"token":"{BOOTSTRAP.reveal()}"}}')
                async with asyncio.timeout(10):
                    while not (await live.receive()).data.startswith("40"):
                        pass
                process.send_signal(signal.SIGTERM)
                async with asyncio.timeout(4):
                    assert await process.wait() == 0
    finally:
        await gateway.go()
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = (tmp_path / "log").read_text()
    assert BOOTSTRAP.reveal() not in text
    assert TOKEN.reveal() not in text
    assert '"level": "error"' not in text


async def answers(http: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                async with http.get(url) as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)
