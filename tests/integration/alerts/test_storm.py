"""A thousand alerts of one cause are few messages on either road; an Alertmanager that was away misses nothing."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from app.assembly.control import Served, serving
from app.domain.condition import Category, Condition, SubjectKind
from app.monitoring import alert_feed
from app.policy import alert_grouping, alert_rules, incident_book
from tests.integration.alerts.test_control_tells import KEY, settings
from tests.support import alert_chain
from tests.support.alert_chain import Ends, ends, until
from tests.support.alerts import condition
from tests.support.peers import free_port
from tests.support.servers import alertmanager

MANUAL = Path(__file__).resolve().parents[3] / "docs" / "alerting.md"
HALF = 500
MOST_MESSAGES = 3
STORM = {f"{kind}_{number}" for kind in ("enc", "str") for number in range(HALF)}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds in place of minutes where nothing but waiting would be tested."""
    at_once = alert_rules.Timing(0.0, 0.0)
    monkeypatch.setattr(alert_rules, "TIMINGS", {})
    monkeypatch.setattr(alert_rules, "AT_ONCE", at_once)
    monkeypatch.setattr(incident_book, "CLEAR_S", 1.0)
    monkeypatch.setattr(alert_grouping, "CALM_WAIT_S", 1.0)
    monkeypatch.setattr(alert_grouping, "GROUP_INTERVAL_S", 5.0)
    monkeypatch.setattr(alert_feed, "RETRY_S", 0.3)


def storm(*, is_active: bool) -> list[Condition]:
    """A switch dies: the encoders of a rack are gone, and a stream of each fails, which may be seen first."""
    shared = {"rack": "r7", "region": "north"}
    found: list[Condition] = []
    for number in range(HALF):
        encoder = f"enc_{number}"
        stream = condition(
            "stream_failed",
            f"str_{number}",
            kind=SubjectKind.STREAM,
            is_active=is_active,
            encoder=encoder,
            **shared,
        )
        found.append(replace(stream, category=Category.STREAM_FAILED))
        found.append(condition(subject=encoder, is_active=is_active, encoder=encoder, host=f"h{number}", **shared))
    return found


async def tell(control: Served, *, is_active: bool) -> None:
    """Within a second or two, not at one moment."""
    told = storm(is_active=is_active)
    for first in range(0, len(told), 250):
        for one in told[first : first + 250]:
            control.services.bus.tell(one)
        await asyncio.sleep(0.2)


async def subjects(replica: str) -> set[str]:
    """What fires by the word of an Alertmanager; nothing while it is away."""
    async with aiohttp.ClientSession() as http:
        try:
            async with http.get(f"{replica}/api/v2/alerts") as answer:
                found: list[dict[str, Any]] = await answer.json()
        except aiohttp.ClientError:
            return set()
    now = datetime.now(UTC)
    return {one["labels"]["subject"] for one in found if datetime.fromisoformat(one["endsAt"]) > now}


async def holds(replica: str, is_so: Callable[[set[str]], bool]) -> None:
    """Until the subjects that fire at `replica` are as they should be."""
    names = await subjects(replica)
    try:
        async with asyncio.timeout(30):
            while not is_so(names):
                await asyncio.sleep(0.2)
                names = await subjects(replica)
    except TimeoutError:
        raise AssertionError(f"{replica} holds {len(names)}, such as {sorted(names)[:5]}") from None


@contextlib.asynccontextmanager
async def control_with(folder: Path, **told_by: object) -> AsyncIterator[Served]:
    async with serving(settings(folder, **told_by)) as control:
        yield control


