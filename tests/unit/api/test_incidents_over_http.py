"""What clients see of incidents and of the faults that are known, and what they do not."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import ClientSession

from app.domain.condition import Category, SubjectKind
from app.domain.severity import Severity
from tests.support.faults import trouble
from tests.unit.api.test_streams_over_http import INIT

PATH = "/api/monitoring/incidents"


async def get(http: ClientSession, house: Any, path: str, key: str = "read") -> tuple[int, Any]:
    async with http.get(house.base + path, headers=house.auth(key)) as response:
        return response.status, await response.json()


@pytest.fixture
async def stream_id(house: Any, http: ClientSession) -> str:
    async with http.post(f"{house.base}/api/streams/init", json=INIT, headers=house.auth()) as response:
        opened: dict[str, str] = await response.json()
        return opened["stream_id"]


@pytest.fixture
async def incident(house: Any, http: ClientSession, stream_id: str) -> Any:
    """An encoder is gone, and with it a stream of ours and one of somebody else."""
    house.bus.tell(trouble("encoder_offline", SubjectKind.ENCODER, "enc_a"))
    for stream in (stream_id, "str_foreign"):
        found = trouble(
            "stream_failed",
            SubjectKind.STREAM,
            stream,
            severity=Severity.WARNING,
            category=Category.STREAM_FAILED,
            labels={"encoder": "enc_a"},
        )
        house.bus.tell(found)
    house.services.analysis.look()
    status, answer = await get(http, house, PATH)
    assert status == 200
    (one,) = answer["incidents"]
    return one


async def test_an_incident_is_listed_with_its_cause_and_remedy(incident: Any) -> None:
    assert incident["active"]
    assert incident["cause"] == {"label": "encoder", "value": "enc_a", "topic": ""}
    assert (incident["severity"], incident["children"], incident["streams"]) == ("critical", 2, 2)
    assert incident["remedy"] == "move_stream"
    assert incident["viewers"] is None


async def test_one_incident_says_why_and_shows_only_what_one_may_see(
    house: Any, http: ClientSession, incident: Any, stream_id: str
) -> None:
    path = f"{PATH}/{incident['incident_id']}"
    _, ours = await get(http, house, path)
    assert "encoder_offline is a sign at the part itself" in ours["reasons"]
    assert ours["diagnoses"][0]["pattern_id"] == "encoder_gone"
    assert ours["root"] == {"condition": "encoder_offline", "subject": {"kind": "encoder", "id": "enc_a"}}
    assert [child["subject"]["id"] for child in ours["children"]] == [stream_id]
    _, theirs = await get(http, house, path, "other")
    assert theirs["children"] == []
    _, everything = await get(http, house, path, "admin")
    assert len(everything["children"]) == 2


async def test_an_incident_about_the_streams_of_others_is_not_there(house: Any, http: ClientSession) -> None:
    house.bus.tell(trouble("stream_failed", SubjectKind.STREAM, "str_foreign", category=Category.STREAM_FAILED))
    house.services.analysis.look()
    _, listed = await get(http, house, PATH, "admin")
    (one,) = listed["incidents"]
    assert (await get(http, house, PATH))[1] == {"incidents": []}
    status, _ = await get(http, house, f"{PATH}/{one['incident_id']}")
    assert status == 404


async def test_those_that_last_and_those_that_are_over_are_told_apart(
    house: Any, http: ClientSession, incident: Any
) -> None:
    assert len((await get(http, house, f"{PATH}?active=true"))[1]["incidents"]) == 1
    assert (await get(http, house, f"{PATH}?active=false"))[1]["incidents"] == []
    status, _ = await get(http, house, f"{PATH}?limit=0")
    assert status == 422


async def test_known_faults_are_listed_with_their_evidence(house: Any, http: ClientSession) -> None:
    status, answer = await get(http, house, "/api/monitoring/patterns")
    assert status == 200
    known = {one["pattern_id"]: one for one in answer["patterns"]}
    assert known["rack_lost"]["subjects"] == 2
    assert known["video_signal_loss"]["known_as"] == ["helo-04", "video signal loss"]
    assert {"fact": "device_input_lost", "labels": {}} in known["video_signal_loss"]["evidence"]
