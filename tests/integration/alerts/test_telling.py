"""From a condition on the bus to people who were told, over servers that are slow, stuck, away and back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from app.domain.alert import AlertGroup, AlertState
from app.domain.condition import Condition
from app.domain.errors import InvalidRequest, NotAllowed, Unavailable
from app.domain.events import AlertChanged, Event
from app.domain.notification import Matcher, OutMessage, Silence
from app.domain.severity import Severity
from app.monitoring import alert_board, alert_sender, announcer
from app.monitoring.alert_board import AlertBoard
from app.monitoring.alert_sender import AlertSender
from app.monitoring.announcer import Announcer, Channel
from app.monitoring.outbox import MAX_WAITING, Outbox
from app.policy import alert_rules
from app.runtime.bus import Bus
from app.runtime.clock import utc_now
from tests.support.alerts import MemoryAlerts, condition, group


class Says:
    """A channel that answers as its script says, and then takes everything."""

    def __init__(self, name: str, *script: Exception) -> None:
        self.name = name
        self.script = list(script)
        self.tried: list[tuple[float, AlertGroup]] = []
        self.taken: list[AlertGroup] = []
        self.came = asyncio.Event()

    async def send(self, group: AlertGroup) -> None:
        self.tried.append((asyncio.get_running_loop().time(), group))
        self.came.set()
        if self.script:
            raise self.script.pop(0)
        self.taken.append(group)

    async def close(self) -> None: ...

    async def until(self, is_so: Callable[[], bool], deadline_s: float = 10.0) -> None:
        async with asyncio.timeout(deadline_s):
            while not is_so():
                self.came.clear()
                await self.came.wait()

    def words(self) -> list[list[tuple[str, str]]]:
        return [[(alert.subject.id, alert.state.value) for alert in group.alerts] for group in self.taken]


class House:
    def __init__(self, store: MemoryAlerts, says: tuple[Says, ...]) -> None:
        self.store = store
        self.errors: list[BaseException] = []
        self.bus: Bus[Event] = Bus(self.errors.append)
        self.changes: list[AlertChanged] = []
        self.conditions: list[Condition] = []
        self.outbox = Outbox(store=store, channels=[one.name for one in says])
        channels = [Channel(one.name, Severity.INFO) for one in says]
        self.announcer = Announcer(channels=channels, is_full=self.outbox.is_full)
        self.board = AlertBoard(
            store=store, bus=self.bus, outbox=self.outbox, announcer=self.announcer, tenant_of=lambda _: "acme"
        )
        self.senders = [AlertSender(notifier=one, outbox=self.outbox, tell=self.bus.tell) for one in says]
        self.bus.listen(self.board.hear)
        self.bus.listen(self._note)

    def _note(self, event: Event) -> None:
        if isinstance(event, AlertChanged):
            self.changes.append(event)
        elif isinstance(event, Condition):
            self.conditions.append(event)


@asynccontextmanager
async def house(*says: Says, store: MemoryAlerts | None = None) -> AsyncIterator[House]:
    built = House(store or MemoryAlerts(), says)
    await built.board.load()
    tasks = [asyncio.create_task(one.run()) for one in (built.board, *built.senders)]
    try:
        yield built
        assert built.errors == []
        for task in tasks:
            assert not task.done(), task.exception()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds become milliseconds where nothing but waiting would be tested."""
    monkeypatch.setattr(alert_board, "BEAT_S", 0.05)
    monkeypatch.setattr(alert_board, "SOON_S", 0.01)
    monkeypatch.setattr(alert_sender, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(alert_sender, "REFUSED_PAUSE_S", 0.1)


async def test_what_is_critical_is_told_at_once_and_acknowledged_in_the_store() -> None:
    says = Says("email")
    async with house(says) as built:
        built.bus.tell(condition())
        await says.until(lambda: len(says.taken) == 1)
        await until(lambda: not built.store.messages)
        assert says.words() == [[("enc_a", "firing")]]
        (kept,) = built.store.alerts.values()
        assert [(word.channel, word.state) for word in kept.told] == [("email", AlertState.FIRING)]


async def test_a_time_that_the_other_side_names_is_kept_to() -> None:
    says = Says("telegram", Unavailable("busy", retry_after_s=0.4), Unavailable("busy", retry_after_s=0.2))
    async with house(says) as built:
        built.bus.tell(condition())
        await says.until(lambda: len(says.taken) == 1)
        first, second, third = (at for at, _ in says.tried)
        assert second - first >= 0.4
        assert third - second >= 0.2
        assert len({group.id for _, group in says.tried}) == 1


async def test_a_time_that_was_named_before_a_restart_is_kept_to() -> None:
    store = MemoryAlerts()
    async with house(Says("telegram", Unavailable("busy", retry_after_s=0.7)), store=store) as built:
        built.bus.tell(condition())
        await until(lambda: any(message.not_before for message in store.messages.values()))
        (waiting,) = store.messages.values()
    says = Says("telegram")
    async with house(says, store=store):
        await says.until(lambda: len(says.taken) == 1)
        assert waiting.not_before is not None
        assert utc_now() >= waiting.not_before
        assert says.taken[0].id == waiting.group.id


async def test_a_channel_that_refuses_is_told_of_on_the_others_and_its_messages_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(alert_rules, "TIMINGS", {"notifier_failed": alert_rules.Timing(0.0, 0.0)})
    broken, well = Says("telegram", *[NotAllowed("blocked by the user")] * 3), Says("email")
    async with house(broken, well) as built:
        built.bus.tell(condition())
        await well.until(lambda: any(("telegram", "firing") in words for words in well.words()))
        assert all("telegram" not in dict(words) for words in broken.words())
        await broken.until(lambda: len(broken.taken) == 1)
        await until(lambda: any(not one.is_active for one in built.conditions if one.name == "notifier_failed"))
        assert broken.words()[0] == [("enc_a", "firing")]


async def test_what_can_never_be_sent_is_a_dead_letter_and_holds_up_nothing() -> None:
    says = Says("webhook", InvalidRequest("422"))
    async with house(says) as built:
        built.bus.tell(condition())
        built.bus.tell(condition(subject="enc_b"))
        await says.until(lambda: len(says.taken) == 1)
        await until(lambda: len(built.store.messages) == 1)
        (letter,) = await built.outbox.dead(limit=10)
        assert letter.fault == "422"
        await built.outbox.revive(letter.id, is_allowed=lambda _: True)
        await says.until(lambda: len(says.taken) == 2)
        assert says.taken[1].id == letter.id
        await until(lambda: not built.store.messages)


async def test_a_channel_that_is_away_is_told_in_order_and_never_of_the_beginning_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(alert_rules, "TIMINGS", {"encoder_offline": alert_rules.Timing(0.0, 0.0)})
    monkeypatch.setattr("app.policy.alert_grouping.GROUP_INTERVAL_S", 0.05)
    says = Says("email", *[Unavailable("away")] * 4)
    async with house(says) as built:
        built.bus.tell(condition())
        await says.until(lambda: len(says.tried) == 1)
        built.bus.tell(condition(is_active=False))
        await says.until(lambda: len(says.taken) == 2)
        assert says.words() == [[("enc_a", "firing")], [("enc_a", "resolved")]]
        ours = [kept for kept in built.store.alerts.values() if kept.alert.name == "encoder_offline"]
        assert [kept.is_settled for kept in ours] == [True]


async def test_the_outbox_of_a_stuck_channel_is_bounded_and_all_is_told_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.policy.alert_grouping.BURST_S", 0.0)
    says = Says("email", Unavailable("away", retry_after_s=1.5))
    async with house(says) as built:
        for number in range(3 * MAX_WAITING):
            built.bus.tell(condition(subject=f"enc_{number}"))
            await built.board.look()
        assert built.outbox.count("email") <= MAX_WAITING
        names = {f"enc_{number}" for number in range(3 * MAX_WAITING)}
        await says.until(lambda: {name for words in says.words() for name, _ in words} == names)


async def test_people_are_told_while_the_store_is_away_and_it_learns_all_later() -> None:
    says = Says("email")
    store = MemoryAlerts()
    async with house(says, store=store) as built:
        store.is_away = True
        built.bus.tell(condition())
        await says.until(lambda: len(says.taken) == 1)
        assert store.alerts == {}
        store.is_away = False
        await until(lambda: len(store.alerts) == 1)
        (kept,) = store.alerts.values()
        assert kept.told
        built.bus.tell(condition(subject="enc_b"))
        await says.until(lambda: len(says.taken) == 2)
        await until(lambda: not store.messages)


async def test_a_message_that_was_made_while_the_store_was_away_outlives_a_restart_too() -> None:
    store = MemoryAlerts()
    says = Says("email", Unavailable("away", retry_after_s=60.0))
    async with house(says, store=store) as built:
        store.is_away = True
        built.bus.tell(condition())
        await says.until(lambda: len(says.tried) == 1)
        store.is_away = False
        await until(lambda: len(store.alerts) == 1)
        assert [message.id for message in store.messages.values()] == [says.tried[0][1].id]
        store.messages = {name: replace(message, not_before=None) for name, message in store.messages.items()}
    again = Says("email")
    async with house(again, store=store):
        await again.until(lambda: len(again.taken) == 1)
    assert again.words() == [[("enc_a", "firing")]]


async def test_a_store_that_is_away_for_very_long_costs_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_rules, "TIMINGS", {"encoder_offline": alert_rules.Timing(0.0, 0.0)})
    monkeypatch.setattr(alert_board, "MAX_UNSAVED", 10)
    store = MemoryAlerts()
    async with house(store=store) as built:
        store.is_away = True
        built.bus.tell(condition(subject="enc_lasts"))
        for number in range(50):
            built.bus.tell(condition(subject=f"enc_{number}"))
            built.bus.tell(condition(subject=f"enc_{number}", is_active=False))
            await built.board.look()
        store.is_away = False
        await until(lambda: len(store.alerts) > 0)
        assert len(store.alerts) == 10
        names = {kept.alert.subject.id for kept in store.alerts.values()}
        assert {"enc_lasts", "enc_49"} <= names
        assert "enc_0" not in names


