"""Asks a HELO as its own page does: plain requests, no cleverness."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp

from app.simulators.helo.simulator import HeloSimulator

PATIENCE_S = 10.0


class Page:
    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def fetch(self, path: str, **query: str | int) -> tuple[int, str]:
        """(status, body)."""
        asked = {name: str(value) for name, value in query.items()}
        async with self.session.get(self.url + path, params=asked) as response:
            return response.status, await response.text()

    async def answer(self, name: str) -> dict[str, str]:
        status, text = await self.fetch("/config", action="get", paramid=f"eParamID_{name}")
        assert status == 200, f"{name}: {status}"
        return dict(json.loads(text))

    async def get(self, name: str) -> str:
        return (await self.answer(name))["value"]

    async def put(self, name: str, value: str | int) -> dict[str, str]:
        status, text = await self.fetch("/config", action="set", paramid=f"eParamID_{name}", value=value)
        assert status == 200, f"{name}: {status}"
        return dict(json.loads(text))

    async def log_in(self, password: str) -> tuple[int, str]:
        form = {"password_provided": password}
        async with self.session.post(self.url + "/authenticator/login", data=form) as response:
            return response.status, await response.text()

    async def aim(self, url: str, key: str) -> None:
        """At an RTMP server."""
        await self.put("StreamType", 0)
        await self.put("RTMPServerURL", url)
        await self.put("RTMPStreamName", key)

    async def until(self, name: str, value: str | int) -> None:
        """Ask again and again until the parameter has this value; what is away meanwhile is asked again."""
        seen: Any = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while seen != str(value):
                    await asyncio.sleep(0.01)
                    try:
                        seen = await self.get(name)
                    except (aiohttp.ClientError, AssertionError) as error:
                        seen = repr(error)
        assert seen == str(value), f"{name} did not become {value}; it is {seen}"


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition of our own, with a deadline."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def page(simulator: HeloSimulator) -> AsyncIterator[Page]:
    jar = aiohttp.CookieJar(unsafe=True)
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    async with aiohttp.ClientSession(cookie_jar=jar, timeout=timeout) as session:
        yield Page(session, simulator.url)
