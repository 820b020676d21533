"""Asks the store for the lease that says which control acts, keeps it, and tells when it is won and lost.

When to ask and how long an answer counts is decided in `app/policy/lease.py`. What a control does with its reign is
its assembly's business.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from app.domain.errors import ManagerError
from app.domain.lease import CONTROL, Lease
from app.policy.lease import (
    LEASE_S,
    Away,
    Claim,
    Command,
    Event,
    GiveBack,
    Granted,
    HeldBy,
    Lead,
    LeaseMachine,
    Limits,
    Renew,
    StepDown,
)
from app.ports.lease import LeaseBook
from app.runtime.clock import sleepless
from app.runtime.tasks import TaskGroupKeeper

ASKING: Final = "lease"
"""Name of the task that asks."""

log = structlog.get_logger()


class Leadership:
    """`holder` names this control and no other one, alike at each of its starts: the lease of its own dead
    predecessor is taken over at once. `run` drives it."""

    def __init__(
        self,
        *,
        book: LeaseBook,
        holder: str,
        lease_s: float = LEASE_S,
        clock: Callable[[], float] = sleepless,
    ) -> None:
        self.holder = holder
        self._book = book
        self._lease_s = lease_s
        self._clock = clock
        # Nobody else can claim a store that is held alone: what is granted once stays.
        limits = Limits(math.inf if book.exclusive else lease_s)
        self._machine = LeaseMachine(now=clock(), limits=limits)
        self._held: Lease | None = None
        self._reign: int | None = None
        self._reason = ""
        self._changed = asyncio.Event()
        self._nudge = asyncio.Event()
        self._asking = TaskGroupKeeper(self._asking_failed)

    @property
    def epoch(self) -> int | None:
        """Under which this control may act at this moment; None: it may not."""
        return self._machine.epoch(self._clock())

    @property
    def standby(self) -> str | None:
        """Why this control does not act, in words; None: it leads."""
        return None if self.epoch is not None else f"standby: {self._machine.standing}"

    async def won(self) -> int:
        """Waits until this control leads: the epoch."""
        while self._reign is None:
            await self._changed.wait()
        return self._reign

    async def lost(self, epoch: int) -> str:
        """Waits until the reign of `epoch` is over: why it is."""
        while self._reign == epoch:
            await self._changed.wait()
        return self._reason

    async def run(self) -> None:
        """Runs until cancelled; what is held then is given back by `resign`."""
        try:
            while True:
                self._nudge.clear()
                self._carry_out(self._machine.tick(self._clock()))
                await self._until_due()
        finally:
            await self._asking.close()

    async def resign(self) -> None:
        """At the end of this process, when `run` has ended: the next control need not wait. Never raises."""
        held, self._held = self._held, None
        if held is not None:
            await self._give_back(held)

    async def _until_due(self) -> None:
        due = self._machine.due
        wait_s = None if due is None or due == math.inf else max(0.0, due - self._clock())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._nudge.wait()

    def _carry_out(self, commands: Iterable[Command]) -> None:
        for command in commands:
            match command:
                case Claim() | Renew():
                    self._asking.start(self._ask(command), name=ASKING)
                case Lead(epoch):
                    log.info("this control leads", epoch=epoch, holder=self.holder)
                    self._tell(epoch)
                case StepDown(reason):
                    log.warning("this control leads no more", reason=reason)
                    self._reason = reason
                    self._tell(None)
                case GiveBack():
                    held, self._held = self._held, None
                    if held is not None:
                        self._asking.start(self._give_back(held), name="lease back")

    def _tell(self, reign: int | None) -> None:
        self._reign = reign
        self._changed.set()
        self._changed = asyncio.Event()

    async def _ask(self, command: Claim | Renew) -> None:
        self._hear(await self._answer(command))

    def _hear(self, event: Event) -> None:
        self._carry_out(self._machine.feed(event, self._clock()))
        self._nudge.set()

    def _asking_failed(self, name: str, error: BaseException) -> None:
        """Nobody foresaw it; but without an answer nothing would ever be asked again."""
        log.error("task failed", task=name, exc_info=error)
        if name == ASKING:
            self._hear(Away("a fault of control itself"))

    async def _answer(self, command: Claim | Renew) -> Event:
        asked_at = self._clock()
        try:
            lease = await self._now_of(command)
        except ManagerError as error:
            return Away(error.detail)
        is_mine = lease.holder == self.holder and (isinstance(command, Claim) or lease.epoch == command.epoch)
        self._held = lease if is_mine else None
        return Granted(lease.epoch, asked_at) if is_mine else HeldBy(lease)

    async def _now_of(self, command: Claim | Renew) -> Lease:
        """The lease as the store has it after the command."""
        if isinstance(command, Claim):
            return await self._book.claim(CONTROL, self.holder, length_s=self._lease_s, over=command.over)
        assert self._held is not None, "it leads, so it holds"
        return await self._book.renew(CONTROL, self._held)

    async def _give_back(self, lease: Lease) -> None:
        try:
            await self._book.give_back(CONTROL, lease)
        except ManagerError as error:
            log.warning("lease not given back", reason=error.detail)
