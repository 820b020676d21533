"""Mends AJA devices, one guarded try after the other: asked by what is wrong with them, or by a person.

What may be tried is `app/policy/remediation.py`'s to say, how a try goes on `app/policy/remedy_machine.py`'s. What
was tried stands in the journal; a try that a restart of control cut off is only looked at afterwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog

from app.domain.access import Principal
from app.domain.condition import Condition, SubjectKind
from app.domain.device import DeviceChoice, DeviceReading
from app.domain.errors import Conflict, ManagerError, NotFound
from app.domain.events import Event
from app.domain.fleet import OperatorWish
from app.domain.ids import EncoderId
from app.domain.remediation import Automation, Outcome, Phase, Remedy, RemedyBreaker, RemedyRun
from app.policy.remediation import HANDS_OFF_S, Situation, Wish, is_to_leave, is_too_sick, judge, why_opened
from app.policy.remedies import CATALOGUE, is_needed
from app.policy.remedy_machine import RemedyMachine
from app.policy.setting_owners import SettingOwners
from app.policy.storage import Advice, advise
from app.runtime.bus import Bus
from app.runtime.clock import monotonic, utc_now
from app.runtime.tasks import TaskGroupKeeper
from app.services.device_load import Load
from app.services.names import new_id
from app.services.remedy_book import RemedyBook
from app.services.remedy_deeds import RemedyDeeds
from app.services.remedy_task import RemedyTask
from app.services.remedy_words import facts, holds, opened
from app.services.sick_devices import SickDevices, Sign

BEAT_S: Final = 1.0
RETELL_S: Final = 15.0
LOOK_AGAIN_S: Final = 5.0
"""At what was refused by what is known already."""
ASK_AGAIN_S: Final = 15.0
"""A device that was asked in vain whether it needs mending is not asked each second."""
AUTOMATION: Final = "automation"

log = structlog.get_logger()


class Drains(Protocol):
    """Asks an encoder's streams to leave for good, or lets them come back."""

    def wished(self, encoder_id: EncoderId) -> OperatorWish: ...

    async def wish(self, encoder_id: EncoderId, wish: OperatorWish) -> None: ...


@dataclass(frozen=True, slots=True)
class RemedyStanding:
    """`held`: why nothing is done by itself now; None: it is."""

    automation: Automation
    held: str | None
    breakers: tuple[RemedyBreaker, ...]
    hands_off: tuple[tuple[EncoderId, datetime], ...]
    media: tuple[tuple[EncoderId, Advice], ...]
    runs: tuple[RemedyRun, ...]


