from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding

from app.adapters.certificates.acme import AcmeAuthority
from app.adapters.certificates.acme_files import AcmeFiles
from app.adapters.certificates.challenges import PATH, ChallengeBook
from app.assembly.settings import Settings
from app.domain.secret import Secret
from tests.support.acme import Pebble
from tests.support.peers import free_port

KEY = Secret("em_live_bootstrap_key_of_these_tests_0123456789")
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


def settings_of(folder: Path, server: Pebble, **others: object) -> Settings:
    """A control that orders its certificate there; its plain port is where the server looks for proofs."""
    roots = folder / "roots.pem"
    roots.write_bytes(server.root().public_bytes(Encoding.PEM))
    chosen = {
        "data_dir": folder / "data",
        "control_port": server.http_port,
        "https_port": free_port(),
        "acme_directory": server.directory,
        "acme_names": NAMES,
        "acme_ca": server.ca,
        "certificate_roots": roots,
        "link_token": Secret("link-token-of-these-tests"),
        "key_pepper": Secret("pepper-of-these-tests"),
        "seal_key": Secret("seal-key-of-these-tests"),
        "bootstrap_api_key": KEY,
    }
    (folder / "data").mkdir(exist_ok=True)
    return Settings(**{**chosen, **others})


def environment(settings: Settings) -> dict[str, str]:
    """The same for a process of its own."""
    texts = {}
    for name in settings.model_fields_set:
        value = getattr(settings, name)
        if isinstance(value, Secret):
            value = value.reveal()
        if name not in ("tls_cert", "tls_key"):
            texts[f"ENCMAN_{name.upper()}"] = ",".join(value) if isinstance(value, tuple) else str(value)
    return texts


async def until(what: str, look: Callable[[], Awaitable[object]], within_s: float = 30.0) -> None:
    try:
        async with asyncio.timeout(within_s):
            while not await look():  # noqa: ASYNC110 - what is looked at has no event to wait for
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"never came: {what}") from None
