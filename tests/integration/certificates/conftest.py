from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from app.adapters.certificates.acme import AcmeAuthority
from app.adapters.certificates.acme_files import AcmeFiles
from app.adapters.certificates.challenges import PATH, ChallengeBook
from tests.support.acme import Pebble

NAMES = ("live.example.org", "www.example.org")


def authority(
    server: Pebble,
    folder: Path,
    book: ChallengeBook,
    *,
    names: tuple[str, ...] = NAMES,
    at: Callable[[str], None] = lambda step: None,
) -> AcmeAuthority:
    files = AcmeFiles(folder, directory=server.directory, names=names)
    return AcmeAuthority(files, book=book, contact="admin@example.org", ca=server.ca, at=at, poll_s=0.05)


@asynccontextmanager
async def answering(book: ChallengeBook, port: int) -> AsyncIterator[list[str]]:
    """A web server that answers challenges out of `book`; yields the paths that were asked for."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        text = book.answer(request.path.removeprefix(PATH))
        return web.Response(text=text) if text is not None else web.Response(status=404)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield asked
    finally:
        await runner.cleanup()