async def test_the_built_in_notifier_tells_of_a_storm_in_few_messages(tmp_path: Path) -> None:
    async with ends() as people:
        told_by = {
            "webhook_urls": people.hook.url,
            "webhook_secret": "0123456789abcdef",
            "telegram_api": people.telegram.url,
            "telegram_chat_id": "-1",
            "telegram_token": "1:token",
            "alert_email": "operations@example.org",
            "smtp_host": "127.0.0.1",
            "smtp_port": people.smtp_port,
            "smtp_tls": "none",
        }
        async with serving(settings(tmp_path, **told_by)) as control:
            await tell(control, is_active=True)
            channels = (people.said, people.mailed, lambda: [one.json["title"] for one in people.hook.heard])
            for texts in channels:
                await until("the storm", texts, "CRITICAL", within_s=15)
            assert {alert.subject.id for alert in control.services.alerting.board.active()} >= STORM
            await tell(control, is_active=False)
            for texts in channels:
                await until("its end", texts, "RESOLVED", within_s=30)
            assert not control.services.alerting.board.active()
    for texts in channels:
        assert len(texts()) <= MOST_MESSAGES


def router(people: Ends, folder: Path) -> str:
    key = folder / "alerts.key"
    key.write_text(KEY)
    return alert_chain.alertmanager_config(people, control="http://127.0.0.1:9", key_file=key)


def of_the_storm(texts: list[str]) -> list[str]:
    return [text for text in texts if "r7" in text or "north" in text]


async def test_alertmanagers_that_were_away_miss_nothing_and_tell_of_a_storm_in_few_messages(
    tmp_path: Path,
) -> None:
    ports = free_port(), free_port()
    cluster = free_port(), free_port()
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    async with ends() as people:
        config = router(people, tmp_path)
        with contextlib.ExitStack() as running:

            def start(number: int) -> contextlib.ExitStack:
                own = contextlib.ExitStack()
                peers = (cluster[number], cluster[1 - number])
                server = alertmanager(config, templates=alert_chain.TEMPLATES, port=ports[number], peers=peers)
                own.enter_context(server)
                running.push(own)
                return own

            async with control_with(tmp_path, alertmanager_urls=", ".join(urls)) as control:
                await tell(control, is_active=True)
                control.services.bus.tell(condition(subject="enc_gone"))
                await asyncio.sleep(0)
                control.services.bus.tell(condition(subject="enc_gone", is_active=False))
                start(0)
                second = start(1)
                for url in urls:
                    await holds(url, lambda names: names >= STORM)
                await until("the cause of the storm", people.said, "rack r7", within_s=30)
                for texts in (people.said, people.mailed):
                    assert len(of_the_storm(texts())) <= MOST_MESSAGES

                second.close()
                control.services.bus.tell(condition(subject="enc_late", region="south"))
                await until("by the other replica", people.said, "enc_late", within_s=30)
                start(1)
                await holds(urls[1], lambda names: names >= STORM | {"enc_late"})

                await tell(control, is_active=False)
                control.services.bus.tell(condition(subject="enc_late", region="south", is_active=False))
                for url in urls:
                    await holds(url, lambda names: not names & (STORM | {"enc_late"}))
                for texts in (people.said, people.mailed):
                    await until("the end of the storm", texts, "RESOLVED", "rack r7", within_s=30)
                    await until("the end of the other", texts, "RESOLVED", "enc_late", within_s=30)
    for texts in (people.said, people.mailed):
        # With seconds in place of minutes between messages, the end of so many may come in pieces.
        ends_of_it = [text for text in of_the_storm(texts()) if text.startswith("[RESOLVED")]
        assert len(of_the_storm(texts())) - len(ends_of_it) <= MOST_MESSAGES
        assert len(ends_of_it) <= MOST_MESSAGES
        assert 2 <= len([text for text in texts() if "enc_late" in text]) <= 4
        assert not [text for text in texts() if "critical: encoder enc_gone" in text]


async def test_control_exports_nothing_that_the_manual_does_not_list(tmp_path: Path) -> None:
    async with control_with(tmp_path) as control, aiohttp.ClientSession() as http:
        headers = {"Authorization": f"Bearer {KEY}"}
        async with http.get(f"http://127.0.0.1:{control.port}/metrics", headers=headers) as answer:
            text = await answer.text()
    section = MANUAL.read_text(encoding="utf-8").partition("## Metrics of control")[2]
    listed = set(re.findall(r"^\| `(encman_\w+)` \|", section, re.MULTILINE))
    exported = set(re.findall(r"^# TYPE (encman_\w+)", text, re.MULTILINE))
    assert {name for name in exported if not name.endswith("_created")} - listed == set()
