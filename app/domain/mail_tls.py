"""How mail is kept from being read on its way to the server."""

from __future__ import annotations

from enum import StrEnum


class MailTls(StrEnum):
    STARTTLS = "starttls"
    """Asked for in the open; a server that does not offer it gets nothing."""
    TLS = "tls"
    """From the first byte."""
    NONE = "none"
    """In the open: for a relay on the same machine."""
