"""Control asks its peers for the time over a real socket."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from app.adapters.link import server, uplink
from app.runtime.clock import utc_now
from tests.integration.link.test_link import HELLO, PEER, Control, _refuse_all, until


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "ASK_CLOCK_FIRST_S", 0.02)
    monkeypatch.setattr(server, "ASK_CLOCK_S", 0.02)


@pytest.mark.parametrize("ahead_s", [0.0, 0.2, -3.0])
async def test_a_peers_clock_is_known_within_the_time_that_asking_took(
    monkeypatch: pytest.MonkeyPatch, ahead_s: float
) -> None:
    monkeypatch.setattr(uplink, "utc_now", lambda: utc_now() + timedelta(seconds=ahead_s))
    control = Control()
    await control.start()
    heard: list[tuple[str, float, float]] = []
    control.link.clock_heard = lambda peer, offset_s, took_s: heard.append((peer, offset_s, took_s))
    peer = asyncio.create_task(control.uplink().run(lambda: HELLO, _refuse_all))
    try:
        await until(lambda: len(heard) >= 6)
    finally:
        peer.cancel()
        await asyncio.gather(peer, return_exceptions=True)
        await control.stop()
    assert {name for name, _, _ in heard} == {PEER}
    for _, offset_s, took_s in heard:
        assert abs(offset_s - ahead_s) <= took_s / 2 + 0.002
