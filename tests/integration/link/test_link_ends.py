"""A node or gateway must be able to end whatever its link is just doing."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from app.adapters.link.uplink import FAILURES_AT_START, WebSocketUplink
from app.domain.link import Hello, Order
from app.domain.secret import Secret
from tests.support.peers import free_port


def hello() -> Hello:
    raise AssertionError("nobody listens there")


async def refuse(request: web.Request) -> web.Response:
    return web.Response(status=401)


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


async def test_a_control_that_is_only_starting_is_no_fault_and_one_that_stays_away_is_told_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.adapters.link.uplink.BACKOFF_MAX_S", 0.0)
    uplink = WebSocketUplink(control_url="http://127.0.0.1:1", token=Secret("t"))
    with capture_logs() as logs:
        running = asyncio.create_task(uplink.run(hello, perform))
        async with asyncio.timeout(10):
            while len(logs) < 2 * FAILURES_AT_START:  # noqa: ASYNC110 - the log is all that it tells
                await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    told = [entry for entry in logs if entry["log_level"] != "debug"]
    assert [(entry["event"], entry["log_level"]) for entry in told] == [
        ("control is not there yet", "info"),
        ("link down", "info"),
    ]
    assert "reason" not in told[0], "an error's name looks as if something were wrong"


async def test_a_refusal_is_told_though_control_was_away_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.adapters.link.uplink.BACKOFF_MAX_S", 0.0)
    port = free_port()
    uplink = WebSocketUplink(control_url=f"http://127.0.0.1:{port}", token=Secret("t"))
    application = web.Application()
    application.router.add_get("/link", refuse)
    runner = web.AppRunner(application)
    with capture_logs() as logs:
        running = asyncio.create_task(uplink.run(hello, perform))
        async with asyncio.timeout(10):
            while len(logs) < 2:  # noqa: ASYNC110 - the log is all that it tells
                await asyncio.sleep(0)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", port).start()
            while logs[-1]["event"] != "control refuses this peer":  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    await runner.cleanup()
    assert logs[-1]["log_level"] == "error"
