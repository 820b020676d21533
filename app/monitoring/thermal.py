"""Follows the warmth of every encoder: feeds the controllers, tells conditions, answers who asks.

Rules are the business of `app/policy/thermal.py`. That streams leave a hot encoder is the stream watch's business,
which asks `leave` and `shun`; that new ones go elsewhere is the balancer's, which asks `heat_of` and `allowance`.

What an encoder's sensor was before control's start is not known: one that lost it before counts as without one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import structlog

from app.domain.condition import RETOLD_S, Category, Condition, Subject, SubjectKind
from app.domain.device import DeviceReading, EngineState
from app.domain.encoder import EncoderInfo, EncoderReading, EncoderState
from app.domain.errors import NotFound
from app.domain.events import DeviceRead, EncoderChanged, EncoderRead, Event, WorkerReplaced
from app.domain.ids import EncoderId
from app.policy.failover_words import Leave
from app.policy.heat import Heat
from app.policy.thermal import ThermalController
from app.policy.thermal_limits import ThermalLimits
from app.policy.thermal_words import Came, CoolDown, Finding, Moved, Placed, Sample, Verdict
from app.policy.thermal_words import Event as ThermalEvent
from app.runtime.bus import Bus
from app.runtime.clock import monotonic, utc_now

BEAT_S: Final = 1.0
MAX_ENCODERS: Final = 10_000
"""As many as the fleet has."""
FORGET_S: Final = 24 * 3600.0
"""An encoder that was not heard for so long is no part of the fleet any more."""
AWAY: Final = frozenset({EncoderState.OFFLINE, EncoderState.STOPPED})

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Promised:
    """To streams on one encoder. `share` of its full load, by `streams`, of which `primaries` are to work there."""

    share: float
    streams: int
    primaries: int


@dataclass(slots=True)
class _Watched:
    controller: ThermalController
    verdict: Verdict
    heard: float
    workers: int = 0
    is_device: bool = False
    is_away: bool = False
    """Offline or stopped: that its sensor is silent is no news."""
    told: dict[str, Finding] = field(default_factory=dict)
    told_at: float = 0.0


class ThermalMonitor:
    """`info` says what an encoder is, `promised` what it is to do; None: not known."""

    def __init__(
        self,
        *,
        limits: ThermalLimits,
        info: Callable[[EncoderId], EncoderInfo | None],
        promised: Callable[[EncoderId], Promised | None],
        bus: Bus[Event],
    ) -> None:
        self._limits = limits
        self._info = info
        self._promised = promised
        self._bus = bus
        self._watched: dict[EncoderId, _Watched] = {}

    # --- what is asked

    def __iter__(self) -> Iterator[EncoderId]:
        return iter(tuple(self._watched))

    def heat_of(self, encoder_id: EncoderId) -> Heat | None:
        watched = self._watched.get(encoder_id)
        if watched is None:
            return None
        return watched.controller.heat(monotonic(), waiting_load=self._waiting_load(encoder_id, watched))

    def allowance(self, encoder_id: EncoderId) -> float:
        watched = self._watched.get(encoder_id)
        return 1.0 if watched is None else watched.verdict.allowance

    def leave(self, encoder_id: EncoderId) -> Leave | None:
        """Why what runs there is to leave."""
        watched = self._watched.get(encoder_id)
        return None if watched is None else watched.verdict.leave

    def shun(self, encoder_id: EncoderId) -> Leave | None:
        """Why no standby should wait there."""
        watched = self._watched.get(encoder_id)
        return None if watched is None else watched.verdict.shun

    def temperature_c(self, encoder_id: EncoderId) -> float | None:
        watched = self._watched.get(encoder_id)
        return None if watched is None else watched.verdict.temperature_c

    def verdict(self, encoder_id: EncoderId) -> Verdict:
        """As of now. Raises NotFound for an encoder that was never heard."""
        watched = self._met(encoder_id)
        return watched.controller.verdict(monotonic(), waiting_load=self._waiting_load(encoder_id, watched))

    def cool_down(self, encoder_id: EncoderId, *, by: str) -> Verdict:
        """Take its work away in steps, and give it back when it is cool. Raises NotFound."""
        watched = self._met(encoder_id)
        log.info("cool-down ordered", encoder_id=encoder_id, by=by)
        self._feed(encoder_id, watched, CoolDown(by))
        return self.verdict(encoder_id)

    def _met(self, encoder_id: EncoderId) -> _Watched:
        watched = self._watched.get(encoder_id)
        if watched is None:
            raise NotFound(f"no encoder {encoder_id} was heard", hint="GET /api/encoders lists them.")
        return watched

    # --- what comes in

    def placed(self, encoder_id: EncoderId) -> None:
        """The encoder was given a stream: a new one, or one that moves."""
        watched = self._watched.get(encoder_id)
        if watched is not None:
            self._feed(encoder_id, watched, Placed())

    def hear(self, event: Event) -> None:
        match event:
            case EncoderRead(encoder_id, reading):
                self._read(encoder_id, reading)
            case DeviceRead(encoder_id, device):
                self._read_device(encoder_id, device)
            case WorkerReplaced(to_id=encoder_id):
                self.placed(encoder_id)
            case EncoderChanged(encoder_id, state):
                # One that came is known from now on, also before its first reading.
                watched = self._watch(encoder_id)
                if watched is not None:
                    was_away, watched.is_away = watched.is_away, state in AWAY
                    if was_away and not watched.is_away:
                        self._feed(encoder_id, watched, Came())
                    self._tell(encoder_id, watched, monotonic())

    def _read(self, encoder_id: EncoderId, reading: EncoderReading) -> None:
        watched = self._watch(encoder_id)
        if watched is None or watched.is_device:
            return
        watched.workers = len(reading.workers)
        busiest = max((p for p in (reading.cpu_percent, reading.gpu_percent) if p is not None), default=None)
        sample = Sample(
            celsius=reading.temperature_c,
            load=None if busiest is None else busiest / 100.0,
            slowdown_c=reading.slowdown_c,
            is_throttled=reading.is_throttled,
        )
        self._feed(encoder_id, watched, sample)

    def _read_device(self, encoder_id: EncoderId, reading: DeviceReading) -> None:
        watched = self._watch(encoder_id)
        if watched is None:
            return
        # What the fleet is told of a device is only a part of this.
        watched.is_device = True
        works = (reading.streaming, reading.recording).count(EngineState.RUNNING)
        is_told = reading.streaming is not None
        watched.workers = int(reading.streaming is EngineState.RUNNING)
        self._feed(encoder_id, watched, Sample(reading.temperature_c, works / 2 if is_told else None))

    def _watch(self, encoder_id: EncoderId) -> _Watched | None:
        now, watched = monotonic(), self._watched.get(encoder_id)
        if watched is None:
            if len(self._watched) >= MAX_ENCODERS:
                return None
            controller = ThermalController(self._limits)
            watched = self._watched[encoder_id] = _Watched(controller, controller.verdict(now), now)
        watched.heard = now
        return watched

    def _feed(self, encoder_id: EncoderId, watched: _Watched, event: ThermalEvent) -> None:
        now = monotonic()
        self._carry_out(encoder_id, watched, watched.controller.feed(event, now), now)

    def _waiting_load(self, encoder_id: EncoderId, watched: _Watched) -> float:
        """Of streams that are to work there and do not yet, each taken for one of equal size."""
        promised = self._promised(encoder_id)
        if promised is None or promised.streams == 0:
            return 0.0
        return promised.share * max(promised.primaries - watched.workers, 0) / promised.streams

    # --- what goes out

    async def run(self) -> None:
        """Runs until cancelled: a sensor grows old without a word, and conditions are told again."""
        while True:
            self.beat(monotonic())
            await asyncio.sleep(BEAT_S)

    def beat(self, now: float) -> None:
        for encoder_id, watched in tuple(self._watched.items()):
            is_out = watched.is_away and self._info(encoder_id) is None
            if is_out or now - watched.heard > FORGET_S:
                for finding in watched.told.values():
                    self._tell_one(encoder_id, finding, is_active=False)
                del self._watched[encoder_id]
                continue
            due = watched.controller.due
            if due is not None and now >= due:
                self._carry_out(encoder_id, watched, watched.controller.tick(now), now)
            elif watched.told and now - watched.told_at >= RETOLD_S:
                self._tell(encoder_id, watched, now)

    def _carry_out(self, encoder_id: EncoderId, watched: _Watched, moves: tuple[Moved, ...], now: float) -> None:
        for moved in moves:
            log.info(
                "thermal state", encoder_id=encoder_id, state=moved.after, before=moved.before, reason=moved.reason
            )
        watched.verdict = watched.controller.verdict(now)
        self._tell(encoder_id, watched, now)

    def _tell(self, encoder_id: EncoderId, watched: _Watched, now: float) -> None:
        found = {} if watched.is_away else {finding.name: finding for finding in watched.verdict.findings}
        again = now - watched.told_at >= RETOLD_S
        if found.keys() == watched.told.keys() and not (found and again):
            return
        before, watched.told, watched.told_at = watched.told, found, now
        for name, finding in before.items():
            if name not in found:
                self._tell_one(encoder_id, finding, is_active=False)
        for finding in found.values():
            self._tell_one(encoder_id, finding, is_active=True)

    def _tell_one(self, encoder_id: EncoderId, finding: Finding, *, is_active: bool) -> None:
        info = self._info(encoder_id)
        places = () if info is None else (("host", info.host_id), ("rack", info.rack), ("region", info.region))
        self._bus.tell(
            Condition(
                name=finding.name,
                subject=Subject(SubjectKind.ENCODER, encoder_id),
                is_active=is_active,
                severity=finding.severity,
                category=Category.THERMAL,
                at=utc_now(),
                summary=finding.summary,
                labels=(("encoder", encoder_id), *((name, text) for name, text in places if text is not None)),
                value=finding.value,
            )
        )
