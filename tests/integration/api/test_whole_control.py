"""From a client's request to orders at gateway and nodes, and back as facts over Socket.IO."""

from __future__ import annotations

import asyncio
import hashlib
import queue
import socket
from datetime import UTC, datetime
from typing import Any

import aiohttp
import requests
import socketio

from app.domain.link import PublishRefused, SourceUp, WorkerDown, WorkerUp
from tests.integration.services.peers import BOOTSTRAP, until

INIT = {"resolution": "1920x1080", "bitrate": 5_000_000, "fps": 30}


async def test_init_over_http_reaches_gateway_and_encoders_and_the_key_only_the_answer(
    whole: Any, http: aiohttp.ClientSession
) -> None:
    async with http.post(f"{whole.base}/api/streams/init", json=INIT, headers=whole.auth()) as response:
        opened = await response.json()
        assert response.status == 201, opened
    key, stream_id = opened["stream_key"], opened["stream_id"]
    assert opened["rtmp_url"] == "rtmp://127.0.0.1:19350/live"
    assert {opened["primary_encoder"]["encoder_id"], opened["backup_encoder"]["encoder_id"]} == {"enc_a", "enc_b"}
    plan = whole.gateway.plans[stream_id]
    assert plan.key_sha256 == hashlib.sha256(key.encode()).hexdigest()
    primary = next(node for node in whole.nodes if node.info.encoder_id == opened["primary_encoder"]["encoder_id"])
    await until(lambda: any(order.stream_id == stream_id for order in primary.workers.values()))
    for path in (
        f"/api/streams/{stream_id}",
        f"/api/streams/{stream_id}/health",
        f"/api/streams/{stream_id}/placement",
        f"/api/streams/{stream_id}/events",
        "/api/streams",
        "/api/monitoring/load-balancer",
        "/api/monitoring/streams/health",
        f"/api/monitoring/streams/config/{primary.info.encoder_id}",
        f"/api/monitoring/encoders/{primary.info.encoder_id}/metrics",
        "/api/monitoring/status",
        "/api/monitoring/metrics",
        f"/health/encoder/{primary.info.encoder_id}",
        "/health/detailed",
        "/metrics",
    ):
        async with http.get(whole.base + path, headers=whole.auth()) as response:
            text = await response.text()
            assert response.status == 200, (path, text)
            assert key not in text, path
    async with http.delete(f"{whole.base}/api/streams/{stream_id}", headers=whole.auth()) as response:
        assert (response.status, (await response.json())["state"]) == (200, "ended")
    await until(lambda: stream_id not in whole.gateway.plans)


async def test_a_key_made_over_http_works_until_five_seconds_after_it_is_revoked(
    whole: Any, http: aiohttp.ClientSession
) -> None:
    body = {"name": "obs", "tenant": "studio", "scopes": ["read", "streams"]}
    async with http.post(f"{whole.base}/api/keys", json=body, headers=whole.auth()) as response:
        made = await response.json()
        assert response.status == 201
    async with http.get(f"{whole.base}/api/streams", headers=whole.auth(made["api_key"])) as response:
        assert response.status == 200
    async with http.delete(f"{whole.base}/api/keys/{made['key']['key_id']}", headers=whole.auth()) as response:
        assert (response.status, (await response.json())["revoked"]) == (200, True)
    async with asyncio.timeout(5):
        while True:
            async with http.get(f"{whole.base}/api/streams", headers=whole.auth(made["api_key"])) as response:
                if response.status == 401:
                    break
            await asyncio.sleep(0.05)


