"""When `up` says that everything runs, asked of servers that answer as the parts do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from app.assembly import readiness
from app.assembly.settings import Settings
from app.domain.errors import Unavailable

Serve = Callable[..., Awaitable[Settings]]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "READY_WITHIN_S", 0.2)


@pytest.fixture
async def parts() -> AsyncIterator[Serve]:
    """Control and gateway in one: `ready` and `encoders` are the statuses and states they answer."""
    runners: list[web.AppRunner] = []

    async def start(*, ready: int = 200, allowed: int = 200, states: tuple[str, ...] = ()) -> Settings:
        async def readyz(request: web.Request) -> web.Response:
            return web.Response(status=ready, text="no gateway is connected")

        async def encoders(request: web.Request) -> web.Response:
            return web.json_response({"encoders": [{"state": state} for state in states]}, status=allowed)

        app = web.Application()
        app.add_routes([web.get("/readyz", readyz), web.get("/api/encoders", encoders)])
        runner = web.AppRunner(app)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        return Settings(control_port=port, http_port=port)

    yield start
    for runner in runners:
        await runner.cleanup()


async def test_it_is_ready_when_every_encoder_is_there(parts: Serve) -> None:
    assert await readiness.wait_until_ready(await parts(states=("online", "draining")), encoders=2)


async def test_what_is_missing_is_told(parts: Serve) -> None:
    with pytest.raises(Unavailable, match="1 of 2 encoders"):
        await readiness.wait_until_ready(await parts(states=("online", "offline")), encoders=2)
    with pytest.raises(Unavailable, match="control says 503: no gateway is connected"):
        await readiness.wait_until_ready(await parts(ready=503), encoders=2)


@pytest.mark.parametrize("status", [401, 403, 429])
async def test_a_key_that_was_revoked_does_not_end_a_system_that_runs(parts: Serve, status: int) -> None:
    assert await readiness.wait_until_ready(await parts(allowed=status), encoders=2) is (status != 401)


async def test_a_control_here_may_stand_by_while_another_one_leads(parts: Serve) -> None:
    standby, leader = await parts(ready=503), await parts(states=("online",))
    both = leader.model_copy(update={"control_url": f"{standby.control_url}, {leader.control_url}/"})
    assert await readiness.wait_until_ready(both, encoders=1)
    neither = standby.model_copy(update={"http_port": leader.http_port})
    with pytest.raises(Unavailable, match="control says 503"):
        await readiness.wait_until_ready(neither, encoders=1)
