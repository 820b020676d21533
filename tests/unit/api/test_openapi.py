from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
from aiohttp import ClientSession
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from tests.unit.api.test_access_matrix import body_for, filled

CONTRACT = [
    ("POST", "/api/streams/init"),
    ("GET", "/api/streams/{stream_id}/health"),
    ("PUT", "/api/streams/{stream_id}/config"),
    ("DELETE", "/api/streams/{stream_id}"),
    ("GET", "/api/monitoring/status"),
    ("GET", "/api/monitoring/metrics"),
    ("GET", "/api/monitoring/load-balancer"),
    ("GET", "/api/monitoring/encoders/{encoder_id}/metrics"),
    ("GET", "/api/monitoring/thermal/status"),
    ("GET", "/api/monitoring/thermal/{encoder_id}/temperature"),
    ("POST", "/api/monitoring/thermal/{encoder_id}/cooldown"),
    ("GET", "/api/monitoring/streams/health"),
    ("GET", "/monitoring/streams/health"),
    ("GET", "/api/monitoring/streams/config/{encoder_id}"),
    ("GET", "/monitoring/streams/config/{encoder_id}"),
    ("GET", "/api/encoders/{encoder_id}/metrics"),
    ("GET", "/api/encoders/{encoder_id}/status"),
    ("GET", "/api/encoders/system/status"),
    ("GET", "/api/streams/{stream_id}/failovers"),
    ("POST", "/api/streams/{stream_id}/drill"),
    ("POST", "/encoders/{encoder_id}/control"),
    ("GET", "/encoders/{encoder_id}/metrics"),
    ("GET", "/health/encoder/{encoder_id}"),
    ("GET", "/health/detailed"),
    ("GET", "/api/keys"),
    ("POST", "/api/keys"),
    ("DELETE", "/api/keys/{key_id}"),
    ("GET", "/api/streams"),
    ("GET", "/api/streams/{stream_id}"),
    ("GET", "/metrics"),
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/version"),
]


async def description(house: Any, http: ClientSession) -> dict[str, Any]:
    async with http.get(f"{house.base}/api/openapi.json") as response:
        assert response.status == 200
        return json.loads(await response.text())


async def test_the_description_is_valid_openapi_3_1(house: Any, http: ClientSession) -> None:
    document = await description(house, http)
    assert document["openapi"].startswith("3.1")
    validate(document, cls=OpenAPIV31SpecValidator)


async def test_the_description_and_the_served_routes_are_the_same(house: Any, http: ClientSession) -> None:
    document = await description(house, http)
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert described == {(method, path) for method, path, _ in house.doors.registry.rows()}


async def test_every_path_that_was_asked_for_streams_and_encoders_is_served(house: Any) -> None:
    served = {(method, path) for method, path, _ in house.doors.registry.rows()}
    assert [row for row in CONTRACT if row not in served] == []


async def test_a_path_without_prefix_is_carried_out_by_the_same_handler(house: Any) -> None:
    handlers: dict[tuple[str, str], set[Any]] = {}
    for method, path, endpoint in house.doors.registry.rows():
        if endpoint.path == "/metrics":
            continue
        bare = re.sub(r"^/api(/v1)?", "", path)
        handlers.setdefault((method, bare), set()).add(endpoint.handler)
    assert all(len(found) == 1 for found in handlers.values())


async def test_every_answer_is_one_that_is_described(house: Any, http: ClientSession) -> None:
    """Each row with an existing thing, an unknown one, and no key: status, media type and shape."""
    document = await description(house, http)
    async with http.post(
        f"{house.base}/api/streams/init",
        json={"resolution": "1280x720", "bitrate": 3_000_000, "fps": 29.97},
        headers=house.auth(),
    ) as response:
        existing = (await response.json())["stream_id"]
    rows = sorted(house.doors.registry.rows(), key=lambda row: row[0] == "DELETE")
    for method, path, endpoint in rows:
        operation = document["paths"][path][method.lower()]
        for stream_id, headers in ((existing, house.auth()), ("str_unknown", house.auth()), (existing, {})):
            async with http.request(
                method, house.base + filled(path, stream_id), json=body_for(endpoint), headers=headers
            ) as response:
                described = operation["responses"].get(str(response.status))
                assert described is not None, (path, response.status)
                text = await response.text()
                if "content" not in described:
                    assert text == ""
                    continue
                content = described["content"]
                kind = next((k for k in content if k.split(";")[0] == response.content_type), None)
                assert kind is not None, (path, response.content_type)
                if kind.endswith("json"):
                    schema = {**content[kind]["schema"], "components": document["components"]}
                    jsonschema.Draft202012Validator(schema).validate(json.loads(text))


async def test_every_kind_of_problem_has_a_page_at_the_address_it_names(house: Any, http: ClientSession) -> None:
    async with http.get(f"{house.base}/api/streams") as response:
        problem = await response.json(content_type=None)
    async with http.get(house.base + problem["type"]) as response:
        assert response.status == 200
        assert (await response.json())["code"] == "not_authenticated"
