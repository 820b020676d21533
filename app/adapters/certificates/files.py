"""Certificates on disk: read, and written so that a crash at any moment leaves the old file or the new one, whole.

A pair of ours is one file, key and chain together: two files cannot be replaced in one step.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from app.domain.certificate import OrderLog
from app.runtime.records import RecordError, from_plain, to_plain

PLACEHOLDER_LIFE: Final = timedelta(days=30)
MOST_BYTES: Final = 1_000_000
R = TypeVar("R")

log = structlog.get_logger("certificates")


def write_whole(path: Path, content: bytes) -> None:
    """Readable by its owner only. Raises OSError; what was there is then still there."""
    temporary = _beside(path, content)
    try:
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    _keep_folder(path.parent)


def write_first(path: Path, content: bytes) -> bool:
    """As `write_whole`, but never over a file that is there; False: one was."""
    temporary = _beside(path, content)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    _keep_folder(path.parent)
    return True


def remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    _keep_folder(path.parent)


def _beside(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)


def _keep_folder(folder: Path) -> None:
    """A rename lasts once its folder is on disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_pair(cert: Path, key: Path) -> bytes:
    """Key and chain as one PEM. Raises OSError, ValueError for a file that is no certificate's size."""
    parts = [key] if key == cert else [key, cert]
    found = []
    for part in parts:
        with part.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ValueError(f"{part} is too large for a certificate")
        found.append(content.rstrip() + b"\n")
    return b"".join(found)


def load_record(path: Path, kind: type[R], make: Callable[[], R]) -> R:
    """The record kept at `path`, or `make()` where there is none that can be read."""
    try:
        return from_plain(kind, json.loads(path.read_bytes()))
    except FileNotFoundError:
        return make()
    except (OSError, ValueError, RecordError) as error:
        log.error("a file of the certificates cannot be read", path=str(path), reason=str(error)[:200])
        return make()


def save_record(path: Path, record: object) -> None:
    write_whole(path, json.dumps(to_plain(record), indent=1).encode())


class OrderBook:
    """What was ordered and how it went, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def orders(self) -> OrderLog:
        return load_record(self._path, OrderLog, OrderLog)

    def note(self, entry: OrderLog) -> None:
        """Raises OSError: what cannot be counted must not be done."""
        save_record(self._path, entry)


def placeholder(names: Sequence[str]) -> bytes:
    """A pair that signs itself, so that ports can open before the first certificate is there."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + PLACEHOLDER_LIFE)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return key_pem(key) + certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
