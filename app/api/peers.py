"""Whose request it is: the real address behind trusted proxies, and no other forwarded word believed."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final

from aiohttp import web

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

UNKNOWN: Final = "unknown"
"""All peers without an address (a Unix socket) share one subject."""
_IPV6_HOUSEHOLD_BITS: Final = 64
"""One subscriber holds a whole /64, so limits count that."""


def parse_address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.strip().split("%", 1)[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def is_trusted(address: Address, trusted: Sequence[Network]) -> bool:
    return any(address in network for network in trusted)


def client_address(peer: str, forwarded_for: Sequence[str], trusted: Sequence[Network]) -> str:
    """The address that limits count for a request from `peer` with these X-Forwarded-For values.

    Only a trusted proxy is believed, and only for the hop it saw itself: read from the right, the first address
    that is no trusted proxy is the client.
    """
    address = parse_address(peer)
    if address is None:
        return UNKNOWN
    hops = [hop for value in forwarded_for for hop in value.split(",")]
    while hops and is_trusted(address, trusted):
        before = parse_address(hops.pop())
        if before is None:
            break
        address = before
    return subject(address)


def subject(address: Address) -> str:
    """`address` as limits count it."""
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, _IPV6_HOUSEHOLD_BITS), strict=False).network_address)
    return str(address)


def address_of(request: web.Request, trusted: Sequence[Network]) -> str:
    transport = request.transport
    name = transport.get_extra_info("peername") if transport is not None else None
    peer = name[0] if isinstance(name, tuple) else ""
    return client_address(peer, request.headers.getall("X-Forwarded-For", []), trusted)


def scheme_of(request: web.Request, trusted: Sequence[Network]) -> str:
    """`https` if TLS ends here, or at a trusted proxy that says so."""
    transport = request.transport
    name = transport.get_extra_info("peername") if transport is not None else None
    peer = parse_address(name[0]) if isinstance(name, tuple) else None
    if peer is not None and is_trusted(peer, trusted):
        said = request.headers.get("X-Forwarded-Proto", "").strip().lower()
        if said in ("http", "https"):
            return said
    return "https" if request.secure else "http"
