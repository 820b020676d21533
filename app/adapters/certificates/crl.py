"""Looks certificates up in the lists that their issuers publish of revoked ones (RFC 5280, section 5).

Bounded and never in the way: a list that cannot be had is a warning. OCSP is not asked: authorities switch it off.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

import aiohttp
from cryptography import x509

from app.adapters.certificates.facts import Certificates, facts_of
from app.domain.certificate import ServedChain

MOST_BYTES: Final = 5_000_000
TIMEOUT_S: Final = 10.0
KEPT: Final = timedelta(hours=6)
"""A list is not fetched again before, nor is one that could not be had."""
MOST_LISTS: Final = 64
_CHUNK_BYTES: Final = 65_536


class NotToBeHad(Exception):
    """Why a list is of no use."""


class RevocationLists:
    """Asks only for chains that end at a trusted root: nobody else says which address is fetched."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[datetime, x509.CertificateRevocationList | str]] = {}

    async def look(self, chain: ServedChain, path: Certificates, now: datetime) -> ServedChain:
        """`chain` with the revoked one of `path`, or why that could not be looked up."""
        if not chain.reaches_root:
            return chain
        warning: str | None = None
        for certificate, issuer in pairwise(path):
            for url in facts_of(certificate).crl_urls[:1]:
                try:
                    revoked = (await self._list(url, issuer, now)).get_revoked_certificate_by_serial_number(
                        certificate.serial_number
                    )
                except NotToBeHad as error:
                    warning = f"the list of revoked certificates at {url[:200]} {error}"
                    continue
                if revoked is not None:
                    return replace(chain, revoked=facts_of(certificate).subject)
        return replace(chain, crl_warning=warning)

    async def _list(self, url: str, issuer: x509.Certificate, now: datetime) -> x509.CertificateRevocationList:
        fetched_at, known = self._kept.get(url, (None, ""))
        if fetched_at is None or not fetched_at <= now < fetched_at + KEPT:
            known = await self._fetched(url)
            while len(self._kept) >= MOST_LISTS:
                self._kept.pop(next(iter(self._kept)))
            self._kept[url] = now, known
        if isinstance(known, str):
            raise NotToBeHad(known)
        if not known.is_signature_valid(issuer.public_key()):  # type: ignore[arg-type] # any key; others give False
            raise NotToBeHad("is not signed by the issuer")
        if known.next_update_utc is not None and known.next_update_utc < now:
            raise NotToBeHad(f"is stale since {known.next_update_utc:%Y-%m-%d}")
        return known

    async def _fetched(self, url: str) -> x509.CertificateRevocationList | str:
        if not url.startswith(("http://", "https://")):
            return "is not fetched: it is not reached by HTTP"
        try:
            content = await _content(url)
        except NotToBeHad as error:
            return str(error)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return f"cannot be fetched: {str(error) or type(error).__name__}"[:200]
        try:
            pem = content.lstrip().startswith(b"-----BEGIN")
            return x509.load_pem_x509_crl(content) if pem else x509.load_der_x509_crl(content)
        except ValueError:
            return "is none"


async def _content(url: str) -> bytes:
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(url, allow_redirects=False) as answer,
    ):
        if answer.status != 200:
            raise NotToBeHad(f"cannot be fetched: the server answers {answer.status}")
        if (answer.content_length or 0) > MOST_BYTES:
            raise NotToBeHad("is too large to be read")
        content = bytearray()
        async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
            content += chunk
            if len(content) > MOST_BYTES:
                raise NotToBeHad("is too large to be read")
        return bytes(content)
