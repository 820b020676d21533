"""One try from its intent to its end: hands the machine's commands to the device and the journal. Holds no rule."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog

from app.domain.errors import ManagerError, Unavailable
from app.domain.remediation import Phase, RemedyRun
from app.policy.remedies import CATALOGUE, helped
from app.policy.remedy_machine import (
    Act,
    Acted,
    Command,
    Escalate,
    Event,
    LookAt,
    RemedyMachine,
    Seen,
    Store,
    Stored,
    Undo,
    Undone,
)
from app.runtime.clock import monotonic, utc_now
from app.services.remedy_book import RemedyBook
from app.services.remedy_deeds import RemedyDeeds

log = structlog.get_logger()


class RemedyTask:
    """`on_end` gets each run that is over, and does what follows from it."""

    def __init__(
        self, *, deeds: RemedyDeeds, book: RemedyBook, on_end: Callable[[RemedyRun], Awaitable[None]]
    ) -> None:
        self._deeds = deeds
        self._book = book
        self._on_end = on_end

    async def carry(self, machine: RemedyMachine) -> None:
        """Until it is over. The intent is stored already."""
        commands: deque[Command] = deque(machine.begin(monotonic()))
        while commands or not machine.run.is_over:
            if not commands:
                await asyncio.sleep(max(0.0, (machine.due or 0.0) - monotonic()))
                commands.extend(machine.tick(monotonic()))
                continue
            event = await self._perform(commands.popleft())
            if event is not None:
                commands.extend(machine.feed(event, monotonic()))
        self._deeds.over(machine.run)
        await self._on_end(machine.run)

    async def _perform(self, command: Command) -> Event | None:
        match command:
            case Store(run=run):
                if run.phase is not Phase.INTENDED:
                    await self._book.keep(run)
                return Stored()
            case Act(run=run):
                return await self._act(run)
            case LookAt(run=run):
                return await self._look(run)
            case Undo(run=run):
                return await self._undo(run)
            case Escalate(run=run):
                await self._escalate(run)
        return None

    async def _act(self, run: RemedyRun) -> Acted:
        log.warning("remedy", encoder_id=run.encoder_id, remedy=run.remedy.value, cause=run.cause, run_id=run.id)
        try:
            await self._deeds.act(run)
        except Unavailable as error:
            # It may have been taken: that is seen by its effect.
            log.info("remedy without an answer", run_id=run.id, reason=error.detail)
        except ManagerError as error:
            return Acted(utc_now(), refusal=error.detail)
        return Acted(utc_now())

    async def _look(self, run: RemedyRun) -> Seen:
        try:
            look = await self._deeds.look(run.encoder_id, run.remedy)
        except ManagerError as error:
            return Seen(utc_now(), None, error.detail)
        owned = CATALOGUE[run.remedy].choice
        by_hand = owned is not None and look.value not in (None, run.wanted, run.was)
        return Seen(utc_now(), helped(run.remedy, look, run.wanted), by_hand=by_hand)

    async def _undo(self, run: RemedyRun) -> Undone:
        try:
            await self._deeds.undo(run)
        except ManagerError as error:
            return Undone(utc_now(), error.detail)
        return Undone(utc_now())

    async def _escalate(self, run: RemedyRun) -> None:
        words = await self._deeds.escape(run)
        if words is not None:
            await self._book.keep(replace(run, result=f"{run.result}; {words}"))
        log.warning("remedy did not help", run_id=run.id, encoder_id=run.encoder_id, result=run.result, then=words)
