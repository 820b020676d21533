"""Reports of failovers and drills over HTTP."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession

from app.api.registry import Call
from app.api.routes.failovers import FailoverRoutes
from app.api.schemas.failovers import DrillAnswer, DrillBody
from app.domain.access import Principal, Scope
from app.domain.drill import DrillKind
from app.domain.errors import Unavailable
from app.domain.failover import SwitchReport
from app.domain.ids import KeyId, StreamId
from tests.unit.api.fleet import Drills, report_of
from tests.unit.api.test_sockets import opened


async def drilled(
    house: Any, http: ClientSession, stream_id: str, body: dict[str, Any], name: str | None = None
) -> tuple[int, dict[str, Any]]:
    headers = house.auth("admin") | ({} if name is None else {"Idempotency-Key": name})
    url = f"{house.base}/api/streams/{stream_id}/drill"
    async with http.post(url, json=body, headers=headers) as response:
        return response.status, await response.json(content_type=None)


async def listed(house: Any, http: ClientSession, stream_id: str, query: str = "") -> tuple[int, dict[str, Any]]:
    url = f"{house.base}/api/streams/{stream_id}/failovers{query}"
    async with http.get(url, headers=house.auth("admin")) as response:
        return response.status, await response.json(content_type=None)


async def test_reports_come_newest_first_and_as_many_as_asked_for(house: Any, http: ClientSession) -> None:
    stream_id = await opened(house, http)
    house.streams.reports += [report_of(stream_id, number) for number in (2, 3, 4)]
    _, every = await listed(house, http, stream_id)
    assert [one["generation"] for one in every["failovers"]] == [4, 3, 2]
    assert {"detected_ms", "first_frame_ms", "stall_ms", "catch_up_ms"} <= every["failovers"][0].keys()
    _, newest = await listed(house, http, stream_id, "?limit=1")
    assert [one["generation"] for one in newest["failovers"]] == [4]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?limit=0", 422),
        ("?limit=1001", 422),
        ("?limit=x", 422),
        ("?limit=", 422),
        ("?limit=1e3", 422),
        ("?limit=1&more=2", 422),
        ("?limit=1&limit=2", 400),
    ],
)
async def test_a_strange_query_is_refused_in_words(
    house: Any, http: ClientSession, query: str, status: int
) -> None:
    stream_id = await opened(house, http)
    answered, problem = await listed(house, http, stream_id, query)
    assert answered == status
    assert status == 400 or problem["errors"]


async def test_a_drill_answers_what_it_cost_and_whether_it_was_passed(house: Any, http: ClientSession) -> None:
    stream_id = await opened(house, http)
    status, answer = await drilled(house, http, stream_id, {"kind": "stall", "count": 2})
    assert (status, answer["passed"], len(answer["failovers"])) == (200, True, 2)
    assert house.drills.asked == [(stream_id, DrillKind.STALL, 2)]
    assert answer["failovers"][0]["generation"] < answer["failovers"][1]["generation"]


@pytest.mark.parametrize(
    "body", [{}, {"kind": "reboot"}, {"kind": "kill", "count": 0}, {"kind": "kill", "count": 11}, {"kind": 1}]
)
async def test_a_drill_that_is_none_is_refused_and_breaks_nothing(
    house: Any, http: ClientSession, body: dict[str, Any]
) -> None:
    stream_id = await opened(house, http)
    assert (await drilled(house, http, stream_id, body))[0] == 422
    assert house.drills.asked == []


async def test_a_drill_sent_twice_under_one_name_breaks_the_stream_once(house: Any, http: ClientSession) -> None:
    stream_id = await opened(house, http)
    first = await drilled(house, http, stream_id, {"kind": "kill"}, "again")
    assert await drilled(house, http, stream_id, {"kind": "kill"}, "again") == first
    assert len(house.drills.asked) == 1


async def test_one_name_does_not_stand_for_the_same_request_to_two_streams(house: Any, http: ClientSession) -> None:
    first, second = await opened(house, http), await opened(house, http)
    assert (await drilled(house, http, first, {"kind": "kill"}, "again"))[0] == 200
    status, problem = await drilled(house, http, second, {"kind": "kill"}, "again")
    assert (status, problem["code"]) == (422, "invalid_request")


@pytest.mark.parametrize("missing", [1, None])
def test_a_drill_that_lost_a_frame_or_could_not_count_is_not_passed(missing: int | None) -> None:
    report = report_of(StreamId("str_1"), 2, missing=missing)
    assert DrillAnswer.of((report_of(StreamId("str_1"), 3), report)).passed is False


async def test_a_request_does_not_wait_for_its_drills_without_end(house: Any) -> None:
    class Endless(Drills):
        async def drill(
            self, stream_id: StreamId, kind: DrillKind, count: int, who: Principal
        ) -> tuple[SwitchReport, ...]:
            await asyncio.Event().wait()
            return ()

    services = replace(house.services, drills=Endless(house.streams))
    routes = FailoverRoutes(services, drill_wait_s=0.01)
    who = Principal(KeyId("key"), "acme", frozenset({Scope.STREAMS}))
    with pytest.raises(Unavailable):
        await routes.drill(Call(who, DrillBody(kind=DrillKind.KILL), {"stream_id": "str_1"}, "http://x"))
