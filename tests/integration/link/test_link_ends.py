"""A node or gateway must be able to end whatever its link is just doing."""

from __future__ import annotations

import asyncio

import pytest

from app.adapters.link.uplink import WebSocketUplink
from app.domain.link import Hello, Order
from app.domain.secret import Secret


def hello() -> Hello:
    raise AssertionError("nobody listens there")


async def perform(order: Order) -> None:
    raise AssertionError("nobody orders anything")


@pytest.mark.parametrize("steps", range(40))
async def test_a_link_that_is_cancelled_while_it_dials_ends(steps: int) -> None:
    uplink = WebSocketUplink(control_url="http://127.0.0.1:1", token=Secret("t"), jitter=lambda: 0.0)
    running = asyncio.create_task(uplink.run(hello, perform))
    for _ in range(steps):
        await asyncio.sleep(0)
    running.cancel()
    done, _ = await asyncio.wait({running}, timeout=2)
    if not done:
        running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert done, "the first cancellation was swallowed"
