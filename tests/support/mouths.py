"""Servers that take alerts, on the loopback, with scripted faults: Telegram, webhooks, Alertmanager."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Reply:
    """`hangs`: nothing is answered until the server ends."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False
    after_s: float = 0.0
    """How long the server thinks."""
    is_crumbled: bool = False
    """The body comes byte by byte."""


@dataclass(frozen=True, slots=True)
class Heard:
    path: str
    headers: dict[str, str]
    raw: bytes
    json: Any
    at: float
    """Monotonic seconds of the loop."""


class Mouth:
    """Answers with what is next in `script`, and when that is used up with `usual`."""

    def __init__(self, usual: Reply) -> None:
        self.usual = usual
        self.script: list[Reply] = []
        self.heard: list[Heard] = []
        self.url = ""
        self._ends = asyncio.Event()
        self._came = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        at = asyncio.get_running_loop().time()
        parsed = await request.json() if raw else None
        self.heard.append(Heard(request.path, dict(request.headers), raw, parsed, at))
        self._came.set()
        reply = self.script.pop(0) if self.script else self.usual
        await asyncio.sleep(reply.after_s)
        if reply.hangs:
            await self._ends.wait()
        if reply.is_crumbled:
            return await _crumbled(request, reply)
        return web.json_response(reply.body, status=reply.status, headers=reply.headers)

    async def until(self, count: int, *, deadline_s: float = 10.0) -> None:
        async with asyncio.timeout(deadline_s):
            while len(self.heard) < count:
                self._came.clear()
                await self._came.wait()

    def close(self) -> None:
        self._ends.set()


async def _crumbled(request: web.Request, reply: Reply) -> web.StreamResponse:
    answer = web.StreamResponse(status=reply.status, headers=reply.headers)
    await answer.prepare(request)
    for byte in json.dumps(reply.body).encode():
        await answer.write(bytes((byte,)))
        await asyncio.sleep(0)
    await answer.write_eof()
    return answer


@asynccontextmanager
async def mouth(usual: Reply | None = None, *, port: int = 0) -> AsyncIterator[Mouth]:
    taken = Mouth(usual or Reply(body={"ok": True}))
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", taken.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    taken.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield taken
    finally:
        taken.close()
        await runner.cleanup()
