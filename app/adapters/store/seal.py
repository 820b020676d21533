"""Seals secrets for the database with AES-256-GCM. What a sealed text belongs to is authenticated with it,
so a row's secret cannot be moved to another row."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.domain.errors import InvalidSettings
from app.domain.secret import Secret
from app.runtime.records import Leaf

_PREFIX: Final = "v1:"
_NONCE_BYTES: Final = 12
"""NIST SP 800-38D, 5.2.1.1: 96-bit nonces; random ones are safe far beyond any number of streams."""


class Sealer:
    """`key` is the installation's text of high entropy; the cipher's key is derived from it."""

    def __init__(self, key: Secret) -> None:
        if len(key.reveal()) < 16:
            raise InvalidSettings("seal_key is missing or shorter than 16 characters")
        self._cipher = AESGCM(hashlib.sha256(b"encoder-manager/seal/v1\0" + key.reveal().encode()).digest())

    def seal(self, secret: Secret, owner: str) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, secret.reveal().encode(), owner.encode())
        return _PREFIX + base64.b64encode(nonce + sealed).decode()

    def open(self, text: str, owner: str) -> Secret:
        """Raises InvalidSettings when the text was sealed under another key or for another owner."""
        try:
            raw = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
            opened = self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], owner.encode())
        except (InvalidTag, binascii.Error, ValueError) as error:
            raise InvalidSettings(
                f"a secret of {owner} does not open with this seal_key",
                hint="Start control with the seal_key that the database was written with.",
            ) from error
        return Secret(opened.decode())

    def leaf(self, owner: str) -> Leaf:
        """How the secrets of one owner travel in its record."""
        return Leaf(lambda secret: self.seal(secret, owner), lambda text: self.open(text, owner))
