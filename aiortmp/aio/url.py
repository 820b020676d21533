"""RTMP addresses: ``rtmp[s]://host[:port]/app``. The stream name is given apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

_PORTS: Final = {"rtmp": 1935, "rtmps": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """Where to dial and what to ask for."""

    host: str
    port: int
    app: str
    tc_url: str
    secure: bool


def parse_url(url: str) -> Address:
    """ValueError for anything that is not an RTMP address. The query belongs to the app."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("not an rtmp:// or rtmps:// address with a host")
    port = parts.port or _PORTS[parts.scheme]
    app = parts.path.strip("/") + (f"?{parts.query}" if parts.query else "")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    # User and password, if any, stay out of what is sent.
    tc_url = f"{parts.scheme}://{host}:{port}/{app}"
    return Address(parts.hostname, port, app, tc_url, parts.scheme == "rtmps")
