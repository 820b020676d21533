"""What clients are told of how the system performs."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import ClientSession

from app.api.schemas.performance import PerformanceQuery
from app.domain.performance import Figure

NOW = 1_000_000.0


async def get(http: ClientSession, house: Any, path: str, status: int = 200) -> Any:
    async with http.get(house.base + path, headers=house.auth("read")) as response:
        assert response.status == status
        return await response.json()


@pytest.fixture
def measured(house: Any) -> Any:
    for second in range(180):
        house.services.performance.look(NOW + second)
    return house


async def test_every_figure_is_there_and_what_is_not_known_is_null(measured: Any, http: ClientSession) -> None:
    told = await get(http, measured, "/api/monitoring/performance")
    assert set(told["figures"]) == {str(figure) for figure in Figure}
    assert told["figures"]["control_cpu_percent"]["value"] == 5.0
    assert told["figures"]["latency_ms"] == {"value": None, "last_minute": None, "trend": None, "forecast": None}


async def test_history_comes_by_second_or_by_minute(measured: Any, http: ClientSession) -> None:
    path = "/api/monitoring/performance/history?figure=control_memory_bytes"
    minutes = await get(http, measured, path)
    seconds = await get(http, measured, path + "&resolution=1s")
    assert (minutes["resolution"], len(minutes["points"])) == ("1m", 2)
    assert (seconds["figure"], len(seconds["points"])) == ("control_memory_bytes", 180)
    assert seconds["points"][0]["mean"] == float(1 << 26)


@pytest.mark.parametrize("query", ["figure=nonsense", "resolution=1h", "unknown=1"])
async def test_a_question_that_makes_no_sense_is_refused(house: Any, http: ClientSession, query: str) -> None:
    told = await get(http, house, f"/api/monitoring/performance/history?{query}", 422)
    assert told["code"] == "invalid_fields"


def test_every_figure_can_be_asked_for() -> None:
    assert [PerformanceQuery(figure=str(figure)).wanted for figure in Figure] == list(Figure)  # type: ignore[arg-type] # that they agree is what is tested


async def test_requests_of_the_api_are_counted_by_who_serves_it(house: Any, http: ClientSession) -> None:
    house.services.performance.look(NOW)
    house.services.performance.count_request()
    house.services.performance.look(NOW + 1.0)
    told = await get(http, house, "/api/monitoring/performance")
    assert told["figures"]["requests_per_s"]["value"] == 1.0
