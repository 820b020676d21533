"""A HELO that listens: its web interface, its clock, its output, and a door of its own for scenarios.

Leaves to others: everything it decides (`unit`), answers (`doors`), faults by name (`scenarios`).
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final

import structlog

from app.domain.secret import Secret
from app.runtime.clock import monotonic as real_monotonic
from app.runtime.clock import utc_now
from app.runtime.tasks import TaskGroupKeeper, run_again
from app.simulators.helo.control_door import control_application
from app.simulators.helo.doors import Doors
from app.simulators.helo.faults import Faults
from app.simulators.helo.heat import HeatPlan
from app.simulators.helo.listener import Listener
from app.simulators.helo.output import Sender
from app.simulators.helo.parameters import Catalogue
from app.simulators.helo.quirks import Quirks, Timing, WhileDown
from app.simulators.helo.scenarios import Stage, play
from app.simulators.helo.sessions import Sessions
from app.simulators.helo.streaming import Broken
from app.simulators.helo.unit import Identity, Unit
from app.simulators.helo.world import Ingest

_SHORTEST_BEAT_S: Final = 0.01
_AFTER_CRASH_S: Final = 0.5
"""Somebody else may have taken the port while the unit was down: it is tried again."""

log = structlog.get_logger("helo")


def _crashed(name: str, error: BaseException) -> None:
    log.error("a part of the simulated unit failed", part=name, error=repr(error))


class HeloSimulator:
    """`async with HeloSimulator(...) as helo`: it runs inside, at `helo.url`; `helo.control_url` takes scenarios.

    `limit`: the largest picture that is really encoded, whatever the profile says. `settings`: parameters, by name
    without prefix, that differ from the defaults. `ingest`: `Ingest.TAKES` sends nothing and counts as streaming.
    `tls`: to dial rtmps with; `door_tls`: the web interface is HTTPS.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        control_port: int = 0,
        password: Secret | None = None,
        parameters: Catalogue | None = None,
        identity: Identity | None = None,
        settings: Mapping[str, str | int] | None = None,
        quirks: Quirks | None = None,
        timing: Timing | None = None,
        heat: HeatPlan | None = None,
        limit: tuple[int, int] | None = None,
        ingest: Ingest = Ingest.REAL,
        tls: ssl.SSLContext | None = None,
        door_tls: ssl.SSLContext | None = None,
        monotonic: Callable[[], float] = real_monotonic,
    ) -> None:
        self._monotonic = monotonic
        self.faults = Faults()
        self.unit = Unit(
            now=monotonic(),
            epoch_s=utc_now().timestamp(),
            parameters=parameters,
            identity=identity,
            quirks=quirks,
            timing=timing,
            heat=heat,
            limit=limit,
        )
        self.unit.world.ingest = ingest
        self.sessions = Sessions(password, self.unit.quirks.session_life_s)
        for name, value in (settings or {}).items():
            self.unit.memory.put(name, value)
        self.unit.memory.put("HTTPSEnable", int(door_tls is not None))
        if password is not None:
            self.unit.memory.put("Authentication", 1)
        self._doors = Doors(
            self.unit,
            self.faults,
            self.sessions,
            monotonic=monotonic,
            changed=self._changed,
            touched=self.touch,
        )
        self._listener = Listener(self._doors.application(), host, port, door_tls)
        self._control = Listener(control_application(self.state, self.apply), host, control_port)
        self._sender = Sender(
            clock=lambda: utc_now().timestamp(), on_live=self._live, on_broken=self._broke, tls=tls
        )
        self._waiters: set[asyncio.Future[None]] = set()
        self._touched = asyncio.Event()
        self._told = 0
        self._starts = 1
        self._keeper = TaskGroupKeeper(on_crash=_crashed)

    @property
    def url(self) -> str:
        """Base of the unit's web interface."""
        return self._listener.url

    @property
    def control_url(self) -> str:
        """Base of the simulator's own interface; it answers also while the unit does not."""
        return self._control.url

    def apply(self, name: str, **how: object) -> None:
        """Play a scenario. Raises ValueError for an unknown one, or for what it does not know."""
        now = self._monotonic()
        play(Stage(self.unit, self.faults, self.sessions, now), name, how)
        self.unit.tick(now)
        self.touch()

    def state(self) -> dict[str, Any]:
        """What the unit really does, for those who test; no secret is in it."""
        now = self._monotonic()
        self.unit.tick(now)
        return {
            "is_up": self.unit.power.is_up(now),
            "starts": self.unit.power.starts,
            "stream_state": self.unit.memory.number("ReplicatorStreamState"),
            "record_state": self.unit.memory.number("ReplicatorRecordState"),
            "temperature_c": round(self.unit.heat.degrees_c, 2),
            "polls_waiting": len(self._waiters),
            "outputs_begun": self.unit.streaming.outputs_begun,
        }

    def touch(self) -> None:
        """Something may have changed: look at once."""
        self._touched.set()

    async def start(self) -> None:
        await self._control.open()
        await self._listener.open()
        work = run_again(self._run, pause_s=_AFTER_CRASH_S, on_crash=_crashed)
        self._keeper.start(work, name="helo")

    async def close(self) -> None:
        await self._keeper.close()
        await self._sender.close()
        await self._listener.end()
        await self._control.end()

    async def __aenter__(self) -> HeloSimulator:
        try:
            await self.start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self) -> None:
        while True:
            self._touched.clear()
            now = self._monotonic()
            self.unit.tick(now)
            await self._settle(now)
            pause_s = max(_SHORTEST_BEAT_S, self.unit.due(now) - now)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._touched.wait()

    async def _settle(self, now: float) -> None:
        """Output, doors and waiting polls follow the unit."""
        unit = self.unit
        self._sender.settle(unit.output, unit.look)
        if unit.power.starts != self._starts:
            self._starts = unit.power.starts
            self._doors.polls.forget()
            self.sessions.expire()
            self._listener.drop_connections()
        answers_busy = unit.quirks.while_down is WhileDown.BUSY and not unit.power.is_off
        if unit.world.has_network and (unit.power.is_up(now) or answers_busy):
            await self._listener.open()
        else:
            await self._listener.shut()
        if unit.memory.changes != self._told or not unit.power.is_up(now):
            self._told = unit.memory.changes
            self._wake()

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _changed(self, timeout_s: float | None) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await asyncio.wait({waiter}, timeout=timeout_s)
        finally:
            self._waiters.discard(waiter)

    def _live(self, generation: int) -> None:
        self.unit.live(generation, self._monotonic())
        self.touch()

    def _broke(self, generation: int, why: Broken) -> None:
        self.unit.broke(generation, why, self._monotonic())
        self.touch()
