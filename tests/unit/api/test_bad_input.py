"""What no client should send: refused in words, never a fault of ours."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from typing import Any

import pytest
from aiohttp import ClientSession

from app.api.bodies import parse
from app.api.problems import InvalidFields, MalformedRequest
from app.api.schemas.stream_requests import InitBody

GOOD = '"resolution":"1920x1080","bitrate":5000000,"fps":30'
JSON = "application/json"


@pytest.mark.parametrize(
    "body",
    [
        '{"resolution":"1920x1080","bitrate":NaN,"fps":30}',
        '{"resolution":"1920x1080","bitrate":5000000,"fps":Infinity}',
        '{"resolution":"1920x1080","bitrate":5000000,"fps":1e400}',
        '{"resolution":"1920x1080","bitrate":' + "9" * 5000 + ',"fps":30}',
        "[" * 200_000,
        '{"a":' * 40_000,
        '{"resolution":"\\ud800","bitrate":5000000,"fps":30}',
        "{" + GOOD + ',"fps":25}',
        "\ufeff{" + GOOD + "}",
        "",
        "{",
        "null and void",
        "{" + GOOD + ',"name":' + "[" * 40 + "]" * 40 + "}",
    ],
)
async def test_what_is_no_honest_json_is_answered_400(house: Any, http: ClientSession, body: str) -> None:
    assert await post(house, http, body.encode("utf-8", "surrogatepass")) == (400, "malformed_request")


@pytest.mark.parametrize(
    "fields",
    [
        '"resolution":"1920x1080","bitrate":true,"fps":30',
        '"resolution":"1920x1080","bitrate":"5000000","fps":30',
        '"resolution":"1920x1080","bitrate":5000000.5,"fps":30',
        '"resolution":"1920x1080","bitrate":5000000,"fps":true',
        '"resolution":"1920x1080","bitrate":5000000,"fps":"30"',
        '"resolution":"1920x1080","bitrate":5000000,"fps":0',
        '"resolution":"1920x1080","bitrate":-1,"fps":30',
        '"resolution":"1920x1080","bitrate":18446744073709551615,"fps":30',
        '"resolution":"1920 x 1080","bitrate":5000000,"fps":30',
        '"resolution":["1920x1080"],"bitrate":5000000,"fps":30',
        GOOD + ',"tenant_id":"rival"',
        GOOD + ',"tenant":"rival"',
        GOOD + ',"state":"live"',
        GOOD + ',"role":"admin"',
        GOOD + ',"stream_key":"mine"',
        GOOD + ',"mode":"magic"',
        GOOD + ',"destinations":["file:///etc/passwd"]',
        GOOD + ',"destinations":["http://a.example/live/key"]',
        GOOD + ',"name":"a\\u0000b"',
        GOOD + ',"renditions":[]',
        GOOD + ',"renditions":[{"name":"../x","resolution":"640x360","bitrate":1,"fps":30}]',
    ],
)
async def test_wrong_unknown_and_read_only_fields_are_answered_422_and_open_nothing(
    house: Any, http: ClientSession, fields: str
) -> None:
    assert await post(house, http, ("{" + fields + "}").encode()) == (422, "invalid_fields")
    assert house.streams.opened == 0


async def test_a_body_that_is_no_object_is_answered_422(house: Any, http: ClientSession) -> None:
    for body in (b"[]", b"null", b"1", b'"x"'):
        assert (await post(house, http, body))[0] == 422


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", None]
)
async def test_other_media_types_and_charsets_are_answered_415(
    house: Any, http: ClientSession, kind: str | None
) -> None:
    assert await post(house, http, b"{" + GOOD.encode() + b"}", kind) == (415, "unsupported_media_type")


async def test_a_body_above_the_limit_is_answered_413(house: Any, http: ClientSession) -> None:
    assert await post(house, http, b" " * 300_000) == (413, "body_too_large")


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_compressed_bomb_is_answered_413(
    house: Any, http: ClientSession, encoding: str, chunked: bool
) -> None:
    plain = b" " * (64 << 20)
    bomb = gzip.compress(plain) if encoding == "gzip" else zlib.compress(plain)

    async def pieces() -> Any:
        yield bomb

    headers = {**house.auth("streams"), "Content-Type": JSON, "Content-Encoding": encoding}
    data = pieces() if chunked else bomb
    async with http.post(f"{house.base}/api/streams/init", data=data, headers=headers) as response:
        assert response.status == 413


async def test_a_body_that_is_not_encoded_as_it_says_is_answered_400(house: Any, http: ClientSession) -> None:
    headers = {**house.auth("streams"), "Content-Type": JSON, "Content-Encoding": "gzip"}
    async with http.post(f"{house.base}/api/streams/init", data=b"no gzip", headers=headers) as response:
        assert response.status == 400


@pytest.mark.parametrize(
    "part", ["%2e%2e", "..%5c..", "%2Fetc%2Fpasswd", "a%00b", "x" * 300, "%C3%A9", "a%20b", "-rf", ".hidden"]
)
async def test_no_path_parameter_can_be_a_path(house: Any, part: str) -> None:
    for path in (f"/api/streams/{part}", f"/api/encoders/{part}/status", f"/health/encoder/{part}"):
        status = await raw_get(house, path)
        assert status == 400, path


async def raw_get(house: Any, path: str) -> int:
    """Past any client that would tidy the path up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin\r\n\r\n".encode())
        return int((await asyncio.wait_for(reader.readline(), 10)).split()[1])
    finally:
        writer.close()


async def post(house: Any, http: ClientSession, body: bytes, kind: str | None = JSON) -> tuple[int, str]:
    headers = house.auth("streams")
    if kind is not None:
        headers["Content-Type"] = kind
    skip = () if kind is not None else ("Content-Type",)
    async with http.post(
        f"{house.base}/api/streams/init", data=body, headers=headers, skip_auto_headers=skip
    ) as response:
        assert response.content_type == "application/problem+json"
        return response.status, (await response.json(content_type=None))["code"]


def test_faults_name_the_field_and_never_repeat_what_was_sent() -> None:
    raw = b'{"resolution":"1920x1080","bitrate":5000000,"fps":30,"destinations":["rtmp:CANARY"]}'
    with_faults = None
    try:
        parse(raw, InitBody)
    except InvalidFields as error:
        with_faults = error
    assert with_faults is not None
    assert with_faults.faults[0][0] == "destinations.0"
    assert "CANARY" not in repr(with_faults.faults) + str(with_faults)


def test_a_name_doubled_deep_inside_is_refused() -> None:
    with pytest.raises(MalformedRequest):
        parse(b'{"renditions":[{"name":"a","name":"b"}]}', InitBody)


async def test_a_text_of_the_wrong_form_is_told_what_is_wanted_and_never_repeated(
    house: Any, http: ClientSession
) -> None:
    body = {"resolution": "full hd", "bitrate": 1, "fps": 30, "destinations": ["https://HOST/CANARY"], "name": ""}
    async with http.post(f"{house.base}/api/streams/init", json=body, headers=house.auth("streams")) as response:
        text = await response.text()
    told = {fault["field"]: fault["message"] for fault in json.loads(text)["errors"]}
    assert told == {
        "resolution": "should be WIDTHxHEIGHT, like 1280x720",
        "destinations.0": "should be an address like rtmp://HOST/APP/KEY or rtmps://HOST/APP/KEY",
        "name": "should be 1 to 100 characters without control characters",
    }
    assert "CANARY" not in text
