"""What is wrong with a served chain, in the order in which it matters to who must mend it.

Judges facts only. Reading certificates, verifying signatures and finding the path is `adapters/certificates/`.
Sources: RFC 5280 (paths, usages), RFC 6125 (names), CA/Browser Forum Baseline Requirements 6.3.2 (lifetimes).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from app.domain.certificate import CertificateFacts, ChainFault, ChainVerdict, ServedChain

RSA_BITS: Final = 2048
EC_BITS: Final = 256
WEAK_HASHES: Final = frozenset({"md5", "sha1", "md2", "sha224"})
_DAY: Final = timedelta(days=1)
LONGEST: Final = (
    (datetime(2029, 3, 15, tzinfo=UTC), 47 * _DAY),
    (datetime(2027, 3, 15, tzinfo=UTC), 100 * _DAY),
    (datetime(2026, 3, 15, tzinfo=UTC), 200 * _DAY),
    (datetime(2020, 9, 1, tzinfo=UTC), 398 * _DAY),
)
"""Most that a public authority may issue from that day on."""
WARNINGS: Final = frozenset({ChainFault.WRONG_ORDER, ChainFault.TOO_LONG})
PRIVATE: Final = frozenset({ChainFault.UNKNOWN_ROOT, ChainFault.SELF_SIGNED, ChainFault.REFUSED})
"""How certificates of a private authority look to who does not know it, or is stricter than its clients."""


def judge(chain: ServedChain, *, expects: str | None, now: datetime) -> ChainVerdict:
    """`expects`: the name or address that clients dial, None: not known."""
    found = (
        _of_its_key(chain)
        or _of_its_time(chain.leaf, now)
        or _of_its_name(chain.leaf, expects)
        or _of_its_making(chain)
        or _of_its_issuers(chain, now)
        or _of_its_end(chain)
        or _of_its_use(chain)
        or _of_manners(chain)
    )
    if found is None:
        return ChainVerdict(None, "complete and trusted", is_bad=False)
    fault, message = found
    return ChainVerdict(fault, message, is_bad=fault not in WARNINGS)


def refusal(new: ChainVerdict, present: ChainVerdict | None) -> str | None:
    """Why `new` must not take the place of `present` (None: nothing is served yet); None: it may.

    A private authority is accepted where one is in use: its clients know it.
    """
    if not new.is_bad:
        return None
    if new.fault in PRIVATE and (present is None or present.fault in PRIVATE):
        return None
    return new.message


def unfit(new: ServedChain, present: ServedChain | None, *, names: Sequence[str], now: datetime) -> str | None:
    """Why `new` must not be served in the place of `present`. `names`: those that clients ask for."""
    served_now = None if present is None else judge(present, expects=None, now=now)
    reason = refusal(judge(new, expects=None, now=now), served_now)
    if reason is not None:
        return reason
    for name in names:
        # What is not served today under that name is not lost.
        if (present is None or covers(present.leaf, name)) and not covers(new.leaf, name):
            return judge(new, expects=name, now=now).message
    return None


def covers(certificate: CertificateFacts, name: str) -> bool:
    """Whether it is made for `name`: a wildcard stands for one label, the leftmost."""
    wanted = _plain(name)
    for own in certificate.names:
        own = _plain(own)
        if own == wanted:
            return True
        if own.startswith("*.") and not _is_address(wanted):
            label, _, rest = wanted.partition(".")
            if label and rest == own[2:]:
                return True
    return False


Found = tuple[ChainFault, str] | None


def _of_its_key(chain: ServedChain) -> Found:
    if chain.key_matches is False:
        return ChainFault.KEY_MISMATCH, "the private key does not belong to the certificate"
    return None


def _of_its_time(leaf: CertificateFacts, now: datetime) -> Found:
    if now > leaf.not_after:
        return ChainFault.EXPIRED, f"expired on {leaf.not_after:%Y-%m-%d %H:%M} UTC"
    if now < leaf.not_before:
        return ChainFault.NOT_YET_VALID, f"not valid before {leaf.not_before:%Y-%m-%d %H:%M} UTC"
    return None


def _of_its_name(leaf: CertificateFacts, expects: str | None) -> Found:
    if expects is None or covers(leaf, expects):
        return None
    names = ", ".join(leaf.names[:5]) or "no name at all"
    return ChainFault.WRONG_NAME, f"made for {names}, but served as {expects}"


def _of_its_making(chain: ServedChain) -> Found:
    if chain.forged is not None:
        return ChainFault.FORGED, f"the signature on '{chain.forged}' does not verify under its issuer's key"
    for one in chain.path:
        if too_small := _too_small(one):
            return ChainFault.WEAK_KEY, f"'{one.subject}' has a key of {one.key_bits} bits ({too_small} are needed)"
    # The signature on a root is nobody's proof: clients know it already.
    signed = chain.path[:-1] if chain.reaches_root and len(chain.path) > 1 else chain.path
    for one in signed:
        if one.signature_hash in WEAK_HASHES:
            return ChainFault.WEAK_SIGNATURE, f"'{one.subject}' is signed with {one.signature_hash}"
    return None


def _too_small(one: CertificateFacts) -> int | None:
    needed = {"rsa": RSA_BITS, "dsa": RSA_BITS, "ec": EC_BITS}.get(one.key, 0)
    return needed if one.key_bits < needed else None


def _of_its_issuers(chain: ServedChain, now: datetime) -> Found:
    for issuer in chain.path[1:]:
        if not issuer.is_ca:
            return ChainFault.ISSUER_NOT_CA, f"signed by '{issuer.subject}', which is no authority"
        if not issuer.not_before <= now <= issuer.not_after:
            until = f"{issuer.not_before:%Y-%m-%d} to {issuer.not_after:%Y-%m-%d}"
            return ChainFault.ISSUER_EXPIRED, f"the issuer '{issuer.subject}' is valid from {until} only"
    if chain.revoked is not None:
        return ChainFault.REVOKED, f"'{chain.revoked}' was revoked by its issuer"
    return None


def _of_its_end(chain: ServedChain) -> Found:
    if chain.reaches_root:
        return None
    last = chain.path[-1]
    if len(chain.path) == 1:
        if last.is_self_signed:
            return ChainFault.SELF_SIGNED, "signed by itself: no authority stands behind it"
        return ChainFault.INCOMPLETE, f"the certificate of its issuer '{last.issuer}' is not sent with it"
    root = last.subject if last.is_self_signed else last.issuer
    return ChainFault.UNKNOWN_ROOT, f"the authority '{root}' is none of the trusted ones"


def _of_its_use(chain: ServedChain) -> Found:
    if not chain.leaf.is_for_servers:
        return ChainFault.WRONG_USAGE, "not made for servers: its extended key usage lacks server authentication"
    if chain.refused is not None:
        return ChainFault.REFUSED, f"a verifier refuses it: {chain.refused}"
    return None


def _of_manners(chain: ServedChain) -> Found:
    if not chain.is_in_order:
        return ChainFault.WRONG_ORDER, "certificates are sent twice, out of order, or beside the chain"
    leaf = chain.leaf
    longest = next((most for since, most in LONGEST if leaf.not_before >= since), None)
    if longest is not None and leaf.lifetime > longest + _DAY:
        return ChainFault.TOO_LONG, f"valid for {leaf.lifetime.days} days; public authorities issue {longest.days}"
    return None


def _plain(name: str) -> str:
    text = name.strip("[]").rstrip(".").lower()
    return str(ipaddress.ip_address(text)) if _is_address(text) else text


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
