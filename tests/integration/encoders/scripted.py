"""A device that answers as a test says, and counts what it was asked."""

from __future__ import annotations

import contextlib
import json
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Scripted:
    """`answer` gives every answer. `asked` counts action and parameter, such as `get Temperature`, or the path."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: Counter[str] = Counter()
        self.url = ""

    async def _door(self, request: web.Request) -> web.StreamResponse:
        action, name = request.query.get("action"), request.query.get("paramid", "").removeprefix("eParamID_")
        self.asked[f"{action} {name}".strip() if action else request.path] += 1
        return await self.answer(request)


@contextlib.asynccontextmanager
async def scripted(answer: Answer, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Scripted]:
    device = Scripted(answer)
    application = web.Application()
    application.router.add_route("*", "/{rest:.*}", device._door)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    device.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield device
    finally:
        await runner.cleanup()


def value(request: web.Request, text: str) -> web.Response:
    name = request.query.get("paramid", "")
    return web.Response(text=json.dumps({"paramid": "1", "name": name, "value": text, "value_name": text}))


def drop(request: web.Request) -> web.Response:
    """The connection is lost before an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()
