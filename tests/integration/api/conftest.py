"""The whole control plane as its process runs it, on SQLite, with peers that speak the real link."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from app.assembly.control import Served, serving
from app.assembly.settings import Settings
from app.domain.secret import Secret
from tests.integration.services.peers import BOOTSTRAP, TOKEN, FakeGateway, FakeNode, encoder, until


@dataclass
class Whole:
    served: Served
    gateway: FakeGateway
    nodes: list[FakeNode]
    base: str

    def auth(self, key: str = BOOTSTRAP.reveal()) -> dict[str, str]:
        return {"Authorization": f"Bearer {key}"}


def settings_in(folder: Path) -> Settings:
    return Settings(
        data_dir=folder,
        control_port=0,
        database_url=f"sqlite+aiosqlite:///{folder}/control.db",
        link_token=TOKEN,
        key_pepper=Secret("pepper-of-these-tests"),
        seal_key=Secret("seal-key-of-these-tests"),
        bootstrap_api_key=BOOTSTRAP,
    )


@pytest.fixture
async def whole(tmp_path: Path) -> AsyncIterator[Whole]:
    async with serving(settings_in(tmp_path)) as served:
        one = Whole(
            served,
            FakeGateway(),
            [FakeNode(encoder(name)) for name in ("a", "b")],
            f"http://127.0.0.1:{served.port}",
        )
        for node in one.nodes:
            node.on_standby = one.gateway.standby_came
        for peer in (one.gateway, *one.nodes):
            await peer.come(served.port)
        await until(lambda: len(served.services.encoders.list()) == 2)
        await until(lambda: served.services.gateways.connected() != ())
        yield one
        for peer in (one.gateway, *one.nodes):
            await peer.go()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session
