"""A control asks for its lease again and again, whatever comes instead of an answer."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from app.domain.lease import Lease
from app.services.leadership import Leadership


class FaultyBook:
    """Gives the lease to whoever asks, but has a fault of its own at the first question."""

    exclusive = False

    def __init__(self) -> None:
        self.asked = 0

    async def claim(self, name: str, holder: str, *, length_s: float, over: Lease | None) -> Lease:
        self.asked += 1
        if self.asked == 1:
            raise RuntimeError("nobody foresaw this")
        return Lease(holder, 7, 1, length_s, length_s)

    async def renew(self, name: str, lease: Lease) -> Lease:
        return lease

    async def give_back(self, name: str, lease: Lease) -> None: ...


async def test_a_fault_that_nobody_foresaw_is_told_and_the_question_asked_again() -> None:
    leadership = Leadership(book=FaultyBook(), holder="alpha")
    with capture_logs() as logs:
        running = asyncio.create_task(leadership.run())
        async with asyncio.timeout(10):
            assert await leadership.won() == 7
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["task failed"]
