"""Puts the control plane's store, link and services together; the doors are added by `control.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from typing import Final

import structlog

from app.adapters.link.server import LinkServer
from app.adapters.schedule.cron import CronSchedule
from app.adapters.store.sql_store import SqlStore
from app.assembly.alerting import NO_WAYS, Alerting, Ways, alerting, ways_of
from app.assembly.analysis import error_analysis
from app.assembly.control_rooms import put_together
from app.assembly.performing import Performing
from app.assembly.regular_work import regular_work
from app.assembly.reign import Reign
from app.assembly.remediation_rooms import remediation
from app.assembly.seat import Seat
from app.assembly.settings import Settings
from app.domain.errors import ManagerError
from app.domain.events import Event
from app.domain.lease import CONTROL
from app.domain.remediation import Automation
from app.domain.secret import Secret
from app.monitoring.error_analysis import ErrorAnalysis
from app.monitoring.pattern_file import PatternFile, patterns_of
from app.monitoring.thermal import ThermalMonitor
from app.policy.drill_plan import DrillPlan
from app.policy.health_verdict import HealthLimits
from app.policy.outgoing import Network
from app.policy.placement import Panic
from app.policy.reserve import Reserve
from app.policy.signs import Limits
from app.policy.thermal_limits import ThermalLimits
from app.runtime.bus import Bus
from app.runtime.tasks import TaskGroupKeeper, run_again
from app.services.aja_remediation_service import AjaRemediationService
from app.services.devices import Devices
from app.services.drill import DrillService
from app.services.encoder_service import EncoderService
from app.services.fleet import Fleet
from app.services.gateways import Gateways
from app.services.journal import Journal
from app.services.key_service import KeyService
from app.services.leadership import Leadership
from app.services.live_streams import LiveStreams
from app.services.load_balancer import LoadBalancer
from app.services.stream_service import StreamService
from app.services.stream_validator import StreamValidator

LOOP_PAUSE_S: Final = 1.0
PROBE_S: Final = 2.0
"""Whoever probes has a deadline of its own, and wants an answer before."""

NORMAL_LIMITS: Final = ThermalLimits()
HEALTHY_LIMITS: Final = HealthLimits()
USUAL_LIMITS: Final = Limits()

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlServices:
    """What the doors use. Mount `link.handle` at `GET /link`; call `close()` at the end.

    Nothing acts before `take_up`.
    """

    streams: StreamService
    encoders: EncoderService
    devices: Devices
    balancer: LoadBalancer
    validator: StreamValidator
    keys: KeyService
    drills: DrillService
    bus: Bus[Event]
    link: LinkServer
    thermal: ThermalMonitor
    performing: Performing
    alerting: Alerting
    remedies: AjaRemediationService
    analysis: ErrorAnalysis
    fleet: Fleet
    """For simulated encoders, which come by `fleet.arrived(info, driver)` and `fleet.heard`."""
    gateways: Gateways
    live: LiveStreams
    store: SqlStore
    keeper: TaskGroupKeeper
    reign: Reign | None
    """None: nobody else can act on this store, so no lease says who does."""
    begin: Callable[[], Awaitable[None]]
    """Reads the store and starts what runs by itself."""
    seat: Seat | None = None
    """What was taken for these services alone, and is left with them."""

    @classmethod
    def on(cls, seat: Seat, settings: Settings) -> ControlServices:
        """With what `settings` say, over a seat that outlives them."""
        reign = Reign(seat.leadership)
        return cls._built(
            seat.store.for_a_reign(),
            LinkServer(token=settings.link_token, reign=lambda: reign.epoch),
            StreamValidator(allowed_targets=settings.allowed_private_targets),
            settings.key_pepper,
            settings.bootstrap_api_key or None,
            reign=reign,
            panic=settings.panic,
            keep_reserve=settings.reserve,
            thermal_limits=ThermalLimits.of(settings.temp_high_threshold),
            health_limits=HealthLimits(
                settings.health_preventive_below, settings.health_degrade_below, settings.health_reset_below
            ),
            drill_plan=_drill_plan(settings),
            # Before what has to be closed: a file that cannot be read ends the start here.
            patterns=patterns_of(settings.fault_patterns),
            ways=ways_of(settings),
            automation=settings.remediation,
            limits=Limits(settings.cpu_high_threshold, settings.memory_high_threshold),
        )

    @classmethod
    async def of(cls, settings: Settings) -> ControlServices:
        """As `start`, with what `settings` say."""
        seat = await Seat.of(settings)
        return await cls.on(seat, settings)._leading(seat)

    @classmethod
    async def start(
        cls,
        *,
        database_url: str,
        link_token: Secret,
        key_pepper: Secret,
        seal_key: Secret,
        bootstrap_api_key: Secret | None,
        allowed_targets: Collection[Network] = (),
        drill_plan: DrillPlan | None = None,
    ) -> ControlServices:
        """Migrates the store, waits for the lease, loads the running streams, starts the watching tasks. Who loses
        the lease acts no more: start it anew then.

        Raises InvalidSettings, Unavailable.
        """
        seat = await Seat.take(database_url=database_url, seal_key=seal_key)
        reign = Reign(seat.leadership)
        services = cls._built(
            seat.store.for_a_reign(),
            LinkServer(token=link_token, reign=lambda: reign.epoch),
            StreamValidator(allowed_targets=allowed_targets),
            key_pepper,
            bootstrap_api_key,
            reign=reign,
            drill_plan=drill_plan,
        )
        return await services._leading(seat)

    async def _leading(self, seat: Seat) -> ControlServices:
        """These services once they lead; they leave the seat when they are closed."""
        services = replace(self, seat=seat)
        try:
            epoch = await seat.leadership.won()
            await services.take_up(epoch)
        except BaseException:
            await services.close()
            raise
        services.keeper.start(services._until_lost(seat.leadership, epoch), name="reign")
        return services

    async def _until_lost(self, leadership: Leadership, epoch: int) -> None:
        reason = await leadership.lost(epoch)
        log.error("control stops acting", reason=reason)
        await self.link.close()

    @classmethod
    async def _on(
        cls,
        store: SqlStore,
        link: LinkServer,
        validator: StreamValidator,
        pepper: Secret,
        bootstrap_api_key: Secret | None,
    ) -> ControlServices:
        """Without a lease: whoever gives the store sees to it that nobody else acts on it."""
        services = cls._built(store, link, validator, pepper, bootstrap_api_key)
        await services.begin()
        return services

    @classmethod
    def _built(
        cls,
        store: SqlStore,
        link: LinkServer,
        validator: StreamValidator,
        pepper: Secret,
        bootstrap_api_key: Secret | None,
        *,
        reign: Reign | None = None,
        panic: Panic = Panic.LEAST_BAD,
        keep_reserve: Reserve = Reserve.WARN,
        thermal_limits: ThermalLimits = NORMAL_LIMITS,
        health_limits: HealthLimits = HEALTHY_LIMITS,
        drill_plan: DrillPlan | None = None,
        ways: Ways = NO_WAYS,
        automation: Automation = Automation.ON,
        limits: Limits = USUAL_LIMITS,
        patterns: PatternFile | None = None,
    ) -> ControlServices:
        bus: Bus[Event] = Bus(_listener_failed)
        keeper = TaskGroupKeeper(_task_failed)
        keys = KeyService(store=store, pepper=pepper)
        rooms = put_together(
            store=store,
            link=link,
            validator=validator,
            bus=bus,
            keeper=keeper,
            panic=panic,
            keep_reserve=keep_reserve,
            thermal_limits=thermal_limits,
            health_limits=health_limits,
            drill_plan=drill_plan,
        )
        remedies = remediation(
            store=store, hardware=rooms.hardware, fleet=rooms.fleet, bus=bus, keeper=keeper, automation=automation
        )
        alerts = alerting(store=store, bus=bus, fleet=rooms.fleet, streams=rooms.live, ways=ways, limits=limits)
        analysis = error_analysis(
            file=patterns or patterns_of(), board=alerts.board, bus=bus, fleet=rooms.fleet, streams=rooms.live
        )

        async def begin() -> None:
            if bootstrap_api_key:
                await keys.ensure_bootstrap(bootstrap_api_key)
            await rooms.fleet.load()
            log.info("devices taken up", count=await rooms.hardware.devices.load())
            log.info("streams taken up", count=await rooms.live.load())
            rooms.adoption.promises_of_the_store()
            rooms.hardware.feeds.promises_of_the_store()
            # Before those who make conditions of events: it knows the same events by then.
            bus.listen(analysis.hear)
            await alerts.load()
            await remedies.load()
            journal = Journal(store=store)
            bus.listen(journal.hear)
            loops = [rooms.live.save_behind, rooms.watch.run, rooms.watch.age, rooms.thermal.run, journal.run]
            loops += [rooms.hardware.watch.run, rooms.hardware.feeds.run]
            loops += [rooms.performing.performance.run, rooms.performing.clocks.run]
            loops += [*alerts.loops, analysis.run, *remedies.loops]
            if works := regular_work(streams=rooms.live, drills=rooms.drills, drill_plan=drill_plan):
                loops.append(CronSchedule(works, on_crash=_task_failed).run)
            for loop in loops:
                keeper.start(run_again(loop, pause_s=LOOP_PAUSE_S, on_crash=_task_failed), name=loop.__qualname__)
            # Last: no peer may speak before the streams are known.
            link.listen(rooms.switchboard)

        return cls(
            streams=rooms.streams,
            encoders=rooms.encoders,
            devices=rooms.hardware.devices,
            balancer=rooms.balancer,
            validator=validator,
            keys=keys,
            drills=rooms.drills,
            bus=bus,
            link=link,
            thermal=rooms.thermal,
            performing=rooms.performing,
            alerting=alerts,
            remedies=remedies.service,
            analysis=analysis,
            fleet=rooms.fleet,
            gateways=rooms.gateways,
            live=rooms.live,
            store=store,
            keeper=keeper,
            begin=begin,
            reign=reign,
        )

    async def take_up(self, epoch: int) -> None:
        """Act from now on, under `epoch`. Raises Unavailable."""
        assert self.reign is not None, "services without a lease begin by themselves"
        self.reign.begin(epoch)
        self.store.write_under(CONTROL, epoch)
        await self.begin()
        self.reign.open()

    def standby(self) -> str | None:
        """Why these services do not act, in words; None: they do."""
        return None if self.reign is None else self.reign.standby

    async def stop_acting(self) -> None:
        """Another control may lead: no order goes out any more, nothing is watched. May be called twice."""
        await self.link.close()
        await self.keeper.close()
        await self.devices.close()

    async def ready(self) -> tuple[str, ...]:
        """What is missing to open a stream now, in words; empty: ready."""
        standby = self.standby()
        if standby is not None:
            return (standby,)
        missing: list[str] = []
        try:
            async with asyncio.timeout(PROBE_S):
                await self.store.ping()
        except ManagerError as error:
            missing.append(error.detail)
        except TimeoutError:
            missing.append("the database does not answer in time")
        if not self.gateways.connected():
            missing.append("no gateway is connected")
        if not any(member.link_up for member in self.fleet):
            missing.append("no encoder is connected")
        return tuple(missing)

    async def close(self) -> None:
        """Streams go on: gateways and nodes keep what they were told."""
        await self.stop_acting()
        if self.standby() is None:
            # Who leads no more would be refused, or waits for a database that is away.
            await self.live.flush()
        await self.alerting.close()
        if self.seat is not None:
            await self.seat.leave()


def _drill_plan(settings: Settings) -> DrillPlan | None:
    window = settings.drill_window
    return DrillPlan.parse(window, settings.drill_kind) if window else None


def _listener_failed(error: BaseException) -> None:
    log.error("listener failed", exc_info=error)


def _task_failed(name: str, error: BaseException) -> None:
    log.error("task failed", task=name, exc_info=error)