async def test_a_time_of_nothing_that_is_named_is_no_leave_to_ask_all_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(alert_sender, "FIRST_PAUSE_S", 0.1)
    says = Says("webhook", *[Unavailable("busy", retry_after_s=0.0)] * 3)
    async with house(says) as built:
        built.bus.tell(condition())
        await says.until(lambda: len(says.taken) == 1)
    pauses = [after - before for (before, _), (after, _) in pairwise(says.tried)]
    assert [pause >= 0.1 * 2**number for number, pause in enumerate(pauses)] == [True] * 3


async def test_who_names_short_times_for_ever_is_asked_ever_more_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_sender, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(alert_sender, "MAX_TRUSTED", 2)
    monkeypatch.setattr(alert_sender, "LONGEST_PAUSE_S", 0.3)
    says = Says("telegram", *[Unavailable("busy", retry_after_s=0.002)] * 11)
    async with house(says) as built:
        built.bus.tell(condition())
        await says.until(lambda: len(says.taken) == 1)
    assert says.tried[-1][0] - says.tried[-2][0] >= 0.3


async def test_what_is_thrown_away_is_told_on_the_other_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_rules, "TIMINGS", {"notifier_failed": alert_rules.Timing(0.0, 0.0)})
    monkeypatch.setattr(alert_sender, "RETOLD_S", 0.05)
    broken, well = Says("webhook", InvalidRequest("404")), Says("email")
    async with house(broken, well) as built:
        built.bus.tell(condition())
        await well.until(lambda: any(("webhook", "firing") in words for words in well.words()))
        told = [one for one in built.conditions if one.name == "notifier_failed"]
        # Said again while no other message comes, or it would pass for mended.
        await until(lambda: len([one for one in built.conditions if one.name == "notifier_failed"]) > len(told) + 1)
        built.bus.tell(condition(subject="enc_b"))
        await until(lambda: any(not one.is_active for one in built.conditions if one.name == "notifier_failed"))


