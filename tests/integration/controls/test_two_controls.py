"""Two control processes on one PostgreSQL, with a gateway and nodes that dial both: one acts, whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.domain.ids import StreamId
from tests.contract.conftest import new_database
from tests.integration.controls.processes import INIT, LEASE_S, WITHIN_S, Caller, ControlProcess, Way
from tests.integration.services.peers import FakeGateway, FakeNode, encoder, until
from tests.support.servers import postgres


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgres() as url:
        yield url


@dataclass
class Pair:
    """`leader` and `standby` as they were at the start; each has a way of its own to the database."""

    leader: ControlProcess
    standby: ControlProcess
    leaders_way: Way
    standbys_way: Way
    gateway: FakeGateway
    nodes: list[FakeNode]
    caller: Caller

    async def open_stream(self, control: ControlProcess) -> str:
        status, body, _ = await self.caller.ask(control, "/api/streams/init", method="POST", body=INIT)
        assert status == 201, body
        return str(body["stream_id"])

    async def protected(self, control: ControlProcess, stream_id: str) -> dict[str, Any]:
        path = f"/api/streams/{stream_id}/health"
        return dict(await self.caller.until(control, path, 200, where=lambda health: health["protected"]))

    def workers(self) -> set[str]:
        return {worker_id for node in self.nodes for worker_id in node.workers}


@asynccontextmanager
async def two(base: str, folder: Path, lease_s: float = LEASE_S) -> AsyncIterator[Pair]:
    url = await new_database(base)
    target = int(base.rsplit(":", 1)[1])
    ways = [Way(target), Way(target)]
    controls: list[ControlProcess] = []
    for name, way in zip(("one", "two"), ways, strict=True):
        await way.start()
        controls.append(ControlProcess(folder / name, url.replace(f":{target}/", f":{way.port}/"), lease_s))
    caller = Caller()
    gateway, nodes = FakeGateway(), [FakeNode(encoder(name)) for name in ("a", "b")]
    try:
        await controls[0].start()
        await caller.until(controls[0], "/readyz", 503, says="no gateway")
        await controls[1].start()
        await caller.until(controls[1], "/readyz", 503, says="standby: control-")
        for node in nodes:
            node.on_standby = gateway.standby_came
        for peer in (gateway, *nodes):
            # The standby first: it must send them on.
            await peer.come(controls[1].port, controls[0].port)
        await caller.until(controls[0], "/readyz", 200)
        yield Pair(controls[0], controls[1], ways[0], ways[1], gateway, nodes, caller)
    finally:
        for peer in (gateway, *nodes):
            await peer.go()
        for control in controls:
            with contextlib.suppress(AssertionError):
                await control.end()
        for way in ways:
            await way.stop()
        await caller.close()


@pytest.fixture
async def pair(database: str, tmp_path: Path) -> AsyncIterator[Pair]:
    async with two(database, tmp_path) as pair:
        yield pair


async def test_the_standby_answers_probes_and_sends_everybody_else_away(pair: Pair) -> None:
    ask, standby = pair.caller.ask, pair.standby
    assert (await ask(standby, "/livez"))[0] == 200
    assert (await ask(standby, "/api/openapi.json"))[0] == 200
    status, body, headers = await ask(standby, "/api/streams/init", method="POST", body=INIT)
    assert (status, body["code"], body["retryable"]) == (503, "not_leading", True)
    assert body["detail"].startswith("standby: control-")
    assert int(headers["Retry-After"]) >= 1
    assert headers["Content-Type"].startswith("application/problem+json")
    assert (await ask(standby, "/socket.io/?EIO=4&transport=polling"))[0] == 503
    assert (await ask(standby, "/link"))[0] in (401, 503)


async def test_kill_9_of_the_leader_loses_nothing_that_was_acknowledged_and_touches_no_stream(pair: Pair) -> None:
    kept, ended = await pair.open_stream(pair.leader), await pair.open_stream(pair.leader)
    status, _, _ = await pair.caller.ask(pair.leader, f"/api/streams/{ended}", method="DELETE")
    assert status in (200, 204)
    await pair.protected(pair.leader, kept)
    plan, workers = pair.gateway.plans[StreamId(kept)], pair.workers()
    await pair.leader.end(signal.SIGKILL)
    # While nobody leads the gateway acts by itself: the new leader must hear of it.
    report = pair.gateway.switch(StreamId(kept))
    await pair.caller.until(pair.standby, "/readyz", 200)
    health = await pair.protected(pair.standby, kept)
    assert health["generation"] == report.generation
    told = await pair.caller.until(
        pair.standby, f"/api/streams/{kept}/failovers", 200, where=lambda body: body["failovers"]
    )
    assert [entry["generation"] for entry in told["failovers"]] == [report.generation]
    assert plan.standby is not None
    assert plan.standby.worker_id in pair.workers() & workers
    status, body, _ = await pair.caller.ask(pair.standby, f"/api/streams/{ended}")
    assert (status, body["state"]) == (200, "ended")
    again = await pair.open_stream(pair.standby)
    # The killed one comes back behind the new leader.
    await pair.leader.start()
    await pair.caller.until(pair.leader, "/readyz", 503, says="standby: control-")
    assert (await pair.caller.ask(pair.standby, f"/api/streams/{again}/health"))[0] == 200


async def test_a_leader_told_to_end_hands_over_without_waiting_for_its_lease(database: str, tmp_path: Path) -> None:
    async with two(database, tmp_path, lease_s=3 * WITHIN_S) as pair:
        stream = await pair.open_stream(pair.leader)
        assert await pair.leader.end(signal.SIGTERM) == 0
        await pair.caller.until(pair.standby, "/readyz", 200)
        assert (await pair.caller.ask(pair.standby, f"/api/streams/{stream}/health"))[0] == 200


async def test_a_leader_that_stood_still_for_longer_than_its_lease_does_not_act_when_it_goes_on(pair: Pair) -> None:
    before = await pair.open_stream(pair.leader)
    pair.leader.send(signal.SIGSTOP)
    # It is asked while it stands still: what it hears first when it goes on is this.
    late = [
        asyncio.create_task(pair.caller.ask(pair.leader, "/api/streams/init", method="POST", body=INIT)),
        asyncio.create_task(pair.caller.ask(pair.leader, f"/api/streams/{before}", method="DELETE")),
    ]
    await pair.caller.until(pair.standby, "/readyz", 200)
    during = await pair.open_stream(pair.standby)
    plans = dict(pair.gateway.plans)
    pair.leader.send(signal.SIGCONT)
    assert {status for status, _, _ in await asyncio.gather(*late)} <= {0, 503}
    await pair.caller.until(pair.leader, "/readyz", 503, says="standby: control-")
    assert pair.leader.pid
    for stream in (before, during):
        assert (await pair.caller.ask(pair.standby, f"/api/streams/{stream}/health"))[0] == 200
    _, body, _ = await pair.caller.ask(pair.standby, "/api/streams")
    assert {entry["stream_id"] for entry in body["streams"]} == {before, during}
    assert set(plans) == {before, during} == set(pair.gateway.plans)


async def test_a_leader_cut_off_from_the_database_steps_down_before_the_other_one_leads(pair: Pair) -> None:
    stream = await pair.open_stream(pair.leader)
    pair.leaders_way.cut()
    await pair.caller.until(pair.standby, "/readyz", 200)
    assert (await pair.caller.ask(pair.leader, "/livez"))[0] == 200
    assert (await pair.caller.ask(pair.leader, "/api/streams"))[0] == 503
    assert (await pair.caller.ask(pair.standby, f"/api/streams/{stream}/health"))[0] == 200
    pair.leaders_way.mend()
    await pair.caller.until(pair.leader, "/readyz", 503, says="standby: control-")
    assert (await pair.caller.ask(pair.standby, "/readyz"))[0] == 200


async def test_while_the_database_is_away_streams_go_on_and_new_ones_are_told_to_come_back(pair: Pair) -> None:
    assert await pair.standby.end(signal.SIGTERM) == 0
    stream = await pair.open_stream(pair.leader)
    await pair.protected(pair.leader, stream)
    pid, plans, workers = pair.leader.pid, dict(pair.gateway.plans), pair.workers()
    alive: list[int] = []
    probing = asyncio.create_task(_probe(pair, alive))
    pair.leaders_way.cut()
    # They hang with the database, and over the end of the reign.
    asked = [
        asyncio.create_task(pair.caller.ask(pair.leader, "/api/streams/init", method="POST", body=INIT))
        for _ in range(4)
    ]
    # Longer than it may lead without the database.
    await pair.caller.until(pair.leader, "/readyz", 503, says="standby: nobody is known to lead")
    for status, body, headers in await asyncio.gather(*asked):
        assert (status, body["retryable"]) == (503, True)
        assert int(headers["Retry-After"]) >= 1
    assert (await pair.caller.ask(pair.leader, "/livez"))[0] == 200
    assert (await pair.caller.ask(pair.leader, "/api/streams/init", method="POST", body=INIT))[0] == 503
    assert (dict(pair.gateway.plans), pair.workers()) == (plans, workers)
    pair.leaders_way.mend()
    await pair.caller.until(pair.leader, "/readyz", 200)
    await pair.protected(pair.leader, stream)
    assert await pair.open_stream(pair.leader)
    assert pair.leader.pid == pid
    probing.cancel()
    await asyncio.gather(probing, return_exceptions=True)
    assert set(alive) == {200}, "a probe found nobody"
    assert pair.gateway.plans[StreamId(stream)].active == plans[StreamId(stream)].active
    await until(lambda: pair.workers() >= workers)


async def _probe(pair: Pair, seen: list[int]) -> None:
    while True:
        seen.append((await pair.caller.ask(pair.leader, "/livez"))[0])
        await asyncio.sleep(0.02)
