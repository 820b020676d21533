"""New ids, keys and tokens, from the system's randomness."""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

from app.domain.secret import Secret

_CROCKFORD: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_ID_CHARS: Final = 26


def new_id(prefix: str) -> str:
    """`<prefix>_` and 26 characters of Crockford base 32: 130 random bits."""
    bits = secrets.randbits(5 * _ID_CHARS)
    return f"{prefix}_" + "".join(_CROCKFORD[(bits >> 5 * place) & 31] for place in range(_ID_CHARS))


def new_secret() -> Secret:
    """256 random bits in the URL-safe alphabet: 43 characters."""
    return Secret(secrets.token_urlsafe(32))


def sha256_hex(secret: Secret) -> str:
    return hashlib.sha256(secret.reveal().encode()).hexdigest()
