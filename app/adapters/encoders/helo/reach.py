"""Where a device may be: on the open internet, in a private network, or on this machine. Nowhere else.

An operator who enters a device releases its address with it, and devices live in private networks. Link-local
addresses and those where clouds keep their machines' credentials stay shut: no device needs one. The rules are
`app/policy/outgoing.py`'s; each connection is made to an address that was judged, never to the name again.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Final
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

from app.domain.errors import InvalidRequest, NotAllowed
from app.policy.outgoing import Network, Refused, judge_addresses, judge_url

SCHEMES: Final = {"http": 80, "https": 443}
DEVICE_NETWORKS: Final[tuple[Network, ...]] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "fc00::/7",
        "::1/128",
    )
)


def base_url(url: str) -> str:
    """`url` as what paths are appended to. Raises InvalidRequest or NotAllowed."""
    target = judge_url(url, schemes=SCHEMES)
    if isinstance(target, Refused):
        raise InvalidRequest(target.reason)
    parts = urlsplit(url)
    if parts.path.strip("/") or parts.query or parts.fragment or not target.host.isascii():
        raise InvalidRequest("a device's address is its scheme, host and port", hint="For example http://10.1.2.3")
    try:
        address = ipaddress.ip_address(target.host)
    except ValueError:
        # A name is judged by what it resolves to, at each connection.
        if target.host.replace(".", "").isdigit():
            raise InvalidRequest("an address in figures has four of them, or is written in brackets") from None
    else:
        _judge([str(address)])
    return f"{parts.scheme}://{parts.netloc}"


class GuardedResolver(AbstractResolver):
    """Names to judged addresses. An address written as one never comes here: `base_url` has judged it."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises OSError when there is no such name, NotAllowed where it must not lead."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        _judge([str(entry[4][0]) for entry in found])
        return [
            ResolveResult(
                hostname=host, host=str(where[0]), port=port, family=kind, proto=proto, flags=socket.AI_NUMERICHOST
            )
            for kind, _, proto, _, where in found
        ]

    async def close(self) -> None:
        """It keeps nothing open."""


def _judge(addresses: list[str]) -> None:
    verdict = judge_addresses(addresses, allowed=DEVICE_NETWORKS)
    if isinstance(verdict, Refused):
        raise NotAllowed("no device can be at a link-local, multicast or reserved address")
