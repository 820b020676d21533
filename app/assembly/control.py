"""The control plane's process: services, link and doors on one port, until it is told to end.

One that does not lead stands by: its services are built and do nothing, its doors say so. When its reign ends it
begins anew as standby, with nothing kept but the store and the lease.
"""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import structlog

from app.api.limits import LOOPBACK, DoorLimits
from app.assembly.control_services import ControlServices
from app.assembly.doorway import Doorway
from app.assembly.seat import Seat
from app.assembly.settings import Settings
from app.policy.rates import Rate
from app.services.leadership import Leadership

T = TypeVar("T")
COLLECT_AFTER: Final = 20_000
"""Objects; a pass over so many takes a few milliseconds. Python's own 700 come dozens of times a second here."""

log = structlog.get_logger("control")


@dataclass(frozen=True, slots=True)
class Served:
    port: int
    services: ControlServices


async def run(settings: Settings) -> None:
    """Until SIGTERM or SIGINT. Streams go on without this process and are adopted by the next one."""
    told_to_end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told_to_end.set)
    seat = await Seat.of(settings)
    doorway = Doorway(settings, seat, door_limits(settings))
    try:
        while not told_to_end.is_set():
            await _stand_by_and_reign(await doorway.admit(), seat.leadership, told_to_end)
        log.info("control ends")
    finally:
        await doorway.close()
        await seat.leave()


async def _stand_by_and_reign(
    services: ControlServices, leadership: Leadership, told_to_end: asyncio.Event
) -> None:
    """Until the reign is over, or this process is told to end."""
    epoch = await _unless(told_to_end, leadership.won())
    if epoch is None:
        return
    await services.take_up(epoch)
    settle()
    reason = await _unless(told_to_end, leadership.lost(epoch))
    if reason is not None:
        log.error("control stops acting", reason=reason)
        await services.stop_acting()


async def _unless(told_to_end: asyncio.Event, wanted: Coroutine[Any, Any, T]) -> T | None:
    """What is waited for, or None when the process is told to end before."""
    waiting = asyncio.ensure_future(wanted)
    ending = asyncio.ensure_future(told_to_end.wait())
    try:
        await asyncio.wait((waiting, ending), return_when=asyncio.FIRST_COMPLETED)
        return waiting.result() if waiting.done() and not told_to_end.is_set() else None
    finally:
        for task in (waiting, ending):
            task.cancel()
        await asyncio.gather(waiting, ending, return_exceptions=True)


def settle() -> None:
    """Take what was built at the start out of the garbage collector's sight; call when the process is up.

    Its full passes stop the whole process, and would look through every imported module again and again. The others
    come when so many more objects were made than given up; each reading of a large fleet makes some that stay.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 50)


@asynccontextmanager
async def serving(settings: Settings, limits: DoorLimits | None = None) -> AsyncIterator[Served]:
    """Everything of a control that leads, served until the block is left. Entered once it does."""
    seat = await Seat.of(settings)
    doorway = Doorway(settings, seat, limits or door_limits(settings))
    try:
        services = await doorway.admit()
        await services.take_up(await seat.leadership.won())
        yield Served(doorway.port, services)
    finally:
        await doorway.close()
        await seat.leave()


def door_limits(settings: Settings) -> DoorLimits:
    return DoorLimits(
        reads=Rate(settings.reads_per_minute, 60.0),
        writes=Rate(settings.writes_per_minute, 60.0),
        inits=Rate(settings.inits_per_minute, 60.0),
        # Behind a proxy stand many clients, so its address has no cap of its own.
        exempt=LOOPBACK + settings.trusted_proxies,
    )
