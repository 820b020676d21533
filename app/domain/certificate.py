"""Certificates as they are served, what is wrong with them, and what renewing them is about. Unknown is None."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from app.domain.ids import EncoderId


class ChainFault(StrEnum):
    """Why clients should not, or soon will not, trust a chain: each its own reason and its own message."""

    INCOMPLETE = "incomplete"
    """The certificate of its issuer was not sent, and is none of the trusted roots."""
    UNKNOWN_ROOT = "unknown_root"
    SELF_SIGNED = "self_signed"
    WRONG_NAME = "wrong_name"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    ISSUER_EXPIRED = "issuer_expired"
    """One of those above it is not valid at this time."""
    WEAK_KEY = "weak_key"
    WEAK_SIGNATURE = "weak_signature"
    WRONG_USAGE = "wrong_usage"
    """Not made for servers."""
    ISSUER_NOT_CA = "issuer_not_ca"
    FORGED = "forged"
    """A signature does not verify under the key of its issuer."""
    KEY_MISMATCH = "key_mismatch"
    """The private key is another certificate's."""
    REVOKED = "revoked"
    REFUSED = "refused"
    """A verifier refuses it for a reason that has no name here."""
    WRONG_ORDER = "wrong_order"
    """Sent twice, in another order than they sign each other, or among certificates that do not belong to it."""
    TOO_LONG = "too_long"
    """Valid for longer than public authorities may issue."""


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """One certificate. `names` are DNS names and addresses of its alternative names.

    `key`: rsa, ec, or the algorithm's name; `signature_hash`: None where the algorithm has its own.
    """

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    fingerprint: str
    """SHA-256 of the DER form, in lower-case hex."""
    serial: str
    key: str
    key_bits: int
    signature_hash: str | None
    is_ca: bool
    is_for_servers: bool
    is_self_signed: bool
    crl_urls: tuple[str, ...] = ()

    @property
    def lifetime(self) -> timedelta:
        return self.not_after - self.not_before


@dataclass(frozen=True, slots=True)
class ServedChain:
    """What a server sent, brought into the order in which they sign each other.

    `path` begins with the server's own certificate and ends with a trusted root when `reaches_root`. `forged` is
    the subject of the first one whose signature does not verify. `refused` are a verifier's own words.
    """

    path: tuple[CertificateFacts, ...]
    reaches_root: bool
    is_in_order: bool = True
    forged: str | None = None
    key_matches: bool | None = None
    """None: the private key was not seen."""
    revoked: str | None = None
    """Subject of one that its issuer revoked."""
    crl_warning: str | None = None
    """Why revocation could not be looked up."""
    refused: str | None = None

    @property
    def leaf(self) -> CertificateFacts:
        return self.path[0]


@dataclass(frozen=True, slots=True)
class ChainVerdict:
    """`fault` None: clients trust it. `is_bad`: clients refuse it; otherwise the fault is a warning."""

    fault: ChainFault | None
    message: str
    is_bad: bool


class PlaceKind(StrEnum):
    OWN = "own"
    """A port of ours: renewing its certificate is our business."""
    DEVICE = "device"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a certificate is served. `expects`: the name that clients ask for; None: not known.

    `pin`: SHA-256 of the only certificate that is accepted there, whoever signed it.
    """

    name: str
    kind: PlaceKind
    host: str
    port: int
    expects: str | None = None
    pin: str | None = None
    encoder_id: EncoderId | None = None


@dataclass(frozen=True, slots=True)
class RenewalWindow:
    """The authority's own advice (RFC 9773): renew between the two; ask again at `ask_again`."""

    start: datetime
    end: datetime
    ask_again: datetime
    explanation: str | None = None


@dataclass(frozen=True, slots=True)
class OrderLog:
    """What was asked of the authority, for its limits; survives restarts.

    `orders` and `failed` are the times of orders and of failed validations, oldest first. `failures` counts
    attempts without a certificate since the last one that gave one; `last_attempt` is the newest of them.
    """

    orders: tuple[datetime, ...] = ()
    failed: tuple[datetime, ...] = ()
    failures: int = 0
    last_attempt: datetime | None = None
    not_before: datetime | None = None
    """The authority asked not to come again before."""
    last_error: str | None = None
