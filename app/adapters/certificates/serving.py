"""The pair that the ports of this process serve. A new one is tried out first, and then taken for new connections;
those that are open go on with theirs.
"""

from __future__ import annotations

import hashlib
import ssl
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from app.adapters.certificates.facts import Certificates, fingerprint
from app.adapters.certificates.files import read_pair, write_whole
from app.adapters.certificates.tls_probe import unverified_chain
from app.adapters.certificates.verify import inspect
from app.domain.certificate import ServedChain
from app.domain.errors import Conflict, InvalidSettings

Unfit = Callable[[ServedChain, ServedChain | None], str | None]
"""Why a new chain must not take the present one's place; None: it may."""
_TURNS = 10

log = structlog.get_logger("certificates")


@dataclass(frozen=True, slots=True)
class Pair:
    """One that is in use. `digest` tells it from others."""

    context: ssl.SSLContext
    chain_pem: bytes
    chain: ServedChain
    digest: bytes


class ServedPair:
    """Give `context` to listeners. `roots`: whom clients are thought to trust."""

    def __init__(
        self,
        cert: Path,
        key: Path,
        *,
        roots: Certificates,
        unfit: Unfit,
        utc_now: Callable[[], datetime],
    ) -> None:
        self._cert = cert
        self._key = key
        self._roots = roots
        self._unfit = unfit
        self._utc_now = utc_now
        self._pair: Pair | None = None
        self.context = _empty_context()
        self.context.sni_callback = self._choose

    @property
    def pair(self) -> Pair | None:
        return self._pair

    def load(self) -> None:
        """The first one: it may be bad for clients, which the monitor tells, but it must work.

        Raises InvalidSettings.
        """
        try:
            self._pair = self._tried(read_pair(self._cert, self._key))
        except (OSError, ValueError, Conflict) as error:
            raise InvalidSettings(f"tls_cert and tls_key cannot be used: {error}") from error

    def reload(self) -> bool:
        """Take up what is on disk, if it is another pair than the one in use; True: it was.

        Raises Conflict with the reason when it is not fit for use: the one in use stays.
        """
        try:
            pair_pem = read_pair(self._cert, self._key)
        except (OSError, ValueError) as error:
            raise Conflict(f"the new certificate cannot be read: {error}") from error
        digest = hashlib.sha256(pair_pem).digest()
        if self._pair is not None and self._pair.digest == digest:
            return False
        # Each time anew: what is refused today may be fit tomorrow, such as a pair that came before its time.
        self._pair = self.tried(pair_pem)
        leaf = self._pair.chain.leaf
        log.info("certificate taken up", fingerprint=leaf.fingerprint, not_after=leaf.not_after.isoformat())
        return True

    def replace(self, pair_pem: bytes) -> None:
        """Try it out, publish it in one step, take it up; what was there comes back when that fails.

        Raises Conflict with the reason when it is not fit for use, OSError when it cannot be written.
        """
        self.tried(pair_pem)
        before = read_pair(self._cert, self._key) if self._cert.exists() else None
        write_whole(self._cert, pair_pem)
        try:
            self.reload()
        except Conflict:
            if before is not None:
                write_whole(self._cert, before)
            raise

    def tried(self, pair_pem: bytes) -> Pair:
        """As it would be in use. Raises Conflict with the reason when it is not fit for use."""
        try:
            pair = self._tried(pair_pem)
        except ValueError as error:
            raise Conflict(f"the new certificate cannot be read: {error}") from error
        reason = self._unfit(pair.chain, None if self._pair is None else self._pair.chain)
        if reason is not None:
            raise Conflict(f"the new certificate is refused: {reason}")
        return pair

    def _tried(self, pair_pem: bytes) -> Pair:
        """Raises ValueError, Conflict."""
        served = x509.load_pem_x509_certificates(pair_pem)
        key = load_pem_private_key(pair_pem, None)
        matches = key.public_key() == served[0].public_key()
        now = self._utc_now()
        chain, _ = inspect(served, self._roots, now=now, key_matches=matches)
        if not matches:
            raise Conflict("the private key does not belong to the certificate")
        context = _loaded(pair_pem)
        _shake_hands(context, served[0])
        chain_pem = b"".join(one.public_bytes(Encoding.PEM) for one in served)
        return Pair(context, chain_pem, chain, hashlib.sha256(pair_pem).digest())

    def _choose(self, tls: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        """Asked by OpenSSL in each handshake, with and without a name."""
        if self._pair is not None:
            tls.context = self._pair.context


def _empty_context() -> ssl.SSLContext:
    return ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)


def _loaded(pair_pem: bytes) -> ssl.SSLContext:
    """Raises Conflict. The very bytes that were looked at are loaded: files may change between two looks."""
    context = _empty_context()
    with tempfile.NamedTemporaryFile(prefix="encman-pair-") as file:
        file.write(pair_pem)
        file.flush()
        try:
            context.load_cert_chain(file.name)
        except (OSError, ssl.SSLError) as error:
            raise Conflict(f"the TLS library refuses it: {error}") from error
    return context


def _shake_hands(server_side: ssl.SSLContext, leaf: x509.Certificate) -> None:
    """A whole handshake in memory. Raises Conflict when it fails or shows another certificate."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    looking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    looking.check_hostname = False
    looking.verify_mode = ssl.CERT_NONE
    client = looking.wrap_bio(to_client, to_server)
    server = server_side.wrap_bio(to_server, to_client, server_side=True)
    waiting = [client, server]
    try:
        for _ in range(_TURNS):
            waiting = [side for side in waiting if not _is_done(side)]
    except ssl.SSLError as error:
        raise Conflict(f"a trial handshake fails: {error.reason or error}") from error
    if waiting:
        raise Conflict("a trial handshake does not end")
    shown = x509.load_der_x509_certificate(unverified_chain(client)[0])
    if fingerprint(shown) != fingerprint(leaf):
        raise Conflict("a trial handshake shows another certificate")


def _is_done(side: ssl.SSLObject) -> bool:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True
