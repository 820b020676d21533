from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession

from app.api.schemas.streams import DestinationView, StreamView
from app.domain.ids import DestinationId
from app.domain.secret import Secret
from app.domain.session import Playback
from app.domain.stream import Destination
from tests.contract.test_store import record

INIT = {"resolution": "1920x1080", "bitrate": 5_000_000, "fps": 30}


async def test_init_answers_what_a_publisher_needs_and_shows_the_key_once(house: Any, http: ClientSession) -> None:
    async with http.post(f"{house.base}/api/streams/init", json=INIT, headers=house.auth("streams")) as response:
        opened = await response.json()
        assert response.status == 201
    assert opened["rtmp_url"] == "rtmp://127.0.0.1:1935/live"
    assert opened["stream_key"].startswith("sk_CANARY")
    assert opened["ffmpeg"].endswith(f"'rtmp://127.0.0.1:1935/live/{opened['stream_key']}'")
    assert opened["primary_encoder"]["encoder_id"] == "enc_a"
    assert opened["warnings"] == ["no backup stands ready"]
    for path in ("", "/health", "/placement", "/events"):
        async with http.get(
            f"{house.base}/api/v1/streams/{opened['stream_id']}{path}", headers=house.auth("read")
        ) as response:
            text = await response.text()
            assert response.status == 200
            assert "CANARY" not in text


async def test_init_takes_how_ready_the_backup_stands_and_hands_out_a_second_key_once(
    house: Any, http: ClientSession
) -> None:
    wanted = INIT | {
        "standby": "active-active",
        "backup_input": True,
        "slate": "last_frame",
        "content_checks": False,
    }
    async with http.post(f"{house.base}/api/streams/init", json=wanted, headers=house.auth()) as response:
        opened = await response.json()
        assert response.status == 201
    assert opened["standby"] == "active-active"
    assert opened["backup_stream_key"].startswith("sk_CANARY_backup")
    async with http.get(f"{house.base}/api/streams/{opened['stream_id']}", headers=house.auth()) as response:
        text = await response.text()
        shown = await response.json()
    assert (shown["standby"], shown["backup_input"], shown["slate"]) == ("active-active", True, "last_frame")
    assert shown["content_checks"] is False
    assert "CANARY" not in text


async def test_without_a_word_about_it_the_backup_stands_warm_and_there_is_one_key(
    house: Any, http: ClientSession
) -> None:
    async with http.post(f"{house.base}/api/streams/init", json=INIT, headers=house.auth()) as response:
        opened = await response.json()
    assert (opened["standby"], opened["backup_stream_key"]) == ("warm", None)


async def test_a_stream_that_is_passed_through_has_no_backup_to_keep_ready(house: Any, http: ClientSession) -> None:
    wanted = INIT | {"mode": "passthrough"}
    async with http.post(f"{house.base}/api/streams/init", json=wanted, headers=house.auth()) as response:
        assert (await response.json())["standby"] is None


@pytest.mark.parametrize("field", [{"standby": "lukewarm"}, {"slate": "black"}, {"backup_input": 1}])
async def test_an_unknown_grade_or_slate_opens_nothing(
    house: Any, http: ClientSession, field: dict[str, Any]
) -> None:
    async with http.post(f"{house.base}/api/streams/init", json=INIT | field, headers=house.auth()) as response:
        assert response.status == 422
    assert house.streams.opened == 0


async def test_a_change_says_what_it_took(house: Any, http: ClientSession) -> None:
    async with http.post(f"{house.base}/api/streams/init", json=INIT, headers=house.auth()) as response:
        stream_id = (await response.json())["stream_id"]
    async with http.put(
        f"{house.base}/api/streams/{stream_id}/config", json={"record": True}, headers=house.auth()
    ) as response:
        assert (await response.json())["change_class"] == "in_place"


async def test_a_change_may_name_the_encoder_and_nothing_that_is_no_id(house: Any, http: ClientSession) -> None:
    async with http.post(f"{house.base}/api/streams/init", json=INIT, headers=house.auth()) as response:
        stream_id = (await response.json())["stream_id"]
    for encoder_id, status in (("enc_b", 200), ("../enc_b", 422), ("", 422)):
        async with http.put(
            f"{house.base}/api/streams/{stream_id}/config", json={"encoder_id": encoder_id}, headers=house.auth()
        ) as response:
            assert response.status == status
    assert [change.encoder_id for change in house.streams.changes] == ["enc_b"]


def test_a_stream_shows_the_generation_that_works_not_the_highest_that_was_handed_out() -> None:
    kept = replace(record(), generation=2)
    assert StreamView.of(kept, None, Playback(None, None, None)).generation == 1
    assert StreamView.of(replace(kept, plan=None), None, Playback(None, None, None)).generation == 0


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("rtmp://live.example.org/app/KEY", "rtmp://live.example.org"),
        ("rtmps://live.example.org:8443/app/KEY", "rtmps://live.example.org:8443"),
        ("rtmp://[2001:db8::1]:1936/app/KEY", "rtmp://[2001:db8::1]:1936"),
    ],
)
def test_a_destination_shows_where_it_goes_and_not_its_key(url: str, server: str) -> None:
    assert DestinationView.of(Destination(DestinationId("d"), Secret(url))).server == server
