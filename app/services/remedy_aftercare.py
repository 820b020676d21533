"""What became of each remedy a minute later, and whether a person changes devices by hand meanwhile.

A setting that is not as it was seen last, and that no remedy changed, was changed by a person: who hears of it
leaves the device alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Final, TypeVar

from app.domain.device import DeviceChoice
from app.domain.errors import ManagerError
from app.domain.ids import EncoderId
from app.domain.remediation import RemedyRun
from app.policy.remedies import CATALOGUE, helped
from app.runtime.clock import monotonic, utc_now
from app.runtime.tasks import TaskGroupKeeper
from app.services.remedy_book import RemedyBook
from app.services.remedy_deeds import RemedyDeeds
from app.services.sick_devices import SickDevices

BEAT_S: Final = 1.0
EFFECT_S: Final = 60.0
"""After the command."""
PATROL_S: Final = 60.0
"""Between two looks at the same device's settings."""
AT_ONCE: Final = 20

T = TypeVar("T")


class RemedyAftercare:
    """`run` runs until cancelled; `by_hand` is told of a device and what a person changed."""

    def __init__(
        self,
        *,
        book: RemedyBook,
        deeds: RemedyDeeds,
        sick: SickDevices,
        members: Callable[[], tuple[EncoderId, ...]],
        answers: Callable[[EncoderId], bool],
        by_hand: Callable[[EncoderId, str], None],
        keeper: TaskGroupKeeper,
    ) -> None:
        self._book = book
        self._deeds = deeds
        self._sick = sick
        self._members = members
        self._answers = answers
        self._by_hand = by_hand
        self._keeper = keeper
        self._under_way: set[str] = set()
        self._held: dict[EncoderId, dict[DeviceChoice, str | None]] = {}
        self._looked: dict[EncoderId, float] = {}

    async def run(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            self._look_for_effects(utc_now())
            self._look_for_hands(monotonic())

    # --- effects

    def _look_for_effects(self, now: datetime) -> None:
        for run in tuple(self._book.runs()):
            if run.effect is not None or run.sent_at is None or not run.is_over:
                continue
            # A clock that was set back must not keep it waiting.
            if not 0.0 <= (now - run.sent_at).total_seconds() < EFFECT_S:
                self._start(run.id, self._write_effect, run)

    async def _write_effect(self, run: RemedyRun) -> None:
        try:
            look = await self._deeds.look(run.encoder_id, run.remedy)
        except ManagerError as error:
            words = f"not known: {error.detail}"
        else:
            words = _WORDS[helped(run.remedy, look, run.wanted)]
        if self._sick.lasts(run.encoder_id, run.cause):
            words += f"; {run.cause} lasts"
        after_s = 0.0 if run.sent_at is None else (utc_now() - run.sent_at).total_seconds()
        kept = self._book.run(run.id) or run
        await self._book.keep(replace(kept, effect=f"after {after_s:.0f} s: {words}"))

    # --- hands

    def _look_for_hands(self, now: float) -> None:
        known = self._members()
        for gone in self._looked.keys() - set(known):
            del self._looked[gone]
            self._held.pop(gone, None)
        for encoder_id in known:
            if now - self._looked.get(encoder_id, -PATROL_S) >= PATROL_S and self._answers(encoder_id):
                self._start(encoder_id, self._compare, encoder_id)

    async def _compare(self, encoder_id: EncoderId) -> None:
        self._looked[encoder_id] = monotonic()
        try:
            found = {name: await self._deeds.choice(encoder_id, name) for name in DeviceChoice}
        except ManagerError:
            return
        before = self._held.get(encoder_id, {})
        self._held[encoder_id] = {name: value or before.get(name) for name, value in found.items()}
        changed = [name for name in DeviceChoice if None not in (before.get(name), found[name])]
        changed = [name for name in changed if before[name] != found[name] and not self._is_ours(encoder_id, name)]
        if changed:
            self._by_hand(encoder_id, ", ".join(changed))

    def _is_ours(self, encoder_id: EncoderId, name: DeviceChoice) -> bool:
        """Whether a remedy has touched the setting since it was looked at before."""
        for run in self._book.of(encoder_id):
            if CATALOGUE[run.remedy].choice is not name or run.is_dry:
                continue
            if run.ended_at is None or abs((utc_now() - run.ended_at).total_seconds()) < 2 * PATROL_S:
                return True
        return False

    def _start(self, key: str, work: Callable[[T], Awaitable[None]], subject: T) -> None:
        if key in self._under_way or len(self._under_way) >= AT_ONCE:
            return
        self._under_way.add(key)

        async def watched() -> None:
            try:
                await work(subject)
            finally:
                self._under_way.discard(key)

        self._keeper.start(watched(), name=f"aftercare of {key}")


_WORDS: Final = {
    True: "it is as it should be",
    False: "it is not as it should be",
    None: "the device does not tell",
}
