"""New ids, keys and tokens, from the system's randomness."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Final

from app.domain.secret import Secret

_CROCKFORD: Final = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789abcdefghjkmnpqrstvwxyz")
"""From the alphabet of RFC 4648, letter by letter."""
_ID_CHARS: Final = 26
_ID_BYTES: Final = 20
"""Whole groups of five bytes need no padding."""


def new_id(prefix: str) -> str:
    """`<prefix>_` and 26 characters of Crockford base 32: 130 random bits."""
    text = base64.b32encode(secrets.token_bytes(_ID_BYTES))[:_ID_CHARS]
    return f"{prefix}_{text.translate(_CROCKFORD).decode()}"


def new_secret() -> Secret:
    """256 random bits in the URL-safe alphabet: 43 characters."""
    return Secret(secrets.token_urlsafe(32))


def sha256_hex(secret: Secret) -> str:
    return hashlib.sha256(secret.reveal().encode()).hexdigest()
