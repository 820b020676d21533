"""Drills by the schedule of a control: in its window, not outside of it, and only where they hurt nobody."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.assembly import regular_work
from app.assembly.control_services import ControlServices
from app.assembly.seat import Seat
from app.assembly.settings import Settings
from app.domain.drill import DrillKind
from app.domain.ids import StreamId
from app.domain.secret import Secret
from app.domain.session import OpenedStream
from app.domain.stream import StandbyGrade, WorkerOrder
from app.policy.drill_plan import DrillPlan
from app.services.drill_schedule import DrillSchedule

from .conftest import House, standing
from .peers import OWNER, REQUEST, TOKEN, until
from .scenes import health, protected, published


def window(*, opens_in: timedelta, kind: DrillKind = DrillKind.KILL) -> DrillPlan:
    """Open for two hours."""
    opens = datetime.now(UTC) + opens_in
    return DrillPlan(opens.time(), (opens + timedelta(hours=2)).time(), kind)


OPEN = timedelta(hours=-1)
CLOSED = timedelta(hours=1)


class Looks:
    """Counts what is still done in full."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made = 0
        look = DrillSchedule.look

        async def counted(schedule: DrillSchedule) -> None:
            await look(schedule)
            self.made += 1

        monkeypatch.setattr(DrillSchedule, "look", counted)

    async def more(self, number: int) -> None:
        wanted = self.made + number
        await until(lambda: self.made >= wanted)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    monkeypatch.setattr(regular_work, "EVERY_TEN_SECONDS", "*")
    return Looks(monkeypatch)


def count_breaks(house: House) -> Counter[StreamId]:
    """Of each stream; the gateway answers each with a switch."""
    broken: Counter[StreamId] = Counter()

    def on_break(order: WorkerOrder, how: str) -> None:
        assert how == "kill"
        broken[order.stream_id] += 1
        house.gateway.switch(order.stream_id)

    for node in house.nodes:
        node.on_break = on_break
    return broken


def last_drill(house: House, stream: OpenedStream) -> object:
    seen = health(house, stream)
    assert seen is not None
    return seen.last_drill


async def test_in_its_window_a_control_drills_each_stream_that_can_bear_it_once(
    database: Path, looks: Looks
) -> None:
    async with standing(database, drill_plan=window(opens_in=OPEN)) as house:
        broken = count_breaks(house)
        unpublished = await house.control.services.streams.open(REQUEST, OWNER)
        unprotected = await published(house, standby=StandbyGrade.COLD)
        able = [await published(house) for _ in range(2)]
        await until(lambda: all(last_drill(house, stream) for stream in able))
        await until(lambda: all(protected(house, stream) for stream in able))
        await looks.more(2)
        assert broken == {stream.record.stream_id: 1 for stream in able}
        assert [last_drill(house, stream) for stream in (unpublished, unprotected)] == [None, None]


async def test_outside_of_its_window_nothing_is_drilled(database: Path, looks: Looks) -> None:
    async with standing(database, drill_plan=window(opens_in=CLOSED)) as house:
        broken = count_breaks(house)
        stream = await published(house)
        await looks.more(2)
        assert broken == {}
        assert last_drill(house, stream) is None


async def test_a_control_that_leads_no_more_drills_nothing(database: Path, looks: Looks) -> None:
    async with standing(database, drill_plan=window(opens_in=OPEN)) as house:
        await looks.more(1)
        assert drilling()
        await house.control.services.stop_acting()
        assert not drilling()


async def test_a_control_that_stands_by_drills_nothing(database: Path, tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path,
        database_url=f"sqlite+aiosqlite:///{database}",
        link_token=TOKEN,
        key_pepper=Secret("pepper-of-these-tests"),
        seal_key=Secret("seal-key-of-these-tests"),
        drill_window="02:00-04:30",
    )
    seat = await Seat.of(settings)
    services = ControlServices.on(seat, settings)
    try:
        epoch = await seat.leadership.won()
        assert not drilling()
        await services.take_up(epoch)
        assert drilling()
    finally:
        await services.close()
        await seat.leave()
    assert not drilling()


async def test_a_stream_that_is_being_drilled_by_hand_holds_up_no_other(house: House) -> None:
    services, held = house.control.services, asyncio.Event()
    by_hand, other = [await published(house) for _ in range(2)]
    broken = count_breaks(house)
    answers = [node.on_break for node in house.nodes]
    for node in house.nodes:
        node.on_break = lambda _order, _how: held.set()
    drill = asyncio.create_task(services.drills.drill(by_hand.record.stream_id, DrillKind.KILL, 1, OWNER))
    await held.wait()
    for node, answer in zip(house.nodes, answers, strict=True):
        node.on_break = answer
    schedule = DrillSchedule(streams=services.live, drills=services.drills, plan=window(opens_in=OPEN))
    await schedule.look()
    assert broken == {other.record.stream_id: 1}
    assert last_drill(house, by_hand) is None
    drill.cancel()
    await asyncio.wait((drill,))


def drilling() -> bool:
    return any(task.get_name() == "CronSchedule.run" for task in asyncio.all_tasks())