async def test_the_usage_that_was_asked_for_works_as_written(whole: Any) -> None:
    """`requests` and the blocking `socketio.Client`, as a user's script has them, with a key added."""
    heard: queue.Queue[dict[str, Any]] = queue.Queue()
    failed_over: queue.Queue[dict[str, Any]] = queue.Queue()

    def script() -> str:
        response = requests.post(
            f"{whole.base}/api/streams/init",
            json={"resolution": "1920x1080", "bitrate": 5000000, "fps": 30},
            headers=whole.auth(),
            timeout=10,
        )
        stream_id: str = response.json()["stream_id"]
        sio = clients[0]

        @sio.on("stream_health")
        def on_health(data: dict[str, Any]) -> None:
            heard.put(data)

        sio.on("stream_failover", failed_over.put)
        sio.connect(whole.base, auth={"token": BOOTSTRAP.reveal()})
        sio.emit("subscribe", {"stream_id": stream_id})
        return stream_id

    clients = [socketio.Client(reconnection=False)]
    try:
        stream_id = await asyncio.to_thread(script)
        first = await asyncio.to_thread(heard.get, timeout=10)
        assert first["stream_id"] == stream_id
        assert {"cpu_usage", "dropped_frames", "bitrate"} <= first.keys()
        grant = whole.gateway.plans[stream_id].active
        whole.gateway.tell(SourceUp(stream_id, datetime.now(UTC), "127.0.0.1", "obs", "h264", "aac", 1920, 1080))
        whole.gateway.tell(WorkerUp(stream_id, grant.worker_id, grant.generation, datetime.now(UTC)))
        whole.gateway.tell(WorkerDown(stream_id, grant.worker_id, grant.generation, datetime.now(UTC), "killed"))
        replaced = await asyncio.to_thread(failed_over.get, timeout=10)
        assert replaced["from_encoder_id"] != replaced["to_encoder_id"]
        assert replaced["reconnect_needed"] is False
    finally:
        await asyncio.to_thread(clients[0].disconnect)


async def test_a_drill_over_http_is_answered_with_its_report_and_told_to_who_follows(
    whole: Any, http: aiohttp.ClientSession
) -> None:
    async with http.post(f"{whole.base}/api/streams/init", json=INIT, headers=whole.auth()) as response:
        opened = await response.json()
    stream_id = opened["stream_id"]
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    client = socketio.AsyncClient(reconnection=False)
    client.on("stream_failover", heard.put)
    await client.connect(whole.base, auth={"token": BOOTSTRAP.reveal()}, transports=["websocket"])
    await client.call("subscribe", {"stream_id": stream_id})
    whole.gateway.tell(SourceUp(stream_id, datetime.now(UTC), "127.0.0.1", "obs", "h264", "aac", 1920, 1080))
    health = f"{whole.base}/api/streams/{stream_id}/health"
    async with asyncio.timeout(10):
        while True:
            async with http.get(health, headers=whole.auth()) as response:
                now = await response.json()
            if now["protected"] and now["source"]:
                break
            await asyncio.sleep(0.05)
    assert now["standby"] == {"grade": "warm", "state": "ready"}
    async with http.post(
        f"{whole.base}/api/streams/{stream_id}/drill", json={"kind": "planned"}, headers=whole.auth()
    ) as response:
        answer = await response.json()
        assert response.status == 200, answer
    assert answer["passed"] is True
    [report] = answer["failovers"]
    assert (report["kind"], report["decided_by"], report["stall_ms"]) == ("planned", "drill", 80.0)
    async with asyncio.timeout(10):
        first, second = await heard.get(), await heard.get()
    await client.disconnect()
    assert (first["generation"], first["report"]) == (report["generation"], None)
    assert second["report"] == report
    assert second["seq"] > first["seq"]
    async with http.get(f"{whole.base}/api/streams/{stream_id}/failovers", headers=whole.auth()) as response:
        assert (await response.json())["failovers"] == [report]
    async with http.get(health, headers=whole.auth()) as response:
        assert (await response.json())["last_drill"]["passed"] is True
    async with http.get(f"{whole.base}/metrics", headers=whole.auth()) as response:
        assert 'encman_failover_switches_total{cause="drill",kind="planned"} 1.0' in await response.text()


async def test_the_client_of_the_documents_misses_nothing_over_a_broken_connection(
    whole: Any, http: aiohttp.ClientSession
) -> None:
    async with http.post(f"{whole.base}/api/streams/init", json=INIT, headers=whole.auth()) as response:
        stream_id = (await response.json())["stream_id"]
    seen: dict[str, Any] = {}
    news: queue.Queue[str] = queue.Queue()
    connections: queue.Queue[None] = queue.Queue()
    sio = socketio.Client(reconnection_delay=0.2, reconnection_delay_max=0.2)

    def subscribe() -> None:
        connections.put(None)
        sio.emit("subscribe", {"stream_id": stream_id, **seen})

    def on_news(data: dict[str, Any]) -> None:
        seen.update(last_seq=data["seq"], log_id=data["log_id"])
        if "detail" in data:
            news.put(data["detail"])

    def refused(number: int) -> PublishRefused:
        return PublishRefused(stream_id, datetime.now(UTC), "127.0.0.1", f"refusal {number}")

    sio.on("connect", subscribe)
    for event in ("stream_health", "stream_changed", "stream_error", "stream_failover", "snapshot"):
        sio.on(event, on_news)
    await asyncio.to_thread(sio.connect, whole.base, auth={"token": BOOTSTRAP.reveal()}, transports=["websocket"])
    try:
        await until(lambda: bool(seen))
        whole.gateway.tell(refused(1))
        assert await asyncio.to_thread(news.get, timeout=10) == "127.0.0.1: refusal 1"
        sio.eio.ws.sock.shutdown(socket.SHUT_RDWR)
        for number in (2, 3, 4):
            whole.gateway.tell(refused(number))
        for number in (2, 3, 4):
            assert await asyncio.to_thread(news.get, timeout=10) == f"127.0.0.1: refusal {number}"
        assert connections.qsize() == 2
        assert news.empty()
    finally:
        await asyncio.to_thread(sio.disconnect)


