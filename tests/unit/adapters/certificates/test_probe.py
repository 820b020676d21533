"""What a port really serves is seen, whatever it is worth; revocation is looked up within bounds."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from app.adapters.certificates import crl
from app.adapters.certificates.crl import RevocationLists
from app.adapters.certificates.tls_probe import TlsProbe
from app.domain.certificate import ChainFault, Place, PlaceKind
from app.domain.errors import Unavailable
from app.policy.chain import judge
from app.runtime.clock import utc_now
from tests.support.certificates import DAY, NAME, Authority, Pair, make, write_pair
from tests.support.peers import free_port

CA = Authority.make()


def probe(lists: RevocationLists | None = None) -> TlsProbe:
    return TlsProbe(roots=[CA.root.certificate], utc_now=utc_now, lists=lists)


@contextlib.asynccontextmanager
async def serving(folder: Path, pair: Pair, chain: bytes) -> AsyncIterator[Place]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(*write_pair(folder, pair.key_pem, chain))

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=context)
    async with server:
        yield Place("it", PlaceKind.OWN, "127.0.0.1", server.sockets[0].getsockname()[1], NAME)


async def test_the_served_chain_is_seen_as_it_was_sent(tmp_path: Path) -> None:
    leaf = CA.leaf()
    async with serving(tmp_path, leaf, CA.chain(leaf)) as place:
        seen = await probe().look(place)
    assert [one.subject for one in seen.path] == [NAME, "Test Intermediate", "Test Root"]
    assert judge(seen, expects=NAME, now=utc_now()).fault is None


@pytest.mark.parametrize(
    ("pair", "fault"),
    [
        (CA.leaf(key=rsa.generate_private_key(public_exponent=65537, key_size=1024)), ChainFault.WEAK_KEY),
        (make(NAME, names=[NAME]), ChainFault.SELF_SIGNED),
        (CA.leaf(begins=-9 * DAY, ends=-DAY), ChainFault.EXPIRED),
    ],
    ids=str,
)
async def test_what_a_client_would_refuse_is_seen_too(tmp_path: Path, pair: Pair, fault: ChainFault) -> None:
    chain = pair.pem if fault is ChainFault.SELF_SIGNED else CA.chain(pair)
    async with serving(tmp_path, pair, chain) as place:
        assert judge(await probe().look(place), expects=NAME, now=utc_now()).fault is fault


async def test_a_port_that_is_closed_or_speaks_no_tls_is_unavailable() -> None:
    closed = Place("closed", PlaceKind.OWN, "127.0.0.1", free_port())
    with pytest.raises(Unavailable, match="cannot be reached"):
        await probe().look(closed)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read(100)
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as plain:
        port = plain.sockets[0].getsockname()[1]
        with pytest.raises(Unavailable):
            await probe().look(Place("plain", PlaceKind.OWN, "127.0.0.1", port))


def list_of(*revoked: Pair, ends: timedelta = DAY, now: datetime | None = None, by: Pair = CA.middle) -> bytes:
    now = now or utc_now()
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(CA.middle.certificate.subject)
        .last_update(now - 10 * DAY)
        .next_update(now + ends)
    )
    for pair in revoked:
        serial = pair.certificate.serial_number
        one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - DAY).build()
        builder = builder.add_revoked_certificate(one)
    return builder.sign(by.key, hashes.SHA256()).public_bytes(Encoding.DER)


@contextlib.asynccontextmanager
async def publishing(port: int, content: bytes) -> AsyncIterator[list[str]]:
    asked: list[str] = []

    async def give(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        # Without a length: nobody is warned.
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            for start in range(0, len(content), 65_536):
                await response.write(content[start : start + 65_536])
        return response

    app = web.Application()
    app.router.add_get("/list.crl", give)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield asked
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("content", "warning"),
    [
        (lambda pair: list_of(), None),
        (lambda pair: list_of(ends=-DAY), "stale"),
        (lambda pair: list_of(pair, by=CA.root), "not signed by the issuer"),
        (lambda pair: b"nonsense", "is none"),
        (lambda pair: bytes(crl.MOST_BYTES + 1), "too large"),
    ],
    ids=["good", "stale", "forged", "nonsense", "huge"],
)
async def test_a_list_that_is_of_no_use_is_a_warning_and_no_more(
    tmp_path: Path, content: object, warning: str | None
) -> None:
    port = free_port()
    leaf = CA.leaf(crl=f"http://127.0.0.1:{port}/list.crl")
    async with publishing(port, content(leaf)) as asked, serving(tmp_path, leaf, CA.chain(leaf)) as place:
        looking = probe(RevocationLists())
        for _ in range(2):
            seen = await looking.look(place)
        assert asked == ["/list.crl"]
    assert seen.revoked is None
    assert judge(seen, expects=NAME, now=utc_now()).fault is None
    assert (warning is None) == (seen.crl_warning is None)
    assert (warning or "") in (seen.crl_warning or "")


async def test_a_revoked_certificate_is_told(tmp_path: Path) -> None:
    port = free_port()
    leaf = CA.leaf(crl=f"http://127.0.0.1:{port}/list.crl")
    async with publishing(port, list_of(leaf)), serving(tmp_path, leaf, CA.chain(leaf)) as place:
        seen = await probe(RevocationLists()).look(place)
    assert judge(seen, expects=NAME, now=utc_now()).fault is ChainFault.REVOKED


async def test_nobody_unknown_says_which_address_is_asked(tmp_path: Path) -> None:
    port = free_port()
    alone = make(NAME, names=[NAME], crl=f"http://127.0.0.1:{port}/list.crl")
    async with publishing(port, b"") as asked, serving(tmp_path, alone, alone.pem) as place:
        seen = await probe(RevocationLists()).look(place)
    assert (asked, seen.crl_warning) == ([], None)


async def test_a_list_that_nobody_publishes_is_a_warning(tmp_path: Path) -> None:
    leaf = CA.leaf(crl=f"http://127.0.0.1:{free_port()}/list.crl")
    async with serving(tmp_path, leaf, CA.chain(leaf)) as place:
        seen = await probe(RevocationLists()).look(place)
    assert "cannot be fetched" in (seen.crl_warning or "")


@pytest.mark.parametrize("names", ["3004a3020500", "30088706000102030405"])
async def test_what_a_hostile_device_shows_is_at_worst_not_readable(tmp_path: Path, names: str) -> None:
    odd = make(NAME, extra=x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, bytes.fromhex(names)))
    async with serving(tmp_path, odd, odd.pem) as place:
        with pytest.raises(Unavailable, match="cannot be read"):
            await probe().look(place)
