"""The certificate of this process' ports: loaded at the start, taken up anew when its files change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from app.adapters.certificates.facts import trusted_roots
from app.adapters.certificates.files import placeholder, write_first
from app.adapters.certificates.serving import ServedPair
from app.assembly.settings import Settings
from app.domain.certificate import ServedChain
from app.domain.errors import Conflict, InvalidSettings
from app.policy.chain import unfit
from app.runtime.clock import utc_now

WATCH_S: Final = 2.0
AGAIN_AFTER: Final = 30
"""Looks after which a pair that was refused is tried again: its time may have come."""
Mark = tuple[tuple[int, int, int], ...]

log = structlog.get_logger("certificates")


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """`pair.context` is for listeners, whatever is taken up later."""

    pair: ServedPair
    files: tuple[Path, Path]

    @classmethod
    def of(cls, settings: Settings) -> OwnCertificate | None:
        """None: no port of ours has one. Raises InvalidSettings."""
        if settings.tls_cert is None or settings.tls_key is None:
            return None
        if settings.acme_directory:
            _make_placeholder(settings.tls_cert, settings.acme_names)
        pair = ServedPair(
            settings.tls_cert,
            settings.tls_key,
            roots=trusted_roots(settings.certificate_roots),
            unfit=partial(_unfit, names(settings)),
            utc_now=utc_now,
        )
        pair.load()
        return cls(pair, (settings.tls_cert, settings.tls_key))

    @classmethod
    def of_control(cls, settings: Settings) -> OwnCertificate | None:
        """As `of`; without a port of its own, control need not be able to read what only gateways serve."""
        try:
            return cls.of(settings)
        except InvalidSettings as error:
            if settings.https_port is not None or settings.acme_directory:
                raise
            log.warning("the certificate of gateways is not looked at here", reason=error.detail)
            return None

    async def watch(self, reload: Callable[[], object]) -> None:
        """Runs until cancelled. `reload` raises Conflict. A pair found half written is whole a moment later."""
        refused: str | None = None
        seen, looks = self._mark(), 0
        while True:
            await asyncio.sleep(WATCH_S)
            mark, looks = self._mark(), looks + 1
            if mark == seen and (refused is None or looks < AGAIN_AFTER):
                continue
            before, refused, seen, looks = refused, None, mark, 0
            try:
                reload()
            except Conflict as error:
                refused = error.detail
                if refused != before:
                    log.error("the certificate on disk is not used", reason=refused)

    def _mark(self) -> Mark:
        """Changes when one of the files does, behind symbolic links too."""
        found = []
        for path in self.files:
            try:
                stat = path.stat()
            except OSError:
                found.append((0, 0, 0))
            else:
                found.append((stat.st_ino, stat.st_mtime_ns, stat.st_size))
        return tuple(found)


def names(settings: Settings) -> tuple[str, ...]:
    """Those that clients ask for, as far as they are known."""
    return settings.acme_names or (settings.public_host,)


def _unfit(asked: tuple[str, ...], new: ServedChain, present: ServedChain | None) -> str | None:
    return unfit(new, present, names=asked, now=utc_now())


def _make_placeholder(path: Path, for_names: tuple[str, ...]) -> None:
    try:
        if not path.exists() and write_first(path, placeholder(for_names)):
            log.info("ports open with a certificate that signs itself until one is issued", path=str(path))
    except OSError as error:
        raise InvalidSettings(f"the certificate cannot be written: {error}") from error
