"""What a real Alertmanager keeps to itself by the shipped rules: echoes, lesser words, what follows of a cause."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp

from tests.support import alert_chain
from tests.support.alert_chain import ends
from tests.support.peers import free_port
from tests.support.servers import alertmanager

Labels = dict[str, str]


def ours(name: str, subject: str, category: str, **more: str) -> Labels:
    """As control hands it in."""
    kind = {"enc": "encoder", "str": "stream", "gw": "gateway"}.get(subject[: subject.find("_")], "system")
    return {
        "alertname": name,
        "subject": subject,
        "category": category,
        "kind": kind,
        "severity": "critical",
        "source": "encoder-manager",
        **more,
    }


def theirs(name: str, subject: str, category: str, **more: str) -> Labels:
    """As Prometheus does."""
    return ours(name, subject, category) | {"source": "prometheus", "severity": "warning", **more}


SAID = (
    ours("encoder_offline", "enc_a", "encoder_offline", encoder="enc_a", rack="r1"),
    ours("rack_lost", "rack:r7", "encoder_offline", rack="r7"),
    ours("gateway_lost", "gw_1", "system", gateway="gw_1"),
    ours("silent_audio", "str_9", "silent_audio", severity="warning"),
    # Of parts that are well, or of no part.
    ours("stream_failed", "str_2", "stream_failed", encoder="enc_b", rack="r2"),
    ours("stream_unprotected", "str_3", "failover", severity="warning"),
    theirs("EncoderOffline", "enc_z", "encoder_offline", severity="critical", echo="subject"),
    theirs("GatewayDown", "10.0.0.1:8081", "system", severity="critical", kind="gateway"),
    theirs("Watchdog", "alerting", "system", severity="info"),
    theirs("EncoderCpuHigh", "enc_b", "cpu", echo="subject"),
)
UNSAID = (
    theirs("EncoderOffline", "enc_a", "encoder_offline", severity="critical", echo="subject", encoder="enc_a"),
    theirs("SilentAudio", "streams", "silent_audio", echo="category"),
    ours("encoder_ejected", "enc_a", "encoder_offline", severity="warning"),
    ours("stream_failed", "str_1", "stream_failed", encoder="enc_a"),
    ours("stream_failed", "str_4", "stream_failed", gateway="gw_1"),
    ours("encoder_offline", "enc_7", "encoder_offline", encoder="enc_7", rack="r7"),
    ours("stream_failed", "str_7", "stream_failed", encoder="enc_8", rack="r7"),
)


async def test_what_was_said_or_follows_is_not_said_again(tmp_path: Path) -> None:
    key = tmp_path / "alerts.key"
    key.write_text("key")
    async with ends() as people, aiohttp.ClientSession() as http:
        config = alert_chain.alertmanager_config(people, control="http://127.0.0.1:9", key_file=key)
        with alertmanager(config, templates=alert_chain.TEMPLATES, port=free_port()) as base:
            posted = [{"labels": labels} for labels in (*SAID, *UNSAID)]
            async with http.post(f"{base}/api/v2/alerts", json=posted) as answer:
                assert answer.status == 200, await answer.text()
            async with asyncio.timeout(30):
                while (found := await muted(http, base)).count(True) < len(UNSAID):  # noqa: ASYNC110 - no event
                    await asyncio.sleep(0.1)
    assert found == [False] * len(SAID) + [True] * len(UNSAID)


async def muted(http: aiohttp.ClientSession, base: str) -> list[bool]:
    """Of each alert, in the order of the tables, whether another one keeps it from people."""
    async with http.get(f"{base}/api/v2/alerts") as answer:
        alerts: list[dict[str, Any]] = await answer.json()
    known = [(one["labels"], bool(one["status"]["inhibitedBy"])) for one in alerts]
    return [any(labels == wanted and is_muted for labels, is_muted in known) for wanted in (*SAID, *UNSAID)]
