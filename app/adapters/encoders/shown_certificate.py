"""Which certificate a device shows when it is entered: from then on it must show that one.

Devices sign their certificates themselves, so there is nobody to verify them with; who enters a device vouches for
the first look.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import ssl
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from app.adapters.encoders.helo.reach import GuardedResolver, base_url
from app.domain.errors import DeviceError, Unavailable

LOOK_S: Final = 5.0


async def shown_certificate(url: str) -> str | None:
    """SHA-256 in hex; None for plain HTTP. Raises InvalidRequest, NotAllowed, Unavailable, DeviceError."""
    parts = urlsplit(base_url(url))
    if parts.scheme != "https":
        return None
    host, port = parts.hostname or "", parts.port or 443
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    try:
        async with asyncio.timeout(LOOK_S):
            found = await GuardedResolver().resolve(host, port, socket.AF_UNSPEC)
            writer = await _connected([where["host"] for where in found], port, unverified)
    except ssl.SSLError as error:
        raise DeviceError("it does not speak TLS there") from error
    except (OSError, TimeoutError) as error:
        raise Unavailable("nobody answers at the device's address") from error
    try:
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.transport.abort()
    return hashlib.sha256(shown).hexdigest()


async def _connected(addresses: Sequence[str], port: int, tls: ssl.SSLContext) -> asyncio.StreamWriter:
    """To the first of them that takes it. Raises OSError as the last one did."""
    for address in addresses[:-1]:
        with contextlib.suppress(OSError):
            return (await asyncio.open_connection(address, port, ssl=tls))[1]
    return (await asyncio.open_connection(addresses[-1], port, ssl=tls))[1]
