"""Turns events of the system into conditions: encoders that are gone, streams that fail, machines that are full.

What is a sign of trouble is `app/policy/signs.py`'s verdict. Heat, bitrates, pictures, certificates, clocks and
devices have monitors of their own, which tell their conditions themselves.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from app.domain.condition import Category, Condition, Subject, SubjectKind
from app.domain.encoder import EncoderInfo
from app.domain.errors import ManagerError
from app.domain.events import (
    EncoderChanged,
    EncoderRead,
    Event,
    StreamChanged,
    StreamDrilled,
    StreamErrorSeen,
    StreamFailedOver,
    StreamHealthRead,
)
from app.domain.failover import DecidedBy, SwitchKind, SwitchReport
from app.domain.ids import EncoderId, GatewayId, StreamId
from app.domain.severity import Severity
from app.domain.stream import StreamState
from app.monitoring.standing import StandingConditions
from app.policy.signs import Limits, Sign, encoder_signs, presence_sign, stream_signs
from app.runtime.clock import monotonic, utc_now

BEAT_S: Final = 5.0
HAPPENED_S: Final = 30.0
"""What only happens, and does not last, is on for so long."""
USUAL: Final = Limits()
PING_S: Final = 3.0
STORE: Final = Subject(SubjectKind.SYSTEM, "store")

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is asked about the system. `ejected`: who takes no streams for a while, and why. `ping` raises
    Unavailable while the store is away."""

    encoder: Callable[[EncoderId], EncoderInfo | None]
    ejected: Callable[[], Iterable[tuple[EncoderId, str]]]
    gateway_of: Callable[[StreamId], GatewayId | None]
    has_stream: Callable[[StreamId], bool]
    ping: Callable[[], Awaitable[None]]