async def test_a_link_without_the_token_is_refused_as_a_problem(whole: Any, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{whole.base}/link", headers={"Authorization": "Bearer wrong"}) as response:
        assert response.status == 401
        assert response.content_type == "application/problem+json"


async def test_without_a_gateway_init_says_that_and_when_to_come_again(
    whole: Any, http: aiohttp.ClientSession
) -> None:
    await whole.gateway.go()
    await until(lambda: whole.served.services.gateways.connected() == ())
    async with http.get(f"{whole.base}/readyz") as response:
        assert response.status == 503
    async with http.post(f"{whole.base}/api/streams/init", json=INIT, headers=whole.auth()) as response:
        problem = await response.json(content_type=None)
        assert (response.status, problem["code"]) == (503, "unavailable")
        assert "Retry-After" in response.headers


async def test_what_if_answers_where_a_stream_would_go_and_reserves_nothing(
    whole: Any, http: aiohttp.ClientSession
) -> None:
    url = f"{whole.base}/api/monitoring/load-balancer"
    async with http.post(f"{url}/what-if", json=INIT, headers=whole.auth()) as response:
        said = await response.json()
        assert response.status == 200, said
    async with http.get(url, headers=whole.auth()) as response:
        seen = await response.json()
    assert (seen["reserved"], seen["decisions"]) == ([], [])
    assert seen["reserve"] == {
        "holds": True,
        "worst_host": None,
        "shortfall_pixels_per_s": 0.0,
        "without_place": [],
        "without_place_count": 0,
    }
    async with http.post(f"{whole.base}/api/streams/init", json=INIT, headers=whole.auth()) as response:
        opened = await response.json()
    assert said["primary_encoder_id"] == opened["primary_encoder"]["encoder_id"]
    assert said["backup_encoder_id"] == opened["backup_encoder"]["encoder_id"]
    async with http.get(
        f"{whole.base}/api/streams/{opened['stream_id']}/placement", headers=whole.auth()
    ) as response:
        (decision,) = (await response.json())["decisions"]
    assert decision["replays"] is True
    passed = INIT | {"mode": "passthrough"}
    async with http.post(f"{url}/what-if", json=passed, headers=whole.auth()) as response:
        assert (response.status, (await response.json())["code"]) == (422, "invalid_request")
    unable = INIT | {"codec": "libx265"}
    async with http.post(f"{url}/what-if", json=unable, headers=whole.auth()) as response:
        said = await response.json()
    assert said["primary_encoder_id"] is None
    assert "libx265 was not proved to work" in said["reasons"][0]
    async with http.post(f"{whole.base}/api/streams/init", json=unable, headers=whole.auth()) as response:
        refused = await response.json()
        assert (response.status, refused["reason"]) == (503, "unable")
        assert int(response.headers["Retry-After"]) >= 60


async def test_an_encoder_that_goes_is_an_incident_that_its_stream_follows_from(
    whole: Any, http: aiohttp.ClientSession
) -> None:
    async with http.post(f"{whole.base}/api/streams/init", json=INIT, headers=whole.auth()) as response:
        opened = await response.json()
    gone = opened["backup_encoder"]["encoder_id"]
    (node,) = (node for node in whole.nodes if node.info.encoder_id == gone)
    await node.go()
    path = f"{whole.base}/api/monitoring/incidents"
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(15):
        while not found:
            await asyncio.sleep(0.1)
            async with http.get(path, headers=whole.auth()) as response:
                found = [one for one in (await response.json())["incidents"] if one["cause"]["value"] == gone]
    async with http.get(f"{path}/{found[0]['incident_id']}", headers=whole.auth()) as response:
        whole_story = await response.json()
    assert whole_story["root"]["condition"] == "encoder_offline"
    assert [one["pattern_id"] for one in whole_story["diagnoses"]] == ["encoder_gone"]
