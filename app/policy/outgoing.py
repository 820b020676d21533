"""Where this system may connect to on somebody else's word: one guard for every URL that a user gave. Pure.

`judge_url` looks at the address as written, `judge_addresses` at what it resolved to. The caller resolves, and
connects its socket to a judged address, never to the name again: a name may mean something else a moment later.
Push targets use it with RTMP's schemes; web hooks and fetches bring their own.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

RTMP_SCHEMES: Final[Mapping[str, int]] = {"rtmp": 1935, "rtmps": 443}
"""Scheme and default port."""
LOW_PORTS: Final = frozenset({80, 443})
"""Below 1024 only these: nobody takes video on a mail server's port."""
_MAX_URL: Final = 2_048
_TRANSLATED: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""NAT64: an IPv4 address in its last 32 bits."""
_CREDENTIALS: Final = frozenset(
    ipaddress.ip_address(text) for text in ("169.254.169.254", "100.100.100.200", "fd00:ec2::254", "fd20:ce::254")
)
"""Where clouds keep the credentials of their machines. Who releases a whole network does not mean these."""
_CARRIER: Final = ipaddress.IPv4Network("100.64.0.0/10")


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart. `host` is a name or an address, without brackets."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Refused:
    """`reason` is fit for the one who gave the URL: it never repeats the URL."""

    reason: str


def judge_url(url: str, *, schemes: Mapping[str, int] = RTMP_SCHEMES) -> Target | Refused:
    """Scheme, host and port as written."""
    if len(url) > _MAX_URL or any(ord(c) <= 32 or ord(c) == 127 or c == "\\" for c in url):
        return Refused("the address has characters that no address has, or is too long")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return Refused("the address cannot be read")
    if parts.scheme not in schemes:
        return Refused(f"only {', '.join(sorted(schemes))} addresses are taken")
    if not host:
        return Refused("the address names no host")
    if parts.username is not None or parts.password is not None:
        return Refused("a user name or password does not belong into the host part")
    port = schemes[parts.scheme] if port is None else port
    if not 0 < port < 65_536 or (port < 1024 and port not in LOW_PORTS):
        return Refused(f"port {port} is not for media")
    return Target(parts.scheme, host.rstrip("."), port)


def judge_addresses(addresses: Sequence[str], *, allowed: Collection[Network] = ()) -> tuple[str, ...] | Refused:
    """The addresses that may be connected to. One forbidden among them refuses all: honest names do not mix."""
    if not addresses:
        return Refused("the host name has no address")
    for text in addresses:
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return Refused("the host name has an address that cannot be read")
        if not is_allowed(address, allowed):
            return Refused(
                "the host is on a private or special network that is not released for this; "
                "ENCMAN_ALLOWED_PRIVATE_TARGETS names those that are"
            )
    return tuple(addresses)


def judge_written(
    url: str, *, allowed: Collection[Network] = (), schemes: Mapping[str, int] = RTMP_SCHEMES
) -> Refused | None:
    """What can be refused without asking a name server: the form, and an address written as one.

    The verdict that counts is that of `judge_addresses` when the connection is made.
    """
    target = judge_url(url, schemes=schemes)
    if isinstance(target, Refused):
        return target
    try:
        verdict = judge_addresses((str(ipaddress.ip_address(target.host)),), allowed=allowed)
    except ValueError:
        return None
    return Refused(f"{target.host}: {verdict.reason}") if isinstance(verdict, Refused) else None


def is_allowed(address: Address, allowed: Collection[Network] = ()) -> bool:
    """Whether `address` is on the open internet, or in a network an operator released."""
    address = _inner(address)
    if address in _CREDENTIALS:
        return False
    if any(address.version == network.version and address in network for network in allowed):
        return True
    if isinstance(address, ipaddress.IPv4Address) and address in _CARRIER:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.is_site_local:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 address only wraps."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address in _TRANSLATED or (int(address) >> 32 == 0 and int(address) > 1):
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if address.teredo is not None:
            return address.teredo[1]
    return address
