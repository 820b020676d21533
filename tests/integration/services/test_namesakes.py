"""Two gateways under one id: on one machine the newer connection lives, on two machines the older one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.adapters.link import uplink

from .peers import Control, FakeGateway, until


@pytest.fixture
async def control(tmp_path: Path) -> AsyncIterator[Control]:
    control = Control(f"sqlite+aiosqlite:///{tmp_path}/c.db")
    await control.start()
    yield control
    await control.stop()


async def test_a_gateway_of_another_machine_is_refused_until_the_first_one_is_gone(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uplink, "REFUSED_S", 0.1)
    first, second = FakeGateway(host="host_a"), FakeGateway(host="host_b")
    await first.come(control.port)
    await until(lambda: control.services.gateways.connected() != ())
    with capture_logs() as logs:
        coming = asyncio.create_task(second.come(control.port))
        await until(lambda: any(line["event"] == "peer refused" for line in logs))
    assert [hello.host_id for hello in control.services.gateways.connected()] == ["host_a"]
    await first.go()
    await until(lambda: [hello.host_id for hello in control.services.gateways.connected()] == ["host_b"])
    await coming
    await second.go()


@pytest.mark.parametrize("host", ["host_a", None])
async def test_a_gateway_that_comes_again_takes_its_own_place(control: Control, host: str | None) -> None:
    first, again = FakeGateway(host="host_a"), FakeGateway(host=host)
    await first.come(control.port)
    await until(lambda: control.services.gateways.connected() != ())
    await again.come(control.port)
    # Each drives the other out until one is gone.
    await until(lambda: [hello.host_id for hello in control.services.gateways.connected()] == [host])
    await first.go()
    await until(lambda: [hello.host_id for hello in control.services.gateways.connected()] == [host])
    await again.go()
