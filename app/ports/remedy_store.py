"""What outlives a restart of how devices were mended: the journal and the breakers."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from app.domain.remediation import RemedyBreaker, RemedyRun


class RemedyStore(Protocol):
    """Every call raises Unavailable while the database is away, NotLeading when another control acts."""

    async def put_run(self, run: RemedyRun) -> None:
        """Insert or replace by id. The last 10,000 that are over are kept."""

    async def open_runs(self) -> tuple[RemedyRun, ...]:
        """Those that are not over, oldest first."""

    async def remedy_runs(self, *, limit: int = 100, since: datetime | None = None) -> tuple[RemedyRun, ...]:
        """Those that began at `since` or later, newest first."""

    async def put_breaker(self, breaker: RemedyBreaker) -> None:
        """One for each encoder."""

    async def breakers(self) -> tuple[RemedyBreaker, ...]:
        """Cleared ones too."""
