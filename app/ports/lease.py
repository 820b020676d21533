"""Where a lease is kept, and where writes under an older epoch are refused."""

from __future__ import annotations

from typing import Protocol

from app.domain.lease import Lease


class LeaseBook(Protocol):
    """Every call raises Unavailable while the database is away."""

    @property
    def exclusive(self) -> bool:
        """Nobody else can open this store while this process has it, so a claim is always granted and nothing
        runs out."""

    async def claim(self, name: str, holder: str, *, length_s: float, over: Lease | None) -> Lease:
        """The lease as it is now: under a new epoch and `holder`'s when it was free, given back, `holder`'s before,
        or still exactly `over`. Of several that claim at once one gets it."""

    async def renew(self, name: str, lease: Lease) -> Lease:
        """The lease as it is now: renewed when it still has this holder and epoch."""

    async def give_back(self, name: str, lease: Lease) -> None:
        """Free for whoever comes next; nothing happens when it is another one's meanwhile."""

    def write_under(self, name: str, epoch: int) -> None:
        """From now on every write of this store is refused with NotLeading when the lease has a newer epoch: in the
        write's own transaction, which a claim waits for."""
