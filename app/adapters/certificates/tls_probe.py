"""Fetches the certificates that a port really serves, whatever they are worth. The chain is put together here and
judged by policy."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from cryptography import x509

from app.adapters.certificates.crl import RevocationLists
from app.adapters.certificates.facts import Certificates
from app.adapters.certificates.verify import inspect
from app.domain.certificate import Place, ServedChain
from app.domain.errors import Unavailable

LOOK_S: Final = 10.0
MOST_SENT: Final = 16


class TlsProbe:
    """`roots`: whom we trust. `lists`: None asks nobody whether something was revoked."""

    def __init__(
        self, *, roots: Certificates, utc_now: Callable[[], datetime], lists: RevocationLists | None = None
    ) -> None:
        self._roots = roots
        self._utc_now = utc_now
        self._lists = lists
        self._context = _see_all()

    async def look(self, place: Place) -> ServedChain:
        """Raises Unavailable when nobody there shows a certificate in time."""
        try:
            async with asyncio.timeout(LOOK_S):
                sent = await self._sent(place)
            served = [x509.load_der_x509_certificate(der) for der in sent[:MOST_SENT]]
            now = self._utc_now()
            chain, path = inspect(served, self._roots, now=now)
        except TimeoutError as error:
            raise Unavailable(f"{place.name} does not answer a TLS handshake in time") from error
        except OSError as error:
            raise Unavailable(f"{place.name} cannot be reached over TLS: {_why(error)}") from error
        except ValueError as error:
            raise Unavailable(f"what {place.name} shows cannot be read: {error}") from error
        return chain if self._lists is None else await self._lists.look(chain, path, now)

    async def _sent(self, place: Place) -> list[bytes]:
        name = place.expects or place.host
        _, writer = await asyncio.open_connection(place.host, place.port, ssl=self._context, server_hostname=name)
        try:
            return unverified_chain(writer.get_extra_info("ssl_object"))
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def unverified_chain(tls: Any) -> list[bytes]:
    """Every certificate that the other side sent, its own first, as DER. `tls`: an ssl.SSLObject or SSLSocket.

    Python has a public name for it from 3.13 on; before, only the object inside has it.
    """
    if hasattr(tls, "get_unverified_chain"):
        return list(tls.get_unverified_chain())
    inside = tls._sslobj
    der = ssl._ssl.ENCODING_DER  # type: ignore[attr-defined] # as above
    return [one.public_bytes(der) for one in inside.get_unverified_chain() or ()]


def _see_all() -> ssl.SSLContext:
    """A client that takes whatever is shown: it looks, and sends nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # A weak key must be seen to be told of.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


def _why(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
