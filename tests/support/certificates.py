"""A certificate authority for tests, and certificates as good or as bad as a test wants them."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
DAY = timedelta(days=1)
NAME = "live.example.org"


@dataclass(frozen=True, slots=True)
class Pair:
    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def make(
    subject: str,
    issuer: Pair | None = None,
    *,
    is_ca: bool = False,
    names: Sequence[str] = (),
    begins: timedelta = -DAY,
    ends: timedelta = 60 * DAY,
    now: datetime | None = None,
    key: Key | None = None,
    hashed: hashes.HashAlgorithm | None = None,
    usages: Sequence[x509.ObjectIdentifier] | None = (ExtendedKeyUsageOID.SERVER_AUTH,),
    signed_by: Key | None = None,
    crl: str | None = None,
    identified: bool = True,
    extra: x509.ExtensionType | None = None,
) -> Pair:
    """Signed by `issuer`, or by itself; `signed_by`: another key than the one that the issuer names.

    `begins` and `ends` count from `now`. `usages` None: it says nothing of what it is for.
    """
    now = now or datetime.now(UTC).replace(microsecond=0)
    key = key or new_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(subject))
        .issuer_name(issuer.certificate.subject if issuer else named(subject))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
    )
    if identified:
        above = issuer.key.public_key() if issuer else key.public_key()
        builder = builder.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
        ).add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(above), critical=False)
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general(one) for one in names]), critical=False
        )
    if usages is not None and not is_ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(usages)), critical=False)
    if is_ca:
        builder = builder.add_extension(_for_signing(), critical=True)
    if crl is not None:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(crl)], None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
    if extra is not None:
        builder = builder.add_extension(extra, critical=False)
    signer = signed_by or (issuer.key if issuer else key)
    return Pair(builder.sign(signer, hashed or hashes.SHA256()), key)


@dataclass(frozen=True, slots=True)
class Authority:
    """A root and an intermediate below it."""

    root: Pair
    middle: Pair

    @classmethod
    def make(cls, name: str = "Test", *, now: datetime | None = None) -> Authority:
        root = make(f"{name} Root", is_ca=True, begins=-365 * DAY, ends=3650 * DAY, now=now)
        middle = make(f"{name} Intermediate", root, is_ca=True, begins=-300 * DAY, ends=1500 * DAY, now=now)
        return cls(root, middle)

    def leaf(self, *names: str, **options: object) -> Pair:
        names = names or (NAME,)
        return make(names[0], self.middle, names=names, **options)  # type: ignore[arg-type] # checked by make

    def chain(self, leaf: Pair) -> bytes:
        """As a server sends it: the leaf and the intermediate, PEM."""
        return leaf.pem + self.middle.pem


def write_pair(folder: Path, key: bytes, chain: bytes) -> tuple[Path, Path]:
    """Chain and key as files."""
    folder.mkdir(parents=True, exist_ok=True)
    cert_file, key_file = folder / "chain.pem", folder / "key.pem"
    cert_file.write_bytes(chain)
    key_file.write_bytes(key)
    return cert_file, key_file


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _for_signing() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
