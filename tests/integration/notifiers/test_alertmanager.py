"""Alertmanager's replicas: all are told, again and again, each on its own, and of every end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

import aiohttp
import pytest

from app.adapters.notifiers.alertmanager import Alertmanager, posted
from app.domain.alert import Alert, AlertState
from app.domain.condition import Condition
from app.domain.events import AlertChanged
from app.monitoring import alert_feed
from app.monitoring.alert_feed import LIVES_S, AlertFeed
from app.runtime.clock import utc_now
from tests.support.alerts import T0, alert
from tests.support.mouths import Mouth, Reply, mouth
from tests.support.peers import free_port


class Replica:
    """One feed, what fires by its board, and what it told of itself."""

    def __init__(self, url: str, session: aiohttp.ClientSession, firing: list[Alert]) -> None:
        self.told: list[Condition] = []
        taker = Alertmanager(url=url, session=session, link="https://manager.example/")
        self.feed = AlertFeed(taker=taker, active=lambda: firing, tell=self.told.append)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
async def server() -> AsyncIterator[Mouth]:
    async with mouth(Reply(200)) as taken:
        yield taken


def ended(one: Alert) -> Alert:
    return replace(one, state=AlertState.RESOLVED, ended_at=T0 + timedelta(minutes=5))


async def test_what_fires_is_handed_in_with_the_time_at_which_it_ends_without_us(
    session: aiohttp.ClientSession, server: Mouth
) -> None:
    quiet = replace(alert("f2"), silenced_by="sil_1")
    replica = Replica(server.url, session, [replace(alert(), labels=(("rack", "r1"),)), quiet])
    assert await replica.feed.hand_in()
    (heard,) = server.heard
    assert heard.path == "/api/v2/alerts"
    (posted,) = heard.json
    assert posted["labels"] == {
        "alertname": "encoder_offline",
        "rack": "r1",
        "severity": "critical",
        "category": "encoder_offline",
        "kind": "encoder",
        "subject": "enc_a",
        "source": "encoder-manager",
    }
    assert posted["startsAt"] == T0.isoformat()
    left_s = (datetime.fromisoformat(posted["endsAt"]) - utc_now()).total_seconds()
    assert LIVES_S - 60 < left_s <= LIVES_S


async def test_an_end_is_handed_in_once_it_was_taken_and_not_before(
    session: aiohttp.ClientSession, server: Mouth
) -> None:
    firing = [alert()]
    replica = Replica(server.url, session, firing)
    await replica.feed.hand_in()
    firing.clear()
    server.script = [Reply(503), Reply(500)]
    replica.feed.hear(AlertChanged(ended(alert())))
    assert not await replica.feed.hand_in()
    assert not await replica.feed.hand_in()
    assert replica.feed.waiting == 1
    assert await replica.feed.hand_in()
    assert server.heard[-1].json[0]["endsAt"] == (T0 + timedelta(minutes=5)).isoformat()
    assert await replica.feed.hand_in()
    assert server.heard[-1].json == []
    assert [(one.name, one.is_active) for one in replica.told] == [
        ("notifier_failed", True),
        ("notifier_failed", True),
        ("notifier_failed", False),
    ]


async def test_one_that_fires_again_before_its_end_was_taken_has_not_ended(
    session: aiohttp.ClientSession, server: Mouth
) -> None:
    replica = Replica(server.url, session, [alert()])
    replica.feed.hear(AlertChanged(ended(alert())))
    replica.feed.hear(AlertChanged(alert()))
    await replica.feed.hand_in()
    assert len(server.heard[0].json) == 1
    assert replica.feed.waiting == 0


async def test_what_an_alertmanager_handed_to_us_is_not_handed_back(
    session: aiohttp.ClientSession, server: Mouth
) -> None:
    external = replace(alert(), is_external=True)
    replica = Replica(server.url, session, [external])
    replica.feed.hear(AlertChanged(ended(external)))
    await replica.feed.hand_in()
    assert server.heard[0].json == []


async def test_a_replica_that_was_away_is_told_all_when_it_is_back_and_holds_up_no_other(
    session: aiohttp.ClientSession, server: Mouth, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("RESEND_S", 0.05), ("RETRY_S", 0.05), ("GATHER_S", 0.0)):
        monkeypatch.setattr(alert_feed, name, value)
    port = free_port()
    firing = [alert(), alert("f2", subject="enc_b")]
    there = Replica(server.url, session, firing)
    away = Replica(f"http://127.0.0.1:{port}", session, firing)
    tasks = [asyncio.create_task(one.feed.run()) for one in (there, away)]
    try:
        await server.until(3)
        gone = firing.pop()
        for replica in (there, away):
            replica.feed.hear(AlertChanged(ended(gone)))
        await server.until(len(server.heard) + 2)
        assert there.feed.waiting == 0
        assert away.feed.fault is not None
        async with mouth(Reply(200), port=port) as back:
            await back.until(1)
            subjects = {one["labels"]["subject"]: one["endsAt"] for one in back.heard[0].json}
            assert subjects.keys() == {"enc_a", "enc_b"}
            assert subjects["enc_b"] == (T0 + timedelta(minutes=5)).isoformat()
            await back.until(3)
            assert [one["labels"]["subject"] for one in back.heard[-1].json] == ["enc_a"]
            assert away.feed.fault is None
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def test_a_clock_that_was_set_back_makes_no_alert_that_ends_before_it_begins() -> None:
    ended = replace(alert(), state=AlertState.RESOLVED, ended_at=T0 - timedelta(days=1))
    for one in (ended, alert()):
        sent = posted(one, T0 - timedelta(hours=1), "")
        assert sent["startsAt"] <= sent["endsAt"]
    assert posted(alert(), T0 + timedelta(minutes=4), "")["startsAt"] == T0.isoformat()
