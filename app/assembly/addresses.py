"""Which address of this machine others can dial, for listeners that are open to all of them."""

from __future__ import annotations

import ipaddress
import socket

from app.assembly.settings import Settings, in_url

# RFC 5737: addresses for documentation. Nothing is sent there; the system only picks the way it would go.
_ELSEWHERE = ("192.0.2.1", 9)


def reachable(settings: Settings) -> Settings:
    """With doors open to the network, publishers are not told the loopback: `public_host` becomes this machine's
    address on the way out, unless one was chosen or the machine has none."""
    if not is_wildcard(settings.rtmp_host) or not is_loopback(settings.public_host):
        return settings
    address = outward_address()
    return settings if address is None else settings.model_copy(update={"public_host": address})


def page_url(settings: Settings) -> str:
    """Where a browser finds control: from other machines too, when control listens to them."""
    if is_wildcard(settings.control_host):
        return f"http://{in_url(settings.public_host)}:{settings.control_port}"
    return settings.control_urls[0]


def outward_address() -> str | None:
    """This machine's address on its default route; None without one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
        except OSError:
            return None
        return str(probe.getsockname()[0])


def is_wildcard(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
