"""The control process itself, started as people start it, with its log in a file."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.integration.services.peers import BOOTSTRAP, TOKEN
from tests.support.peers import free_port


@dataclass
class ControlProcess:
    process: asyncio.subprocess.Process
    port: int
    log: Path

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def sockets(self) -> str:
        return f"{self.base}/socket.io/?EIO=4&transport=websocket"

    def auth(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {BOOTSTRAP.reveal()}"}


@asynccontextmanager
async def control_process(folder: Path) -> AsyncIterator[ControlProcess]:
    """Up and leading; killed afterwards when it still runs."""
    port, log = free_port(), folder / "log"
    settings = {
        "ENCMAN_CONTROL_PORT": str(port),
        "ENCMAN_LINK_TOKEN": TOKEN.reveal(),
        "ENCMAN_KEY_PEPPER": "pepper-of-these-tests",
        "ENCMAN_SEAL_KEY": "seal-key-of-these-tests",
        "ENCMAN_BOOTSTRAP_API_KEY": BOOTSTRAP.reveal(),
        "ENCMAN_LOG_FORMAT": "json",
    }
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "app", "control"), cwd=folder, env={**os.environ, **settings}, stderr=file
        )
    control = ControlProcess(process, port, log)
    try:
        await _leads(control)
        yield control
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.wait()


async def _leads(control: ControlProcess) -> None:
    async with asyncio.timeout(20), aiohttp.ClientSession(headers=control.auth()) as http:
        while True:
            try:
                async with http.get(f"{control.base}/api/streams") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.05)