class Conditions:
    """`hear` is a listener of the bus, `run` works until it is cancelled, `tell` hears the conditions."""

    def __init__(self, *, around: Surroundings, tell: Callable[[Condition], None], limits: Limits = USUAL) -> None:
        self._around = around
        self._limits = limits
        self._standing = StandingConditions(tell)
        self._happened: deque[tuple[float, Condition]] = deque(maxlen=10_000)

    def hear(self, event: Event) -> None:
        match event:
            case EncoderChanged():
                sign = presence_sign(event.state, event.reason)
                if sign is not None:
                    self._about_encoder(event.encoder_id, sign, event.at)
            case EncoderRead():
                subject = Subject(SubjectKind.ENCODER, event.encoder_id)
                signs = encoder_signs(event.reading, lambda name: self._standing.lasts(name, subject), self._limits)
                for sign in signs:
                    self._about_encoder(event.encoder_id, sign, event.at)
            case StreamHealthRead():
                self._hear_health(event)
            case StreamChanged() if event.state is StreamState.ENDED:
                self._ended(Subject(SubjectKind.STREAM, event.stream_id), event.at)
            case StreamErrorSeen() if event.severity is Severity.CRITICAL:
                text = f"{event.cause}: {event.detail}"
                sign = Sign("stream_failed", True, Severity.CRITICAL, Category.STREAM_FAILED, text)
                self._about_stream(event.stream_id, None, sign, event.at)
            case StreamFailedOver():
                self._hear_switch(event.report)
            case StreamDrilled():
                fault = event.outcome.fault
                text = f"a failover drill failed: {fault}"
                sign = Sign("drill_failed", fault is not None, Severity.WARNING, Category.FAILOVER, text)
                self._about_stream(event.stream_id, None, sign, event.outcome.at)
            case _:
                pass

    def _hear_health(self, event: StreamHealthRead) -> None:
        health = event.health
        for sign in stream_signs(health):
            self._about_stream(health.stream_id, health.primary_id, sign, health.at)
        # While nobody publishes, a backup that stands ready shows that its encoders are there again.
        is_ready = health.state is StreamState.WAITING and health.protected
        if health.state is StreamState.LIVE or is_ready:
            text = "can go on: its encoders are there again" if is_ready else "is live again"
            over = Sign("stream_failed", False, Severity.CRITICAL, Category.STREAM_FAILED, text)
            self._about_stream(health.stream_id, health.primary_id, over, health.at)

    def _hear_switch(self, report: SwitchReport) -> None:
        """A loss that a backup made good. Drills and what an operator asked for are no news to people."""
        if report.kind is SwitchKind.PLANNED or report.decided_by in (DecidedBy.DRILL, DecidedBy.OPERATOR):
            return
        missing = "not counted" if report.frames_missing is None else str(report.frames_missing)
        way = f"from {report.from_encoder_id} to {report.to_encoder_id}"
        text = f"failed over {way}: {report.cause}; frames missing: {missing}"
        sign = Sign("stream_failed_over", True, Severity.WARNING, Category.FAILOVER, text, report.frames_missing)
        condition = self._about_stream(report.stream_id, report.from_encoder_id, sign, report.at)
        self._happened.append((monotonic(), condition))

    def _about_encoder(self, encoder_id: EncoderId, sign: Sign, at: datetime) -> None:
        self._note(Subject(SubjectKind.ENCODER, encoder_id), sign, self._labels(encoder_id), at)

    def _about_stream(
        self, stream_id: StreamId, encoder_id: EncoderId | None, sign: Sign, at: datetime
    ) -> Condition:
        labels = () if encoder_id is None else self._labels(encoder_id)
        gateway_id = self._around.gateway_of(stream_id)
        if gateway_id is not None:
            labels = (*labels, ("gateway", gateway_id))
        return self._note(Subject(SubjectKind.STREAM, stream_id), sign, labels, at)

    def _labels(self, encoder_id: EncoderId) -> Labels:
        info = self._around.encoder(encoder_id)
        known: list[tuple[str, str | None]] = [("encoder", encoder_id)]
        if info is not None:
            known += [("host", info.host_id), ("rack", info.rack), ("region", info.region)]
        return tuple((name, value) for name, value in known if value)

    def _note(self, subject: Subject, sign: Sign, labels: Labels, at: datetime) -> Condition:
        condition = Condition(
            name=sign.name,
            subject=subject,
            is_active=sign.is_active,
            severity=sign.severity,
            category=sign.category,
            at=at,
            summary=f"{subject.kind.value} {subject.id} {sign.summary}",
            labels=labels,
            value=sign.value,
        )
        self._standing.note(condition, monotonic())
        return condition

    def _ended(self, subject: Subject, at: datetime) -> None:
        self._standing.end_all(subject, lambda condition: replace(condition, is_active=False, at=at))

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(BEAT_S)

    async def look(self) -> None:
        """One round: what nobody tells by an event, what is over by itself, and what is to be told again."""
        now, at = monotonic(), utc_now()
        while self._happened and now - self._happened[0][0] >= HAPPENED_S:
            _, condition = self._happened.popleft()
            self._standing.note(replace(condition, is_active=False, at=at), now)
        self._look_at_ejected(at)
        for subject in self._standing.subjects():
            # Some is told of them after they are gone, such as how a drill went: nobody else would end it.
            if self._is_gone(subject):
                self._ended(subject, at)
        self._standing.retell(now)
        await self._look_at_store(at)

    def _is_gone(self, subject: Subject) -> bool:
        match subject.kind:
            case SubjectKind.ENCODER:
                return self._around.encoder(EncoderId(subject.id)) is None
            case SubjectKind.STREAM:
                return not self._around.has_stream(StreamId(subject.id))
            case _:
                return False

    def _look_at_ejected(self, at: datetime) -> None:
        ejected = dict(self._around.ejected())
        for subject in self._standing.subjects():
            if subject.kind is SubjectKind.ENCODER and subject.id not in ejected:
                back = Sign("encoder_ejected", False, Severity.WARNING, Category.ERROR_RATE, "takes streams again")
                self._about_encoder(EncoderId(subject.id), back, at)
        for encoder_id, reason in ejected.items():
            text = f"takes no streams for a while: {reason}"
            sign = Sign("encoder_ejected", True, Severity.WARNING, Category.ERROR_RATE, text)
            self._about_encoder(encoder_id, sign, at)

    async def _look_at_store(self, at: datetime) -> None:
        fault: str | None = None
        try:
            async with asyncio.timeout(PING_S):
                await self._around.ping()
        except ManagerError as error:
            fault = error.detail
        except TimeoutError:
            fault = "the database does not answer in time"
        sign = Sign("store_away", fault is not None, Severity.CRITICAL, Category.SYSTEM, f"is away: {fault}")
        self._note(STORE, sign, (), at)
