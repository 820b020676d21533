"""Every row of the registry against every kind of key: generated, so no route can be forgotten."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.web import AbstractResource

from app.api.registry import Endpoint
from app.domain.access import Scope
from tests.unit.api.fleet import ENCODER, Streams

UNKNOWN_STREAM = "str_unknown"
OUTSIDE_THE_REGISTRY = {("GET", "/"), ("GET", "/socket.io/"), ("POST", "/socket.io/"), ("OPTIONS", "/socket.io/")}


def filled(path: str, stream_id: str = UNKNOWN_STREAM) -> str:
    return (
        path.replace("{stream_id}", stream_id)
        .replace("{encoder_id}", ENCODER)
        .replace("{key_id}", "key_unknown")
        .replace("{fingerprint}", "0123456789abcdef")
        .replace("{silence_id}", "sil_unknown")
        .replace("{message_id}", "msg_unknown")
        .replace("{incident_id}", "inc_unknown")
        .replace("{code}", "not_found")
        .replace("{name}", "own")
    )


def body_for(endpoint: Endpoint) -> dict[str, Any] | None:
    return {
        "init_stream": {"resolution": "1280x720", "bitrate": 3_000_000, "fps": 30},
        "ask_load_balancer": {"resolution": "1280x720", "bitrate": 3_000_000, "fps": 30},
        "change_stream": {"record": True},
        "drill_stream": {"kind": "kill"},
        "control_encoder": {"action": "drain"},
        "enter_encoder": {"kind": "aja_helo", "url": "http://10.1.2.3"},
        "create_key": {"name": "n", "scopes": ["read"]},
    }.get(endpoint.name)


async def ask(
    http: ClientSession, house: Any, method: str, path: str, endpoint: Endpoint, key: str | None
) -> tuple[int, str, str]:
    headers = {} if key is None else house.auth(key)
    async with http.request(method, house.base + path, json=body_for(endpoint), headers=headers) as response:
        return response.status, response.content_type, await response.text()


async def test_every_route_of_the_application_is_in_the_registry_or_known_to_be_outside(house: Any) -> None:
    served = set()
    for route in house.doors.app.router.routes():
        assert isinstance(route.resource, AbstractResource)
        served.add((route.method, route.resource.canonical))
    rows = {(method, path) for method, path, _ in house.doors.registry.rows()}
    outside = {
        (method, path) for method, path in served - rows if method != "HEAD" and not path.startswith("/static/")
    }
    assert rows <= served
    assert outside == OUTSIDE_THE_REGISTRY


@pytest.mark.parametrize("key", [None, "never_made", "expired", "revoked"])
async def test_no_route_that_needs_a_key_does_anything_without_a_valid_one(
    house: Any, http: ClientSession, key: str | None
) -> None:
    house.keys.give("revoked", Scope.ADMIN)
    await house.keys.revoke(house.keys.keys["revoked"][0].key_id)
    asked = 0
    for method, path, endpoint in house.doors.registry.rows():
        status, kind, _ = await ask(http, house, method, filled(path), endpoint, key)
        if endpoint.scope is None:
            assert status == 200, path
        else:
            assert (status, kind) == (401, "application/problem+json"), path
            asked += 1
    assert asked > 50
    assert not house.streams.records


async def test_every_route_refuses_every_scope_below_its_own(house: Any, http: ClientSession) -> None:
    for method, path, endpoint in house.doors.registry.rows():
        for scope in Scope:
            if endpoint.scope is None or scope in (endpoint.scope, Scope.ADMIN):
                continue
            status, kind, _ = await ask(http, house, method, filled(path), endpoint, scope.value)
            assert (status, kind) == (403, "application/problem+json"), (path, scope)


async def test_every_route_lets_its_own_scope_and_admins_in(house: Any, http: ClientSession) -> None:
    for method, path, endpoint in house.doors.registry.rows():
        for key in (endpoint.scope.value if endpoint.scope else "read", "admin"):
            status, _, _ = await ask(http, house, method, filled(path), endpoint, key)
            assert status not in (401, 403, 405), (path, key)
            assert status < 500, (path, key)


async def test_a_stream_of_another_tenant_does_not_exist_on_any_route(house: Any, http: ClientSession) -> None:
    house.keys.give("mine", Scope.READ, Scope.STREAMS)
    async with http.post(
        f"{house.base}/api/streams/init",
        json={"resolution": "1280x720", "bitrate": 3_000_000, "fps": 30},
        headers=house.auth("mine"),
    ) as response:
        stream_id = (await response.json())["stream_id"]
    for method, path, endpoint in house.doors.registry.rows():
        if endpoint.scope not in (Scope.READ, Scope.STREAMS) or endpoint.name == "init_stream":
            continue
        status, _, text = await ask(http, house, method, filled(path, stream_id), endpoint, "other")
        if "{stream_id}" in path or "{incident_id}" in path:
            assert status == 404, path
        else:
            assert status == 200, path
            assert stream_id not in text, path
    assert isinstance(house.streams, Streams)
    assert stream_id in house.streams.records


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", "Basic YTpi", "bearer\u00a0x", "Bearer kl\u00fcssel", "Bearer " + "x" * 4000]
)
async def test_strange_authorization_values_are_answered_401(house: Any, value: str) -> None:
    status = await raw_status(house, [b"Authorization: " + value.encode("utf-8")])
    assert status == 401


async def test_two_authorization_headers_are_answered_401(house: Any) -> None:
    assert await raw_status(house, [b"Authorization: Bearer admin", b"Authorization: Bearer admin"]) == 401


async def test_a_header_of_a_megabyte_is_refused_without_a_fault_of_ours(house: Any) -> None:
    assert await raw_status(house, [b"Authorization: Bearer " + b"x" * 1_000_000]) == 400


async def raw_status(house: Any, headers: list[bytes]) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    try:
        writer.write(b"\r\n".join([b"GET /api/streams HTTP/1.1", b"Host: x", *headers, b"", b""]))
        line = await asyncio.wait_for(reader.readline(), 10)
        return int(line.split()[1])
    finally:
        writer.close()
