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
