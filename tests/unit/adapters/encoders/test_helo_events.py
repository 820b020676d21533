"""Following a HELO's changes: of use where it works, and cheap where it does not."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable

from app.adapters.encoders.helo.client import HeloClient
from app.adapters.encoders.helo.events import LONGEST_PAUSE_S, EventFollower
from app.adapters.encoders.helo.http import Lost, TooSlow
from tests.simulation.virtual_time import Clock
from tests.simulation.virtual_time import run as run_in_virtual_time

Answer = Callable[[str], Awaitable[bytes]]


class Asked(HeloClient):
    """Only what events ask for, answered by a test."""

    def __init__(self, answer: Answer) -> None:
        self.paths: list[str] = []
        self._answer_event = answer

    async def ask_beside(self, path: str, *, waits: bool) -> bytes:
        self.paths.append(path)
        return await self._answer_event(path)


def follow(answer: Answer, *, for_s: float) -> tuple[Asked, list[frozenset[str]], list[bool]]:
    client, changes, flow = Asked(answer), list[frozenset[str]](), list[bool]()

    async def story(_: Clock, __: random.Random) -> None:
        follower = EventFollower(client, on_changes=changes.append, on_flow=flow.append)
        task = asyncio.create_task(follower.follow())
        await asyncio.sleep(for_s)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_in_virtual_time(1, story)
    return client, changes, flow


def test_what_changed_is_told_and_the_same_connection_is_waited_on_again() -> None:
    async def answer(path: str) -> bytes:
        if "connect&" in path or path.endswith("connect"):
            return b'{"connectionid":"20"}'
        await asyncio.sleep(10.0)
        return b'[{"param_id":"eParamID_Temperature"}]'

    client, changes, flow = follow(answer, for_s=35.0)
    assert changes == [frozenset({"Temperature"})] * 3
    assert flow == [True]
    assert client.paths.count("/config?action=connect") == 1


def test_a_wait_that_nothing_answers_is_no_failure() -> None:
    async def answer(path: str) -> bytes:
        if path.endswith("connect"):
            return b'{"connectionid":20}'
        await asyncio.sleep(50.0)
        raise TooSlow("no whole answer")

    client, _, flow = follow(answer, for_s=300.0)
    assert flow == [True]
    assert client.paths.count("/config?action=connect") == 1


def test_an_expired_connection_is_opened_anew() -> None:
    opened = iter(range(1, 100))
    waits = itertools.cycle((b'[{"param_id":"eParamID_Temperature"}]', b"<html>404</html>"))

    async def answer(path: str) -> bytes:
        if path.endswith("connect"):
            return b'{"connectionid":"%d"}' % next(opened)
        await asyncio.sleep(5.0)
        return next(waits)

    client, _, flow = follow(answer, for_s=20.0)
    assert flow[:3] == [True, False, True]
    assert any(path.endswith("connectionid=2") for path in client.paths)
    assert not any(path.startswith("/json") for path in client.paths)


def test_one_that_refuses_is_asked_ever_more_seldom_and_both_ways() -> None:
    async def answer(path: str) -> bytes:
        return b'{"connectionid":"0"}'

    client, _, flow = follow(answer, for_s=600.0)
    assert len(client.paths) < 5 + 600.0 / LONGEST_PAUSE_S + 1
    assert {"/config?action=connect", "/json?action=connect"} == set(client.paths)
    assert True not in flow


def test_one_that_answers_every_wait_at_once_does_not_keep_us_busy() -> None:
    async def answer(path: str) -> bytes:
        return b'{"connectionid":"1"}' if path.endswith("connect") else b"[]"

    client, _, _ = follow(answer, for_s=600.0)
    assert len(client.paths) < 600


def test_one_that_is_away_is_asked_ever_more_seldom() -> None:
    async def answer(path: str) -> bytes:
        raise Lost("away")

    client, _, _ = follow(answer, for_s=600.0)
    assert len(client.paths) < 5 + 600.0 / LONGEST_PAUSE_S + 1