async def test_a_channel_that_breaks_in_a_way_nobody_thought_of_is_tried_again_and_told_of() -> None:
    says = Says("webhook", *[UnicodeError("label too long: https://hooks.example/CANARY")] * 3)
    async with house(says) as built:
        built.bus.tell(condition())
        await says.until(lambda: len(says.taken) == 1)
        texts = [one.summary for one in built.conditions if one.name == "notifier_failed"]
        assert "UnicodeError" in texts[0]
        assert "CANARY" not in "".join(texts)


async def test_a_time_that_is_named_to_a_test_is_kept_to_by_the_next_message() -> None:
    says = Says("telegram", Unavailable("busy", retry_after_s=0.4))
    async with house(says) as built:
        with pytest.raises(Unavailable):
            await built.senders[0].try_now(group())
        built.bus.tell(condition())
        await says.until(lambda: len(says.taken) == 1)
        assert says.tried[1][0] - says.tried[0][0] >= 0.4


async def test_channels_that_send_at_the_same_moment_are_both_acknowledged() -> None:
    class Slow(MemoryAlerts):
        async def message_sent(self, message_id: str) -> None:
            await asyncio.sleep(0)
            await super().message_sent(message_id)

    store = Slow()
    outbox = Outbox(store=store, channels=["email", "telegram", "webhook"])
    told = [group(name=f"m_{name}") for name in ("email", "telegram", "webhook")]
    await outbox.put((), [OutMessage(one.id, one.id.removeprefix("m_"), one, one.at) for one in told])
    waiting = [await outbox.first(name) for name in ("email", "telegram", "webhook")]
    await asyncio.gather(*(outbox.sent(message) for message in waiting))
    assert store.messages == {}


