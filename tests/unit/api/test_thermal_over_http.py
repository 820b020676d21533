"""What clients are told of warmth, and how they have an encoder cool down."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import ClientSession

from app.domain.encoder import EncoderReading
from app.domain.events import EncoderRead
from app.domain.ids import EncoderId
from app.runtime.clock import utc_now
from tests.unit.api.fleet import ENCODER

HOT = EncoderId("enc_hot")


async def get(http: ClientSession, house: Any, path: str) -> Any:
    async with http.get(house.base + path, headers=house.auth("read")) as response:
        assert response.status == 200
        return await response.json()


@pytest.fixture
def hot(house: Any) -> Any:
    house.bus.tell(EncoderRead(HOT, EncoderReading(cpu_percent=50.0, temperature_c=84.0), utc_now()))
    return house


async def test_the_status_shows_every_encoder_and_the_hottest(hot: Any, http: ClientSession) -> None:
    told = await get(http, hot, "/api/monitoring/thermal/status")
    assert told["by_state"] == {"hot": 1, "no_sensor": 1}
    assert told["hottest"] == HOT
    assert {view["encoder_id"] for view in told["encoders"]} == {HOT, ENCODER}


async def test_a_temperature_comes_with_its_score_and_what_is_not_known_is_null(
    hot: Any, http: ClientSession
) -> None:
    told = await get(http, hot, f"/api/monitoring/thermal/{HOT}/temperature")
    assert (told["temperature"], told["score"], told["state"], told["allowance"]) == (84.0, 36.0, "hot", 0.0)
    assert (told["slope_c_per_min"], told["degrees_per_load"], told["forecast"]) == (None, None, None)
    told = await get(http, hot, f"/api/monitoring/thermal/{ENCODER}/temperature")
    assert (told["temperature"], told["score"], told["age_s"], told["allowance"]) == (None, None, None, 1.0)


async def test_a_cool_down_begins_at_once_and_says_who_wanted_it(hot: Any, http: ClientSession) -> None:
    url = f"{hot.base}/api/monitoring/thermal/{ENCODER}/cooldown"
    async with http.post(url, headers=hot.auth("encoders")) as response:
        assert response.status == 202
        told = await response.json()
    assert (told["state"], told["allowance"]) == ("cooling", 0.8)
    assert "key_" in told["reason"]


@pytest.mark.parametrize("path", ["enc_unknown/temperature", "enc_unknown/cooldown"])
async def test_an_encoder_that_nobody_heard_does_not_exist(house: Any, http: ClientSession, path: str) -> None:
    method = "POST" if path.endswith("cooldown") else "GET"
    url = f"{house.base}/api/monitoring/thermal/{path}"
    async with http.request(method, url, headers=house.auth("admin")) as response:
        assert response.status == 404
        assert (await response.json())["code"] == "not_found"
