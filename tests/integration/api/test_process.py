"""The control process itself: started as people start it, ended by SIGTERM while clients hang on."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
from pathlib import Path

import aiohttp

from app.api.connections import ConnectionBook
from app.assembly.control import door_limits
from tests.integration.api.conftest import settings_in
from tests.integration.api.control_process import control_process
from tests.integration.services.peers import BOOTSTRAP, TOKEN, FakeGateway


def test_a_trusted_proxy_has_no_cap_of_its_own_and_others_have(tmp_path: Path) -> None:
    proxy = ipaddress.ip_network("10.0.0.1/32")
    book = ConnectionBook(door_limits(settings_in(tmp_path).model_copy(update={"trusted_proxies": (proxy,)})))
    assert all(book.admit("10.0.0.1") for _ in range(60))
    assert not all(book.admit("10.0.0.2") for _ in range(60))


async def test_sigterm_ends_it_at_once_and_well_while_peers_and_clients_are_connected(tmp_path: Path) -> None:
    gateway = FakeGateway()
    async with control_process(tmp_path) as control:
        try:
            await gateway.come(control.port)
            async with aiohttp.ClientSession() as http, http.ws_connect(control.sockets) as live:
                await live.send_str(f'40{{"token":"{BOOTSTRAP.reveal()}"}}')
                async with asyncio.timeout(10):
                    while not (await live.receive()).data.startswith("40"):
                        pass
                control.process.send_signal(signal.SIGTERM)
                async with asyncio.timeout(4):
                    assert await control.process.wait() == 0
        finally:
            await gateway.go()
        text = control.log.read_text()
    assert BOOTSTRAP.reveal() not in text
    assert TOKEN.reveal() not in text
    assert '"level": "error"' not in text