async def test_a_silence_keeps_people_in_peace_and_a_restart_does_not_end_it() -> None:
    store, says = MemoryAlerts(), Says("email")
    now = utc_now()
    silence = Silence("sil_1", (Matcher("subject", "enc_a"),), "work", "key_1", now, now, now + timedelta(hours=1))
    async with house(says, store=store) as built:
        await built.board.silence(silence)
        built.bus.tell(condition())
        built.bus.tell(condition(subject="enc_b"))
        await says.until(lambda: len(says.taken) == 1)
    again = Says("email")
    async with house(again, store=store) as built:
        await built.board.look()
        assert [alert.silenced_by for alert in built.board.active()] == ["sil_1", None]
        await built.board.unsilence("sil_1")
        await again.until(lambda: len(again.taken) == 1)
    assert says.words() == [[("enc_b", "firing")]]
    assert again.words() == [[("enc_a", "firing")]]


async def test_jumps_of_the_wall_clock_bring_no_burst_and_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    store, offset = MemoryAlerts(), [timedelta()]

    def jumping() -> datetime:
        return utc_now() + offset[0]

    for module in (alert_board, alert_sender, announcer):
        if hasattr(module, "utc_now"):
            monkeypatch.setattr(module, "utc_now", jumping)
    says = Says("email", Unavailable("busy", retry_after_s=0.3))
    async with house(says, store=store) as built:
        built.bus.tell(condition(rack="r1"))
        built.bus.tell(replace(condition(subject="enc_b", rack="r1"), severity=Severity.WARNING))
        await says.until(lambda: len(says.tried) == 1)
        for days in (-730, 730, -3_650):
            offset[0] = timedelta(days=days)
            for _ in range(20):
                await built.board.look()
        await says.until(lambda: len(says.taken) == 1)
        assert says.tried[1][0] - says.tried[0][0] >= 0.3
        assert len(says.tried) == 2
    again = Says("email")
    async with house(again, store=store) as built:
        for _ in range(20):
            await built.board.look()
        assert again.tried == []


async def until(is_so: Callable[[], bool], deadline_s: float = 10.0) -> None:
    async with asyncio.timeout(deadline_s):
        while not is_so():  # noqa: ASYNC110 - nobody tells when a fake store changed
            await asyncio.sleep(0.01)
