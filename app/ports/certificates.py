"""Certificates: looking at those served, ordering new ones, keeping and using them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from app.domain.certificate import OrderLog, Place, RenewalWindow, ServedChain


class CertificateProbe(Protocol):
    async def look(self, place: Place) -> ServedChain:
        """What is served there now. Raises Unavailable when nobody answers with a certificate in time."""


class Authority(Protocol):
    """Where certificates are ordered. Every call raises Unavailable when it cannot be reached or refuses to answer
    now (`retry_after_s`)."""

    async def clock(self) -> datetime:
        """The time it shows."""

    async def window(self, certificate_pem: bytes) -> RenewalWindow | None:
        """When it wants this certificate renewed; None: it gives no advice."""

    async def obtain(self, *, replaces_pem: bytes | None) -> bytes:
        """A new private key and chain, as one PEM. Takes an order up again that was begun before.

        Raises ValidationFailed when it could not be proved that the names are ours, DeviceError never.
        """

    async def settle(self) -> None:
        """The pair that `obtain` gave is kept or refused: its order is over."""

    @property
    def has_open_order(self) -> bool:
        """An order was begun and is not settled: `obtain` goes on with it."""


class CertificateKeeper(Protocol):
    """The pair of ours: on disk, and in use by the ports of this process."""

    def present(self) -> tuple[bytes, ServedChain] | None:
        """Chain as PEM, and how it looks with its key; None: there is none, or it cannot be read."""

    async def replace(self, pair_pem: bytes) -> None:
        """Try it out, then publish it in one step. Raises Conflict with the reason when it is not fit for use."""

    async def reload(self) -> bool:
        """Take up what stands on disk, if it is another pair than the one in use; True: it was.

        Raises Conflict with the reason when it is not fit for use: the one in use stays.
        """

    def orders(self) -> OrderLog: ...

    def note(self, log: OrderLog) -> None: ...


Names = Sequence[str]
