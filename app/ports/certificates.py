"""Certificates: looking at those served, ordering new ones, keeping and using them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from app.domain.certificate import OrderLog, Place, RenewalWindow, ServedChain
from app.domain.errors import Unavailable


class ValidationFailed(Unavailable):
    """The authority could not be shown that the names are ours: the order is over."""


class CertificateProbe(Protocol):
    async def look(self, place: Place) -> ServedChain:
        """What is served there now. Raises Unavailable when nobody there shows a certificate in time."""


class Authority(Protocol):
    """Where certificates are ordered. Every call raises Unavailable when it cannot be reached, or refuses for now
    (`retry_after_s`)."""

    @property
    def has_open_order(self) -> bool:
        """An order was begun and is not settled: `obtain` goes on with it."""

    async def clock(self) -> datetime:
        """The time it shows."""

    async def window(self, certificate_pem: bytes) -> RenewalWindow | None:
        """When it wants this certificate renewed; None: it gives no advice."""

    async def obtain(self, *, replaces_pem: bytes | None, on_order: Callable[[], None]) -> bytes:
        """A new private key and chain, as one PEM. Raises ValidationFailed too, and OSError.

        `on_order` is called, in another thread, once the authority has taken a new order.
        """

    async def settle(self) -> None:
        """The pair that `obtain` gave is in use, or refused: its order is over. Raises OSError."""


class CertificateKeeper(Protocol):
    """Our own pair: on disk, and in use by the ports of this process."""

    def present(self) -> tuple[bytes, ServedChain] | None:
        """The chain as PEM, and how it looks with its key; None: there is none."""

    def replace(self, pair_pem: bytes) -> None:
        """Try it out, publish it in one step, use it. Raises Conflict with the reason when it is not fit for use,
        OSError when it cannot be written: the present one stays."""

    def reload(self) -> bool:
        """Take up what stands on disk, if it is another pair than the one in use; True: it was.

        Raises Conflict with the reason when it is not fit for use: the one in use stays.
        """

    def orders(self) -> OrderLog: ...

    def note(self, log: OrderLog) -> None:
        """Raises OSError: what cannot be counted must not be done."""
