"""Remedies as clients ask for them and see them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import ClientSession

from app.domain.device import DeviceReading, Medium
from app.domain.ids import EncoderId
from app.domain.remediation import RemedyBreaker
from tests.unit.api.conftest import House

PATH = "/api/monitoring/remediation"


async def ask(house: House, http: ClientSession, method: str, path: str, key: str = "admin", **body: Any) -> Any:
    async with http.request(method, house.base + path, headers=house.auth(key), json=body or None) as answer:
        return answer.status, await answer.json()


async def test_a_remedy_is_begun_and_stands_in_the_journal(house: House, http: ClientSession) -> None:
    house.patients.device("helo-1").tell(is_in_transfer_mode=True)
    status, run = await ask(house, http, "POST", f"{PATH}/helo-1", remedy="leave_transfer_mode")
    assert status == 202
    assert (run["encoder_id"], run["remedy"], run["dry_run"]) == ("helo-1", "leave_transfer_mode", False)
    status, shown = await ask(house, http, "GET", PATH)
    assert status == 200
    assert [one["run_id"] for one in shown["runs"]] == [run["run_id"]]
    assert shown["automation"] == "off"
    assert shown["held"] == "automation is off"
    assert {one["remedy"] for one in shown["catalogue"]} >= {"reboot", "restart_stream"}


async def test_what_to_do_about_a_full_medium_is_said(house: House, http: ClientSession) -> None:
    media = (Medium("primary", is_mounted=True, free_percent=4.0),)
    house.patients.readings[EncoderId("helo-1")] = DeviceReading(at=datetime.now(UTC), media=media)
    _, shown = await ask(house, http, "GET", PATH)
    ((encoder_id, urgent),) = [(one["encoder_id"], one["urgent"]) for one in shown["media"]]
    assert (encoder_id, urgent) == ("helo-1", True)


async def test_a_dry_run_sends_nothing(house: House, http: ClientSession) -> None:
    status, run = await ask(house, http, "POST", f"{PATH}/helo-1", remedy="reboot", dry_run=True)
    assert (status, run["outcome"], run["phase"]) == (202, "dry_run", "done")
    assert house.patients.orders() == []


async def test_what_is_refused_says_why(house: House, http: ClientSession) -> None:
    status, problem = await ask(house, http, "POST", f"{PATH}/helo-1", remedy="leave_transfer_mode")
    assert status == 409
    assert "not in file-transfer mode" in problem["detail"]
    assert (await ask(house, http, "POST", f"{PATH}/nobody", remedy="reboot"))[0] == 404
    assert (await ask(house, http, "POST", f"{PATH}/helo-1", remedy="format"))[0] == 422


async def test_a_breaker_is_shown_until_a_person_clears_it(house: House, http: ClientSession) -> None:
    breaker = RemedyBreaker(EncoderId("helo-1"), datetime(2030, 1, 1, tzinfo=UTC), "it stays bad")
    house.patients.store.shut[breaker.encoder_id] = breaker
    await house.services.remedies.load()
    _, shown = await ask(house, http, "GET", PATH)
    assert [one["reason"] for one in shown["breakers"]] == ["it stays bad"]
    status, _ = await ask(house, http, "DELETE", f"{PATH}/helo-1/breaker")
    assert status == 200
    _, shown = await ask(house, http, "GET", PATH)
    assert shown["breakers"] == []
    assert (await ask(house, http, "DELETE", f"{PATH}/helo-1/breaker"))[0] == 404


@pytest.mark.parametrize("key", ["read", "encoders", "streams"])
async def test_only_an_admin_tries_and_clears(house: House, http: ClientSession, key: str) -> None:
    assert (await ask(house, http, "POST", f"{PATH}/helo-1", key, remedy="reboot"))[0] == 403
    assert (await ask(house, http, "DELETE", f"{PATH}/helo-1/breaker", key))[0] == 403
