"""Connects to a destination under the guard: resolve, judge every address, connect a socket to a judged one.

The rules are `app/policy/outgoing.py`'s; RTMP is aiortmp's. Nothing else in the gateway dials out on a user's word.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from aiortmp.aio import ClientConnection, Publish, connect
from app.domain.errors import InvalidRequest, NotAllowed, Unavailable
from app.domain.secret import Secret
from app.policy.outgoing import Network, Refused, judge_addresses, judge_url

DIAL_S: Final = 10.0
OUT_CHUNK_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class Dialled:
    connection: ClientConnection
    publish: Publish


class Dialler:
    """`allowed` are the private networks an operator released. `tls`: None verifies certificates."""

    def __init__(self, *, allowed: Collection[Network], tls: ssl.SSLContext | None = None) -> None:
        self._allowed = allowed
        self._tls = tls

    async def dial(self, url: Secret) -> Dialled:
        """Connect and begin to publish.

        Raises NotAllowed or InvalidRequest for a target the guard refuses, Unavailable with what keeps it from
        being reached, and aiortmp's RtmpError when the server says no.
        """
        text = url.reveal()
        target = judge_url(text)
        if isinstance(target, Refused):
            raise InvalidRequest(target.reason)
        base, name = split_url(text)
        sock = await self._connect(target.host, target.port)
        try:
            tls = self._context() if target.scheme == "rtmps" else None
            connection = await connect(base, sock=sock, ssl=tls, timeout_s=DIAL_S, chunk_size=OUT_CHUNK_BYTES)
        except BaseException:
            sock.close()
            raise
        try:
            return Dialled(connection, await connection.publish(name))
        except BaseException:
            connection.abort("publishing was refused")
            raise

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    async def _connect(self, host: str, port: int) -> socket.socket:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(DIAL_S):
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except UnicodeError as error:
            raise InvalidRequest("the host is no name that can be resolved") from error
        except (OSError, TimeoutError) as error:
            raise Unavailable("the host name cannot be resolved") from error
        judged = judge_addresses([str(entry[4][0]) for entry in found], allowed=self._allowed)
        if isinstance(judged, Refused):
            raise NotAllowed(judged.reason)
        last: BaseException | None = None
        for family, kind, protocol, _, where in found:
            sock = socket.socket(family, kind, protocol)
            sock.setblocking(False)
            try:
                async with asyncio.timeout(DIAL_S):
                    await loop.sock_connect(sock, where)
            except (OSError, TimeoutError) as error:
                sock.close()
                last = error
                continue
            except BaseException:
                sock.close()
                raise
            return sock
        raise Unavailable(_unreached(last)) from last


def _unreached(error: BaseException | None) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "the host refuses the connection: nobody listens on this port"
    if isinstance(error, OSError) and error.strerror:  # a TimeoutError of ours has none
        return f"the host cannot be reached: {error.strerror}"
    return "the host does not answer"


def split_url(text: str) -> tuple[str, str]:
    """`rtmp://host/app/instance` and the stream name with its query. Raises InvalidRequest without both."""
    parts = urlsplit(text)
    app, _, name = parts.path.strip("/").rpartition("/")
    if not app or not name:
        raise InvalidRequest("the address needs an application and a stream name: rtmp://host/app/name")
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}/{app}", name + query
