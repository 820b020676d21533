from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import ClientSession

from app.api.schemas.stream_requests import InitBody
from app.domain.encoder import EncoderKind
from app.domain.secret import Secret
from app.domain.session import DeviceWish, StreamRequest
from app.domain.stream import StandbyGrade, StreamMode

INIT = {"resolution": "1920x1080", "bitrate": 5_000_000, "fps": 30}
ENTRY = {"kind": "aja_helo", "url": "http://10.1.2.3", "password": "CANARY-word", "rack": "r1"}


def asked(body: dict[str, Any]) -> StreamRequest:
    return InitBody.model_validate_json(json.dumps(body)).request()


async def test_a_device_is_entered_with_a_password_that_is_never_shown(house: Any, http: ClientSession) -> None:
    async with http.post(f"{house.base}/api/encoders", json=ENTRY, headers=house.auth("encoders")) as response:
        assert response.status == 201
        assert "CANARY" not in await response.text()
    (new,) = house.encoders.entered
    assert (new.kind, new.url, new.password, new.rack) == (
        EncoderKind.AJA_HELO,
        "http://10.1.2.3",
        Secret("CANARY-word"),
        "r1",
    )
    assert "CANARY" not in repr(new)


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://admin:CANARY@10.1.2.3"},
        {"url": "http://10.1.2.3/config?action=set"},
        {"url": "file:///etc/passwd"},
        {"kind": "software"},
        {"password": ""},
        {"encoder_id": "a b"},
    ],
)
async def test_what_is_no_device_is_refused_without_repeating_it(
    house: Any, http: ClientSession, wrong: dict[str, str]
) -> None:
    async with http.post(
        f"{house.base}/api/encoders", json=ENTRY | wrong, headers=house.auth("encoders")
    ) as response:
        assert response.status == 422
        assert "CANARY" not in await response.text()
    assert house.encoders.entered == []


async def test_a_device_is_removed_by_its_id_and_a_stranger_is_not_found(house: Any, http: ClientSession) -> None:
    async with http.delete(f"{house.base}/api/encoders/enc_a", headers=house.auth("encoders")) as response:
        assert response.status == 200
        assert await response.json() == {"encoder_id": "enc_a", "removed": True}
    async with http.delete(f"{house.base}/api/encoders/enc_z", headers=house.auth("encoders")) as response:
        assert response.status == 404
    assert house.encoders.removed == ["enc_a"]


def test_a_stream_of_devices_is_passed_through_and_hot_unless_something_else_is_asked_for() -> None:
    wanted = asked(INIT | {"input": "device"})
    assert (wanted.mode, wanted.devices) == (StreamMode.PASSTHROUGH, DeviceWish(None, StandbyGrade.HOT))
    helos = asked(INIT | {"input": "device", "encoder_kind": "aja_helo", "standby": "warm"})
    assert helos.devices == DeviceWish(EncoderKind.AJA_HELO, StandbyGrade.WARM)


def test_devices_under_a_ladder_are_hot_and_the_standby_is_that_of_the_nodes() -> None:
    rung = {"name": "360p", "resolution": "640x360", "bitrate": 800_000, "fps": 30}
    wanted = asked(INIT | {"input": "device", "renditions": [rung], "standby": "cold"})
    assert (wanted.mode, wanted.standby) == (StreamMode.TRANSCODE, StandbyGrade.COLD)
    assert wanted.devices == DeviceWish(None, StandbyGrade.HOT)


def test_without_a_word_about_it_somebody_publishes_the_stream() -> None:
    wanted = asked(INIT)
    assert (wanted.mode, wanted.devices, wanted.standby) == (StreamMode.TRANSCODE, None, StandbyGrade.WARM)
