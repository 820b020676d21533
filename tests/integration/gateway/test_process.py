"""The gateway as a process of its own: starts without control, ends in order, stays small."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil
import pytest

from tests.integration.gateway.rig import get
from tests.support.peers import free_port

MAX_IDLE_RSS_BYTES = 80 * 1024 * 1024


@contextlib.asynccontextmanager
async def process(data_dir: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A gateway whose control nobody runs, and its HTTP address."""
    http_port = free_port()
    env = {
        "PATH": os.environ["PATH"],
        "ENCMAN_DATA_DIR": str(data_dir),
        "ENCMAN_LINK_TOKEN": "t" * 32,
        "ENCMAN_RTMP_PORT": str(free_port()),
        "ENCMAN_HTTP_PORT": str(http_port),
        "ENCMAN_CONTROL_URL": f"http://127.0.0.1:{free_port()}",
    }
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app", "gateway", env=env, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield child, f"http://127.0.0.1:{http_port}"
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def alive(http: str) -> bool:
    try:
        return (await get(f"{http}/livez"))[0] == 200
    except aiohttp.ClientError:
        return False


async def answering(http: str) -> None:
    async with asyncio.timeout(30):
        while not await alive(http):  # noqa: ASYNC110 - another process has no event to wait for
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_serves_without_control_and_ends_when_told(tmp_path: Path, number: signal.Signals) -> None:
    async with process(tmp_path) as (child, http):
        await answering(http)
        assert (await get(f"{http}/readyz"))[0] == 503
        assert psutil.Process(child.pid).memory_info().rss < MAX_IDLE_RSS_BYTES
        child.send_signal(number)
        assert await asyncio.wait_for(child.wait(), 20) == 0
