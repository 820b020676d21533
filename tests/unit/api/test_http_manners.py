"""Headers, problems, limits, idempotency, probes: what every HTTP client can rely on."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import ClientSession

from app.api.connections import ConnectionBook
from app.api.idempotency import IdempotencyBook
from app.api.limits import DoorLimits
from app.api.peers import client_address
from app.api.problems import KINDS, MalformedRequest
from app.domain import errors
from app.domain.errors import Conflict, InvalidRequest, ManagerError, TooManyRequests
from app.policy.rates import Rate


async def eventually(holds: Callable[[], bool], within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event to wait on
            await asyncio.sleep(0.005)


INIT = {"resolution": "1280x720", "bitrate": 3_000_000, "fps": 30}


async def test_a_problem_says_all_that_rfc_9457_and_we_promise(house: Any, http: ClientSession) -> None:
    async with http.get(
        f"{house.base}/api/streams/str_x", headers={**house.auth(), "X-Request-ID": "mine-1"}
    ) as response:
        problem = await response.json(content_type=None)
        assert response.status == 404
        assert response.content_type == "application/problem+json"
        assert response.headers["X-Request-ID"] == "mine-1"
    assert problem["instance"].endswith("mine-1")
    assert problem["code"] == "not_found"
    assert {"type", "title", "status", "detail", "hint"} <= problem.keys()


async def test_unknown_routes_and_methods_are_problems_too(house: Any, http: ClientSession) -> None:
    async with http.get(f"{house.base}/api/nowhere") as response:
        assert (response.status, response.content_type) == (404, "application/problem+json")
    async with http.patch(f"{house.base}/livez") as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET")


async def test_a_crash_of_ours_says_nothing_of_its_cause(
    house: Any, http: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise RuntimeError("CANARY")

    monkeypatch.setattr(house.encoders, "system", crash)
    async with http.get(f"{house.base}/api/encoders/system/status", headers=house.auth()) as response:
        text = await response.text()
        assert (response.status, response.content_type) == (500, "application/problem+json")
    assert "CANARY" not in text


async def test_every_answer_carries_the_security_headers_and_no_server_name(
    house: Any, http: ClientSession
) -> None:
    for path in ("/", "/livez", "/api/streams", "/api/nowhere", "/metrics"):
        async with http.get(house.base + path) as response:
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["X-Frame-Options"] == "DENY"
            assert "Content-Security-Policy" in response.headers
            assert "Server" not in response.headers
            assert "X-Request-ID" in response.headers


async def test_every_request_of_the_api_is_counted_by_its_name_and_status(house: Any, http: ClientSession) -> None:
    for path, key in (
        ("/api/streams", "read"),
        ("/streams/str_x", "read"),
        ("/api/keys", "read"),
        ("/api/x", "read"),
    ):
        async with http.get(house.base + path, headers=house.auth(key)):
            pass
    assert house.counted == [("list_streams", 200), ("get_stream", 404), ("list_keys", 403)]


async def test_a_strange_request_id_is_replaced(house: Any, http: ClientSession) -> None:
    async with http.get(f"{house.base}/livez", headers={"X-Request-ID": "a b" * 50}) as response:
        assert response.headers["X-Request-ID"].startswith("req_")


async def test_readiness_says_what_is_missing_and_liveness_does_not_care(house: Any, http: ClientSession) -> None:
    house.missing.append("no gateway is connected")
    async with http.get(f"{house.base}/readyz") as response:
        assert response.status == 503
        assert (await response.json())["missing"] == ["no gateway is connected"]
    async with http.get(f"{house.base}/livez") as response:
        assert response.status == 200


async def test_one_key_is_told_its_rate_and_stopped_while_others_go_on(serve: Any, http: ClientSession) -> None:
    house = await serve(DoorLimits(reads=Rate(3, 60.0)))
    for left in ("2", "1", "0"):
        async with http.get(f"{house.base}/api/streams", headers=house.auth("read")) as response:
            assert response.headers["RateLimit"] == f'"read";r={left}'
    async with http.get(f"{house.base}/api/streams", headers=house.auth("read")) as response:
        assert response.status == 429
        assert 0 < int(response.headers["Retry-After"]) <= 21
    async with http.get(f"{house.base}/api/streams", headers=house.auth("other")) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    "path", ["/livez", "/readyz", "/version", "/api", "/api/openapi.json", "/problems/conflict"]
)
async def test_routes_that_need_no_key_are_counted_for_each_address(
    serve: Any, http: ClientSession, path: str
) -> None:
    house = await serve(DoorLimits(public=Rate(3, 60.0)), trusted=(ipaddress.ip_network("127.0.0.1/32"),))
    statuses = []
    for _ in range(4):
        async with http.get(house.base + path) as response:
            statuses.append(response.status)
    assert statuses == [200] * 3 + [429]
    async with http.get(house.base + path, headers={"X-Forwarded-For": "203.0.113.7"}) as response:
        assert (response.status, response.headers["RateLimit"]) == (200, '"public";r=2')


async def test_session_init_has_a_rate_of_its_own(serve: Any, http: ClientSession) -> None:
    house = await serve(DoorLimits())
    statuses = []
    for _ in range(11):
        async with http.post(
            f"{house.base}/api/streams/init", json=INIT, headers=house.auth("streams")
        ) as response:
            statuses.append(response.status)
    assert statuses == [201] * 10 + [429]


async def test_an_address_that_guesses_is_shut_out_but_keys_it_used_before_go_on(
    serve: Any, http: ClientSession
) -> None:
    house = await serve(DoorLimits())
    async with http.get(f"{house.base}/api/streams", headers=house.auth("read")) as response:
        assert response.status == 200
    statuses = []
    for number in range(8):
        async with http.get(f"{house.base}/api/streams", headers=house.auth(f"guess{number}")) as response:
            statuses.append(response.status)
    assert statuses == [401] * 5 + [429] * 3
    async with http.get(f"{house.base}/api/streams", headers=house.auth("admin")) as response:
        assert response.status == 429
        assert int(response.headers["Retry-After"]) > 600
    async with http.get(f"{house.base}/api/streams", headers=house.auth("read")) as response:
        assert response.status == 200


async def test_forwarded_headers_of_an_untrusted_peer_do_not_hide_a_guesser(
    serve: Any, http: ClientSession
) -> None:
    house = await serve(DoorLimits())
    statuses = []
    for number in range(7):
        headers = {
            **house.auth(f"guess{number}"),
            "X-Forwarded-For": f"203.0.113.{number}",
            "X-Real-IP": f"203.0.113.{number}",
            "Forwarded": f"for=203.0.113.{number}",
        }
        async with http.get(f"{house.base}/api/streams", headers=headers) as response:
            statuses.append(response.status)
    assert statuses == [401] * 5 + [429] * 2


async def test_a_trusted_proxy_is_believed(serve: Any, http: ClientSession) -> None:
    house = await serve(DoorLimits(), trusted=(ipaddress.ip_network("127.0.0.1/32"),))
    for number in range(7):
        headers = {**house.auth(f"guess{number}"), "X-Forwarded-For": f"203.0.113.{number}"}
        async with http.get(f"{house.base}/api/streams", headers=headers) as response:
            assert response.status == 401


def test_only_the_hops_that_trusted_proxies_saw_are_believed() -> None:
    trusted = (ipaddress.ip_network("10.0.0.0/8"),)
    assert client_address("10.0.0.1", ["6.6.6.6, 198.51.100.7, 10.0.0.2"], trusted) == "198.51.100.7"
    assert client_address("198.51.100.9", ["6.6.6.6"], trusted) == "198.51.100.9"
    assert client_address("10.0.0.1", ["nonsense"], trusted) == "10.0.0.1"
    assert client_address("10.0.0.1", [], trusted) == "10.0.0.1"
    assert client_address("::ffff:198.51.100.9", [], ()) == "198.51.100.9"
    assert client_address("2001:db8:1:2:3::4", [], ()) == "2001:db8:1:2::"


async def test_the_same_idempotency_key_opens_one_stream_and_gives_one_answer(
    house: Any, http: ClientSession
) -> None:
    headers = {**house.auth("streams"), "Idempotency-Key": "a-1"}
    answers = []
    for _ in range(2):
        async with http.post(f"{house.base}/api/streams/init", json=INIT, headers=headers) as response:
            assert response.status == 201
            answers.append(await response.json())
    assert answers[0] == answers[1]
    assert house.streams.opened == 1
    async with http.post(f"{house.base}/api/streams/init", json={**INIT, "fps": 25}, headers=headers) as response:
        assert response.status == 422
    async with http.post(
        f"{house.base}/api/streams/init", json=INIT, headers={**headers, **house.auth("admin")}
    ) as response:
        assert response.status == 201
    assert house.streams.opened == 2


def test_an_idempotency_key_is_refused_while_its_first_request_runs_and_free_after_it_failed() -> None:
    book = IdempotencyBook(keep_s=10.0, max_answers=2)
    assert book.begin("key", "a", b"1", 0.0) is None
    with pytest.raises(Conflict):
        book.begin("key", "a", b"1", 0.0)
    book.give_up("key", "a")
    assert book.begin("key", "a", b"2", 0.0) is None
    book.finish("key", "a", b"answer")
    assert book.begin("key", "a", b"2", 9.0) == b"answer"
    assert book.begin("key", "a", b"3", 11.0) is None
    with pytest.raises(MalformedRequest):
        book.begin("key", "ü", b"1", 0.0)


def test_idempotent_answers_are_bounded_and_running_ones_are_never_forgotten() -> None:
    book = IdempotencyBook(max_answers=2)
    book.begin("key", "a", b"1", 0.0)
    book.begin("key", "b", b"1", 0.0)
    with pytest.raises(TooManyRequests):
        book.begin("key", "c", b"1", 0.0)
    book.finish("key", "b", b"answer")
    assert book.begin("key", "c", b"1", 0.0) is None
    with pytest.raises(InvalidRequest):
        book.begin("key", "c", b"2", 0.0)


async def test_headers_that_drip_are_cut_at_the_deadline(serve: Any) -> None:
    house = await serve(DoorLimits(header_deadline_s=0.3))
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n")
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


async def test_the_deadline_also_holds_for_the_second_request_of_a_connection(serve: Any) -> None:
    house = await serve(DoorLimits(header_deadline_s=0.3))
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    await asyncio.wait_for(reader.readuntil(b'{"status":"ok"}'), 5)
    writer.write(b"GET /livez HT")
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


async def test_connections_above_the_cap_are_refused_and_room_is_given_back(serve: Any) -> None:
    house = await serve(DoorLimits(connections=2))
    pairs = [await asyncio.open_connection("127.0.0.1", house.port) for _ in range(3)]
    assert (await asyncio.wait_for(pairs[2][0].readline(), 5)).startswith(b"HTTP/1.1 503")
    for _, writer in pairs:
        writer.close()
    for reader, _ in pairs:
        await asyncio.wait_for(reader.read(), 5)
    await eventually(lambda: house.site.book.total == 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 200")
    writer.close()


def test_one_address_has_a_cap_of_its_own_unless_it_is_exempt() -> None:
    book = ConnectionBook(DoorLimits(connections=100, connections_per_address=2))
    assert [book.admit("198.51.100.1") for _ in range(3)] == [True, True, False]
    assert book.admit("198.51.100.2")
    assert all(book.admit("127.0.0.1") for _ in range(10))
    book.leave("198.51.100.1")
    assert book.admit("198.51.100.1")


async def test_what_is_no_http_is_answered_400_as_a_problem(house: Any) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(b"NONSENSE\x00\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 5)
    assert answer.split(b" ")[1] == b"400"
    assert b"application/problem+json" in answer
    writer.close()


def test_every_error_of_the_tree_has_a_kind_of_its_own() -> None:
    tree = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ManagerError)}
    assert {kind.code for kind in tree} <= KINDS.keys()
