"""How clients ask for quality to be adjusted or left alone, and what they see of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession

from app.api.schemas.health import HealthView
from app.domain.session import QualityHealth, StreamChange
from app.policy.quality_ladder import steps
from tests.unit.api.fleet import health_of

INIT = {"resolution": "1280x720", "bitrate": 3_000_000, "fps": 30}


async def opened(house: Any, http: ClientSession, **more: object) -> str:
    async with http.post(f"{house.base}/api/streams/init", json=INIT | more, headers=house.auth()) as response:
        assert response.status == 201
        stream_id: str = (await response.json())["stream_id"]
        return stream_id


async def seen(house: Any, http: ClientSession, path: str) -> Any:
    async with http.get(f"{house.base}/api/streams/{path}", headers=house.auth()) as response:
        assert response.status == 200
        return await response.json()


@pytest.mark.parametrize(("more", "is_on"), [({}, True), ({"auto_quality": False}, False)])
async def test_quality_is_adjusted_unless_somebody_does_not_want_it(
    house: Any, http: ClientSession, more: dict[str, object], is_on: bool
) -> None:
    shown = await seen(house, http, await opened(house, http, **more))
    assert (shown["auto_quality"], shown["asked_ladder"]) == (is_on, None)


async def test_it_is_turned_off_by_a_change(house: Any, http: ClientSession) -> None:
    stream_id = await opened(house, http)
    url = f"{house.base}/api/streams/{stream_id}/config"
    async with http.put(url, json={"auto_quality": False}, headers=house.auth()) as response:
        assert response.status == 200
    assert house.streams.changes == [StreamChange(auto_quality=False)]


async def test_a_stream_that_has_less_shows_what_was_asked_for(house: Any, http: ClientSession) -> None:
    stream_id = await opened(house, http)
    record = house.streams.records[stream_id]
    less = steps(record.ladder)[1]
    house.streams.records[stream_id] = replace(record, ladder=less, asked=record.ladder)
    shown = await seen(house, http, stream_id)
    asked, has = (shown[name]["renditions"][0]["bitrate"] for name in ("asked_ladder", "ladder"))
    assert has == int(0.8 * asked)


async def test_health_shows_the_step_and_what_the_score_asks_for(house: Any, http: ClientSession) -> None:
    stream_id = await opened(house, http)
    health = health_of(house.streams.records[stream_id])
    view = HealthView.of(replace(health, quality=QualityHealth(True, 2, 5), verdict="degrade"))
    assert view.quality is not None
    assert (view.quality.automatic, view.quality.step, view.quality.steps) == (True, 2, 5)
    assert view.verdict == "degrade"
    told = await seen(house, http, f"{stream_id}/health")
    assert {"quality", "verdict"} <= told.keys()
