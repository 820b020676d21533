"""One request to a device and its answer, bounded in time and size. Repeats nothing, follows nowhere.

Every write of this interface is a GET, and aiohttp repeats a GET whose connection was lost: writes are kept from
that here. Its errors name the address, and with it what was written, keys too: none of them is shown as a cause.
What an answer means is told by its reader, when a device is left in peace by `client.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import aiohttp
from yarl import URL

from app.adapters.encoders.helo.reach import GuardedResolver, base_url
from app.adapters.encoders.helo.wire import Garbled
from app.domain.errors import InvalidRequest, Unavailable

CONNECT_S: Final = 3.0
"""Its name's resolution counts."""
ANSWER_BYTES: Final = 64 * 1024
EVENTS_BYTES: Final = 1024 * 1024
PICTURE_BYTES: Final = 2 * 1024 * 1024
DESCRIPTORS_BYTES: Final = 8 * 1024 * 1024
_NAMES_KEPT_S: Final = 60
"""Resolving a .local name takes about a second."""


class NotReached(Unavailable):
    """The request never left: nothing was done."""


class TooSlow(Unavailable):
    """Sent, and no whole answer in time. Whether it was done is not known."""


class Lost(Unavailable):
    """Sent, and the connection was lost before an answer. Whether it was done is not known."""


class _WriteLost(Exception):
    """Carries the loss of a write past aiohttp's own repeating."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes
    cookies: tuple[str, ...]
    """Set-Cookie headers as sent."""


class Http:
    """`fingerprint`: SHA-256 of the certificate it must show, in hex; None: one that can be verified."""

    def __init__(self, url: str, *, fingerprint: str | None = None) -> None:
        self._base = base_url(url)
        self._tls = _pinned(fingerprint)
        self._session: aiohttp.ClientSession | None = None
        self._is_closed = False

    async def ask(
        self,
        path: str,
        *,
        cookie: str | None = None,
        form: bytes | None = None,
        timeout_s: float,
        limit_bytes: int = ANSWER_BYTES,
    ) -> Reply:
        """A GET, or a POST of `form`.

        Raises NotReached, TooSlow, Lost, NotAllowed for an address where no device may be, and Garbled for what is
        no HTTP.
        """
        headers = {"Accept-Encoding": "identity"}
        if cookie is not None:
            headers["Cookie"] = f"session={cookie}"
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            async with self._open().request(
                "GET" if form is None else "POST",
                URL(self._base + path, encoded=True),
                data=form,
                headers=headers,
                ssl=self._tls,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout_s, connect=CONNECT_S),
            ) as response:
                body = await _body(response, limit_bytes)
                return Reply(response.status, body, tuple(response.headers.getall("Set-Cookie", ())))
        except (aiohttp.ClientConnectorError, aiohttp.ServerFingerprintMismatch) as error:
            raise NotReached(_unreached(error)) from None
        except aiohttp.ConnectionTimeoutError:
            raise NotReached("it does not take the connection") from None
        except TimeoutError:
            raise TooSlow(f"no whole answer within {timeout_s:g} s") from None
        except (aiohttp.ClientPayloadError, aiohttp.ClientResponseError):
            raise Garbled("its answer is cut off, or no HTTP") from None
        except (_WriteLost, aiohttp.ClientError, OSError):
            raise Lost("the connection was lost before it answered") from None

    async def close(self) -> None:
        """For good: who still holds it reaches nobody."""
        self._is_closed = True
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        if self._is_closed:
            raise NotReached("it is not spoken with any more")
        if self._session is None:
            # One connection for requests, one for the events' long poll.
            connector = aiohttp.TCPConnector(limit=2, resolver=GuardedResolver(), ttl_dns_cache=_NAMES_KEPT_S)
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                middlewares=(_writes_go_once,),
            )
        return self._session


async def _writes_go_once(
    request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        if "action=set" in request.url.query_string:
            raise _WriteLost from error
        raise


async def _body(response: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
    parts, size = [], 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > limit_bytes:
            response.close()
            raise Garbled(f"its answer is longer than {limit_bytes} bytes")
        parts.append(part)
    return b"".join(parts)


def _pinned(fingerprint: str | None) -> aiohttp.Fingerprint | bool:
    if fingerprint is None:
        return True
    try:
        return aiohttp.Fingerprint(bytes.fromhex(fingerprint.replace(":", "")))
    except ValueError as error:
        raise InvalidRequest("a fingerprint is SHA-256 in hex: 64 digits") from error


def _unreached(error: aiohttp.ClientError) -> str:
    if isinstance(error, aiohttp.ServerFingerprintMismatch):
        return "it shows another certificate than the one it was entered with"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "its certificate cannot be verified"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name cannot be resolved"
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, ConnectionRefusedError):
        return "it refuses the connection"
    return "it cannot be reached"
