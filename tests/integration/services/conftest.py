"""One control over the real store and link, one gateway and three nodes on three hosts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.policy.drill_plan import DrillPlan

from .peers import Control, FakeGateway, FakeNode, encoder, until


@dataclass
class House:
    control: Control
    gateway: FakeGateway
    nodes: list[FakeNode]

    def node(self, encoder_id: str | None) -> FakeNode:
        return next(node for node in self.nodes if node.info.encoder_id == encoder_id)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "control.db"


@pytest.fixture
async def house(database: Path) -> AsyncIterator[House]:
    async with standing(database) as house:
        yield house


@asynccontextmanager
async def standing(database: Path, *, drill_plan: DrillPlan | None = None) -> AsyncIterator[House]:
    control = Control(f"sqlite+aiosqlite:///{database}", drill_plan=drill_plan)
    await control.start()
    house = House(control, FakeGateway(), [FakeNode(encoder(name)) for name in ("a", "b", "c")])
    for node in house.nodes:
        node.on_standby = house.gateway.standby_came
    for peer in (house.gateway, *house.nodes):
        await peer.come(control.port)
    await until(lambda: len(control.services.encoders.list()) == 3)
    await until(lambda: control.services.gateways.connected() != ())
    yield house
    for peer in (house.gateway, *house.nodes):
        await peer.go()
    await control.stop()
