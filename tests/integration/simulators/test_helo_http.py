"""The web interface of a simulated HELO behaves as documented: answers, login, descriptors, events, files."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest

from app.simulators.helo.parameters import plus_catalogue
from app.simulators.helo.quirks import (
    FAST,
    ExpiredPoll,
    QuietPoll,
    Quirks,
    RebootAnswer,
    Unknown,
    WhileDown,
    WrongPassword,
)
from tests.support.helo import helo
from tests.support.helo_client import Page, page, until

PASSWORD = "open-sesame"


async def wait_for_events(ask: Page, connection: str) -> list[dict[str, str]]:
    status, text = await ask.fetch("/config", action="wait_for_config_events", connectionid=connection)
    assert status == 200
    return list(json.loads(text))


async def connect(ask: Page) -> str:
    _, text = await ask.fetch("/config", action="connect")
    return str(json.loads(text)["connectionid"])


async def test_every_value_on_the_wire_is_a_string() -> None:
    async with helo() as unit, page(unit) as ask:
        answer = await ask.answer("ReplicatorRecordState")
        assert answer == {
            "paramid": "2097225226",
            "name": "eParamID_ReplicatorRecordState",
            "value": "1",
            "value_name": "eRRSIdle",
        }
        assert await ask.put("VideoInSelect", 2) == {
            "paramid": "33619978",
            "name": "eParamID_VideoInSelect",
            "value": "2",
            "value_name": "Test Pattern",
        }
        assert (await ask.answer("Temperature"))["value_name"] == (await ask.answer("Temperature"))["value"]
        assert (await ask.answer("SystemName"))["value_name"] == ""


async def test_answers_are_chunked_html_that_no_one_keeps() -> None:
    async with helo() as unit, page(unit) as ask:
        query = {"action": "get", "paramid": "eParamID_ProductID", "alt": "json", "_": "1"}
        async with ask.session.get(ask.url + "/config", params=query) as response:
            assert response.headers["Content-Type"].startswith("text/html")
            assert response.headers["Cache-Control"] == "no-cache"
            assert response.headers["Transfer-Encoding"] == "chunked"
            assert json.loads(await response.text())["value"] == "HELO"


@pytest.mark.parametrize(("invalid", "name"), [(True, "Invalid"), (False, "")])
async def test_a_profile_selector_has_no_names(invalid: bool, name: str) -> None:
    async with helo(quirks=Quirks(invalid_selector_names=invalid)) as unit, page(unit) as ask:
        assert (await ask.put("StreamingProfileSel", 3))["value_name"] == name


async def test_a_set_without_a_value_reads_and_a_name_without_its_prefix_is_unknown() -> None:
    async with helo() as unit, page(unit) as ask:
        await ask.put("SystemName", "north")
        _, text = await ask.fetch("/config", action="set", paramid="eParamID_SystemName")
        assert json.loads(text)["value"] == "north"
        _, text = await ask.fetch("/config", action="get", paramid="SystemName")
        assert json.loads(text)["value"] == ""


async def test_text_is_percent_encoded_and_kept_as_it_is() -> None:
    async with helo() as unit, page(unit) as ask:
        await ask.put("FilenamePrefix", "Größe & <b>1</b>+2")
        assert await ask.get("FilenamePrefix") == "Größe & <b>1</b>+2"


async def test_without_a_session_everything_is_the_404_page() -> None:
    async with helo(password=PASSWORD) as unit, page(unit) as ask:
        for path in ("/config", "/desc.json", "/clock", "/nowhere"):
            status, text = await ask.fetch(path, action="get", paramid="eParamID_ProductID")
            assert status == 404
            assert "The document requested was not found on this server." in text
        assert (await ask.log_in(PASSWORD)) == (200, '{"login":"success"}')
        (cookie,) = ask.session.cookie_jar
        assert cookie.key == "session"
        digits, _, rest = cookie.value.partition("-")
        assert (int(digits, 16), len(digits), len(rest)) == (1, 8, 31)
        assert await ask.get("ProductID") == "HELO"


@pytest.mark.parametrize(
    ("quirk", "status", "word"), [(WrongPassword.TOLD, 200, "did not match"), (WrongPassword.NOT_FOUND, 404, "404")]
)
async def test_a_wrong_password_is_no_login(quirk: WrongPassword, status: int, word: str) -> None:
    async with helo(password=PASSWORD, quirks=Quirks(wrong_password=quirk)) as unit, page(unit) as ask:
        answered, text = await ask.log_in("guess")
        assert answered == status
        assert word in text
        assert (await ask.fetch("/clock"))[0] == 404


async def test_sessions_end_by_age_by_scenario_and_by_another_password() -> None:
    async with helo(password=PASSWORD, quirks=Quirks(session_life_s=0.0)) as unit, page(unit) as ask:
        await ask.log_in(PASSWORD)
        assert (await ask.fetch("/clock"))[0] == 404
    async with helo(password=PASSWORD) as unit, page(unit) as ask:
        await ask.log_in(PASSWORD)
        unit.apply("sessions_expire")
        assert (await ask.fetch("/clock"))[0] == 404
        unit.apply("password", is_now="another")
        assert "success" not in (await ask.log_in(PASSWORD))[1]
        await ask.log_in("another")
        await ask.put("Authentication", 0)
        ask.session.cookie_jar.clear()
        assert (await ask.fetch("/clock"))[0] == 200


async def test_one_descriptor_is_an_array_of_one_and_all_of_them_an_array_of_all() -> None:
    async with helo() as unit, page(unit) as ask:
        _, text = await ask.fetch("/descriptors", paramid="eParamID_Authentication")
        (described,) = json.loads(text)
        assert described["param_id"] == "eParamID_Authentication"
        _, text = await ask.fetch("/desc.json")
        assert len(json.loads(text)) == 971


async def test_a_plus_has_layouts_and_another_firmware_lacks_what_it_lacks() -> None:
    async with helo(parameters=plus_catalogue()) as unit, page(unit) as ask:
        await ask.put("VideoInSelect", 3)
        assert (await ask.answer("VideoInSelect"))["value_name"] == "Layout"
        unit.apply("firmware", version="2.1.7", without="Temperature, LinkErrors")
        _, text = await ask.fetch("/desc.json")
        names = {described["param_id"] for described in json.loads(text)}
        assert "eParamID_LayoutSelector" in names
        assert "eParamID_Temperature" not in names
        assert await ask.get("Temperature") == ""
        assert await ask.get("CurrentlyRunningImageVersion") == "2.1.7"


@pytest.mark.parametrize(("quirk", "status"), [(Unknown.NOT_FOUND, 404), (Unknown.FORBIDDEN, 403)])
async def test_an_unknown_name_is_answered_as_chosen(quirk: Unknown, status: int) -> None:
    async with helo(quirks=Quirks(unknown=quirk)) as unit, page(unit) as ask:
        for action in ("get", "set"):
            answered, _ = await ask.fetch("/config", action=action, paramid="eParamID_Nothing", value=1)
            assert answered == status


async def test_an_unknown_name_is_by_default_a_200_without_a_value_or_the_end_of_the_connection() -> None:
    async with helo() as unit, page(unit) as ask:
        answer = await ask.answer("Nothing")
        assert (answer["value"], answer["value_name"]) == ("", "Invalid")
    async with helo(quirks=Quirks(unknown=Unknown.CLOSED)) as unit, page(unit) as ask:
        with pytest.raises(aiohttp.ClientError):
            await ask.answer("Nothing")
        assert await ask.get("ProductID") == "HELO"


async def test_a_long_poll_tells_what_changed_and_then_only_what_is_new() -> None:
    async with helo() as unit, page(unit) as ask:
        connection = await connect(ask)
        waiting = asyncio.create_task(wait_for_events(ask, connection))
        await ask.put("SystemName", "north")
        (event,) = await waiting
        assert (event["param_id"], event["str_value"], event["int_value"]) == ("eParamID_SystemName", "north", "0")
        await ask.put("VideoInSelect", 2)
        names = [event["param_id"] for event in await wait_for_events(ask, connection)]
        assert "eParamID_VideoInSelect" in names
        assert "eParamID_SystemName" not in names


async def test_the_result_of_a_preset_makes_events() -> None:
    async with helo() as unit, page(unit) as ask:
        connection = await connect(ask)
        await ask.put("RegisterRecall", 20)
        seen: list[str] = []
        while "4" not in seen:
            events = await wait_for_events(ask, connection)
            seen += [e["int_value"] for e in events if e["param_id"] == "eParamID_RegisterRecallResult"]
        assert seen == ["1", "4"]


async def test_a_quiet_poll_ends_as_chosen() -> None:
    quick = {"timing": FAST}
    async with helo(**quick) as unit, page(unit) as ask:
        assert await wait_for_events(ask, await connect(ask)) == []
    async with helo(quirks=Quirks(quiet_poll=QuietPoll.CLOSE), **quick) as unit, page(unit) as ask:
        with pytest.raises(aiohttp.ClientError):
            await wait_for_events(ask, await connect(ask))
    async with helo(quirks=Quirks(quiet_poll=QuietPoll.FOREVER), **quick) as unit, page(unit) as ask:
        waiting = asyncio.create_task(wait_for_events(ask, await connect(ask)))
        done, _ = await asyncio.wait({waiting}, timeout=2 * FAST.quiet_poll_s)
        assert not done
        await ask.put("SystemName", "at last")
        assert await waiting


async def test_an_id_that_is_no_more_is_answered_as_chosen() -> None:
    async with helo() as unit, page(unit) as ask:
        status, _ = await ask.fetch("/config", action="wait_for_config_events", connectionid="77")
        assert status == 404
    quirks = Quirks(expired_poll=ExpiredPoll.OBJECT, numeric_connection_id=True)
    async with helo(quirks=quirks) as unit, page(unit) as ask:
        status, text = await ask.fetch("/config", action="wait_for_config_events", connectionid="77")
        assert status == 200
        assert not isinstance(json.loads(text), list)
        _, text = await ask.fetch("/config", action="connect")
        assert json.loads(text)["connectionid"] == 1


async def test_a_restart_cuts_a_long_poll_refuses_connections_and_climbs() -> None:
    async with helo() as unit, page(unit) as ask, page(unit) as other:
        waiting = asyncio.create_task(wait_for_events(other, await connect(other)))
        await until(lambda: unit.state()["polls_waiting"], "the long poll")
        with pytest.raises(aiohttp.ClientError):
            await ask.put("Reboot", 1)
        with pytest.raises(aiohttp.ClientError):
            await waiting
        with pytest.raises(aiohttp.ClientError):
            await ask.get("ProductID")
        await ask.until("SystemState", 4)
        assert await connect(ask) == "1", "ids begin low again"
        assert unit.state()["starts"] == 2


async def test_a_restart_may_answer_first_and_be_busy_meanwhile() -> None:
    quirks = Quirks(reboot_answer=RebootAnswer.FIRST, while_down=WhileDown.BUSY)
    async with helo(quirks=quirks) as unit, page(unit) as ask:
        assert (await ask.put("Reboot", 1))["value"] == "1"
        assert (await ask.fetch("/clock"))[0] == 503
        await ask.until("SystemState", 4)


async def test_clips_are_listed_fetched_in_transfer_mode_only_and_deleted() -> None:
    async with helo() as unit, page(unit) as ask:
        await ask.put("ReplicatorCommand", 1)
        await ask.until("ReplicatorRecordState", 2)
        await ask.put("ReplicatorCommand", 2)
        await ask.until("ReplicatorRecordState", 1)
        name = "clip_001_000001.mp4"
        assert (await ask.fetch("/clips", action="get_clips"))[1] == f'{{clips: [{{clipname: "{name}"}}]}}'
        assert (await ask.fetch(f"/media0/{name}"))[0] == 404
        await ask.put("MediaState", 1)
        async with ask.session.get(f"{ask.url}/media0/{name}") as response:
            assert response.headers["Content-Type"] == "video/quicktime"
            assert response.headers["Content-disposition"] == f"attachment; filename={name}"
            assert len(await response.read()) == int(response.headers["Content-Length"])
        form = {"action": "delete", "recdest": "0", "clipname": "*"}
        async with ask.session.post(ask.url + "/clips", data=form) as response:
            assert response.status == 200
        assert (await ask.fetch("/clips", action="get_clips"))[1] == "{clips: []}"


async def test_the_preview_is_a_small_jpeg_and_the_clock_a_time() -> None:
    async with helo() as unit, page(unit) as ask:
        async with ask.session.get(ask.url + "/wall/videofeed.jpg?123") as response:
            picture = await response.read()
        assert picture.startswith(b"\xff\xd8")
        assert len(picture) < 300_000
        _, text = await ask.fetch("/clock")
        assert len(text) == len("11/20/2026 14:05:00")


async def test_slow_hanging_cut_and_senseless_answers() -> None:
    async with helo() as unit, page(unit) as ask:
        unit.apply("nonsense")
        with pytest.raises(ValueError):
            await ask.get("ProductID")
        unit.apply("nonsense", on=False)
        unit.apply("cut_answers")
        with pytest.raises(aiohttp.ClientError):
            await ask.get("ProductID")
        unit.apply("cut_answers", on=False)
        for name, how in (("hang", {}), ("slow_answers", {"seconds": 5.0})):
            unit.apply(name, **how)
            waiting = asyncio.create_task(ask.get("ProductID"))
            done, _ = await asyncio.wait({waiting}, timeout=0.2)
            assert not done
            waiting.cancel()
            unit.apply("well")
        assert await ask.get("ProductID") == "HELO"


async def test_a_burst_of_404_ends() -> None:
    async with helo() as unit, page(unit) as ask:
        unit.apply("not_found_burst", requests=2)
        assert [(await ask.fetch("/clock"))[0] for _ in range(3)] == [404, 404, 200]


async def test_without_network_nothing_answers_and_the_stream_breaks_then_all_comes_back() -> None:
    async with helo() as unit, page(unit) as ask:
        await ask.aim("rtmp://ingest.example/live", "k")
        await ask.put("ReplicatorCommand", 3)
        await ask.until("ReplicatorStreamState", 2)
        unit.apply("network")
        assert unit.state()["stream_state"] == 4
        with pytest.raises(aiohttp.ClientError):
            await ask.get("ProductID")
        unit.apply("network", on=True)
        await ask.until("ReplicatorStreamState", 2)


async def test_the_door_for_scenarios_answers_while_the_unit_is_off() -> None:
    async with helo() as unit, page(unit) as ask:
        door = unit.control_url + "/_simulator"
        async with ask.session.get(door + "/scenarios") as response:
            assert "input_lost" in await response.json()
        async with ask.session.post(door + "/scenario", json={"name": "power", "on": False}) as response:
            assert (response.status, (await response.json())["is_up"]) == (200, False)
        with pytest.raises(aiohttp.ClientError):
            await ask.get("ProductID")
        async with ask.session.post(door + "/scenario", json={"name": "power", "on": True}) as response:
            assert response.status == 200
        await ask.until("SystemState", 4)
        for wrong in ({"name": "nothing"}, ["power"], {}, {"name": "air", "by": 1}):
            async with ask.session.post(door + "/scenario", json=wrong) as response:
                assert (response.status, "error" in await response.json()) == (400, True)
        async with ask.session.get(door + "/state") as response:
            assert (await response.json())["starts"] == 2


async def test_the_unit_s_own_interface_knows_nothing_of_scenarios() -> None:
    async with helo() as unit, page(unit) as ask:
        assert (await ask.fetch("/_simulator/state"))[0] == 404