class AjaRemediationService:
    """`load` reads the journal and takes up what was cut off, `run` runs until cancelled. `members`: the devices
    that are entered; `reading`: what one told last."""

    def __init__(
        self,
        *,
        book: RemedyBook,
        deeds: RemedyDeeds,
        load: Load,
        sick: SickDevices,
        drains: Drains,
        members: Callable[[], tuple[EncoderId, ...]],
        reading: Callable[[EncoderId], DeviceReading | None],
        bus: Bus[Event],
        keeper: TaskGroupKeeper,
        automation: Automation,
    ) -> None:
        self._book = book
        self._deeds = deeds
        self._load = load
        self._sick = sick
        self._drains = drains
        self._members = members
        self._reading = reading
        self._bus = bus
        self._keeper = keeper
        self._automation = automation
        self._task = RemedyTask(deeds=deeds, book=book, on_end=self._ended)
        self._owners = SettingOwners()
        self._hands_off: dict[EncoderId, datetime] = {}
        self._starting: set[EncoderId] = set()
        self._asked: dict[tuple[EncoderId, Remedy], float] = {}
        self._refused: dict[tuple[EncoderId, str], str] = {}
        self._retell_from = 0.0
        self._is_held = False

    async def load(self) -> None:
        """Raises Unavailable."""
        await self._book.load()
        for run in self._book.runs():
            if run.outcome is Outcome.LEFT_ALONE and run.ended_at is not None:
                self._hands_off[run.encoder_id] = run.ended_at + timedelta(seconds=HANDS_OFF_S)
            if not run.is_over:
                log.warning("remedy was cut off", run_id=run.id, encoder_id=run.encoder_id)
                self._carry(RemedyMachine(run, CATALOGUE[run.remedy], resumed=True))

    async def run(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            now = monotonic()
            self._look_for_work(now)
            await self._book.save_behind()
            if now >= self._retell_from:
                self._retell_from = now + RETELL_S
                self._tell_standing(now)

    def hear(self, event: Event) -> None:
        """A listener of the bus, behind those who know what is wrong."""
        if isinstance(event, Condition) and not event.is_active and event.subject.kind is SubjectKind.ENCODER:
            for choice in DeviceChoice:
                self._owners.give_up((event.subject.id, choice))

    # --- what people do

    async def ask(
        self, encoder_id: EncoderId, remedy: Remedy, who: Principal, *, dry_run: bool = False, force: bool = False
    ) -> RemedyRun:
        """The try as it begins; how it goes on is in the journal. `dry_run`: only decided and written down.

        Raises NotFound, Conflict with why not, Unavailable.
        """
        self._demand(encoder_id)
        wish = Wish(encoder_id, remedy, by_person=True, force=force)
        run = await self._try(wish, "a person's wish", (), who.key_id, is_dry=dry_run)
        if isinstance(run, str):
            raise Conflict(
                f"{remedy} of {encoder_id} refused: {run}",
                hint=None if force else "What a person may overrule, `force` overrules.",
            )
        return run

    async def clear(self, encoder_id: EncoderId, who: Principal) -> RemedyBreaker:
        """Raises NotFound where no breaker is open, Unavailable."""
        breaker = self._book.breaker(encoder_id)
        if breaker is None or not breaker.is_open:
            raise NotFound(f"no breaker of {encoder_id} is open")
        await self._book.clear(breaker, who.key_id)
        if breaker.is_drained and self._drains.wished(encoder_id) is OperatorWish.DRAINING:
            await self._drains.wish(encoder_id, OperatorWish.ACTIVE)
        self._bus.tell(opened(breaker, is_active=False))
        log.warning("breaker cleared", encoder_id=encoder_id, by=who.key_id)
        return breaker

    async def standing(self, *, limit: int = 100) -> RemedyStanding:
        """Raises Unavailable."""
        now = utc_now()
        held = self._held() if self._automation is Automation.ON else f"automation is {self._automation}"
        hands_off = tuple((one, until) for one, until in self._hands_off.items() if until > now)
        runs = await self._book.history(limit=limit)
        readings = ((one, self._reading(one)) for one in self._members())
        media = tuple((one, advice) for one, told in readings if told is not None for advice in advise(told.media))
        return RemedyStanding(self._automation, held, self._book.breakers(), hands_off, media, runs)

    def hands_off(self, encoder_id: EncoderId, what: str) -> None:
        """A person changed the device by hand: nothing is done to it by itself for a while."""
        self._hands_off[encoder_id] = utc_now() + timedelta(seconds=HANDS_OFF_S)
        log.warning("device changed by hand", encoder_id=encoder_id, what=what, left_alone_s=HANDS_OFF_S)

    # --- what is done by itself

    def _look_for_work(self, now: float) -> None:
        if self._automation is Automation.OFF:
            return
        runs = self._counted()
        for encoder_id, sign in self._sick.signs(now):
            found = sign.cure()
            if found is None or sign.lasted_s(now) < found[1] or encoder_id in self._starting:
                continue
            wish = Wish(encoder_id, found[0])
            if now < self._asked.get((encoder_id, found[0]), now):
                continue
            # With what is known already, so that nobody is asked in vain each second.
            seen = self._situation(wish, self._reading(encoder_id), sign.condition.name, wanted="?")
            refusal = judge(wish, seen, runs)
            self._asked[encoder_id, found[0]] = now + LOOK_AGAIN_S
            if self._note(encoder_id, sign, refusal) is None:
                self._starting.add(encoder_id)
                self._asked[encoder_id, found[0]] = now + ASK_AGAIN_S
                name = f"{found[0]} of {encoder_id}"
                self._keeper.start(self._mend(wish, sign, now), name=name)

    async def _mend(self, wish: Wish, sign: Sign, now: float) -> None:
        try:
            evidence = (sign.condition.summary, f"for {sign.lasted_s(now):.0f} s")
            is_dry = self._automation is Automation.DRY_RUN
            result = await self._try(wish, sign.condition.name, evidence, AUTOMATION, is_dry=is_dry)
            self._note(wish.encoder_id, sign, result if isinstance(result, str) else None)
        except ManagerError as error:
            self._note(wish.encoder_id, sign, error.detail)
        finally:
            self._starting.discard(wish.encoder_id)

    def _note(self, encoder_id: EncoderId, sign: Sign, refusal: str | None) -> str | None:
        """Say once why nothing is done."""
        key = (encoder_id, sign.condition.name)
        if refusal is None:
            self._refused.pop(key, None)
        elif self._refused.get(key) != refusal and len(self._refused) < 10_000:
            self._refused[key] = refusal
            log.info("no remedy", encoder_id=encoder_id, cause=sign.condition.name, reason=refusal)
        return refusal

    def _counted(self) -> tuple[RemedyRun, ...]:
        """What counts against a further try. Where nothing is ever done, what would have been done counts."""
        is_dry = self._automation is Automation.DRY_RUN
        return tuple(replace(run, is_dry=False) if is_dry else run for run in self._book.runs())

    # --- one try

    async def _try(
        self, wish: Wish, cause: str, evidence: tuple[str, ...], by: str, *, is_dry: bool
    ) -> RemedyRun | str:
        """The try that was begun, or why it was not. Raises Unavailable when its intent can't be stored."""
        spec, encoder_id = CATALOGUE[wish.remedy], wish.encoder_id
        try:
            look = await self._deeds.look(encoder_id, wish.remedy)
            was, wanted = await self._deeds.values(encoder_id, wish.remedy)
        except ManagerError as error:
            return f"the device can't be asked now: {error.detail}"
        runs = self._counted() if not wish.by_person else self._book.runs()
        if not wish.by_person and is_needed(wish.remedy, look) is False:
            return "the device itself is as it should be"
        refusal = judge(wish, self._situation(wish, look.reading, cause, wanted=wanted), tuple(runs))
        if refusal is None and spec.choice is not None and wanted is not None and not wish.by_person:
            refusal = self._owners.refusal((encoder_id, spec.choice), cause, wanted, monotonic())
        if refusal is not None:
            return refusal
        run = RemedyRun(
            id=new_id("rem"),
            encoder_id=encoder_id,
            remedy=wish.remedy,
            cause=cause,
            evidence=(*evidence, *facts(look.reading)),
            command=spec.words if wanted is None else f"{spec.words}: {was} -> {wanted}",
            asked_by=by,
            began_at=utc_now(),
            is_disruptive=spec.is_disruptive,
            is_dry=is_dry,
            is_forced=wish.force,
            was=was,
            wanted=wanted,
        )
        if is_dry:
            run = replace(
                run, phase=Phase.DONE, outcome=Outcome.DRY_RUN, result="nothing was sent", ended_at=utc_now()
            )
        await self._book.intend(run)
        if not is_dry:
            if spec.choice is not None:
                self._owners.changed((encoder_id, spec.choice), cause, was, monotonic())
            self._carry(RemedyMachine(run, spec, can_undo=True))
        return run

    def _carry(self, machine: RemedyMachine) -> None:
        run = machine.run
        self._keeper.start(self._task.carry(machine), name=f"{run.remedy} of {run.encoder_id}")

    async def _ended(self, run: RemedyRun) -> None:
        log.warning("remedy over", run_id=run.id, encoder_id=run.encoder_id, outcome=run.outcome, result=run.result)
        choice = CATALOGUE[run.remedy].choice
        if choice is not None and run.outcome is Outcome.ROLLED_BACK:
            self._owners.undone((run.encoder_id, choice), monotonic())
        if run.outcome is Outcome.LEFT_ALONE:
            self.hands_off(run.encoder_id, f"{choice} while {run.remedy} was tried")
        before = self._book.breaker(run.encoder_id)
        if before is not None and before.is_open:
            return
        cleared_at = None if before is None else before.cleared_at
        reason = why_opened(self._book.of(run.encoder_id), cleared_at, utc_now())
        if reason is not None:
            await self._open(run, reason)

    async def _open(self, run: RemedyRun, reason: str) -> None:
        """A person has to look; until then others carry what it carried, where there are others."""
        encoder_id = run.encoder_id
        leaves = is_to_leave(run.remedy, self._load.carried(encoder_id))
        drains = leaves and self._drains.wished(encoder_id) is OperatorWish.ACTIVE
        breaker = RemedyBreaker(encoder_id, utc_now(), reason, is_drained=drains)
        log.error("breaker opened", encoder_id=encoder_id, reason=reason)
        self._bus.tell(opened(breaker, is_active=True))
        try:
            await self._book.open(breaker)
            if drains:
                await self._drains.wish(encoder_id, OperatorWish.DRAINING)
        except ManagerError as error:
            log.error("breaker not kept", encoder_id=encoder_id, reason=error.detail)

    # --- what is known

    def _demand(self, encoder_id: EncoderId) -> None:
        if encoder_id not in self._members():
            raise NotFound(f"{encoder_id} is no device that was entered here", hint="GET /api/encoders lists them.")

    def _situation(self, wish: Wish, reading: DeviceReading | None, cause: str, *, wanted: str | None) -> Situation:
        encoder_id = wish.encoder_id
        return Situation(
            now=utc_now(),
            reading=reading,
            carried=self._load.carried(encoder_id),
            members=len(self._members()),
            unhealthy=self._sick.unhealthy(cause),
            breaker=self._book.breaker(encoder_id),
            hands_off_until=self._hands_off.get(encoder_id),
            wanted=wanted,
            has_profile=self._load.profile(encoder_id) is not None,
            in_circles=self._sick.in_circles(encoder_id, monotonic()),
        )

    def _held(self) -> str | None:
        members, unhealthy = len(self._members()), self._sick.unhealthy()
        if not is_too_sick(members, unhealthy):
            return None
        return f"{unhealthy} of {members} devices look bad: the fault lies elsewhere, nothing is done to them"

    def _tell_standing(self, now: float) -> None:
        self._sick.tell_cycles(now)
        self._asked = {key: at for key, at in self._asked.items() if at > now}
        members = set(self._members())
        for breaker in self._book.breakers():
            if breaker.encoder_id in members:
                self._bus.tell(opened(breaker, is_active=True))
        held = self._held()
        if held is not None or self._is_held:
            self._bus.tell(holds(held))
        self._is_held = held is not None
