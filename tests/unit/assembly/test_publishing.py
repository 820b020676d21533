"""How `encoder-manager publish` ends."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from app.assembly.publishing import until_signal


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_publishing_where_it_waits_and_nowhere_else(number: signal.Signals) -> None:
    seen: list[str] = []

    async def work() -> None:
        os.kill(os.getpid(), number)
        seen.append("went on to where it waits")
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            seen.append("ended in order")

    asyncio.run(until_signal(work()))
    assert seen == ["went on to where it waits", "ended in order"]
