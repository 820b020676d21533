"""Follows the clocks of gateways and nodes: how far each is from control's, told as a condition where it is off.

How far is `app/policy/clock_offset.py`'s verdict. Clocks of devices are their own watch's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.domain.condition import Category, Condition, Subject, SubjectKind
from app.domain.events import Event
from app.domain.ids import EncoderId
from app.domain.severity import Severity
from app.monitoring.standing import StandingConditions
from app.policy.clock_offset import Answer, Offset, is_off, note, offset
from app.runtime.bus import Bus
from app.runtime.clock import monotonic, utc_now

BEAT_S: Final = 5.0
SILENT_S: Final = 60.0
"""A clock that was not asked for so long is not known any more."""
MAX_PEERS: Final = 2_000


@dataclass(slots=True)
class _Clock:
    subject: Subject
    answers: tuple[Answer, ...] = ()
    heard: float = 0.0
    is_off: bool = False


class HealthClocks(Collector):
    """`encoder_at` names the encoder of a node; a peer without one is a gateway."""

    def __init__(self, *, encoder_at: Callable[[str], EncoderId | None], bus: Bus[Event]) -> None:
        self._encoder_at = encoder_at
        self._standing = StandingConditions(bus.tell)
        self._clocks: dict[str, _Clock] = {}

    def heard(self, peer: str, offset_s: float, took_s: float) -> None:
        """A peer told its time."""
        now = monotonic()
        clock = self._clocks.get(peer)
        if clock is None:
            if len(self._clocks) >= MAX_PEERS:
                return
            clock = self._clocks[peer] = _Clock(self._subject(peer))
        clock.answers, clock.heard = note(clock.answers, Answer(offset_s, took_s)), now
        found = offset(clock.answers)
        if found is not None:
            clock.is_off = is_off(found, was_off=clock.is_off)
            self._note(clock, found, now)

    def offset_of(self, peer: str) -> Offset | None:
        """None: not known."""
        clock = self._clocks.get(peer)
        return None if clock is None else offset(clock.answers)

    def worst_ms(self) -> float | None:
        known = [found.offset_s for clock in self._clocks.values() if (found := offset(clock.answers)) is not None]
        return None if not known else 1000.0 * max(known, key=abs)

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            self.beat(monotonic())
            await asyncio.sleep(BEAT_S)

    def beat(self, now: float) -> None:
        for peer, clock in tuple(self._clocks.items()):
            if now - clock.heard > SILENT_S:
                del self._clocks[peer]
                clock.is_off = False
                self._note(clock, Offset(0.0, 0.0), now, summary="is not known any more: the peer is gone")
        self._standing.retell(now)

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily(
            "encman_clock_offset_seconds", "Clock of a gateway or node minus control's.", labels=("peer",)
        )
        for peer, clock in self._clocks.items():
            found = offset(clock.answers)
            if found is not None:
                family.add_metric((peer,), found.offset_s)
        yield family

    def _subject(self, peer: str) -> Subject:
        encoder_id = self._encoder_at(peer)
        if encoder_id is None:
            return Subject(SubjectKind.GATEWAY, peer)
        return Subject(SubjectKind.ENCODER, encoder_id)

    def _note(self, clock: _Clock, found: Offset, now: float, *, summary: str | None = None) -> None:
        way = "ahead" if found.offset_s > 0 else "behind"
        text = f"is {abs(found.offset_s) * 1000:.0f} ms {way}, give or take {found.error_s * 1000:.0f}"
        subject = clock.subject
        condition = Condition(
            name="clock_offset",
            subject=subject,
            is_active=clock.is_off,
            severity=Severity.WARNING,
            category=Category.NTP,
            at=utc_now(),
            summary=f"clock of {subject.kind.value} {subject.id} {summary or text}",
            labels=((subject.kind.value, subject.id),),
            value=found.offset_s * 1000,
        )
        self._standing.note(condition, now)
