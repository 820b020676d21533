"""Reads certificates and finds the path in which they sign each other. What is wrong with it, policy judges."""

from __future__ import annotations

import contextlib
import ssl
import warnings
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import ExtendedKeyUsageOID

from app.domain.certificate import CertificateFacts, ServedChain
from app.domain.errors import InvalidSettings

LONGEST_PATH: Final = 10
_BUNDLES: Final = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
Certificates = Sequence[x509.Certificate]
E = TypeVar("E", bound=x509.ExtensionType)


def trusted_roots(extra: Path | None = None) -> tuple[x509.Certificate, ...]:
    """The system's, and those of an operator's own authority. Raises InvalidSettings."""
    if extra is None:
        return _system_roots()
    try:
        own = x509.load_pem_x509_certificates(extra.read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidSettings(f"certificate_roots cannot be used: {error}") from error
    return (*_system_roots(), *own)


@lru_cache(maxsize=1)
def _system_roots() -> tuple[x509.Certificate, ...]:
    told = ssl.get_default_verify_paths().cafile or _BUNDLES[0]
    for place in (told, *_BUNDLES):
        if Path(place).is_file():
            return tuple(_readable(Path(place).read_bytes()))
    return ()


def _readable(bundle: bytes) -> Iterable[x509.Certificate]:
    """One that cannot be read is no root of ours; the others still are."""
    end = b"-----END CERTIFICATE-----"
    for part in bundle.split(end):
        begin = part.find(b"-----BEGIN CERTIFICATE-----")
        if begin >= 0:
            # Some old roots have the number 0: the library reads them, and warns.
            with contextlib.suppress(ValueError), warnings.catch_warnings():
                warnings.simplefilter("ignore", CryptographyDeprecationWarning)
                yield x509.load_pem_x509_certificate(part[begin:] + end + b"\n")


def facts_of(certificate: x509.Certificate) -> CertificateFacts:
    """Raises ValueError for extensions that cannot be read."""
    kind, bits = _key(certificate)
    return CertificateFacts(
        subject=_named(certificate.subject),
        issuer=_named(certificate.issuer),
        names=_names(certificate),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        fingerprint=fingerprint(certificate),
        serial=f"{certificate.serial_number:x}",
        key=kind,
        key_bits=bits,
        signature_hash=_signature_hash(certificate),
        is_ca=_is_ca(certificate),
        is_for_servers=_is_for_servers(certificate),
        is_self_signed=is_self_signed(certificate),
        crl_urls=_crl_urls(certificate),
    )


def chain_of(
    served: Certificates, roots: Certificates, *, key_matches: bool | None = None
) -> tuple[ServedChain, Certificates]:
    """The chain of `served`, its own certificate first, and the certificates of its path.

    Raises ValueError when nothing was served or something cannot be read.
    """
    if not served:
        raise ValueError("no certificate")
    try:
        return _chain_of(served, roots, key_matches=key_matches)
    except (x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        # The library has no common root for what it cannot read.
        raise ValueError(f"a certificate is of no form that is known here: {error}") from error


def _chain_of(
    served: Certificates, roots: Certificates, *, key_matches: bool | None
) -> tuple[ServedChain, Certificates]:
    path, forged, reaches_root = _path(served, roots)
    sent = [fingerprint(one) for one in served]
    chain = ServedChain(
        path=tuple(facts_of(one) for one in path),
        reaches_root=reaches_root,
        is_in_order=sent == [fingerprint(one) for one in path][: len(sent)],
        forged=forged,
        key_matches=key_matches,
    )
    return chain, path


def _path(served: Certificates, roots: Certificates) -> tuple[list[x509.Certificate], str | None, bool]:
    trusted = {fingerprint(root) for root in roots}
    path = [served[0]]
    while len(path) < LONGEST_PATH:
        last = path[-1]
        if fingerprint(last) in trusted:
            return path, None, True
        if is_self_signed(last):
            return path, None, False
        named = [one for one in (*roots, *served) if one.subject == last.issuer and one not in path]
        issuer = next((one for one in named if is_signed_by(last, one)), None)
        if issuer is None:
            forged = any(_is_meant(last, one) for one in named)
            return path, _named(last.subject) if forged else None, False
        path.append(issuer)
    return path, None, False


def _is_meant(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether `certificate` names the very key of `issuer`: then a signature that is not its own is forged."""
    theirs = _extension(certificate, x509.AuthorityKeyIdentifier)
    own = _extension(issuer, x509.SubjectKeyIdentifier)
    if theirs is None or theirs.key_identifier is None or own is None:
        return True
    return theirs.key_identifier == own.digest


def is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    except UnsupportedAlgorithm:
        # Too weak for the library to look at: whoever judges sees the hash, and the names do fit.
        return certificate.issuer == issuer.subject
    return True


def is_self_signed(certificate: x509.Certificate) -> bool:
    return certificate.subject == certificate.issuer and is_signed_by(certificate, certificate)


def fingerprint(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex()


def _named(name: x509.Name) -> str:
    common = name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(common[0].value) if common else name.rfc4514_string() or "(no name)"


def _key(certificate: x509.Certificate) -> tuple[str, int]:
    try:
        key = certificate.public_key()
    except (UnsupportedAlgorithm, ValueError):
        return "unknown", 0
    match key:
        case rsa.RSAPublicKey():
            return "rsa", key.key_size
        case dsa.DSAPublicKey():
            return "dsa", key.key_size
        case ec.EllipticCurvePublicKey():
            return "ec", key.key_size
        case _:
            return type(key).__name__.removesuffix("PublicKey").lower(), 256


def _signature_hash(certificate: x509.Certificate) -> str | None:
    try:
        found = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return "unknown"
    return None if found is None else found.name


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    names = _extension(certificate, x509.SubjectAlternativeName)
    if names is None:
        return ()
    addresses = (str(address) for address in names.get_values_for_type(x509.IPAddress))
    return (*names.get_values_for_type(x509.DNSName), *addresses)


def _is_ca(certificate: x509.Certificate) -> bool:
    limits = _extension(certificate, x509.BasicConstraints)
    usage = _extension(certificate, x509.KeyUsage)
    return limits is not None and limits.ca and (usage is None or usage.key_cert_sign)


def _is_for_servers(certificate: x509.Certificate) -> bool:
    usages = _extension(certificate, x509.ExtendedKeyUsage)
    return usages is not None and ExtendedKeyUsageOID.SERVER_AUTH in usages


def _crl_urls(certificate: x509.Certificate) -> tuple[str, ...]:
    points = _extension(certificate, x509.CRLDistributionPoints)
    names = [name for point in points or () for name in point.full_name or ()]
    return tuple(name.value for name in names if isinstance(name, x509.UniformResourceIdentifier))


def _extension(certificate: x509.Certificate, kind: type[E]) -> E | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
