"""A whole control over real sockets: it measures itself, and knows how good the connections to its encoders are."""

from __future__ import annotations

from typing import Any

import aiohttp

from app.domain.performance import Figure
from tests.integration.services.peers import until


async def get(whole: Any, http: aiohttp.ClientSession, path: str) -> Any:
    async with http.get(whole.base + path, headers=whole.auth()) as response:
        assert response.status == 200, path
        return await response.json()


async def test_a_control_tells_how_it_performs_and_knows_the_clocks_of_its_peers(
    whole: Any, http: aiohttp.ClientSession
) -> None:
    newest = whole.served.services.performing.performance.newest
    await until(lambda: bool(newest()[Figure.LINK_FACTS_PER_S]) and newest()[Figure.CLOCK_OFFSET_MS] is not None)
    figures = (await get(whole, http, "/api/monitoring/performance"))["figures"]
    assert figures["control_memory_bytes"]["value"] > 1 << 20
    assert figures["loop_lag_ms"]["value"] >= 0.0
    assert figures["latency_ms"]["value"] is None
    history = await get(whole, http, "/monitoring/performance/history?figure=loop_lag_ms&resolution=1s")
    assert history["points"]
    async with http.get(f"{whole.base}/metrics", headers=whole.auth()) as response:
        text = await response.text()
    assert "encman_loop_lag_seconds " in text
    for peer in (whole.gateway.hello().gateway_id, *(node.info.node_id for node in whole.nodes)):
        found = whole.served.services.performing.clocks.offset_of(peer)
        assert found is not None
        assert abs(found.offset_s) <= found.error_s + 0.005, "peer and control share a machine"
        assert f'encman_clock_offset_seconds{{peer="{peer}"}}' in text


async def test_an_encoder_that_is_heard_has_a_good_connection_and_one_that_went_has_none(
    whole: Any, http: aiohttp.ClientSession
) -> None:
    async def score() -> Any:
        told = await get(whole, http, "/health/encoder/enc_a")
        return told["encoder"]["connection_health"]["health_score"]

    metrics, node = whole.served.services.encoders.metrics, whole.nodes[0]
    await until(lambda: metrics(node.info.encoder_id).connection is not None)
    assert await score() == 100.0
    await node.go()
    await until(lambda: metrics(node.info.encoder_id).connection.score == 0.0)
    assert await score() == 0.0
    await node.come(whole.served.port)
    await until(lambda: metrics(node.info.encoder_id).connection.score > 0.0)
    assert 50.0 < await score() <= 88.0
