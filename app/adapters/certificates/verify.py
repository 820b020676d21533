"""The second opinion on a chain: cryptography's verifier, whose own words say little.

It knows rules that have no name of ours, such as name constraints and path lengths. Its interface is marked
unstable, so it is used nowhere else.
"""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from datetime import datetime

from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from app.adapters.certificates.facts import Certificates, chain_of
from app.domain.certificate import ServedChain


def inspect(
    served: Certificates,
    roots: Certificates,
    *,
    now: datetime,
    key_matches: bool | None = None,
) -> tuple[ServedChain, Certificates]:
    """The chain of `served` with the verifier's objection to it, and the certificates of its path.

    Raises ValueError when nothing was served or something cannot be read.
    """
    chain, path = chain_of(served, roots, key_matches=key_matches)
    if not chain.reaches_root or not chain.leaf.names:
        return chain, path
    return replace(chain, refused=_objection(path, name=chain.leaf.names[0], now=now)), path


def _objection(path: Certificates, *, name: str, now: datetime) -> str | None:
    """`name`: one of its own. Whether that is the one that clients ask for, policy judges."""
    builder = PolicyBuilder().store(Store([path[-1]])).time(now)
    try:
        builder.build_server_verifier(_subject(name.replace("*", "any"))).verify(path[0], list(path[1:]))
    except VerificationError as error:
        return str(error)[:200]
    except ValueError as error:
        return f"{name!r} is no name that can be verified: {error}"[:200]
    return None


def _subject(name: str) -> x509.DNSName | x509.IPAddress:
    try:
        return x509.IPAddress(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        return x509.DNSName(name)
