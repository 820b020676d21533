"""The workrooms of one control, put together: who knows whom.

When they begin, what runs by itself and who closes them is the business of `control_services.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.adapters.encoders.node import NodeDriver
from app.adapters.link.server import LinkServer
from app.adapters.store.sql_store import SqlStore
from app.assembly.device_rooms import DeviceRooms, device_rooms
from app.assembly.performing import Performing, performing
from app.domain.events import Event
from app.domain.fleet import Role
from app.domain.ids import EncoderId
from app.monitoring.health_connections import HealthConnections
from app.monitoring.thermal import Promised, ThermalMonitor
from app.policy.drill_plan import DrillPlan
from app.policy.health_verdict import HealthLimits
from app.policy.heat_turn import HeatTurn
from app.policy.placement import Panic
from app.policy.reserve import Reserve
from app.policy.session_cost import SessionCosts
from app.policy.thermal_limits import ThermalLimits
from app.runtime.bus import Bus
from app.runtime.tasks import TaskGroupKeeper
from app.services.adoption import Adoption
from app.services.changing import Changing
from app.services.drill import DrillService
from app.services.encoder_service import EncoderService
from app.services.ending import Ending
from app.services.fleet import DriverFor, Fleet
from app.services.gateways import Gateways
from app.services.ledger import Ledger
from app.services.live_streams import LiveStreams
from app.services.load_balancer import LoadBalancer
from app.services.opening import Opening
from app.services.picture import Picture
from app.services.quality import QualityControl
from app.services.recovery import Recovery
from app.services.reports import Reports
from app.services.session_meter import SessionMeter
from app.services.standbys import Standbys
from app.services.stream_service import StreamService
from app.services.stream_validator import StreamValidator
from app.services.stream_watch import StreamWatch
from app.services.switchboard import Switchboard
from app.services.takeover import Takeover
from app.services.wellbeing import Wellbeing


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRooms:
    """Those that somebody outside asks, starts or listens with."""

    streams: StreamService
    encoders: EncoderService
    drills: DrillService
    balancer: LoadBalancer
    fleet: Fleet
    gateways: Gateways
    live: LiveStreams
    watch: StreamWatch
    thermal: ThermalMonitor
    adoption: Adoption
    performing: Performing
    hardware: DeviceRooms
    switchboard: Switchboard


def put_together(
    *,
    store: SqlStore,
    link: LinkServer,
    validator: StreamValidator,
    bus: Bus[Event],
    keeper: TaskGroupKeeper,
    panic: Panic,
    keep_reserve: Reserve,
    thermal_limits: ThermalLimits,
    health_limits: HealthLimits,
    drill_plan: DrillPlan | None,
) -> ControlRooms:
    """Nothing acts yet."""
    ledger = Ledger()
    streams = LiveStreams(store=store, bus=bus)
    reports = Reports(store=store, bus=bus)
    gateways = Gateways(downlink=link, streams=streams)
    fleet = Fleet(driver_for=_driver_over(link), store=store, ledger=ledger, bus=bus)
    costs = SessionCosts()
    bus.listen(SessionMeter(streams=streams, fleet=fleet, costs=costs).hear)
    balancer = LoadBalancer(fleet=fleet, ledger=ledger, panic=panic, keep_reserve=keep_reserve, costs=costs)
    standbys = Standbys(streams=streams, fleet=fleet, gateways=gateways, balancer=balancer, keeper=keeper)
    takeover = Takeover(
        streams=streams,
        fleet=fleet,
        gateways=gateways,
        balancer=balancer,
        standbys=standbys,
        bus=bus,
        keeper=keeper,
    )
    recovery = Recovery(
        streams=streams,
        gateways=gateways,
        balancer=balancer,
        takeover=takeover,
        standbys=standbys,
        bus=bus,
        keeper=keeper,
    )
    thermal = ThermalMonitor(limits=thermal_limits, info=fleet.info, promised=_promised_on(fleet, ledger), bus=bus)
    turn = HeatTurn()
    hardware = device_rooms(
        store=store,
        fleet=fleet,
        ledger=ledger,
        streams=streams,
        gateways=gateways,
        balancer=balancer,
        warmth=thermal,
        turn=turn,
        bus=bus,
        keeper=keeper,
    )
    ending = Ending(
        streams=streams,
        fleet=fleet,
        gateways=gateways,
        balancer=balancer,
        bus=bus,
        keeper=keeper,
        freed=hardware.feeds.ended,
    )
    bus.listen(thermal.hear)
    fleet.heat_of, fleet.allowance = thermal.heat_of, thermal.allowance
    balancer.opened = thermal.placed
    wellbeing = Wellbeing(streams=streams, fleet=fleet, recovery=recovery, limits=health_limits)
    bus.listen(wellbeing.hear)
    watch = StreamWatch(
        streams=streams,
        fleet=fleet,
        gateways=gateways,
        recovery=recovery,
        ending=ending,
        reports=reports,
        warmth=thermal,
        wellbeing=wellbeing,
        drill_plan=drill_plan,
        turn=turn,
        bus=bus,
    )
    opening = Opening(
        validator=validator,
        streams=streams,
        fleet=fleet,
        gateways=gateways,
        balancer=balancer,
        takeover=takeover,
        recovery=recovery,
        ending=ending,
        feeds=hardware.feeds,
        bus=bus,
    )
    picture = Picture(
        streams=streams,
        fleet=fleet,
        gateways=gateways,
        balancer=balancer,
        standbys=standbys,
        takeover=takeover,
        recovery=recovery,
    )
    changing = Changing(
        validator=validator,
        streams=streams,
        gateways=gateways,
        picture=picture,
        devices=hardware.change,
    )
    quality = QualityControl(streams=streams, fleet=fleet, changing=changing, bus=bus, keeper=keeper)
    bus.listen(quality.hear)
    stream_service = StreamService(
        streams=streams,
        store=store,
        balancer=balancer,
        gateways=gateways,
        opening=opening,
        validator=validator,
        changing=changing,
        ending=ending,
        watch=watch,
        reports=reports,
    )
    drills = DrillService(streams=streams, fleet=fleet, gateways=gateways, bus=bus)
    encoders = EncoderService(
        fleet=fleet,
        ledger=ledger,
        streams=streams,
        gateways=gateways,
        on_restart=recovery.restart_all_on,
        devices=hardware.devices,
        feeds=hardware.feeds,
    )
    connections = HealthConnections()
    bus.listen(connections.hear)
    encoders.connection_of = connections.of
    adoption = Adoption(
        streams=streams,
        fleet=fleet,
        gateways=gateways,
        balancer=balancer,
        standbys=standbys,
        recovery=recovery,
        reports=reports,
        keeper=keeper,
    )
    switchboard = Switchboard(
        streams=streams,
        fleet=fleet,
        gateways=gateways,
        adoption=adoption,
        recovery=recovery,
        reports=reports,
        bus=bus,
        keeper=keeper,
    )
    return ControlRooms(
        hardware=hardware,
        streams=stream_service,
        encoders=encoders,
        drills=drills,
        balancer=balancer,
        fleet=fleet,
        gateways=gateways,
        live=streams,
        watch=watch,
        thermal=thermal,
        adoption=adoption,
        performing=performing(link=link, streams=streams, fleet=fleet, bus=bus),
        switchboard=switchboard,
    )


def _driver_over(link: LinkServer) -> DriverFor:
    """The driver of a node that came over the link."""
    return lambda info: NodeDriver(encoder_id=info.encoder_id, node_id=info.node_id, downlink=link)


def _promised_on(fleet: Fleet, ledger: Ledger) -> Callable[[EncoderId], Promised | None]:
    def promised(encoder_id: EncoderId) -> Promised | None:
        info = fleet.info(encoder_id)
        capacity = 0.0 if info is None else info.capabilities.capacity_pixels_per_s
        if capacity <= 0.0:
            return None
        pixels, streams = ledger.totals(encoder_id)
        return Promised(pixels / capacity, streams, ledger.count(encoder_id, Role.PRIMARY))

    return promised
