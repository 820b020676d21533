"""Alerts, messages and silences come back from every database as they were put there."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.adapters.store import alerts
from app.adapters.store.sql_store import SqlStore
from app.domain.alert import Alert, AlertGroup, AlertState
from app.domain.condition import Category, Subject, SubjectKind
from app.domain.notification import KeptAlert, Matcher, OutMessage, Silence, Told, Window
from app.domain.severity import Severity
from app.runtime.clock import utc_now

T0 = datetime(2026, 11, 20, 12, tzinfo=UTC)


def alert(fingerprint: str = "f1", started_at: datetime = T0) -> Alert:
    return Alert(
        fingerprint=fingerprint,
        name="encoder_offline",
        state=AlertState.FIRING,
        severity=Severity.CRITICAL,
        category=Category.ENCODER_OFFLINE,
        subject=Subject(SubjectKind.ENCODER, "enc_a"),
        summary="enc_a is away <b>",
        labels=(("rack", "r1"),),
        started_at=started_at,
        updated_at=started_at,
        value=3.5,
    )


def message(number: int) -> OutMessage:
    group = AlertGroup(f"g{number}", "title", Severity.CRITICAL, (alert(),), 1, T0)
    return OutMessage(id=f"m{number}", channel="telegram", group=group, created_at=T0)


async def test_an_alert_is_open_until_it_is_settled_and_stays_in_the_history(store: SqlStore) -> None:
    kept = KeptAlert(alert(), (Told("telegram", "g1", AlertState.FIRING, T0),))
    await store.alerts.keep_alerts((kept, KeptAlert(alert("f2"), is_settled=True)))
    assert await store.alerts.open_alerts() == (kept,)
    ended = replace(kept.alert, state=AlertState.RESOLVED, ended_at=T0 + timedelta(minutes=1))
    await store.alerts.keep_alerts((KeptAlert(ended, kept.told, is_settled=True),))
    assert await store.alerts.open_alerts() == ()
    assert await store.alerts.alert_history() == (ended, alert("f2"))
    assert await store.alerts.alert_history(before=T0) == ()


async def test_each_time_an_alert_begins_anew_is_an_episode_of_its_own(store: SqlStore) -> None:
    later = T0 + timedelta(hours=1)
    await store.alerts.keep_alerts((KeptAlert(alert()), KeptAlert(alert(started_at=later))))
    assert [one.started_at for one in await store.alerts.alert_history()] == [later, T0]


async def test_messages_wait_in_order_until_they_are_sent(store: SqlStore) -> None:
    await store.alerts.keep_alerts((), (message(1), message(2)))
    await store.alerts.keep_alerts((), (replace(message(1), attempts=9), message(3)))
    assert await store.alerts.waiting_messages() == (message(1), message(2), message(3))
    await store.alerts.message_sent("m1")
    tried = replace(message(2), attempts=1, not_before=T0, fault="away")
    await store.alerts.put_message(tried)
    assert await store.alerts.waiting_messages() == (tried, message(3))


async def test_a_dead_letter_waits_for_nobody_until_somebody_asks_for_it(store: SqlStore) -> None:
    await store.alerts.keep_alerts((), (message(1), message(2)))
    await store.alerts.put_message(replace(message(1), is_dead=True))
    assert await store.alerts.waiting_messages() == (message(2),)
    assert [letter.id for letter in await store.alerts.dead_letters()] == ["m1"]
    await store.alerts.put_message(message(1))
    assert await store.alerts.waiting_messages() == (message(1), message(2))
    assert await store.alerts.dead_letters() == ()


async def test_a_silence_is_there_until_it_is_dropped(store: SqlStore) -> None:
    now = utc_now()
    silence = Silence(
        id="s1",
        matchers=(Matcher("name", "encoder_*"),),
        comment="work on the rack",
        created_by="key_1",
        created_at=now,
        starts_at=now,
        ends_at=now + timedelta(hours=1),
        window=Window("02:00", "03:00", "Europe/Berlin", (0, 6)),
    )
    await store.alerts.put_silence(replace(silence, comment="first"))
    await store.alerts.put_silence(silence)
    assert await store.alerts.silences() == (silence,)
    assert await store.alerts.drop_silence("s1")
    assert not await store.alerts.drop_silence("s1")
    assert await store.alerts.silences() == ()


async def test_only_the_newest_of_what_is_over_are_kept(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("MAX_ENDED", 3), ("TRIM_EACH", 1), ("MAX_DEAD", 2)):
        monkeypatch.setattr(alerts, name, value)
    kept = store.alerts
    begun = [T0 + timedelta(minutes=number) for number in range(6)]
    await kept.keep_alerts((KeptAlert(alert("open", T0 - timedelta(days=1))),))
    for at in begun:
        await kept.keep_alerts((KeptAlert(alert(started_at=at), is_settled=True),))
    found = await kept.alert_history()
    assert [one.started_at for one in found] == [*reversed(begun[3:]), T0 - timedelta(days=1)]
    await kept.keep_alerts((), [message(number) for number in range(5)])
    for number in range(4):
        await kept.put_message(replace(message(number), is_dead=True))
    assert [letter.id for letter in await kept.dead_letters()] == ["m3", "m2"]
    assert await kept.waiting_messages() == (message(4),)


async def test_after_each_start_the_first_write_trims(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "MAX_ENDED", 2)
    begun = [T0 + timedelta(minutes=number) for number in range(5)]
    for at in begun:
        # As after a restart each time.
        await store.alerts.keep_alerts((KeptAlert(alert(started_at=at), is_settled=True),))
    assert [one.started_at for one in await store.alerts.alert_history()] == [begun[4], begun[3]]


async def test_silences_that_ended_long_ago_go_when_the_next_one_comes(store: SqlStore) -> None:
    now = utc_now()
    old = Silence(
        "s1", (Matcher("name", "x"),), "c", "key_1", now, now - timedelta(days=9), now - timedelta(days=8)
    )
    await store.alerts.put_silence(old)
    await store.alerts.put_silence(replace(old, id="s2", ends_at=now + timedelta(days=1)))
    assert not await store.alerts.drop_silence("s1")
    assert await store.alerts.drop_silence("s2")
