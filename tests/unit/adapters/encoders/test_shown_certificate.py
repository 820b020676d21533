"""The certificate that a device shows when it is entered."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp.abc import ResolveResult
from cryptography.hazmat.primitives.serialization import Encoding

from app.adapters.encoders import shown_certificate as module
from app.adapters.encoders.shown_certificate import shown_certificate
from app.domain.errors import DeviceError, InvalidRequest, NotAllowed, Unavailable
from tests.support.certificates import Authority, make, write_pair


@asynccontextmanager
async def device(
    *, says: bytes | None = b"", tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[str]:
    """Its address. It says this and hangs up; None: it says nothing until the other side has gone."""
    talks: list[asyncio.Task[None]] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.append(task)
        with contextlib.suppress(OSError):
            if says is None:
                await reader.read()
            else:
                writer.write(says)
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(talk, host, 0, ssl=tls)
    try:
        yield f"https://{f'[{host}]' if ':' in host else host}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await asyncio.gather(*talks)


def has_newer_loopback() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


NEWER = pytest.param("::1", marks=pytest.mark.skipif(not has_newer_loopback(), reason="no IPv6 on this machine"))


@pytest.mark.parametrize("host", ["127.0.0.1", NEWER])
async def test_it_is_taken_as_shown_though_nobody_known_has_signed_it(tmp_path: Path, host: str) -> None:
    authority = Authority.make()
    leaf = authority.leaf("helo.local")
    chain, key = write_pair(tmp_path, leaf.key_pem, authority.chain(leaf))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(chain, key)
    async with device(tls=tls, host=host) as url:
        shown = await shown_certificate(url)
    assert shown == hashlib.sha256(leaf.certificate.public_bytes(Encoding.DER)).hexdigest()


async def test_each_address_of_a_name_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Both(module.GuardedResolver):
        """Nobody is at the first one."""

        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            (found,) = await super().resolve("127.0.0.1", port)
            return [ResolveResult(**{**found, "host": "127.0.0.9"}), found]

    monkeypatch.setattr(module, "GuardedResolver", Both)
    shown = make("helo")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*write_pair(tmp_path, shown.key_pem, shown.pem))
    async with device(tls=tls) as url:
        found = await shown_certificate(url.replace("127.0.0.1", "helo.test"))
    assert found == hashlib.sha256(shown.certificate.public_bytes(Encoding.DER)).hexdigest()


async def test_plain_http_shows_none_and_nothing_is_asked() -> None:
    assert await shown_certificate("http://127.0.0.1") is None


async def test_who_speaks_no_tls_or_does_not_answer_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    async with device(says=b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        with pytest.raises(DeviceError):
            await shown_certificate(url)
    with pytest.raises(Unavailable):
        await shown_certificate(url)
    monkeypatch.setattr(module, "LOOK_S", 0.05)
    async with device(says=None) as url:
        with pytest.raises(Unavailable):
            await shown_certificate(url)


@pytest.mark.parametrize("url", ["https://169.254.169.254", "https://10.0.0.1/x", "https://u:p@10.0.0.1"])
async def test_where_no_device_may_be_nobody_is_asked(url: str) -> None:
    with pytest.raises((NotAllowed, InvalidRequest)):
        await shown_certificate(url)
